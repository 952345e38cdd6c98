"""Statistics by parcel equal those of computations that share no code with them, on real data."""

import warnings
from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from parcel_world import DATA, REAL, box, grid, shapes
from schemas.windows import Grid
from transforms.crops.coverage import Cover, among, counts, exact, statistics, whole
from transforms.crops.rasters import painted, ranks

Case = tuple[Grid, NDArray[Any], NDArray[np.float64], NDArray[np.bool_]]
"""Grid, shapes that meet it, layers `(layer, y, x)`, where all layers hold data."""


def own_grid(source: Any) -> Grid:
    """The grid of an open raster."""
    return Grid(source.crs.to_string(), tuple(source.transform)[:6], source.width, source.height)


def slovenia() -> Case:
    """NDVI of 68 dates, 88 polygons of the land register."""
    folder = DATA / "slovenia_s2_eopatch"
    with rasterio.open(folder / "ndvi_68dates.tif") as source:
        values, on = source.read().astype(np.float64), own_grid(source)
    table = gpd.read_file(folder / "lulc_raba_polygons.gpkg").to_crs(on.crs)
    return on, table.geometry.to_numpy(), values, np.isfinite(values).all(axis=0)


def jolanda() -> Case:
    """NDVI of 60 dates, the field polygons of the plots; pixels without data on some date are left out."""
    folder = DATA / "jolanda_s2_ndvi_scl_fields"
    layers = []
    for path in sorted((folder / "NDVI").glob("*.tif")):
        with rasterio.open(path) as source:
            layers.append(source.read(1))
            on = own_grid(source)
    values = np.stack(layers)
    table = gpd.read_file(folder / "field_boundaries.gpkg").to_crs(on.crs)
    clear = [layer for layer in values if (layer != -32768).any()]
    values = np.stack(clear)
    return on, table.geometry.to_numpy(), values.astype(np.float64), (values != -32768).all(axis=0)


CASES = [pytest.param(slovenia, id="slovenia"), pytest.param(jolanda, id="jolanda")]


def cells(on: Grid) -> NDArray[Any]:
    """Each pixel as a rectangle, `(y, x)`."""
    a, _, c, _, e, f = on.transform
    x, y = np.arange(on.width), np.arange(on.height)
    left, top = np.meshgrid(c + a * x, f + e * y)
    return np.asarray(shapely.box(left, top + e, left + a, top))


