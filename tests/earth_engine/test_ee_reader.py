"""Chips from Earth Engine: the rasters' own pixels, valid where the masks say so and nowhere else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from catalogs.sources.area import Area
from catalogs.sources.earth_engine.reader import fitted
from catalogs.sources.imagery import open_imagery
from catalogs.sources.terms import Override
from earth_engine_server import World
from earth_engine_world import S2, TEN, asset, collection, raster, written
from schemas.errors import Fault
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.windows import Window
from transforms.context import Context
from transforms.encode import GeoTiff
from transforms.imagery import Read, display_of

NAIP = "USDA/NAIP/DOQQ"
PLACE = Affine(1, 0, 6e5, 0, -1, 41e5)


def scene(location: str, name: str = "") -> Scene:
    """The first scene, or that of an id."""
    found = open_imagery(
        f"earth-engine:{location}", Override("CC0-1.0") if "/" in location else Override(),
        area=Area.of_box((-170, -80, 170, 80)),
    )  # fmt: skip
    return next(s for s in found.scenes if not name or s.id == name)


def chip(found: Scene, box: tuple[int, int, int, int], *bands: str, **more: Any) -> Sample:
    """A box of a scene, as `imagery.Read` makes it."""
    window = Window(found.grid.cut(*box), 1.0, box[0], box[1])
    sample = Sample("a", 0.0, 0.0, window, (found,))
    return Read(bands=bands or ("red", "green", "blue", "nir"), **more)(sample, Context())


def aerial(served: World, folder: Path, pixels: Any, valid: Any) -> Scene:
    """An aerial picture of four bands."""
    collection(served, NAIP)
    path = written(folder / "naip.tif", pixels, "R G B N", PLACE, "EPSG:32610", valid=valid)
    asset(served, f"{NAIP}/m_1", path, "2012-05-01T00:00:00Z")
    return scene("US")


def test_black_is_a_colour_and_masked_is_not(served: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (4, 60, 80)).astype("uint8")
    pixels[:, 10:20, 10:20] = 0  # tar, in deep shadow
    valid = np.ones((60, 80), bool)
    valid[:, 60:] = False
    pixels[:, ~valid] = 200  # what a masked pixel stores is nobody's business
    sample = chip(aerial(served, tmp_path, pixels, valid), (5, 5, 70, 50))
    image = sample.images["image"]
    there = valid[5:55, 5:75]
    np.testing.assert_array_equal(image.valid, there)
    np.testing.assert_array_equal(image.array, np.where(there, pixels[:, 5:55, 5:75], 0))
    assert sample.facts["nodata_share"] == pytest.approx(15 / 70)
    assert image.nodata is None and not image.array[:, 5:15, 5:15].any()
    with_mask = GeoTiff()(sample, Context())
    import rasterio

    with rasterio.MemoryFile(with_mask) as file, file.open() as released:
        np.testing.assert_array_equal(released.read(), image.array)
        np.testing.assert_array_equal(released.dataset_mask() > 0, there)


def test_a_pixel_that_one_band_lacks_is_invalid(served: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    pixels = rng.integers(1, 9_000, (2, 40, 40)).astype("uint16")
    pixels[0, 3:6] = pixels[1, :, 7:9] = 0
    path = written(tmp_path / "two.tif", pixels, "B4 B3", TEN, "EPSG:32632", nodata=0)
    asset(served, f"{S2}/TWO", path, "2020-06-01T10:00:00Z")
    sample = chip(scene("S2", "TWO"), (0, 0, 40, 40), "red", "green")
    np.testing.assert_array_equal(sample.images["image"].valid, pixels.all(axis=0))
    np.testing.assert_array_equal(sample.images["image"].array, pixels)
    alone = chip(scene("S2", "TWO"), (0, 0, 40, 40), "green")
    np.testing.assert_array_equal(alone.images["image"].valid, pixels[1] > 0)


def test_sea_level_is_an_elevation(served: World, tmp_path: Path) -> None:
    """Of a collection that we do not know no number is taken for "no data"."""
    heights = np.linspace(-2, 2, 30 * 30).reshape(1, 30, 30).round().astype("float32")
    assert (heights == 0).mean() > 0.2
    path = written(tmp_path / "dem.tif", heights, "elevation", TEN, "EPSG:32632")
    served.assets["A/DEM"] = {"type": "IMAGE_COLLECTION", "id": "A/DEM"}
    asset(served, "A/DEM/1", path, "2020-06-01T10:00:00Z")
    sample = chip(scene("A/DEM"), (0, 0, 30, 30), "elevation")
    np.testing.assert_array_equal(sample.images["image"].array, heights)
    assert sample.facts["nodata_share"] == 0


def test_the_harmonised_offset_is_not_taken_twice(served: World) -> None:
    found = scene("S2", "T32TMT_2")
    assert found.baseline == "05.00"
    sample = chip(found, (8, 9, 32, 32))
    import rasterio

    with rasterio.open(served.rasters[f"{S2}/T32TMT_2"]) as source:
        stored = source.read([4, 3, 2, 5])[:, 9:41, 8:40]
    np.testing.assert_array_equal(sample.images["image"].array, stored)
    facts = {k: sample.facts[k] for k in ("radiometric_convention", "offset_applied", "scale")}
    assert facts == {"radiometric_convention": "dn_pre04", "offset_applied": 0, "scale": 1e-4}
    assert sample.images["image"].nodata == 0
    assert sample.images["image"].display == (0.0, 3000.0)


def test_without_harmonising_it_is_taken_once(served: World, tmp_path: Path) -> None:
    name = "COPERNICUS/S2_SR"
    collection(served, name)
    path = raster(tmp_path / "sr.tif", "B4 B8", TEN, "EPSG:32632", "uint16")
    asset(served, f"{name}/X", path, "2022-06-01T10:00:00Z", PROCESSING_BASELINE="04.00")
    sample = chip(scene(name), (0, 0, 20, 20), "b4", "b8")
    import rasterio

    with rasterio.open(path) as source:
        stored = source.read()[:, :20, :20].astype(int)
    np.testing.assert_array_equal(sample.images["image"].array, np.maximum(stored - 1000, 0))
    assert sample.facts["radiometric_convention"] == "dn_pre04"
    assert sample.facts["offset_applied"] == -1000


def test_bands_of_two_grids_are_asked_for_on_their_own(served: World) -> None:
    sample = chip(scene("S2", "T32TMT_2"), (0, 0, 60, 60), "red", "coastal")
    assert sample.facts["resampled"] == "B1:60->10 nearest"
    asked = [request.body for request in served.sent("computePixels")]
    grids = [(b["grid"]["affineTransform"]["scaleX"], b["grid"]["dimensions"]) for b in asked]
    assert grids == [(10, {"width": 60, "height": 60}), (60, {"width": 10, "height": 10})]
    import rasterio

    with rasterio.open(served.rasters[f"{S2}/T32TMT_2"]) as source:
        red, coastal = source.read([4, 1])
    image = sample.images["image"].array
    np.testing.assert_array_equal(image[0], red[:60, :60])
    coarse = coastal[3:60:6, 3:60:6]  # the server's pixel of 60 m
    np.testing.assert_array_equal(image[1], coarse.repeat(6, 0).repeat(6, 1))


def test_all_bands_of_a_grid_are_one_request(served: World) -> None:
    chip(scene("S2", "T32TMT_2"), (3, 3, 40, 40))
    assert len(served.sent("computePixels")) == 1


def test_a_display_range_that_nobody_states_is_taken_from_the_pyramid(
    served: World, tmp_path: Path
) -> None:
    values = np.arange(10_000, dtype="float32").reshape(1, 100, 100)
    valid = np.ones((100, 100), bool)
    valid[50:] = False
    path = written(tmp_path / "d.tif", values, "d", TEN, "EPSG:32632", valid=valid)
    served.assets["A/D"] = {"type": "IMAGE_COLLECTION", "id": "A/D"}
    asset(served, "A/D/1", path, "2020-06-01T10:00:00Z")
    found = scene("A/D")
    assert found.display is None
    low, high = display_of(found, found.bands, {})
    assert (low, high) == pytest.approx(tuple(np.percentile(values[0, :50], (2, 98))))


def test_planning_a_read_asks_nothing(served: World) -> None:
    found = scene("S2", "T32TMT_2")
    before = len(served.requests)
    window = Window(found.grid.cut(8, 9, 24, 24), 10.0, 8, 9)
    parts = list(Read(bands=("red", "coastal")).parts(Sample("a", 0.0, 0.0, window, (found,))))
    assert [(p.bands[0].name, p.box) for p in parts] == [
        ("B4", (8, 9, 24, 24)), ("B1", (1, 1, 5, 5)),
    ]  # fmt: skip
    assert len(served.requests) == before


def test_numbers_that_the_stated_type_cannot_hold(served: World) -> None:
    found = scene("S2", "T32TMT_2")
    bands = tuple(replace(band, dtype="uint8") for band in found.bands)
    with pytest.raises(Fault) as fault:
        chip(replace(found, bands=bands), (0, 0, 8, 8), "red")
    assert fault.value.code == "band_mismatch"


def test_numbers_in_another_type() -> None:
    wide = np.array([1, 255], "int32")
    assert fitted(wide, np.dtype("uint8"), "").dtype == np.uint8
    real = np.array([0.5, np.nan])
    np.testing.assert_array_equal(fitted(real, np.dtype("float32"), ""), real)
    for array, kind in ((np.array([256]), "uint8"), (np.array([-1]), "uint16"), (real, "int16")):
        with pytest.raises(Fault):
            fitted(array, np.dtype(kind), "somewhere")
