"""The recipe on a small place: pixels, scenes and layers around each shot, and their statistics."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio

import biomass_world
import pipelines.commands.build as command
from biomass_world import BANDS, CRS, DATES, TO_CRS, Biomass
from catalogs.releases.biomass import read_patch
from schemas.biomass import decibels
from schemas.sensors import L2A_BANDS, SENTINEL_2


def test_the_shot_lies_in_the_middle_pixel(rows: Any) -> None:
    """Acceptance check 6, on the scene's own grid."""
    for row in rows:
        x, y = TO_CRS.transform(row["lon_lowestmode"], row["lat_lowestmode"])
        a, _, c, _, e, f = row["transform"]
        assert (row["width"], row["height"]) == (25, 25)
        assert (int((x - c) // a), int((y - f) // e)) == (12, 12)
        assert (a, e) == (10, -10) and c % 10 == 0 and f % 10 == 0


def test_the_scene_is_the_nearest_before_the_shot(rows: Any) -> None:
    """Acceptance check 5: not the nearer one after it, nor the older one before it."""
    shot = datetime(2020, 7, 31, 10, tzinfo=UTC)
    for row in rows:
        assert row["sensed"] == shot
        assert row["datetime"] == datetime(2020, 5, 10, 10, 10, 31, tzinfo=UTC)
        assert (
            0
            <= row["day_gap"]
            == pytest.approx((shot - row["datetime"]).total_seconds() / 86400, abs=1e-5)
        )


def test_reflectance_is_that_of_the_ground(done: Path, rows: Any) -> None:
    """Acceptance check 9: the offset of baseline 05.00 is removed; coarser bands are interpolated."""
    day = "20200510"
    for row in rows[::9]:
        found = read_patch(done, row)["s2"]
        a, _, c, _, e, f = row["transform"]
        x, y = np.meshgrid(c + (np.arange(25) + 0.5) * a, f + (np.arange(25) + 0.5) * e)
        for place, band in enumerate(BANDS):
            truth = biomass_world.reflectance(band, day, x, y) * 10_000
            edge = BANDS[band] / 2e6 * 1.5 * 10_000 + 1.1  # half a coarse pixel at the scene's edge
            assert np.abs(found[place] - truth).max() <= edge, band
            assert np.abs(found[place][6:19, 6:19] - truth[6:19, 6:19]).max() <= 1.1
        assert row["processing_baseline"] == "05.00" and row["offset_applied"] == -1000
        assert row["bands"] == ",".join(L2A_BANDS)


def test_an_older_baseline_keeps_its_numbers(world: Biomass, tmp_path: Path) -> None:
    """Acceptance check 9: of 2019 at 02.12, which never had an offset."""
    found = json.loads((world.folder / "items.json").read_text())
    found["features"] = [i for i in found["features"] if "_20190601T" in i["id"]]
    (tmp_path / "old.json").write_text(json.dumps(found))
    argv = world.arguments(tmp_path, "--set", "imagery.max_days=600", "--limit", "20")
    argv[argv.index("--imagery") + 1] = str(tmp_path / "old.json")
    assert command.main(argv) == 0
    release = tmp_path / "agbd" / "v1.0.0"
    row = pq.read_table(release / "metadata" / "samples.parquet").to_pylist()[0]
    middle = read_patch(release, row)["s2"][3, 12, 12]
    a, _, c, _, e, f = row["transform"]
    truth = biomass_world.reflectance("B04", "20190601", c + 12.5 * a, f + 12.5 * e) * 10_000
    assert abs(middle - truth) <= 1.1
    assert row["offset_applied"] == 0 and row["processing_baseline"] == "02.12"


def test_layers_lie_on_the_same_grid(done: Path, rows: Any) -> None:
    """Radar of the image's year, elevation, canopy height and classes, each at its place."""
    for row in rows[::7]:
        patch = read_patch(done, row)
        assert {name: array.shape for name, array in patch.items()} == {
            "s2": (12, 25, 25), "scl": (1, 25, 25), "palsar": (2, 25, 25), "dem": (1, 25, 25),
            "canopy": (2, 25, 25), "landcover": (2, 25, 25),
        }  # fmt: skip
        assert [patch[n].dtype for n in ("s2", "scl", "palsar", "dem", "canopy", "landcover")] == [
            np.uint16, np.uint8, np.uint16, np.int16, np.uint8, np.uint8,
        ]  # fmt: skip
        radar = patch["palsar"]
        assert set(np.unique(radar[0]).tolist()) <= {0, 5100} and set(
            np.unique(radar[1]).tolist()
        ) <= {0, 2550}
        a, _, c, _, e, f = row["transform"]
        x, y = np.meshgrid(c + (np.arange(25) + 0.5) * a, f + (np.arange(25) + 0.5) * e)
        lon, lat = TO_CRS.transform(x, y, direction="INVERSE")
        assert np.abs(patch["dem"][0] - biomass_world.elevation(lon, lat)).max() <= 1.1
        assert set(np.unique(patch["landcover"][0]).tolist()) <= {112, 40}
        assert any("palsar" in name and name.endswith("_2020") for name in row["layer_ids"])


def test_statistics_are_those_of_the_shipped_train_patches(done: Path, rows: Any) -> None:
    """Recomputed from the files: train alone, fill left out, offset removed."""
    table = {}
    for text in (done / "metadata" / "normalisation.csv").read_text().splitlines()[1:]:
        group, name, *numbers = text.split(",")
        table[group, name] = [float(v) for v in numbers[:6]], int(numbers[6])
    train = [row for row in rows if row["split"] == "train"]
    patches = [read_patch(done, row) for row in train]
    pixels = {
        ("S2_bands", "B04"): np.concatenate([p["s2"][3].ravel() for p in patches]) / 10_000,
        ("S2_bands", "B09"): np.concatenate([p["s2"][9].ravel() for p in patches]) / 10_000,
        ("ALOS_bands", "HV"): np.concatenate([decibels(p["palsar"][1]).ravel() for p in patches]),
        ("DEM", "DEM"): np.concatenate([p["dem"][0].ravel() for p in patches]).astype(float),
        ("CH", "ch"): np.concatenate([p["canopy"][0].ravel() for p in patches]).astype(float),
        ("GEDI", "agbd"): np.array([row["agbd"] for row in train]),
    }
    pixels["CH", "ch"][pixels["CH", "ch"] == 255] = np.nan
    for name, values in pixels.items():
        good = values[np.isfinite(values)]
        (mean, std, low, high, p1, p99), count = table[name]
        assert count == len(good), name
        assert mean == pytest.approx(good.mean(), rel=1e-5) and std == pytest.approx(
            good.std(), abs=2e-5 * abs(mean)
        )
        assert (low, high) == (
            pytest.approx(good.min(), rel=1e-5),
            pytest.approx(good.max(), rel=1e-5),
        )
        width = {"S2_bands": 0.001, "ALOS_bands": 0.05}.get(name[0], 1.0)
        assert (
            abs(p1 - np.percentile(good, 1)) <= width
            and abs(p99 - np.percentile(good, 99)) <= width
        )
    assert table["ALOS_bands", "HH"][0][2] > -20, "the fill of the mosaics does not count"
    assert {name for _, name in table} >= {
        *BANDS,
        "HH",
        "HV",
        "ch",
        "std",
        "DEM",
        "agbd",
        "rh98",
        "date",
    }
    assert table["GEDI", "date"][0][0] == (datetime(2020, 7, 31) - datetime(2019, 4, 16)).days


def test_members_open_by_themselves(done: Path, rows: Any) -> None:
    """Names, CRS and nodata in every file."""
    row = rows[0]
    expected = {
        "s2": (12, 0),
        "palsar": (2, 0),
        "dem": (1, -9999),
        "canopy": (2, 255),
        "landcover": (2, 255),
    }
    for name, (count, nodata) in expected.items():
        with (done / "data" / row["shard"]).open("rb") as stream:
            stream.seek(row[f"{name}_geotiff_offset"])
            data = stream.read(row[f"{name}_geotiff_size"])
        with rasterio.MemoryFile(data) as memory, memory.open() as file:
            assert (file.count, file.nodata, str(file.crs)) == (count, nodata, CRS)
            assert list(file.transform)[:6] == row["transform"]
            assert all(file.descriptions)
    assert tuple(SENTINEL_2[band] for band in BANDS) == L2A_BANDS
    assert set(DATES) == {"20190601", "20200510", "20200820"}
