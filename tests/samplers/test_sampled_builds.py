"""Builds on the sample world that start from samplers: from places to a verified release."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyproj import Geod

import pipelines.commands.build as command
from catalogs.world import ensure
from catalogs.world.sites import SITES
from schemas.recipes import Card, Pack, Recipe
from schemas.windows import Grid as Pixels
from schemas.windows import Window
from transforms import encode, imagery, samplers, splits, windows

GEOD = Geod(ellps="WGS84")
FREE = ("--license", "points=CC0-1.0")


def recipe(start: Any, *plan: Any, roles: tuple[str, ...] = ("imagery",)) -> Recipe:
    return Recipe(
        card=Card("made", "1.0.0", "Made for a test", "A test.", ("image-classification",)),
        start=start,
        plan=(*plan, splits.ByCell(km=20, buffer_km=0, val=0.2, test=0.2)),
        make=(imagery.Read(bands=("red", "nir")),),
        pack=Pack({"tif": encode.GeoTiff(), "json": encode.Json()}),
        tables=(samplers.Audit(),),
        roles=roles,
    )


def built(
    found: Recipe, out: Path, monkeypatch: pytest.MonkeyPatch, *more: str
) -> tuple[Any, dict[str, Any], Any]:
    """(samples, audit, drops) of a verified release of a recipe."""
    monkeypatch.setattr(command, "recipe", lambda name: found)
    argv = ["--dataset", "skyscript", "--out", str(out), "--workers", "1", "--quiet"]
    argv += ["--imagery", str(ensure().catalog), *more]
    assert command.main(argv) == 0
    metadata = out / "made" / "v1.0.0" / "metadata"
    audit = json.loads((metadata / "audit.json").read_text())
    return (
        pq.read_table(metadata / "samples.parquet"),
        audit,
        pq.read_table(metadata / "drops.parquet"),
    )


def window(row: dict[str, Any]) -> Window:
    return Window(Pixels(row["crs"], tuple(row["transform"]), row["width"], row["height"]), 10.0)


def test_points_of_a_file_become_samples_under_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in the middle of its chip; a bad row is a drop of the release that names file and row."""
    sites = list(SITES)[:8]
    rows = [f"{site.id},{site.lon},{site.lat}" for site in sites]
    points = tmp_path / "plots.csv"
    points.write_text("\n".join(["id,lon,lat", *rows, "wrong,7.0,91.0"]) + "\n")
    made = recipe(
        samplers.Points(), imagery.Find(coarsest=0, max_cloud=100), windows.Centred(px=64),
        roles=("imagery", "points"),
    )  # fmt: skip
    samples, audit, drops = built(
        made, tmp_path / "out", monkeypatch, "--points", str(points), *FREE
    )
    assert set(samples["point_id"].to_pylist()) == {site.id for site in sites}
    at = {site.id: (site.lon, site.lat) for site in sites}
    for row in samples.to_pylist():
        lon, lat = window(row).centre()
        assert GEOD.inv(lon, lat, *at[row["point_id"]])[2] < 10
    lost = {r["code"]: r["message"] for r in drops.to_pylist()}
    assert "plots.csv, row 9" in lost["bounds"]
    assert audit["samples"] == len(samples)


def test_tiles_give_patches_with_all_their_dates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each Sentinel-2 scene of 384 pixels and year nine patches of 128, every one on its pixels."""
    made = recipe(samplers.Tiles(px=128, coarsest=10), samplers.Acquisitions(), samplers.Patch())
    found = SITES[0]
    box = tuple(map(str, (found.lon - 0.02, found.lat - 0.02, found.lon + 0.02, found.lat + 0.02)))
    samples, audit, _ = built(
        made, tmp_path / "out", monkeypatch, "--bbox", *box, "--years", "2021", "2021",
        "--set", "samplers.Tiles.coarsest=10",
    )  # fmt: skip
    coarse = [row for row in samples.to_pylist() if row["transform"][0] == 10.0]
    assert len(coarse) >= 9
    for row in coarse:
        assert len(row["datetimes"].split(",")) > 1
        left = min(r["transform"][2] for r in coarse)
        top = max(r["transform"][5] for r in coarse)
        assert row["transform"][2] == left + row["patch_col"] * 1280
        assert row["transform"][5] == top - row["patch_row"] * 1280
        assert row["key"].endswith(f"_patch_{row['patch_row']}_{row['patch_col']}")
    assert audit["samples"] == len(samples)
