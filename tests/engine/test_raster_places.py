"""Rasters without an honest place or with pixels that hold no data."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine

import building
import small_world
from building import arguments, main, release, work
from catalogs.sources.headers import describe
from raster_files import NORTH_UP, code_of, write
from small_world import World
from transforms.imagery import valid_pixels


def test_pictures_without_a_place_are_refused_without_a_warning(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "x.png"
    Image.new("RGB", (8, 8)).save(path)
    code = "import sys; from catalogs.rasters import open_raster; open_raster(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=building.ROOT, capture_output=True,
        text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert code_of(path) == "no_crs"


LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'


@pytest.mark.parametrize(
    ("crs", "transform", "code"),
    [
        (None, NORTH_UP, "no_crs"),
        (None, Affine.identity(), "no_crs"),
        (LOCAL, NORTH_UP, "local_crs"),
        ("EPSG:32632", NORTH_UP @ Affine.rotation(20), "rotated_grid"),
        ("EPSG:32632", Affine(0, 0.6, 500_000, -0.6, 0, 5_200_000), "rotated_grid"),
    ],
)
def test_fault_39_pixels_without_an_honest_place(
    crs: Any, transform: Affine, code: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.tif", crs, transform, driver="GTiff", blocksize=None, overviews=None)
    assert code_of(path) == code


def test_fault_39_geographic_crs_is_measured(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tif", "EPSG:4326", Affine(1e-5, 0, 10, 0, -1e-5, 60))
    band = describe(path).bands[0]
    from pyproj import Geod

    geod = Geod(ellps="WGS84")
    lon, lat = 10 + 256e-5, 60 - 256e-5
    across = geod.inv(lon, lat, lon + 1e-5, lat)[2]
    along = geod.inv(lon, lat, lon, lat - 1e-5)[2]
    assert band.gsd == pytest.approx((across * along) ** 0.5, rel=1e-4)


def test_fault_39_no_crs_through_the_command_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = world.copy(tmp_path / "own")
    path = own.imagery / "nowhere.tif"
    write(path, None, driver="GTiff", blocksize=None, overviews=None)
    only = ["--imagery", str(path), "--until", "plan"]
    assert main([*arguments(own, tmp_path / "a"), *only]) == 1
    said = capsys.readouterr().err
    assert "no_crs" in said and "gdal_edit.py" in said and "nowhere.tif" in said
    assert main(arguments(own, tmp_path / "b", "--until", "plan")) == 0
    said = capsys.readouterr().err
    assert "unusable" in said and "nowhere.tif" in said and "84 samples planned" in said


def test_fault_43_nodata_share_is_dropped_with_its_number(world: World, built: Any) -> None:
    key = f"w{world.way(*small_world.BAD['no data'])}_local_23"
    drops = pq.read_table(release(built.out) / "metadata" / "drops.parquet").to_pylist()
    drop = next(row for row in drops if row["key"] == key)
    assert (drop["code"], drop["outcome"], drop["retryable"]) == ("nodata_share", "rejected", False)
    blocks = (work(built.out) / "plan" / "blocks").glob("*.parquet")
    row = next(r for b in blocks for r in pq.read_table(b).to_pylist() if r["key"] == key)
    box = rasterio.windows.Window(row["col"], row["row"], row["width"], row["height"])
    with rasterio.open(world.imagery / "train-a.tif") as source:
        pixels = source.read(window=box)
    share = float((pixels == 0).all(axis=0).mean())
    assert 0.02 < share < 1
    assert drop["message"] == f"{share:.3f} of the pixels hold no data"


def test_fault_43_valid_pixels_by_kind() -> None:
    eight = np.array([[[0, 5]], [[0, 0]]], np.uint8)
    assert valid_pixels(eight, 0).tolist() == [[False, True]], "one dark band is a colour"
    assert valid_pixels(eight.astype(np.uint16), 0).tolist() == [[False, False]]
    real = np.array([[[1.0, np.nan, np.inf, -9.0]]], np.float32)
    assert valid_pixels(real, -9.0).tolist() == [[True, False, False, False]]
    assert valid_pixels(real, None).tolist() == [[True, False, False, True]]
    assert valid_pixels(real, float("nan")).tolist() == [[True, False, False, True]]
