"""Overlaps: as a search of all pairs finds them, looked for among true neighbours only."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pytest
import shapely

from catalogs.sources.parcels import making, open_parcels, overlaps
from tests.parcels.registers import fields, register, say


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(making, "GROUP", 128)


def test_they_are_those_of_all_pairs(tmp_path: Path) -> None:
    """Of parcels in two years over several groups: more than 1 % of its area in another's."""
    chance = np.random.default_rng(8)
    x, y = 400_000 + chance.uniform(0, 9_000, 900), 5_700_000 + chance.uniform(0, 3_000, 900)
    shapes = shapely.box(x, y, x + chance.uniform(20, 200, 900), y + chance.uniform(20, 200, 900))
    years = chance.choice([2020, 2021], 900)
    path = register(tmp_path / "r.parquet", list(shapes), jahr=years.tolist())
    say(path, year="jahr")
    table = pa.concat_tables(open_parcels(path).batches()).to_pylist()
    frame = gpd.GeoDataFrame({"jahr": years}, geometry=shapes, crs=25833)
    pairs = frame.sjoin(frame, predicate="intersects").reset_index()
    pairs = pairs[(pairs["index"] != pairs["index_right"]) & (pairs.jahr_left == pairs.jahr_right)]
    both = shapely.area(shapely.intersection(shapes[pairs["index"]], shapes[pairs["index_right"]]))
    share = both / shapely.area(shapes[pairs["index"]])
    assert not ((share > 0.00999) & (share < 0.01001)).any()  # so that no rounding decides
    expected = {f"P{i}" for i in pairs["index"][share > 0.01]}
    assert 200 < len(expected) < 800
    assert {row["id"] for row in table if row["overlaps"]} == expected


@pytest.mark.parametrize("count", [2_000, 8_000])
def test_a_group_is_compared_with_its_neighbours_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """However large the register: a curve that leaves it comes back in a group far away."""
    asked: list[tuple[int, int]] = []
    covered = overlaps.covered

    def counted(some: pa.Table, others: pa.Table) -> Any:
        asked.append((len(some), len(others)))
        return covered(some, others)

    monkeypatch.setattr(overlaps, "covered", counted)
    path = register(tmp_path / "r.parquet", fields(count))  # 20 m apart: nobody has a neighbour
    say(path)
    open_parcels(path)
    assert len(asked) > count // 130
    assert all(others == some for some, others in asked)
