"""Chips: what is written is what readers of others read; and hashes that know a picture again."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from pyproj import CRS
from rasterio.io import MemoryFile

from schemas.samples import Image
from schemas.windows import Grid
from transforms.encode import planes
from transforms.geotiff import encode
from transforms.hashes import perceptual
from transforms.statistics import STRIDE, band_stats

UTM = Grid("EPSG:32632", (0.6, 0, 500_000.3, 0, -0.6, 5_200_000.9), 61, 47)
UTM_SHAPE = (47, 61)
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


def pixels(dtype: str, bands: int = 4, shape: tuple[int, int] = (47, 61)) -> Any:
    rng = np.random.default_rng(3)
    if dtype.startswith("float"):
        found = rng.normal(0, 1e3, (bands, *shape)).astype(dtype)
        found[0, 0, 0] = np.nan
        return found
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, (bands, *shape), dtype=dtype, endpoint=True)


@contextmanager
def opened(data: bytes) -> Iterator[Any]:
    """The chip as GDAL sees it."""
    with MemoryFile(data) as memory, memory.open() as source:
        yield source


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", [1, 4])
def test_round_trip_of_every_type(dtype: str, bands: int) -> None:
    array = pixels(dtype, bands)
    names = ("red", "green", 'a<b>&"c"', "nir")[:bands]
    data = encode(array, UTM, 7, names)
    with opened(data) as source:
        assert source.driver == "GTiff"
        np.testing.assert_array_equal(source.read(), array)
        assert set(source.dtypes) == {dtype}
        assert source.crs.to_epsg() == 32632
        assert tuple(source.transform)[:6] == UTM.transform
        assert source.nodata == 7
        assert source.descriptions == names
    assert encode(array, UTM, 7, names) == data


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32760", "EPSG:2056"])
def test_round_trip_of_every_crs(crs: str) -> None:
    grid = Grid(crs, (1e-5, 0, 7.5, 0, -1e-5, 46.5), 61, 47)
    with opened(encode(pixels("uint8"), grid)) as source:
        assert source.crs.to_epsg() == int(crs[5:])
        assert source.nodata is None and source.descriptions == (None,) * 4
        assert tuple(source.transform)[:6] == pytest.approx(grid.transform, rel=1e-15)


def test_a_crs_without_code_keeps_its_meaning() -> None:
    wkt = CRS.from_proj4("+proj=laea +lat_0=47 +lon_0=9 +datum=WGS84").to_wkt()
    grid = Grid(wkt, UTM.transform, 61, 47)
    array = pixels("uint16")
    with opened(encode(array, grid, 0, ("a", "b", "c", "d"))) as source:
        np.testing.assert_array_equal(source.read(), array)
        assert CRS.from_user_input(source.crs.to_wkt()).equals(CRS(wkt), ignore_axis_order=True)


def test_south_up_grids_keep_their_place() -> None:
    grid = Grid("EPSG:32632", (0.6, 0, 500_000.0, 0, 0.6, 5_200_000.0), 61, 47)
    with opened(encode(pixels("uint8"), grid)) as source:
        assert tuple(source.transform)[:6] == grid.transform


def test_invalid_pixels_stay_invalid_without_a_nodata_value() -> None:
    array, valid = pixels("uint8"), np.ones(UTM_SHAPE, bool)
    valid[:9, 20:] = False
    with opened(encode(array, UTM, None, ("a", "b", "c", "d"), valid)) as source:
        np.testing.assert_array_equal(source.dataset_mask() > 0, valid)
        np.testing.assert_array_equal(source.read(), array)
        assert source.descriptions == ("a", "b", "c", "d") and source.crs.to_epsg() == 32632
    whole = encode(array, UTM, None, ("a", "b", "c", "d"), np.ones(UTM_SHAPE, bool))
    assert whole == encode(array, UTM, None, ("a", "b", "c", "d"))


def test_a_mask_beside_a_nodata_value_is_kept() -> None:
    array, valid = np.maximum(pixels("uint16", 2), 1), np.ones(UTM_SHAPE, bool)
    array[:, :4] = 0
    valid[:4] = False
    with opened(encode(array, UTM, 0, (), valid)) as source:
        np.testing.assert_array_equal(source.dataset_mask() > 0, valid)
    valid[:, 50:] = False  # a mask knows more than the value
    with opened(encode(array, UTM, 0, (), valid)) as source:
        np.testing.assert_array_equal(source.dataset_mask() > 0, valid)
        assert source.nodata == 0


def test_many_strips() -> None:
    array = pixels("uint16", 2, (700, 1100))
    grid = Grid("EPSG:32632", UTM.transform, 1100, 700)
    with opened(encode(array, grid)) as source:
        np.testing.assert_array_equal(source.read(), array)


def test_a_reader_that_knows_no_geography_reads_it_too() -> None:
    array = pixels("uint8", 1)
    with Pillow.open(io.BytesIO(encode(array, UTM))) as found:
        np.testing.assert_array_equal(np.asarray(found), array[0])


def scene(seed: int, side: int = 128) -> Any:
    rng = np.random.default_rng(seed)
    rough = np.kron(rng.integers(20, 235, (3, 8, 8)), np.ones((1, side // 8, side // 8), int))
    return np.clip(rough + rng.integers(-10, 10, (3, side, side)), 0, 255).astype(np.uint8)


def hashed(array: Any) -> str:
    grid = Grid("EPSG:32632", UTM.transform, array.shape[2], array.shape[1])
    return perceptual(
        Image(array, ("red", "green", "blue"), grid, None, np.ones(array.shape[1:], bool))
    )


def bits(a: str, b: str) -> int:
    return (int(a, 16) ^ int(b, 16)).bit_count()


@pytest.mark.parametrize("seed", range(8))
def test_a_picture_is_known_again(seed: int) -> None:
    array = scene(seed)
    stream = io.BytesIO()
    Pillow.fromarray(array.transpose(1, 2, 0)).save(stream, "JPEG", quality=40)
    again = np.asarray(Pillow.open(stream)).transpose(2, 0, 1)
    assert bits(hashed(array), hashed(again)) <= 4
    brighter = np.clip(array.astype(int) * 0.8 + 30, 0, 255).astype(np.uint8)
    assert bits(hashed(array), hashed(brighter)) <= 4
    larger = array.repeat(2, axis=1).repeat(2, axis=2)
    assert bits(hashed(array), hashed(larger)) <= 4


def test_other_pictures_are_not() -> None:
    every = [hashed(scene(seed)) for seed in range(40)]
    apart = [bits(a, b) for i, a in enumerate(every) for b in every[:i]]
    assert min(apart) > 8 and 28 < np.mean(apart) < 36


@pytest.mark.parametrize(
    "array", [np.full((3, 64, 64), 90, np.uint8), np.zeros((3, 20, 33), np.uint8)]
)
def test_flat_pictures_have_no_hash(array: Any) -> None:
    noise = np.random.default_rng(1).integers(0, 2, array.shape).astype(np.uint8)
    assert hashed(array) == "" == hashed(array + noise)


def test_pictures_show_what_is_valid() -> None:
    array = pixels("uint16", 4)
    valid = np.ones(array.shape[1:], bool)
    valid[:5] = False
    image = Image(array, ("nir", "blue", "green", "red"), UTM, 0, valid, (0.0, 3000.0))
    shown = np.stack(planes(image), axis=-1)
    expected = np.clip(np.rint(array[[3, 2, 1]].astype(float) * 255 / 3000), 0, 255)
    assert shown.shape == (47, 61, 3) and (shown[:5] == 0).all()
    np.testing.assert_allclose(shown[5:].transpose(2, 0, 1), expected[:, 5:], atol=1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int16"])
def test_statistics_are_those_of_every_fourth_valid_pixel(dtype: str) -> None:
    array = pixels(dtype, 3)
    if dtype == "float32":
        array = np.abs(np.nan_to_num(array)) / 5e3
    valid = np.ones(array.shape[1:], bool)
    valid[3:9, 5:] = False
    found = band_stats(Image(array, ("a", "b", "c"), UTM, None, valid))
    for row, band in zip(found, array[:, ::STRIDE, ::STRIDE], strict=True):
        seen = valid[::STRIDE, ::STRIDE]
        good = band[seen].astype(np.float64)
        assert row["valid"] == good.size and row["nodata"] == (~seen).sum()
        assert row["sum"] == pytest.approx(good.sum())
        assert row["squares"] == pytest.approx((good**2).sum())
        assert (row["min"], row["max"]) == (good.min(), good.max())
        counts = np.asarray(row["histogram"])
        full = np.iinfo(dtype).max if dtype != "float32" else 1.0
        place = np.minimum((np.sqrt(np.clip(good / full, 0, 1)) * 256).astype(int), 255)
        assert counts.sum() == good.size
        assert np.abs(counts.astype(int) - np.bincount(place, minlength=256)).sum() <= 2


def test_statistics_of_nothing() -> None:
    image = Image(pixels("uint8", 1), ("a",), UTM, 0, np.zeros((47, 61), bool))
    (row,) = band_stats(image)
    assert row["valid"] == 0 == row["sum"] and np.sum(row["histogram"]) == 0 and row["nodata"] > 0
