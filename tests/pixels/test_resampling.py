"""Pixels on another grid: what warping the whole file gives, and never a value that nobody measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from pixel_world import NORTH, WEST, band, chip, cut, grid, grid_at, noise, repeat, scene, write
from schemas.scenes import Scene
from schemas.windows import Grid, from_lonlat, to_lonlat
from transforms.resampling import cover, nearest, onto


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
def test_fault_44_kernels_agree_with_a_warped_file(
    method: str, three: tuple[Scene, dict[str, Any]]
) -> None:
    """The window of a chip has the pixels that warping the whole file has there."""
    told, _ = three
    found = chip(told, window=cut(told.grid, 31, 17, 60, 55), resampling=method)
    for place, name in ((1, "B11"), (2, "B01")):
        href = next(b.href for b in told.bands if b.name == name)
        with rasterio.open(href) as source, WarpedVRT(
            source, crs=source.crs, transform=Affine(*told.grid.transform), width=120, height=120,
            resampling=Resampling[method],
        ) as warped:  # fmt: skip
            expected = warped.read(1)[17:72, 31:91].astype(int)
        assert np.abs(found.images["image"].array[place].astype(int) - expected).max() <= 1


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["bilinear", "cubic", "average"]), st.integers(0, 2**32 - 1),
    st.sampled_from(["uint8", "uint16", "int16", "float32"]), st.integers(2, 6),
)  # fmt: skip
def test_fault_44_nodata_is_never_averaged_into_data(
    method: str, seed: int, kind: str, factor: int
) -> None:
    """Constant ground with holes of another value comes out constant, whatever the kernel."""
    rng = np.random.default_rng(seed)
    source, target = grid(10.0 * factor, 8), grid(10, 8 * factor)
    missing = rng.random((1, 8, 8)) < 0.3
    array = np.where(missing, 0, 77).astype(kind)
    found, gone = onto(array, source, target, method, missing)
    assert found.dtype == kind and (found[~gone] == 77).all()
    if method != "average":
        np.testing.assert_array_equal(gone[0], repeat(missing[0], factor))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_fault_44_nearest_by_index_is_repetition(
    factor: int, col: int, row: int, width: int, height: int
) -> None:
    source = grid(10.0 * factor, 12)
    array = np.arange(144, dtype=np.int32).reshape(12, 12)
    target = grid(10, 12 * factor).cut(col, row, width, height)
    found, inside = nearest(array, source, target)
    big = np.full((200, 200), 0)
    big[: 12 * factor, : 12 * factor] = repeat(array, factor)
    shown = np.zeros((200, 200), bool)
    shown[: 12 * factor, : 12 * factor] = True
    np.testing.assert_array_equal(found, big[row : row + height, col : col + width])
    np.testing.assert_array_equal(inside, shown[row : row + height, col : col + width])
    box = cover(source, target)
    if box is not None:
        part, within = nearest(
            array[box[1] :, box[0] :][: box[3], : box[2]], source.cut(*box), target
        )
        np.testing.assert_array_equal(part, found)
        np.testing.assert_array_equal(within, inside)


def test_fault_44_masks_of_coarse_files_are_not_interpolated(tmp_path: Path) -> None:
    """A file's own mask counts where its pixels are resampled too."""
    coarse, valid = np.full((60, 60), 500, np.uint16), np.ones((60, 60), bool)
    valid[10:20, 30:40] = False
    coarse[~valid] = 9000
    good = write(tmp_path / "g.tif", noise(120), grid(10, 120))
    href = write(tmp_path / "m.tif", coarse, grid(20, 60))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(href, "r+") as target:
        target.write_mask(valid)
    told = scene((band("B04", good), band("B11", href, 20)), grid(10, 120))
    for method in ("nearest", "bilinear", "cubic"):
        image = chip(told, resampling=method).images["image"]
        np.testing.assert_array_equal(image.valid, repeat(valid, 2))
        assert (image.array[1][image.valid] == 500).all()


def test_another_projection_is_warped_to_the_right_place(tmp_path: Path) -> None:
    """`onto` between zones: each pixel's centre is looked up where it lies."""
    target = grid_at(12.0, 48.0, 10, 40)
    other = grid_at(11.99, 48.0, 10, 140)
    assert (target.crs, other.crs) == ("EPSG:32633", "EPSG:32632")
    box = cover(other, target)
    assert box is not None
    cols = np.arange(140)[None] * np.ones((140, 1))
    found, inside = nearest(cols, other, target)
    a, _, c, _, e, f = target.transform
    lon, lat = to_lonlat(target.crs, np.array([c + 5.5 * a]), np.array([f + 7.5 * e]))
    xs, _ = from_lonlat(other.crs, lon, lat)
    assert found[7, 5] == np.floor((xs[0] - other.transform[2]) / 10) and inside[7, 5]


def test_jpeg_2000_and_geotiff_read_alike(tmp_path: Path) -> None:
    array, place = noise(60), grid(20, 60)
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    one = write(tmp_path / "x.tif", array, place)
    two = write(tmp_path / "x.jp2", array, place, **lossless)
    fine = write(tmp_path / "f.tif", noise(120), grid(10, 120))
    read = [
        chip(scene((band("B04", fine), band("B11", href, 20)), grid(10, 120))).images["image"].array
        for href in (one, two)
    ]
    np.testing.assert_array_equal(*read)


@pytest.mark.parametrize("method", ["bilinear", "cubic", "average"])
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32632"])
def test_bands_together_are_as_bands_alone(method: str, crs: str) -> None:
    """With pixels missing in one band only, and with none missing."""
    source = grid(20, 40)
    x, y = from_lonlat(
        crs, *to_lonlat("EPSG:32633", np.array([WEST + 150]), np.array([NORTH - 90]))
    )
    target = Grid(crs, (10.0, 0.0, round(float(x[0])), 0.0, -10.0, round(float(y[0]))), 50, 50)
    array = np.random.default_rng(1).integers(1, 4000, (4, 40, 40)).astype("uint16")
    for holes in (False, True):
        missing = np.zeros(array.shape, bool)
        missing[2, 10:14, 7:19] = holes
        together = onto(array, source, target, method, missing)
        for place in range(len(array)):
            alone = onto(array[[place]], source, target, method, missing[[place]])
            assert np.array_equal(together[0][place], alone[0][0])
            assert np.array_equal(together[1][place], alone[1][0])
