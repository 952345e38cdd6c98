"""Verify: distances, objects and look-alikes across splits."""

from pathlib import Path

import numpy as np
import pytest

import release_world
from catalogs.files import read_json
from catalogs.releases.write import write_release
from spoiling import checks


def test_fault_63_a_sample_in_the_wrong_split_is_named_with_its_neighbour(tmp_path: Path) -> None:
    entries = release_world.usual()
    moved = entries["train-000000.tar"].pop(5)
    entries["val-000000.tar"].append({**moved, "split": "val"})
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    assert read_json(world.stage / "stats" / "quality.json")["splits"]["promise_kept"] is False
    found = checks(world.stage)
    assert "way-train-0005 (val)" in found["buffer"][0].message
    assert "(train)" in found["buffer"][0].message
    assert "overlap" not in found


def test_footprints_that_overlap_across_splits_are_named(tmp_path: Path) -> None:
    entries = release_world.usual()
    twin = {**release_world.row("train", 3), "split": "val", "key": "twin", "osm_id": 77}
    twin["phash"] = ""
    entries["val-000000.tar"].append(twin)
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert set(found) == {"buffer", "overlap"}
    assert "twin" in found["overlap"][0].message and "way-train-0003" in found["overlap"][0].message


def test_one_object_in_two_splits_is_named(tmp_path: Path) -> None:
    entries = release_world.usual()
    entries["val-000000.tar"][2]["osm_id"] = 1004
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert set(found) == {"objects"} and "way/1004" in found["objects"][0].message


def test_look_alikes_across_splits_are_named_when_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(release_world.CENTRES, "val", (7.2, 50.0))
    entries = release_world.usual()
    code = int(entries["train-000000.tar"][7]["phash"], 16)
    entries["val-000000.tar"][6]["phash"] = f"{code ^ 0b10110:016x}"
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert set(found) == {"near_duplicates"}
    message = found["near_duplicates"][0].message
    assert "way-train-0007" in message and "way-val-0006" in message and "3 of 64" in message


def test_a_spoilt_release_gives_a_short_list(tmp_path: Path) -> None:
    entries = release_world.usual()
    names = np.array(["train", "val"])
    for number, entry in enumerate(entries["train-000000.tar"] + entries["train-000001.tar"]):
        entry["split"] = str(names[number % 2])
    mixed = {"train-000000.tar": [], "val-000000.tar": entries["val-000000.tar"]}
    for entry in entries["train-000000.tar"] + entries["train-000001.tar"]:
        mixed[f"{entry['split']}-000000.tar"].append(entry)
    world = release_world.build(tmp_path, {**mixed, "test-000000.tar": entries["test-000000.tar"]})
    write_release(*world.inputs())
    assert 0 < len(checks(world.stage)["buffer"]) <= 26
