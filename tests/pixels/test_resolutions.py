"""Bands of 10, 20 and 60 m in one chip: on which grid it comes out, and which band a name means."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalogs.sources.imagery import open_imagery
from catalogs.sources.terms import Override
from pixel_world import band, chip, code, cut, grid, noise, repeat, scene, write
from schemas.errors import Reject
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.windows import Grid, Window
from transforms.imagery import Read, read_pixels


@pytest.mark.parametrize(
    "place", [(0, 0, 120, 120), (7, 13, 50, 41), (119, 119, 1, 1), (3, 2, 5, 1)]
)
def test_fault_44_three_resolutions_on_the_finest_grid(
    place: tuple[int, int, int, int], three: tuple[Scene, dict[str, Any]]
) -> None:
    """Windows that begin within a coarse pixel too: each fine pixel repeats the one it lies in."""
    told, arrays = three
    found = chip(told, window=cut(told.grid, *place))
    image = found.images["image"]
    col, row, width, height = place
    expected = np.stack([arrays["B04"], repeat(arrays["B11"], 2), repeat(arrays["B01"], 6)])
    np.testing.assert_array_equal(image.array, expected[:, row : row + height, col : col + width])
    assert image.array.dtype == np.uint16 and image.valid.all()
    assert found.facts["resampled"] == "B11:20->10 nearest,B01:60->10 nearest"
    assert image.grid == told.grid.cut(*place)


def test_fault_44_a_scenes_own_grid_is_never_resampled(three: tuple[Scene, dict[str, Any]]) -> None:
    told, arrays = three
    found = chip(told, bands=("B04",), resampling="cubic")
    np.testing.assert_array_equal(found.images["image"].array[0], arrays["B04"])
    assert found.facts["resampled"] == ""


def test_fault_44_coarse_bands_alone_stay_on_their_own_grid(
    three: tuple[Scene, dict[str, Any]],
) -> None:
    """Whole pixels within the planned window, and the row of the sample says so."""
    told, arrays = three
    planned = cut(told.grid, 7, 13, 50, 41)
    found = chip(told, window=planned, bands=("B11", "B01"), resampling="bilinear")
    image = found.images["image"]
    assert found.window is not None and found.window.grid == image.grid
    assert image.grid.transform[0] == 20 and found.window.gsd == pytest.approx(20, rel=2e-3)
    assert image.grid.transform[2] % 20 == 0 == image.grid.transform[5] % 20
    np.testing.assert_array_equal(image.array[0], arrays["B11"][7:27, 4:28])
    west, south, east, north = image.grid.bounds()
    outer = planned.grid.bounds()
    assert outer[0] <= west and outer[1] <= south and east <= outer[2] and north <= outer[3]
    assert found.facts["resampled"] == "B01:60->20 bilinear"


@pytest.mark.parametrize(("gsd", "side"), [(20.0, 20.0), (60.0, 60.0), (30.0, 30.0), (5.0, 5.0)])
def test_fault_44_a_gsd_that_is_asked_for(
    gsd: float, side: float, three: tuple[Scene, dict[str, Any]]
) -> None:
    told, arrays = three
    found = chip(told, window=cut(told.grid, 7, 13, 100, 100), gsd=gsd, resampling="average")
    image = found.images["image"]
    assert abs(image.grid.transform[0]) == side
    assert all(corner % side == 0 for corner in image.grid.bounds())
    if gsd == 20.0:
        assert found.facts["resampled"] == "B04:10->20 average,B01:60->20 average"
        mean = arrays["B04"].reshape(60, 2, 60, 2).mean(axis=(1, 3))
        left, top = (
            (image.grid.transform[2] - 399_960) / 20,
            (5_300_040 - image.grid.transform[5]) / 20,
        )
        part = mean[int(top) :, int(left) :][: image.grid.height, : image.grid.width]
        np.testing.assert_allclose(image.array[0], part, atol=0.51)


def plane(side: int) -> Any:
    """A slope on pixels of `1200 / side` m: 1000 + 2 a metre east + 1 a metre south, at centres."""
    at = (np.arange(side) + 0.5) * 1200 / side
    return np.rint(1000 + 2 * at[None, :] + at[:, None]).astype(np.uint16)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "average"])
@pytest.mark.parametrize("gsd", [5.0, 20.0, 30.0, 60.0])
def test_fault_44_every_method_and_size_keeps_a_slope(
    gsd: float, method: str, tmp_path: Path
) -> None:
    """A kernel that is even gives back a plane: whoever moves pixels by half of one moves it."""
    sides = {"B04": 120, "B11": 60, "B01": 20}
    told = scene(
        tuple(
            band(n, write(tmp_path / f"{n}.tif", plane(px), grid(1200 / px, px), 0), 1200 / px)
            for n, px in sides.items()
        ),
        grid(10, 120),
    )
    image = chip(told, gsd=gsd, resampling=method).images["image"]
    px = round(1200 / gsd)
    assert image.array.shape == (3, px, px) and image.valid.all()
    at = (np.arange(px) + 0.5) * gsd
    true = 1000 + 2 * at[None, :] + at[:, None]
    edge = math.ceil(130 / gsd)  # two of the coarsest pixels, where kernels have one side only
    within = (slice(edge, -edge),) * 2
    for found, own in zip(image.array, (1200 / n for n in sides.values()), strict=True):
        # a twentieth of a pixel, and a row and a column rise by 3 a metre together;
        # what repeats or averages pixels on other borders is off by half a pixel at most
        exact = (
            method in ("bilinear", "cubic")
            or gsd == own
            or (method == "average" and gsd % own == 0)
        )
        most = 0.05 * 3 * max(gsd, own) if exact else 1.5 * max(gsd, own) + 1
        assert np.abs(found[within] - true[within]).max() <= most


def test_a_window_without_a_whole_coarse_pixel_is_rejected(three: tuple[Scene, Any]) -> None:
    told, _ = three
    with pytest.raises(Reject) as caught:
        chip(told, window=cut(told.grid, 1, 1, 10, 10), bands=("B01",))
    assert caught.value.code == "too_small"


def test_fault_44_bands_in_any_order(three: tuple[Scene, dict[str, Any]]) -> None:
    told, arrays = three
    image = chip(told, bands=("B01", "B04")).images["image"]
    assert image.bands == ("B01", "B04")
    np.testing.assert_array_equal(image.array[1], arrays["B04"])


def test_the_first_of_several_bands_of_a_name_counts(tmp_path: Path) -> None:
    """Planetary Computer's picture repeats the names of the bands it is made of."""
    place = grid(10, 8)
    dn = write(tmp_path / "b.tif", noise(8), place, 0)
    seen = write(tmp_path / "v.tif", noise(8, "uint8"), place)
    bands = (band("B04", dn, common="red"), band("B04", seen, common="red", dtype="uint8"))
    for name in ("B04", "red"):
        assert chip(scene(bands, place), bands=(name,)).images["image"].array.dtype == np.uint16