def by_area(on: Grid, parts: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Share of each pixel that each shape covers, by intersecting it with every pixel."""
    boxes = cells(on)
    area = abs(on.transform[0] * on.transform[4])
    for shape in parts:
        yield shapely.area(shapely.intersection(boxes, shape)) / area


def by_centre(on: Grid, parts: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """1 where a pixel's centre lies within, one mask for each shape."""
    place = Affine(*on.transform)
    for shape in parts:
        mask = geometry_mask([shape], (on.height, on.width), place, invert=True)
        yield mask.astype(np.float64)


def weighted(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(mean, standard deviation) of each layer, as the textbook writes them."""
    total = weights.sum()
    if not total:
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    middle = np.array([(layer * weights).sum() / total for layer in values])
    apart = [
        ((layer - m) ** 2 * weights).sum() / total for layer, m in zip(values, middle, strict=True)
    ]
    return middle, np.sqrt(apart)


def one_by_one(on: Grid, parts: NDArray[Any]) -> Cover:
    """The centre rule for parcels that overlap: each is rasterised alone."""
    found = []
    for place, shape in enumerate(parts):
        numbers, _ = painted(shapes(shape), np.zeros(1, np.int64), on)
        own = whole(numbers)
        found.append((np.full(len(own.pixel), place), own.pixel, own.share))
    return Cover(*(np.concatenate(column) for column in zip(*found, strict=True)))


@pytest.mark.parametrize("case", CASES)
class TestReal:
    """Within 1e-6 in every parcel and layer."""

    pytestmark = REAL

    def test_exact_coverage(self, case: Any) -> None:
        """Against the areas of intersection that shapely finds pixel by pixel."""
        on, parts, values, there = case()
        cover = among(exact(parts, on), there)
        mean, spread = statistics(values, cover, len(parts))
        pixels = counts(cover, len(parts))
        scale = np.abs(values[:, there]).max()
        met = 0
        for row, weights in enumerate(by_area(on, parts)):
            weights = weights * there
            middle, std = weighted(values, weights)
            assert np.isclose(pixels[row], weights.sum(), rtol=1e-6, atol=1e-6)
            assert np.allclose(mean[row], middle, rtol=1e-6, atol=1e-6 * scale, equal_nan=True)
            assert np.allclose(spread[row], std, rtol=1e-6, atol=1e-6 * scale, equal_nan=True)
            met += bool(weights.sum())
        assert met >= 2

    def test_centre_rule(self, case: Any) -> None:
        """Against one mask of rasterio for each polygon."""
        on, parts, values, there = case()
        cover = among(one_by_one(on, parts), there)
        mean, spread = statistics(values, cover, len(parts))
        for row, weights in enumerate(by_centre(on, parts)):
            middle, std = weighted(values, weights * there)
            assert np.allclose(mean[row], middle, rtol=1e-9, equal_nan=True)
            assert np.allclose(spread[row], std, rtol=1e-7, atol=1e-9, equal_nan=True)

    def test_rasterstats_agrees(self, case: Any) -> None:
        """A third program, with masks of its own."""
        import rasterstats

        on, parts, values, there = case()
        cover = among(one_by_one(on, parts), there)
        mean, spread = statistics(values[:3], cover, len(parts))
        for layer, plane in enumerate(values[:3]):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                told = rasterstats.zonal_stats(
                    list(parts), np.where(there, plane, -9e9), affine=Affine(*on.transform),
                    stats=["mean", "std"], nodata=-9e9,
                )  # fmt: skip
            for row, own in enumerate(told):
                if own["mean"] is None or np.ma.is_masked(own["mean"]):
                    assert np.isnan(mean[row, layer])
                else:
                    assert mean[row, layer] == pytest.approx(own["mean"], rel=1e-6)
                    assert spread[row, layer] == pytest.approx(own["std"], rel=1e-6, abs=1e-9)

    def test_pixels_of_a_parcel_lie_in_it(self, case: Any) -> None:
        """Places of pixels count row by row from the upper left corner."""
        on, parts, _, _ = case()
        boxes = cells(on).ravel()
        cover = exact(parts, on)
        assert shapely.intersects(parts[cover.parcel], boxes[cover.pixel]).all()


def test_supersampling_comes_near() -> None:
    """A slanted field: the share of fine pixels in a coarse one is its coverage, to their size."""
    on = grid(12)
    field = shapely.affinity.rotate(box(23, 31, 92, 77), 27)
    share = np.zeros(on.width * on.height)
    cover = exact(shapes(field), on)
    share[cover.pixel] = cover.share
    fine = Grid(on.crs, (0.1, 0.0, on.transform[2], 0.0, -0.1, on.transform[5]), 1200, 1200)
    numbers, _ = painted(shapes(field), ranks(np.array([1.0]), ["a"]), fine)
    expected = (numbers > 0).reshape(12, 100, 12, 100).mean(axis=(1, 3))
    assert np.abs(share.reshape(12, 12) - expected).max() < 2e-3
    assert share.sum() * 100 == pytest.approx(field.area, rel=1e-6)


def test_a_parcel_without_pixels_has_no_numbers() -> None:
    """Outside the chip or empty: NaN, and a count of 0."""
    parts = shapes(box(-500, 0, -400, 90), box(10, 10, 50, 50), shapely.Polygon())
    cover = exact(parts, grid())
    mean, spread = statistics(np.full((2, 61, 61), 7.0), cover, 3)
    assert counts(cover, 3).tolist() == [0, 16, 0]
    assert np.isnan(mean[[0, 2]]).all()
    assert mean[1].tolist() == [7, 7]
    assert spread[1].tolist() == [0, 0]


def test_a_small_spread_of_large_numbers_is_not_lost() -> None:
    """Squares of numbers near a million would swallow it."""
    values = 1e6 + np.arange(61 * 61).reshape(1, 61, 61) % 2
    _, spread = statistics(values, exact(shapes(box(0, 0, 200, 200)), grid()), 1)
    assert spread[0, 0] == pytest.approx(0.5, rel=1e-6)
