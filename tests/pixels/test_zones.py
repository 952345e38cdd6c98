"""Where zones meet, at the date line and at the poles: one zone for a chip, and the right place."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from pixel_world import band, chip, cut, grid_at, scene, write
from schemas.samples import Sample
from schemas.windows import Window, from_lonlat, ground_gsd
from schemas.zones import crs_for, zone
from transforms.context import Context
from transforms.encode import GeoTiff
from transforms.windows import Around


@pytest.mark.parametrize(
    ("lon", "lat", "crs"),
    [
        (5.999, 45, "EPSG:32631"), (6.001, 45, "EPSG:32632"), (6.0, 45, "EPSG:32632"),
        (-0.001, 10, "EPSG:32630"), (0.0, 10, "EPSG:32631"), (5.0, -0.001, "EPSG:32731"),
        (5.0, 0.0, "EPSG:32631"), (179.99, 10, "EPSG:32660"), (-179.99, 10, "EPSG:32601"),
        (180.0, 10, "EPSG:32601"), (-180.0, -10, "EPSG:32701"), (540.0, 10, "EPSG:32601"),
    ],
)  # fmt: skip
def test_fault_40_41_zones_of_points(lon: float, lat: float, crs: str) -> None:
    assert crs_for(lon, lat) == crs


@pytest.mark.parametrize(
    ("lon", "lat", "number"),
    [
        (2.9, 60, 31), (3.0, 60, 32), (5.3, 60.4, 32), (5.3, 55.9, 31), (5.3, 64.0, 31), (11.9, 60, 32),
        (8.9, 78, 31), (9.0, 78, 33), (15.6, 78.2, 33), (20.9, 78, 33), (21.0, 78, 35), (32.9, 78, 35),
        (33.0, 78, 37), (41.9, 80, 37), (42.0, 80, 38), (15.6, 71.9, 33), (7.0, 71.9, 32), (10.0, 72.0, 33), (8.9, 72.0, 31), (-0.1, 78, 30),
        (15.0, 84.0, 33),
    ],
)  # fmt: skip
def test_fault_40_norway_and_svalbard(lon: float, lat: float, number: int) -> None:
    assert zone(lon, lat) == number


@settings(max_examples=60, deadline=None)
@given(st.floats(-179.9, 179.9), st.floats(-79.9, 55.9))
def test_fault_40_the_zones_of_a_database(lon: float, lat: float) -> None:
    """Against EPSG's own areas of use, off the special bands."""
    found = query_utm_crs_info("WGS 84", AreaOfInterest(lon, lat, lon, lat))
    codes = {f"EPSG:{info.code}" for info in found}
    if abs(lon / 6 - round(lon / 6)) < 1e-9 or abs(lat) < 1e-9:
        return
    assert crs_for(lon, lat) in codes


@pytest.mark.parametrize(
    ("lat", "crs"), [(84.0, "EPSG:32633"), (84.01, "EPSG:5041"), (90, "EPSG:5041"), (-80, "EPSG:32733"),
                     (-80.01, "EPSG:5042"), (-90, "EPSG:5042")],
)  # fmt: skip
def test_fault_42_poles_have_their_own_grid(lat: float, crs: str) -> None:
    assert crs_for(15.0, lat) == crs


@pytest.mark.parametrize(("lon", "lat"), [(0, 90.1), (0, float("nan")), (float("inf"), 0)])
def test_no_place_on_earth(lon: float, lat: float) -> None:
    with pytest.raises(ValueError, match="no place on Earth"):
        crs_for(lon, lat)


@pytest.mark.parametrize("lon", [5.999, 6.001])
def test_fault_40_a_chip_across_a_border_is_of_one_zone(lon: float, tmp_path: Path) -> None:
    """The scene's own grid rules: the chip is cut out of it whole, beyond the border too."""
    place = grid_at(lon, 48.0, 10, 200)
    xs = np.tile(np.arange(200, dtype=np.uint16) + 1, (200, 1))
    told = scene((band("B04", write(tmp_path / "x.tif", xs, place, 0)),), place)
    sample = Sample(
        "w1",
        lon,
        48.0,
        scenes=(told,),
        facts={"_bounds": f"{lon - 1e-4} 47.9999 {lon + 1e-4} 48.0001"},
    )
    window = Around(min_px=128, max_px=128)(sample, Context(seed=0)).window
    assert window is not None and window.grid.crs == place.crs
    outline = window.outline()
    assert outline[:, 0].min() < 6 < outline[:, 0].max(), "it reaches across"
    assert all(corner % 10 == 0 for corner in window.grid.bounds())
    image = chip(told, window=window).images["image"]
    assert image.array[0, 0, 0] == window.col + 1


@pytest.mark.parametrize("lon", [179.999, -179.999])
def test_fault_41_a_chip_across_the_antimeridian(lon: float, tmp_path: Path) -> None:
    """Right pixels, and west of a box beyond its east (RFC 7946)."""
    place = grid_at(lon, -17.0, 10, 300)
    rows, cols = np.mgrid[0:300, 0:300]
    pixels = (rows * 300 + cols).astype(np.uint32) + 1
    told = scene((band("B04", write(tmp_path / "x.tif", pixels, place, 0), dtype="uint32"),), place)
    window = cut(place, 100, 90, 100, 120)
    found = chip(told, window=window)
    np.testing.assert_array_equal(found.images["image"].array[0], pixels[90:210, 100:200])
    west, south, east, north = window.bbox()
    assert west > 179 and east < -179 and south < -17 < north
    xs, ys = from_lonlat(place.crs, np.array([-lon]), np.array([-17.0]))  # across the line
    col, row = int((xs[0] - place.transform[2]) // 10), int((place.transform[5] - ys[0]) // 10)
    there = found.images["image"].array[0, row - 90, col - 100]
    assert there == row * 300 + col + 1 and abs(col - 150) == pytest.approx(21, abs=1)


@pytest.mark.parametrize(
    ("lon", "lat"), [(15.0, 86.0), (-120.0, 89.99), (0.0, -85.0), (33.0, 90.0)]
)
def test_fault_42_a_chip_near_a_pole(lon: float, lat: float, tmp_path: Path) -> None:
    place = grid_at(lon, lat, 10, 64)
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 4000, (64, 64)).astype(np.uint16)
    told = scene((band("B04", write(tmp_path / "x.tif", pixels, place, 0)),), place)
    window = cut(place, 8, 8, 40, 40)
    sample = chip(told, window=window)
    np.testing.assert_array_equal(sample.images["image"].array[0], pixels[8:48, 8:48])
    with rasterio.MemoryFile(GeoTiff()(sample, Context(seed=0))) as memory, memory.open() as source:
        assert source.crs.to_epsg() == int(place.crs[5:])
        assert all(corner % 10 == 0 for corner in source.bounds)
    clon, clat = Window(place, 10.0).centre()
    assert Geod(ellps="WGS84").inv(lon, lat, clon, clat)[2] < 10
    west, south, east, north = place.bounds()
    gsd = ground_gsd(place, (west + east) / 2, (south + north) / 2)
    assert gsd == pytest.approx(10 / 0.994, rel=0.01), "UPS has a scale of 0.994 at the pole"
