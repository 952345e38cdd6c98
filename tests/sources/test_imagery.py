"""What is valid, and which band is which: by mask, alpha, nodata, description, colour and number."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import raster_world
from catalogs.shelf import SHELF
from catalogs.sources.headers import describe
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.terms import Override
from raster_world import half, noise, read, write
from schemas.errors import UsageError
from schemas.scenes import Part

FREE = Override(licence="CC0-1.0")


@pytest.fixture(autouse=True)
def shelf() -> Any:
    """Nothing stays open between tests."""
    yield
    SHELF.clear()


def stac(folder: Path, *items: dict[str, Any]) -> Imagery:
    """The imagery of a saved search."""
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
    return open_imagery(str(path), Override())


def with_alpha(path: Path, **more: Any) -> Path:
    alpha = np.where(half(), 255, 0).astype("uint8")[None]
    colours = ("red", "green", "blue", "alpha")
    return write(path, np.concatenate([noise(), alpha]), colours=colours, **more)


@pytest.mark.parametrize("inside", [True, False])
def test_a_mask_makes_pixels_invalid(tmp_path: Path, inside: bool) -> None:
    path = write(tmp_path / "x.tif", noise(), mask=half(), inside=inside, photometric="RGB")
    assert path.with_name("x.tif.msk").exists() == (not inside)
    sample = read(describe(path))
    image = sample.images["image"]
    np.testing.assert_array_equal(image.valid, half())
    np.testing.assert_array_equal(image.array, noise())
    assert sample.facts["nodata_share"] == 20 / 64


def test_an_alpha_band_is_validity_not_colour(tmp_path: Path) -> None:
    scene = describe(with_alpha(tmp_path / "x.tif"))
    image = read(scene).images["image"]
    assert image.bands == ("red", "green", "blue")
    np.testing.assert_array_equal(image.valid, half())
    assert read(scene, "none", "such").images["image"].bands == ("red", "green", "blue")
    assert read(scene, "red", "alpha").images["image"].bands == ("red", "alpha")


def test_a_window_takes_its_own_part_of_the_mask(tmp_path: Path) -> None:
    scene = describe(with_alpha(tmp_path / "x.tif"))
    out = [np.empty((40, 30), "uint8") for _ in scene.bands]
    found = SHELF.read(Part(scene.bands, scene, (5, 10, 30, 40)), out)
    assert found is not None
    np.testing.assert_array_equal(found, half()[10:50, 5:35])
    plain = describe(write(tmp_path / "y.tif", noise()))
    out = [np.empty((8, 8), "uint8") for _ in plain.bands]
    assert SHELF.read(Part(plain.bands, plain, (0, 0, 8, 8)), out) is None


def test_mask_and_nodata_add_up(tmp_path: Path) -> None:
    pixels = noise(1, "uint16")
    pixels[0, :, :7] = 0
    path = write(tmp_path / "x.tif", pixels, mask=half(), nodata=0)
    image = read(describe(path)).images["image"]
    np.testing.assert_array_equal(image.valid, half() & (np.arange(64) >= 7))


def test_display_is_of_valid_pixels(tmp_path: Path) -> None:
    pixels = noise(1, "uint16") + np.uint16(1000)
    pixels[0][~half()] = 60_000
    image = read(describe(write(tmp_path / "x.tif", pixels, mask=half()))).images["image"]
    assert image.display == tuple(np.percentile(pixels[0][half()], (2, 98)))


def test_infrared_that_the_file_calls_alpha(tmp_path: Path) -> None:
    path = with_alpha(tmp_path / "x.tif", names=("red", "green", "blue", "nir"))
    image = read(describe(path)).images["image"]
    assert image.bands == ("red", "green", "blue", "nir")
    assert image.valid.all(), "a description is stronger than a colour that GDAL writes by itself"
    bands = [{"name": name} for name in ("red", "green", "blue", "nir")]
    found = stac(tmp_path, raster_world.item("a", "x.tif", asset={"eo:bands": bands}))
    assert read(found.scenes[0]).images["image"].valid.all()


@pytest.mark.parametrize("named", [3, 4])
def test_alpha_of_an_item(tmp_path: Path, named: int) -> None:
    with_alpha(tmp_path / "x.tif")
    bands = [{"name": n, "data_type": "uint8"} for n in ("red", "green", "blue", "alpha")]
    found = stac(tmp_path, raster_world.item("a", "x.tif", asset={"bands": bands[:named]}))
    image = read(found.scenes[0]).images["image"]
    assert image.bands == ("red", "green", "blue")
    np.testing.assert_array_equal(image.valid, half())


def test_nodata_of_the_file_where_the_item_is_silent(tmp_path: Path) -> None:
    pixels = noise(2, "uint16")
    pixels[:, 3, 4] = 77
    write(tmp_path / "x.tif", pixels, nodata=77)
    bands = [{"name": n, "data_type": "uint16"} for n in ("red", "nir")]
    silent = stac(tmp_path, raster_world.item("a", "x.tif", asset={"bands": bands}))
    stated = [{**band, "nodata": 5} for band in bands]
    spoken = stac(tmp_path, raster_world.item("a", "x.tif", asset={"bands": stated}))
    one, other = (read(found.scenes[0]).images["image"] for found in (silent, spoken))
    assert (one.nodata, other.nodata) == (77, 5)
    np.testing.assert_array_equal(one.valid, (pixels != 77).all(axis=0))
    np.testing.assert_array_equal(other.valid, (pixels != 5).all(axis=0))


def test_bands_of_the_file_where_the_item_is_silent(tmp_path: Path) -> None:
    names = ("red", "green", "blue", "nir")
    write(tmp_path / "x.tif", noise(4, "uint16"), names=names)
    scene = stac(tmp_path, raster_world.item("a", "x.tif")).scenes[0]
    assert tuple(band.name for band in scene.bands) == names
    assert {band.dtype for band in scene.bands} == {"uint16"}
    assert scene.display is None, "two bytes a pixel are not shown as one"
    np.testing.assert_array_equal(read(scene).images["image"].array, noise(4, "uint16"))


def test_types_of_the_file_where_the_item_names_bands_only(tmp_path: Path) -> None:
    write(tmp_path / "x.tif", noise(2, "uint16"))
    bands = [{"name": "B04"}, {"name": "B08"}]
    scene = stac(tmp_path, raster_world.item("a", "x.tif", asset={"eo:bands": bands})).scenes[0]
    assert [(b.name, b.dtype) for b in scene.bands] == [("B04", "uint16"), ("B08", "uint16")]
    three = [*bands, {"name": "B02"}]
    good = raster_world.item("b", "x.tif", asset={"eo:bands": bands})
    bad = raster_world.item("a", "x.tif", asset={"eo:bands": three})
    found = stac(tmp_path, good, bad)
    assert [lost[:2] for lost in found.lost] == [("a", "band_mismatch")]


@pytest.mark.parametrize(
    ("count", "colours", "expected", "note"),
    [
        (3, (), ("red", "green", "blue"), "bands taken as red, green, blue"),
        (4, (), ("red", "green", "blue", "nir"), "bands taken as red, green, blue, nir"),
        (4, ("red", "green", "blue", "undefined"), ("red", "green", "blue", "nir"),
         "band 4 taken as nir"),
        (3, ("red", "green", "blue"), ("red", "green", "blue"), ""),
        (3, ("blue", "green", "red"), ("blue", "green", "red"), ""),
        (4, ("blue", "green", "red", "undefined"), ("blue", "green", "red", "nir"),
         "band 4 taken as nir"),
        (4, ("nir", "red", "green", "undefined"), ("nir", "red", "green", "band4"), ""),
        (1, ("gray",), ("gray",), ""),
        (2, ("gray", "alpha"), ("gray", "alpha"), ""),
        (5, (), ("band1", "band2", "band3", "band4", "band5"), ""),
    ],
)  # fmt: skip
def test_names_of_bands(
    tmp_path: Path, count: int, colours: tuple[str, ...], expected: tuple[str, ...], note: str
) -> None:
    path = write(tmp_path / "x.tif", noise(count), colours=colours)
    found = open_imagery(str(path), FREE)
    assert tuple(band.name for band in found.scenes[0].bands) == expected
    said = [text for text in found.notes if "taken as" in text]
    assert bool(said) == bool(note)
    if note:
        assert said == [
            f"x.tif: {note} by their number; describe them in the file if that is wrong"
        ]


def test_files_of_one_kind_share_a_note(tmp_path: Path) -> None:
    for index in range(12):
        write(tmp_path / f"{index:02}.tif", noise())
    (note,) = open_imagery(str(tmp_path), FREE).notes
    assert note.startswith("00.tif and 11 further files: bands taken as red, green, blue")


def test_unknown_cloud_is_noted_for_satellites_only(tmp_path: Path) -> None:
    coarse = raster_world.PLACE @ raster_world.PLACE.scale(20)
    write(tmp_path / "far.tif", noise(1), transform=coarse, colours=("gray",))
    write(tmp_path / "near.tif", noise(1), colours=("gray",))
    far = [raster_world.item(n, "far.tif", properties=p) for n, p in (
        ("a", {}), ("b", {"eo:cloud_cover": 3}))]  # fmt: skip
    found = stac(tmp_path, *far, raster_world.item("c", "near.tif"))
    (note,) = found.notes
    assert note == "1 of 3 scenes state no cloud cover; max_cloud does not apply to them"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (Override(), "carries no licence"),
        (Override(licence="CC-BY-4.0"), "asks for a credit line"),
        (Override(licence="CC-BY-5.0", attribution="me"), "unknown licence"),
        (Override(licence="CC-BY-ND-4.0", attribution="me"), "does not allow redistribution"),
    ],
)
def test_licences_are_a_matter_of_usage(tmp_path: Path, override: Override, said: str) -> None:
    path = write(tmp_path / "x.tif", noise())
    with pytest.raises(UsageError, match=said) as caught:
        open_imagery(str(path), override)
    assert caught.value.exit_code == 2


def test_scenes_survive_their_table(tmp_path: Path) -> None:
    scene = describe(with_alpha(tmp_path / "x.tif"))
    assumed = replace(scene, bands=(replace(scene.bands[0], assumed=True), *scene.bands[1:]))
    assert type(scene).from_dict(json.loads(json.dumps(assumed.as_dict()))) == assumed


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder, move in (("a", 0), ("b", 90_000)):
        (tmp_path / folder).mkdir()
        place = raster_world.PLACE * raster_world.PLACE.translation(move, 0)
        write(tmp_path / folder / "ortho.tif", noise(), transform=place)
    write(tmp_path / "other.tif", noise())
    made = open_imagery(str(tmp_path), Override("CC0-1.0"))
    assert [s.id for s in made.scenes] == ["a-ortho-tif", "b-ortho-tif", "other"]
    assert {Path(s.bands[0].href).parent.name for s in made.scenes} == {"a", "b", tmp_path.name}


def test_one_band_files_of_one_place_are_noted(tmp_path: Path) -> None:
    for name in ("B02", "B03"):
        write(tmp_path / f"{name}.tif", noise(1, "uint16"))
    notes = open_imagery(str(tmp_path), Override("CC0-1.0")).notes
    assert any("2 files hold one band each" in note for note in notes)
