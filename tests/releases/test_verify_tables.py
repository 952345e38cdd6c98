"""Verify: the tables against each other and against the manifest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import release_world
from catalogs.files import read_json
from catalogs.releases.write import write_release
from spoiling import checks, edit, reseal


def test_a_key_in_two_shards_is_named(tmp_path: Path) -> None:
    entries = release_world.usual()
    entries["train-000001.tar"][0] |= {"key": "way-train-0000"}
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert "way-train-0000" in found["keys"][0].message


def test_a_footprint_that_is_not_its_grid_is_named(release: Path) -> None:
    def move(rows: list[dict[str, Any]]) -> None:
        rows[4]["transform"][2] += 50_000

    edit(release / "metadata" / "samples.parquet", move)
    reseal(release)
    found = checks(release)
    assert "footprints" in found and "grid" in found


def test_a_row_box_that_is_not_its_geometry_is_named(release: Path) -> None:
    edit(release / "metadata" / "samples.parquet", lambda r: r[4]["bbox"].update(xmax=0.0))
    reseal(release)
    assert "footprints" in checks(release)


@pytest.mark.parametrize(
    ("name", "change", "check"),
    [
        ("samples", lambda r: r[0].update(attribution=None), "provenance"),
        ("samples", lambda r: r[0].update(scene_ids=["x/y"]), "provenance"),
        ("samples", lambda r: r[0].update(osm_version=None), "provenance"),
        ("drops", lambda r: r.pop(), "accounting"),
        ("drops", lambda r: r[0].update(key="way-val-0001"), "accounting"),
        ("splits", lambda r: r.pop(20), "splits"),
        ("splits", lambda r: r[30].update(split="other"), "splits"),
        ("splits", lambda r: r[30].update(cell="val-cell"), "splits"),
        ("splits", lambda r: r.append(dict(r[30])), "splits"),
    ],
)
def test_tables_that_disagree_are_named(
    release: Path, name: str, change: Callable[[Any], None], check: str
) -> None:
    edit(release / "metadata" / f"{name}.parquet", change)
    reseal(release)
    assert check in checks(release)


def test_counts_that_do_not_add_up_are_named(release: Path) -> None:
    counts = read_json(release / "manifest.json")["counts"]
    reseal(release, counts={**counts, "planned": 99})
    assert "planned" in checks(release)["accounting"][0].message
