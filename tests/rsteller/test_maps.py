"""The map asked by window: from its table on disk as from memory."""

from pathlib import Path

import pyarrow as pa
import pytest

from catalogs.sources.feature_index import FeatureIndex, asked
from catalogs.sources.feature_table import FeatureTable
from catalogs.world import ensure
from pipelines import maps
from schemas.errors import UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    osm = ensure().osm
    maps.map_of.cache_clear()
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "cache"))
    link = tmp_path / "world.osm.pbf"
    link.symlink_to(osm)
    return link


def test_an_extract_is_asked_through_its_table_and_gives_what_memory_gives(cache: Path) -> None:
    """The same rows in the same order, for boxes around objects and for one that holds them all."""
    whole = FeatureIndex.of(cache)
    some = whole.table.take(list(range(0, whole.table.num_rows, 997)))
    boxes = [
        (row["west"] - 0.002, row["south"] - 0.001, row["east"] + 0.002, row["north"] + 0.001)
        for row in some.to_pylist()
    ]
    by = [("osm_type", "ascending"), ("osm_id", "ascending")]
    met = 0
    for box in (*boxes, (-180.0, -90.0, 180.0, 90.0)):
        found = maps.within(str(cache), 2, box)
        expected = whole.within(box, asked()).sort_by(by)
        assert found.to_pylist() == expected.to_pylist()
        met += found.num_rows
    assert len(boxes) > 10 and met > whole.table.num_rows


def test_the_table_is_made_once(cache: Path) -> None:
    """A second build, and one of a copy under another name, find it or make its equal."""
    first = maps.map_of(str(cache), 1)
    assert isinstance(first, FeatureTable)
    made = first.path.stat().st_mtime_ns
    maps.map_of.cache_clear()
    again = maps.map_of(str(cache), 8)
    assert isinstance(again, FeatureTable)
    assert (again.path, again.path.stat().st_mtime_ns) == (first.path, made)


def test_a_table_that_lacks_keys_is_refused(cache: Path, tmp_path: Path) -> None:
    """It says which it has."""
    from catalogs.sources.osm_features import feature_table

    table = feature_table(cache, tmp_path / "few.parquet", keys=["building"])
    with pytest.raises(UsageError, match=r"few\.parquet holds objects with building only"):
        maps.within(str(table.path), 1, (0, 0, 1, 1))


def test_a_table_of_everything_serves_any_recipe(cache: Path, tmp_path: Path) -> None:
    """And gives the same rows as the extract."""
    from catalogs.sources.osm_features import feature_table

    table = feature_table(cache, tmp_path / "all.parquet")
    world = (-180.0, -90.0, 180.0, 90.0)
    given: pa.Table = maps.within(str(table.path), 1, world)
    assert given.equals(maps.within(str(cache), 1, world))


def test_a_cache_that_cannot_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says so, and what to name instead."""
    monkeypatch.setenv("EARTHLOOM_CACHE", "/proc/nowhere")
    with pytest.raises(UsageError, match="EARTHLOOM_CACHE"):
        maps.map_of(str(cache), 1)