def test_fault_44_types_and_nodata_of_bands_differ(tmp_path: Path) -> None:
    """The chip's type holds all, and its nodata value stands for each band's own."""
    place = grid(10, 8)
    one = np.full((8, 8), 40_000, np.uint16)
    two = np.full((8, 8), -5, np.int16)
    one[0, 0], two[0, 1] = 0, -9999
    told = scene(
        (band("a", write(tmp_path / "a.tif", one, place, 0)),
         band("b", write(tmp_path / "b.tif", two, place, -9999), dtype="int16")), place,
        collection="other",
    )  # fmt: skip
    image = chip(told).images["image"]
    assert image.array.dtype == np.int32
    assert image.array[0, 1, 1] == 40_000 and image.array[1, 1, 1] == -5
    assert image.nodata == 0 and image.array[1, 0, 1] == 0
    assert image.valid.sum() == 62 and not image.valid[0, :2].any()


@pytest.mark.parametrize("declared", [True, False])
def test_fault_44_from_a_catalogue_on_disk(declared: bool, tmp_path: Path) -> None:
    """An item with assets of three resolutions, placed by the item or by its files alone."""
    arrays = {"B04": noise(120), "B11": noise(60), "B01": noise(20)}
    ring = [[13.6, 47.8], [13.7, 47.8], [13.7, 47.9], [13.6, 47.9], [13.6, 47.8]]
    assets = {}
    for name, side in (("B04", 10), ("B11", 20), ("B01", 60)):
        place = grid(side, len(arrays[name]))
        write(tmp_path / f"{name}.tif", arrays[name], place, 0)
        stated = {"proj:transform": place.transform, "proj:shape": [place.height, place.width]}
        assets[name] = {
            "href": f"{name}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"],
            "gsd": side, **(stated if declared else {}),
        }  # fmt: skip
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "x", "collection": "sentinel-2-l2a",
        "bbox": [13.6, 47.8, 13.7, 47.9], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": "2022-06-01T10:00:00Z", "proj:epsg": 32633, "license": "CC0-1.0",
                       "s2:processing_baseline": "05.11"},
        "assets": assets, "links": [],
    }  # fmt: skip
    (tmp_path / "item.json").write_text(json.dumps(item))
    (told,) = open_imagery(str(tmp_path / "item.json"), Override()).scenes
    assert told.grid.transform == grid(10, 120).transform
    assert [bool(b.place) for b in told.bands] == [False, declared, declared]
    assert Scene.from_dict(json.loads(json.dumps(told.as_dict()))) == told
    image = chip(told, bands=("B04", "B11", "B01"), window=cut(told.grid, 5, 7, 100, 90)).images[
        "image"
    ]
    for place, (name, factor) in enumerate((("B04", 1), ("B11", 2), ("B01", 6))):
        expected = np.clip(repeat(arrays[name], factor)[7:97, 5:105].astype(int) - 1000, 1, None)
        np.testing.assert_array_equal(image.array[place], expected)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"resampling='lanczos'.*nearest"):
        Read(resampling="lanczos")
    with pytest.raises(ValueError, match="gsd"):
        Read(gsd=-1)


def test_gsd_in_degrees_is_refused(tmp_path: Path) -> None:
    place = Grid("EPSG:4326", (1e-4, 0, 10.0, 0, -1e-4, 50.0), 20, 20)
    told = scene((band("a", write(tmp_path / "x.tif", noise(20), place)),), place, collection="x")
    assert code(told, gsd=20.0) == "geographic_grid"
    sample = Sample("w", 10, 50, Window(place, 10.0), (told,))
    assert sample.window is not None
    assert read_pixels(told.bands, place, told).array.shape == (1, 20, 20)
