"""Feature tables: the rows and drops of their extract, found by window and key."""

import json
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogs.sources.feature_matching import meeting
from catalogs.sources.feature_table import FeatureTable
from catalogs.sources.feature_writer import ROWS
from catalogs.sources.osm import COLUMNS, OsmDrop, features, open_osm
from catalogs.sources.osm_features import feature_table
from osm_world import WORLD, World, by_id
from schemas.errors import UsageError

KEYS = ["building", "highway", "landuse", "natural", "amenity", "leisure", "railway"]


def given(path: Path, keys: Any, bbox: Any = None) -> tuple[list[dict[str, Any]], set[OsmDrop]]:
    """Rows and drops that a source gives, in one order."""
    drops: list[OsmDrop] = []
    batches = open_osm(path).features(keys, bbox, drops.append)
    return by_id(pa.Table.from_batches(batches, COLUMNS)), set(drops)


def test_a_table_gives_what_its_extract_gives(extract: Path, table: FeatureTable) -> None:
    for keys in (KEYS, ["natural"], ["boundary"], ["shop"]):
        for bbox in (None, (9.5, 49.5, 10.0, 50.2)):
            rows, drops = given(table.path, keys, bbox)
            assert (rows, drops) == given(extract, keys, bbox)
    rows, drops = given(extract, KEYS)
    assert table.about["rows"] == len(rows) == 11_997  # of 12,002
    assert table.about["drops"] == {"geometry_invalid": 4, "members_missing": 1}
    assert len(drops) == 5


def test_everything_tagged_is_asked_of_the_table_too(extract: Path, table: FeatureTable) -> None:
    drops: list[OsmDrop] = []
    whole = pa.Table.from_batches(features(extract, None, on_drop=drops.append), COLUMNS)
    found = pa.Table.from_batches(table.features(None, None, on_drop=lambda drop: None), COLUMNS)
    assert by_id(found) == by_id(whole) == by_id(table.within(WORLD))
    assert table.drops().num_rows == len(drops)


@pytest.mark.parametrize("keys", [None, ["highway"], ["building", "landuse"]])
def test_within_is_every_object_that_meets_the_box(table: FeatureTable, keys: Any) -> None:
    rows = by_id(table.within(WORLD))
    sides = np.array([[row[side] for side in ("west", "south", "east", "north")] for row in rows])
    named = [not keys or not json.loads(row["tags"]).keys().isdisjoint(keys) for row in rows]
    dice = random.Random(3)
    for size in (0.002, 0.05, 0.5):
        for _ in range(20):
            west, south = dice.uniform(8.8, 11), dice.uniform(48.8, 51)
            box = (west, south, west + size, south + size)
            hit = (sides[:, 0] <= box[2]) & (sides[:, 2] >= west)
            hit &= (sides[:, 1] <= box[3]) & (sides[:, 3] >= south)
            assert by_id(table.within(box, keys)) == [rows[i] for i in np.flatnonzero(hit & named)]


def test_a_small_window_reads_few_row_groups(table: FeatureTable) -> None:
    meta = pq.ParquetFile(table.path).metadata
    sizes = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
    assert max(sizes) == ROWS
    assert sizes.count(ROWS) >= 2
    asked = FeatureTable(table.path)
    asked.within((9.2, 49.2, 9.2024, 49.2024))
    small = [index for index in asked._kept if sizes[index] == ROWS]
    assert len(small) <= 2
    assert len(asked._kept) < len(sizes) + 1


def test_the_antimeridian(tmp_path: Path) -> None:
    world = World()
    for lon in (179.999, -179.999, 0.0, 179.0):
        world.node((lon, 1), {"natural": "tree"})
    world.way(9, [(-179.9995, 1), (-179.998, 1)], {"highway": "path"})
    found = feature_table(world.write(tmp_path / "a.osm.pbf"), tmp_path)

    def ids(*box: float) -> list[int]:
        return sorted(row["osm_id"] for row in found.within(box).to_pylist())  # type: ignore[arg-type]

    assert ids(179.998, 0, -179.998, 2) == [1, 2, 9]
    assert ids(179.998, 0, 180.002, 2) == [1, 2, 9]
    assert ids(-180.002, 0, -179.998, 2) == [1, 2, 9]
    assert ids(179.998, 0, 180, 2) == [1]
    assert ids(-180, 0, 180, 2) == ids(-200, 0, 200, 2) == [1, 2, 3, 4, 9]
    with pytest.raises(UsageError, match="empty"):
        ids(1, 2, 2, 1)


def test_threads_and_processes_share_a_table(table: FeatureTable) -> None:
    boxes = [(9 + i * 0.05, 49.5, 9.06 + i * 0.05, 49.6) for i in range(30)]
    alone = [table.within(box).num_rows for box in boxes]
    shared = FeatureTable(table.path, cache_mb=0)  # every query reads anew
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda box: shared.within(box).num_rows, boxes * 3)) == alone * 3
    back = pickle.loads(pickle.dumps(shared))
    assert back.within(boxes[0]).num_rows == alone[0]
    assert len(pickle.dumps(table)) < 1000


def test_the_cache_is_bounded(table: FeatureTable) -> None:
    small = FeatureTable(table.path, cache_mb=1)
    small.within(WORLD)
    assert small._size() <= 1 << 20 or len(small._kept) == 1


def test_keys_in_values_are_no_keys(tmp_path: Path) -> None:
    world = World()
    for value in ('"highway":', ',"highway":"x', 'x{"highway":1}', "\\", '\\",highway'):
        world.node((1, 1), {"natural": value})
    world.node((1, 1), {'x"highway': "yes"})
    world.node((1, 1), {"highway": "stop"})
    made = feature_table(world.write(tmp_path / "a.osm.pbf"), tmp_path)
    assert [row["osm_id"] for row in made.within(WORLD, ["highway"]).to_pylist()] == [7]
    assert made.within(WORLD, ["natural"]).num_rows == 5
    assert made.within(WORLD, ['x"highway']).num_rows == 1


def test_meeting_counts_borders() -> None:
    boxes = np.array([[0.0, 0, 1, 1], [1, 1, 2, 2], [3, 3, 4, 4]])
    assert meeting(boxes, (1, 1, 1, 1)).tolist() == [True, True, False]
    assert meeting(boxes, (3.5, 0, 0.5, 9)).tolist() == [True, False, True]
