"""Thirteen real bands of Level-1C: three resolutions from one corner, and the decision tree."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.features import geometry_mask

from parcel_world import DATA, REAL
from schemas.products import SENTINEL_2_L1C
from schemas.samples import Sample
from schemas.scenes import Band, Scene
from schemas.windows import Grid, Window
from transforms.context import Context
from transforms.crops import hollstein
from transforms.crops.cube import BANDS, Months

pytestmark = REAL

FOLDER = DATA / "brandenburg_s2_osm"
PX = 366


def path(name: str) -> Path:
    """The file of a band."""
    (found,) = (FOLDER / "IMG_DATA").glob(f"*_{name}.jp2")
    return found


def patch(col: int, row: int) -> Sample:
    """February of a patch of the scene."""
    bands = tuple(
        Band(n.name, str(path(n.name)), dtype="uint16", nodata=0, gsd=n.gsd, common=n.common)
        for n in SENTINEL_2_L1C
    )
    with rasterio.open(path("B02")) as source:
        place = tuple(source.transform)[:6]
        whole = Grid(source.crs.to_string(), place, source.width, source.height)
    scene = Scene(
        "brandenburg", "sentinel-2-l1c", datetime(2017, 2, 16, 10, 21, tzinfo=UTC), whole,
        "POLYGON ((0 0, 1 0, 1 1, 0 0))", bands, "CC0-1.0", "", baseline="02.04",
        display=(0.0, 3000.0),
    )  # fmt: skip
    window = Window(whole.cut(col * PX, row * PX, PX, PX), 10.0, col * PX, row * PX)
    one = Sample("p", 12.6, 52.5, window, (scene,), facts={"year": 2017})
    return Months()(one, Context())


@pytest.fixture(scope="module")
def patches() -> dict[tuple[int, int], Sample]:
    """The eight patches that the scene holds whole."""
    return {(col, row): patch(col, row) for row in range(2) for col in range(4)}


def test_check_5_on_real_bands(patches: dict[tuple[int, int], Sample]) -> None:
    """366, 183 and 61 pixels from one corner, whichever the patch: what is stored, repeated."""
    for (col, row), one in patches.items():
        image, count = one.images["image"], one.images["count"].array[1]
        assert image.bands == BANDS
        for place, layer in enumerate(SENTINEL_2_L1C):
            factor = int(layer.gsd) // 10
            side = PX // factor
            with rasterio.open(path(layer.name)) as source:
                box: Any = rasterio.windows.Window(col * side, row * side, side, side)
                stored = source.read(1, window=box)
            assert stored.shape == (side, side)
            expected = stored.repeat(factor, axis=0).repeat(factor, axis=1)
            seen = count > 0
            assert np.array_equal(image.array[1, place][seen], expected[seen])


def test_the_tree_on_a_real_day(patches: dict[tuple[int, int], Sample]) -> None:
    """A winter day without a trace of ice clouds in B10: most is seen, the rest is dark, not bright."""
    hidden = [float((one.images["count"].array[1] == 0).mean()) for one in patches.values()]
    assert all(one.facts["mask_by"] == "hollstein" for one in patches.values())
    assert 0.02 < np.mean(hidden) < 0.3
    found = {}
    for name in hollstein.BANDS:
        with rasterio.open(path(name)) as source:
            found[name] = source.read(1, out_shape=(128, 256)) / 10_000
    classes = hollstein.classify(found)
    clear = classes == hollstein.CLEAR
    shade = classes == hollstein.SHADOW
    assert np.quantile(found["B10"], 0.99) < 0.005
    assert not np.isin(classes, (hollstein.CIRRUS, hollstein.SNOW)).any()
    assert np.median(found["B8A"][shade]) < 0.7 * np.median(found["B8A"][clear])
    assert float((~clear).mean()) == pytest.approx(np.mean(hidden), abs=0.08)


def test_forests_are_not_taken_for_clouds(patches: dict[tuple[int, int], Sample]) -> None:
    """Dark, but no shadow: most of the mapped forest under clear sky is seen."""
    table = gpd.read_file(next(FOLDER.glob("gis_osm_landuse*.gpkg")))
    woods = table[table["fclass"] == "forest"].to_crs("EPSG:32633")
    shares = []
    for one in patches.values():
        grid = one.images["image"].grid
        place = rasterio.Affine(*grid.transform)
        inside = geometry_mask(list(woods.geometry), (PX, PX), place, invert=True)
        if inside.sum() > 500:
            shares.append((one.images["count"].array[1][inside] > 0).mean())
    assert shares
    assert np.median(shares) > 0.5
