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

from catalogs.sources.gedi import granules as granule_module
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
        f"1 granule joined to nothing, no L4A of the same orbit and part is there, e.g. {L2A_NAME} of "
        "orbit 9168, part 0 (release 001 numbers no parts)",
        "1 granule with nothing joined to it, no granule of another product of the same orbit and part "
        f"is there, e.g. {L4A_NAME} of orbit 9168, part 3 (release 001 numbers no parts)",
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


def told(folder: Path, bounds: Any = None) -> tuple[list[int], list[tuple[int, str]]]:
    """(numbers of the rows, (number, reason) of the others), counted from the first shot."""
    first = int(shot_numbers("BEAM0101", 1)[0])
    drops: list[tuple[int, str]] = []
    tables = open_shots(folder).shots(
        bounds, ("agbd",),
        lambda shots, code, *_: drops.extend((int(s) - first, code) for s in shots),
        lambda *_: None,
    )  # fmt: skip
    rows = [n - first for table in tables for n in table["shot_number"].to_pylist()]
    return rows, sorted(drops)


def beam(numbers: list[int], nowhere: set[int] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    """A beam of such shots, those at some rows without a place."""
    first, places = int(shot_numbers("BEAM0101", 1)[0]), line(len(numbers))
    for row in nowhere:
        places["lon"][row] = np.nan
    return {"BEAM0101": {**places, "shot_number": [first + n for n in numbers]}}


@pytest.mark.parametrize("piece", [1, 2, 100])
def test_a_double_without_a_place_pushes_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """However much is read at once, and with an area or without."""
    monkeypatch.setattr(granule_module, "PIECE", piece)
    l4a(tmp_path / L4A_NAME, beam([1, 1, 2, 3], nowhere={0, 3}))
    assert told(tmp_path) == ([1, 2], [(1, "duplicate_shot"), (3, "gedi:no_place")])
    assert told(tmp_path, (0, 0, 90, 90))[0] == [1, 2]


def test_a_place_that_only_the_older_granule_knows(tmp_path: Path) -> None:
    newer, older = L4A_NAME.replace("_02_002_02_", "_02_002_03_"), L4A_NAME
    l4a(tmp_path / newer, beam([1, 2, 3], nowhere={0, 2}))
    l4a(tmp_path / older, beam([1, 2, 3], nowhere={2}))
    rows, drops = told(tmp_path)
    assert rows == [2, 1]
    assert drops == [
        (1, "duplicate_shot"), (2, "duplicate_shot"), (3, "gedi:no_place"), (3, "gedi:no_place")
    ]  # fmt: skip


def test_losses_of_a_granule_that_breaks_are_told_once(tmp_path: Path) -> None:
    """By the older granule, which is read in its place."""
    newer, older = L4A_NAME.replace("_02_002_02_", "_02_002_03_"), L4A_NAME
    for name in (newer, older):
        l4a(tmp_path / name, beam([1, 5, 5, 7], nowhere={0}))
    with h5py.File(tmp_path / newer, "r+") as file:
        place = file["BEAM0101/agbd"].id.get_chunk_info(0).byte_offset
    with (tmp_path / newer).open("r+b") as stream:
        stream.seek(place)
        stream.write(b"\xff" * 8)
    assert told(tmp_path) == ([5, 7], [(1, "gedi:no_place"), (5, "duplicate_shot")])
