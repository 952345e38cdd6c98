"""Shots of one granule joined to those of another by number, and those that come twice."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from catalogs.sources.gedi import open_shots
from granules import BEAMS, L2A_NAME, L4A_NAME, l2a, l4a, line, read, shot_numbers


def test_a_granule_that_joins_nothing_is_told(tmp_path: Path) -> None:
    """Another orbit, or release 001, whose numbers have no part."""
    l4a(tmp_path / L4A_NAME, {b: line(2) for b in BEAMS})
    l2a(tmp_path / L2A_NAME, {b: line(2) for b in BEAMS})
    assert open_shots(tmp_path).about.notes == ()
    with h5py.File(tmp_path / L2A_NAME, "a") as file:
        for beam in BEAMS:
            del file[f"{beam}/digital_elevation_model_srtm"]
    assert open_shots(tmp_path).about.notes == (
        f"1 granule joined to nothing, e.g. {L2A_NAME}: no L4A of orbit 9168, part 0 is there "
        "(release 001 numbers no parts)",
        f"{L2A_NAME}: its name says version 002, its datasets are those of V1, which count",
    )
    source = open_shots(tmp_path)
    assert pa.concat_tables(source.shots(None, ("rh98",)))["rh98"].null_count == 16


@drawn(
    st.lists(st.integers(0, 30), min_size=1, max_size=20), st.permutations(range(20)),
    st.integers(1, 20),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_shots_are_joined_by_number_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory, above: list[int], below: list[int], there: int
) -> None:
    """Doubles count once, the first of them; heights come from the shot of the same number."""
    folder = tmp_path_factory.mktemp("order")
    first = int(shot_numbers("BEAM0101", 1)[0])
    below = below[:there]
    l4a(folder / L4A_NAME, {"BEAM0101": {
        **line(len(above)), "shot_number": [first + n for n in above],
        "agbd": np.arange(len(above))}})  # fmt: skip
    l2a(folder / L2A_NAME, {"BEAM0101": {
        **line(len(below)), "shot_number": [first + n for n in below],
        "rh98": [float(n) for n in below]}})  # fmt: skip
    twice: list[int] = []
    found = pa.concat_tables(open_shots(folder).shots(
        None, ("agbd", "rh98"), lambda shots, code, *_: twice.extend(shots.tolist())
    )).to_pylist()  # fmt: skip
    kept = list(dict.fromkeys(above))
    assert [row["shot_number"] - first for row in found] == kept
    assert [row["agbd"] for row in found] == [above.index(n) for n in kept]
    assert [row["rh98"] for row in found] == [float(n) if n in below else None for n in kept]
    assert len(twice) == len(above) - len(kept)


def test_heights_are_joined_by_number(tmp_path: Path) -> None:
    """Another order, shots that only one product has, and a second granule that fills what is missing."""
    numbers = shot_numbers("BEAM0101", 6)
    l4a(tmp_path / L4A_NAME, {"BEAM0101": line(6), "BEAM0110": line(2)})
    mixed = numbers[[4, 2, 0, 1]]
    l2a(
        tmp_path / L2A_NAME, {"BEAM0101": {**line(4), "shot_number": mixed, "rh98": [4, 2, 0.5, 1]}}
    )
    second = {**line(2), "shot_number": numbers[[2, 5]], "rh98": [99, 5]}
    l2a(tmp_path / L2A_NAME.replace("_01_V", "_00_V"), {"BEAM0101": second})
    found = read(tmp_path, ("rh98", "rh50", "agbd"))
    assert found["shot_number"].to_pylist()[:6] == numbers.tolist()
    assert found["rh98"].to_pylist() == [0.5, 1, 2, None, 4, 5, None, None]
    assert found["rh50"].null_count == 3
    assert len(found) == 8
    assert open_shots(tmp_path).product == "L4A"


def test_a_later_production_comes_first(tmp_path: Path) -> None:
    """Two granules of the same shots: the newer one's values, the rest counted."""
    l4a(tmp_path / L4A_NAME, {"BEAM0101": {**line(4), "agbd": 1.0}})
    l4a(tmp_path / L4A_NAME.replace("_02_V002", "_03_V002"), {"BEAM0101": {**line(3), "agbd": 2.0}})
    lost: list[tuple[list[int], str]] = []

    def on_drop(shots: Any, code: str, message: str, lon: Any, lat: Any) -> None:
        lost.append((shots.tolist(), code))

    tables = list(open_shots(tmp_path).shots(None, ("agbd",), on_drop))
    found = pa.concat_tables(tables)
    assert sorted(found["agbd"].to_pylist()) == [1, 2, 2, 2]
    assert found["shot_number"].to_pylist() == shot_numbers("BEAM0101", 4).tolist()
    assert lost == [(shot_numbers("BEAM0101", 3).tolist(), "duplicate_shot")]


def test_shots_without_a_place_are_counted(tmp_path: Path) -> None:
    path = l4a(
        tmp_path / L4A_NAME, {"BEAM0101": {"lon": [1, -9999, np.nan, 4], "lat": [1, 1, 1, 95.0]}}
    )
    lost: list[tuple[int, str]] = []
    found = pa.concat_tables(
        open_shots(path).shots(None, (), lambda shots, code, *_: lost.append((len(shots), code)))
    )
    assert found["lon"].to_pylist() == [1]
    assert lost == [(3, "gedi:no_place")]
