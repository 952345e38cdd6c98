"""The same inputs and seed give the same bytes, whatever the order, the workers and the machine."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import building
import small_world
from building import PARTS, arguments, main, release, tree
from small_world import World


def test_the_small_world_is_what_it_says(world: World, built: Any) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(release(built.out) / "metadata" / "samples.parquet").to_pylist()
    for row in rows:
        scene, _, tag = world.objects[row["osm_id"]]
        assert row["split"] == scene.split("-")[0]
        assert row["main_tag"] == tag
        assert row["scene_ids"] == [f"local/{scene}"]
    lost = pq.read_table(release(built.out) / "metadata" / "drops.parquet").to_pylist()
    bad = {small_world.BAD["no data"]: "nodata_share", small_world.BAD["blank"]: "blank"}
    edge = small_world.EDGE[1]
    for row in lost:
        scene, slot, _ = world.objects[int(row["key"][1:].split("_")[0])]
        twin = scene == small_world.TWINS[0] and slot in (small_world.TWINS[1], 12)
        expected = "thinned" if twin else "buffer" if scene == edge else bad[scene, slot]
        assert row["code"] == expected
    assert len(rows) + len(lost) == len(world.objects) == 97
    assert len(lost) == 15


def test_fault_16_order_of_files_and_objects(world: World, built: Any, tmp_path: Path) -> None:
    other = World(tmp_path / "other", world.objects)
    other.imagery.mkdir(parents=True)
    for path in sorted(world.imagery.iterdir(), reverse=True):
        shutil.copy(path, other.imagery)
    small_world.rewritten(world.osm, other.osm)
    assert main(arguments(other, tmp_path / "out", "--workers", "1")) == 0
    assert tree(release(tmp_path / "out"), PARTS) == built.parts


@pytest.mark.parametrize("sizes", [{"block": 512, "partition": 5000}, {"block": 3, "partition": 6}])
def test_fault_16_other_blocks_and_partitions(
    sizes: dict[str, int], world: World, built: Any, tmp_path: Path
) -> None:
    assert main(arguments(world, tmp_path, "--workers", "1"), sizes) == 0
    assert tree(release(tmp_path), PARTS) == built.parts


PLACES = [
    {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "1"},
    {"TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
     "PYTHONHASHSEED": "2"},
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_fault_17_18_clock_zone_and_locale(
    place: dict[str, str], world: World, built: Any, tmp_path: Path
) -> None:
    env = {**place, "SOURCE_DATE_EPOCH": building.EPOCH}
    done = building.ran(arguments(world, tmp_path), env)
    assert done.returncode == 0, done.stderr
    assert tree(release(tmp_path)) == built.whole, "SOURCE_DATE_EPOCH fixes every file"


def test_the_epoch_is_all_that_fixes_the_whole(built: Any) -> None:
    manifest = (release(built.out) / "manifest.json").read_text()
    assert "2023-11-14T22:13:20Z" in manifest
    run = (release(built.out) / "provenance" / "run.json").read_text()
    assert str(built.out) not in run and os.sep + "tmp" not in run
