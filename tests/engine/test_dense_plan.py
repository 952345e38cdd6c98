"""A crowded place planned in partitions of any size gives one plan, and it keeps its promises."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine

import building
import small_world
from catalogs.files import read_json
from small_world import CRS, World
from test_neighbours import haversine

SIDE = 12_000
CAP = 60


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two scenes without pixels on both sides of a test cell's border, 500 houses and ponds."""
    world = World(tmp_path_factory.mktemp("dense") / "world")
    world.imagery.mkdir(parents=True)
    (left, top) = small_world.places()[small_world.EDGE[1]]
    rng = np.random.default_rng(11)
    nodes: list[Any] = []
    ways: list[Any] = []
    for number, west in enumerate((left - 6_000.0, left + 1_300.0)):
        with rasterio.open(
            world.imagery / f"s{number}.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=1,
            dtype="uint8", crs=CRS, transform=Affine(0.6, 0, west, 0, -0.6, top), tiled=True,
            SPARSE_OK=True, compress="deflate",
        ):  # fmt: skip
            pass
        centres = rng.uniform(500, SIDE - 500, (12, 2))
        for place in range(250):
            col, row = (centres[place % 12] + rng.normal(0, 120, 2)).clip(50, SIDE - 50).astype(int)
            tags = {"building": "house"} if place % 3 else {"natural": "water"}
            ident = 1000 * (number + 1) + place
            small_world.add_way(ident, nodes, ways, (west, top), (int(col), int(row), 24), tags)
    small_world.write_osm(world.osm, nodes, ways)
    return world


def plan_of(job: Any) -> tuple[pa.Table, set[tuple[Any, ...]], dict[str, Any]]:
    """(planned rows by key, drops, summary) of a finished plan."""
    summary = read_json(job.planned / "plan.json")
    paths = [job.planned / "blocks" / f"{b['id']}.parquet" for b in summary["blocks"]]
    table = pa.concat_tables([pq.read_table(p) for p in paths]).sort_by("key")
    drops = [
        tuple(row.values())
        for path in (job.planned / "drops").glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert len(drops) == len(set(drops))
    return table, set(drops), summary


@pytest.fixture(scope="module")
def whole(dense: World, tmp_path_factory: pytest.TempPathFactory) -> Any:
    more = ("--workers", "1", "--set", f"quotas.cap={CAP}")
    sizes = {"block": 64, "partition": 5000}
    return plan_of(building.planned(dense, tmp_path_factory.mktemp("whole"), sizes, *more))


@pytest.mark.parametrize("partition", [pytest.param(3, marks=pytest.mark.slow), 40])
def test_partitions_do_not_show(partition: int, dense: World, whole: Any, tmp_path: Path) -> None:
    more = ("--workers", "1", "--set", f"quotas.cap={CAP}")
    job = building.planned(dense, tmp_path, {"block": 64, "partition": partition}, *more)
    table, drops, summary = plan_of(job)
    assert table.equals(whole[0])
    assert drops == whole[1]
    assert summary["planned"] == whole[2]["planned"] == len(table) + len(drops) == 500


def test_the_plan_is_crowded_enough_to_mean_something(whole: Any) -> None:
    codes = {code: n for _, code, _, n in whole[2]["drops"]}
    assert codes.keys() == {"thinned", "quota", "buffer"}
    assert min(codes.values()) > 20
    assert {"train", "test"} <= whole[2]["splits"].keys()


def test_survivors_keep_their_distances(whole: Any) -> None:
    rows = whole[0].to_pylist()
    for i, a in enumerate(rows):
        for b in rows[:i]:
            apart = haversine(
                (a["centre_lon"], a["centre_lat"]), (b["centre_lon"], b["centre_lat"])
            )
            if a["scene_ids"] == b["scene_ids"]:
                assert apart >= 64 * max(a["gsd_m"], b["gsd_m"]) - 1e-3
            if a["split"] != b["split"]:
                half = sum(0.5 * 0.6 * math.hypot(r["width"], r["height"]) for r in (a, b))
                assert apart - half >= 5_000 - 1.0


def test_quota_over_all_partitions(whole: Any) -> None:
    table, drops, _ = whole
    kept = [r["main_tag"] for r in table.to_pylist()]
    lost = {d[0] for d in drops if d[3] == "buffer"}
    for tag in ("building=house", "natural=water"):
        assert kept.count(tag) <= CAP + 4 * math.sqrt(CAP)
    assert lost
