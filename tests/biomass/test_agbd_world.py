"""`--dataset agbd` on the sample world: what is shipped is what the world is there."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import pipelines.commands.build as command
from catalogs.releases.biomass import read_patch
from catalogs.releases.verify import verify
from catalogs.sources.imagery import open_imagery
from catalogs.sources.terms import Override
from catalogs.world import World, ensure, truth
from schemas.windows import from_lonlat, to_lonlat

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> World:
    return ensure()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with the defaults, offline."""
    out = tmp_path_factory.mktemp("agbd-world")
    assert command.main(["--dataset", "agbd", "--out", str(out), "--quiet"]) == 0
    return out / "agbd" / "v1.0.0"


@pytest.fixture(scope="module")
def rows(done: Path) -> list[dict[str, Any]]:
    return pq.read_table(done / "metadata" / "samples.parquet").to_pylist()  # type: ignore[no-any-return]


def column(rows: list[dict[str, Any]], name: str) -> Any:
    return np.array([row[name] for row in rows])


def test_it_verifies_and_every_shot_is_accounted_for(done: Path, rows: Any) -> None:
    assert verify(done) == []
    counts = json.loads((done / "manifest.json").read_text())["counts"]
    assert counts["failed"] == 0
    assert counts["planned"] == counts["shipped"] + counts["rejected"]
    assert counts["shipped"] == len(rows) > 300
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    numbers = column(rows, "shot_number")
    assert len(set(numbers.tolist())) == len(numbers)
    tiles = Counter((row["s2_tile"], row["split"]) for row in rows)
    assert len({tile for tile, _ in tiles}) == len(tiles), "a tile is in one split"


def test_biomass_equals_the_worlds(world: World, rows: Any) -> None:
    """At the footprint's centre, to the precision of 32 bits."""
    lon, lat = column(rows, "lon_lowestmode"), column(rows, "lat_lowestmode")
    expected = truth.biomass(world, lon, lat)
    assert np.abs(column(rows, "agbd") - expected).max() < 1e-4
    assert column(rows, "agbd").max() > 200, "there are woods"


def test_the_footprint_lies_in_the_middle_pixel(rows: Any) -> None:
    for row in rows:
        lon, lat = np.array([row["lon_lowestmode"]]), np.array([row["lat_lowestmode"]])
        x, y = from_lonlat(row["crs"], lon, lat)
        a, _, c, _, e, f = row["transform"]
        assert (int((x[0] - c) // a), int((y[0] - f) // e)) == (12, 12)


def test_no_nearer_scene_was_there(world: World, rows: Any) -> None:
    """Acceptance check 5 on real catalogue items."""
    imagery = open_imagery(str(world.role("imagery")), Override())
    for row in rows[::17]:
        over = imagery.over(row["lon_lowestmode"], row["lat_lowestmode"])
        gaps = [row["sensed"] - s.datetime for s in over if s.datetime]
        fit = [gap for gap in gaps if timedelta(0) <= gap <= timedelta(days=180)]
        assert row["sensed"] - row["datetime"] == min(fit)
        assert row["datetime"].tzinfo is not None and row["sensed"] > datetime(
            2021, 1, 1, tzinfo=UTC
        )


def test_woods_are_high_and_bright_in_radar(done: Path, world: World, rows: Any) -> None:
    """Canopy height agrees with the world's; more biomass is more backscatter and deeper green."""
    high = [row for row in rows if row["agbd"] > 150][:40]
    low = [row for row in rows if row["agbd"] < 10][:40]
    assert len(high) > 10 and len(low) > 10
    middles: dict[str, dict[str, float]] = {}
    for name, group in (("high", high), ("low", low)):
        patches = [read_patch(done, row) for row in group]
        middles[name] = {
            "hv": float(np.mean([p["palsar"][1, 12, 12] for p in patches])),
            "height": float(np.mean([p["canopy"][0, 12, 12] for p in patches])),
            "swir": float(np.mean([p["s2"][10, 12, 12] for p in patches])),
        }
    assert middles["high"]["hv"] > 1.5 * middles["low"]["hv"]
    assert middles["high"]["height"] > middles["low"]["height"] + 10
    assert middles["high"]["swir"] < middles["low"]["swir"]


def test_elevation_is_the_worlds(done: Path, rows: Any) -> None:
    for row in rows[::23]:
        dem = read_patch(done, row)["dem"][0]
        a, _, c, _, e, f = row["transform"]
        x, y = np.meshgrid(c + (np.arange(25) + 0.5) * a, f + (np.arange(25) + 0.5) * e)
        lon, lat = to_lonlat(row["crs"], x, y)
        assert np.abs(dem - truth.elevation(lon, lat)).max() < 3


def test_statistics_hold_no_fill(done: Path) -> None:
    """Radar well above -83 dB, red of plants dark: neither fill nor the offset is in them."""
    lines = (done / "metadata" / "normalisation.csv").read_text().splitlines()
    table = {line.split(",")[1]: [float(v) for v in line.split(",")[2:8]] for line in lines[1:]}
    assert table["HH"][2] > -40 and table["HV"][2] > -50
    assert table["B04"][0] < 0.1 and table["B02"][4] < 0.05
    assert 0 <= table["agbd"][2] <= table["agbd"][3] <= 500
