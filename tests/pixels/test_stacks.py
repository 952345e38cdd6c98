"""Stacks of dates: their pixels on one grid, what is missing in them, their files, pictures and statistics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rasterio.io import MemoryFile

from pixel_world import band, chip, grid, scene, write
from schemas.samples import Image, Sample
from series_world import PLACE, START, many
from transforms.context import Context
from transforms.encode import GeoTiff, Jpeg, planes
from transforms.gates import contrast
from transforms.hashes import perceptual
from transforms.statistics import band_stats


def test_time_major_bands_are_read_back_in_order(tmp_path: Path) -> None:
    """100 t + b, written and read; also as readers of stacks slice it."""
    dates, bands = 4, 3
    sample = chip(*reversed(many(tmp_path, dates, bands)))
    data = GeoTiff()(sample, Context(seed=0))
    with MemoryFile(data) as memory, memory.open() as source:
        array = source.read()
        names = source.descriptions
    assert names == tuple(f"T{t}_b{b}" for t in range(dates) for b in range(bands))
    for t in range(dates):
        for b in range(bands):
            assert (array[t * bands + b] == 100 * t + b + 1).all()
    cube = array.reshape(dates, bands, *array.shape[1:])  # as (time, channel, y, x) readers do
    np.testing.assert_array_equal(cube, sample.images["image"].array)
    by_name = {n: array[i] for i, n in enumerate(names)}
    assert (by_name["T3_b1"] == 302).all() and (by_name["T0_b2"] == 3).all()


def test_dates_on_another_extent_of_the_same_grid(tmp_path: Path) -> None:
    """Landsat's scenes begin elsewhere each time: pixels fall together, what is missing is nodata."""
    scenes = many(tmp_path, 2)
    aside = PLACE.cut(3, -2, 16, 16)
    array = np.arange(1, 3 * 256 + 1, dtype=np.uint16).reshape(3, 16, 16)
    href = write(tmp_path / "aside.tif", array, aside, 0)
    moved = replace(
        scenes[0], grid=aside, bands=tuple(replace(b, href=href) for b in scenes[0].bands)
    )
    sample = chip(scenes[1], moved, resampling="cubic")
    image = sample.images["image"]
    np.testing.assert_array_equal(image.array[1][:, :14, 3:], array[:, 2:, :13])
    assert (
        image.valid[0].all() and image.valid[1, :14, 3:].all() and image.valid[1].sum() == 14 * 13
    )
    assert (image.array[1][:, 14:] == 0).all() and sample.facts["resampled"] == ""
    assert sample.facts["nodata_share"] == pytest.approx(1 - (256 + 182) / 512)


def test_dates_with_other_nodata_values_share_the_first(tmp_path: Path) -> None:
    """What is missing on each date is missing in the stack's own words, and nothing else is."""
    one, two = np.full((16, 16), 65_535, np.uint16), np.full((16, 16), 7, np.uint16)
    one[0, 0], two[0, 1], two[0, 2] = 0, 65_535, 0
    told = [
        scene((band("b0", write(tmp_path / f"{n}.tif", a, PLACE, n), nodata=n),), PLACE,
              id=f"s{n}", collection="local")
        for n, a in ((0, one), (65_535, two))
    ]  # fmt: skip
    image = chip(*told).images["image"]
    assert image.nodata == 0
    assert not image.valid[0, 0, 0] and not image.valid[1, 0, 1] and image.valid.sum() == 510
    for date, valid in zip(image.array, image.valid, strict=True):
        np.testing.assert_array_equal(date[0] == 0, ~valid)


def stack() -> Image:
    rng = np.random.default_rng(4)
    array = rng.integers(1, 3000, (3, 3, 64, 64)).astype(np.uint16)
    valid = np.ones((3, 64, 64), bool)
    valid[0, :20] = valid[2, :3] = False
    return Image(
        array, ("red", "green", "blue"), grid(10, 64), 0, valid, (0.0, 3000.0), (START,) * 3
    )


def test_pictures_show_the_clearest_date() -> None:
    image = stack()
    np.testing.assert_array_equal(planes(image), planes(image.date(1)))
    assert contrast(image) == contrast(image.date(1))
    assert perceptual(image) == perceptual(image.date(1))
    image.valid[:] = True
    np.testing.assert_array_equal(planes(image), planes(image.date(0)))
    sample = Sample("w", 1, 1, images={"image": image})
    assert Jpeg()(sample, Context(seed=0))[:2] == b"\xff\xd8"


def test_statistics_count_all_dates() -> None:
    image = stack()
    together = band_stats(image)
    alone = [band_stats(image.date(t)) for t in range(3)]
    assert [row["band"] for row in together] == ["red", "green", "blue"]
    for place, row in enumerate(together):
        parts = [one[place] for one in alone]
        for name in ("valid", "nodata", "sum", "squares"):
            assert row[name] == pytest.approx(sum(part[name] for part in parts))
        assert row["min"] == min(part["min"] for part in parts)
        assert row["max"] == max(part["max"] for part in parts)
        np.testing.assert_array_equal(
            row["histogram"], np.sum([p["histogram"] for p in parts], axis=0)
        )


def test_a_mask_is_a_member_of_its_own(tmp_path: Path) -> None:
    scl = np.random.default_rng(1).integers(0, 12, (16, 16)).astype(np.uint8)
    fine = write(tmp_path / "f.tif", np.full((16, 16), 5, np.uint16), PLACE, 0)
    mask = write(tmp_path / "m.tif", scl, PLACE)
    told = scene((band("B04", fine), band("SCL", mask, dtype="uint8")), PLACE)
    encoder = GeoTiff(image="mask")
    assert set(encoder.needs) == {"image", "mask"}
    data = encoder(chip(told, bands=("B04",), mask=True), Context(seed=0))
    with MemoryFile(data) as memory, memory.open() as source:
        np.testing.assert_array_equal(source.read(1), scl)
        assert source.descriptions == ("SCL",) and source.dtypes == ("uint8",)
