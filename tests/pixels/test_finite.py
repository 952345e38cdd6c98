"""NaN and infinity in float rasters: counted, masked, and out of every number."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from rasterio.io import MemoryFile

from pixel_world import band, chip, grid, scene, write
from schemas.samples import Image
from transforms.context import Context
from transforms.encode import GeoTiff, Jpeg
from transforms.gates import contrast
from transforms.hashes import perceptual
from transforms.statistics import band_stats

PLACE = grid(10, 64)


def holes() -> tuple[Any, Any]:
    """Reflectance (band, y, x) with NaN, infinity and minus infinity, and where all of it is finite."""
    array = np.random.default_rng(0).uniform(0, 1, (3, 64, 64)).astype(np.float32)
    array[0, :8] = np.nan
    array[1, 8:12] = np.inf
    array[2, 12:14, 5] = -np.inf
    return array, np.isfinite(array).all(axis=0)


@pytest.mark.parametrize("nodata", [None, -9999.0, float("nan")])
def test_fault_47_counted_masked_and_finite(nodata: float | None, tmp_path: Path) -> None:
    array, good = holes()
    href = write(tmp_path / "x.tif", array, PLACE, nodata)
    bands = tuple(
        band(n, href, index=i + 1, dtype="float32") for i, n in enumerate(("red", "green", "blue"))
    )
    told = scene(bands, PLACE, collection="local", display=None)
    sample = chip(told)
    image = sample.images["image"]
    np.testing.assert_array_equal(image.valid, good)
    assert sample.facts["nodata_share"] == pytest.approx(1 - good.mean())
    assert np.isfinite(image.display).all() and 0 <= image.display[0] < image.display[1]
    for row, plane in zip(band_stats(image), array[:, ::4, ::4], strict=True):
        seen = plane[good[::4, ::4]].astype(float)
        numbers = [row[n] for n in ("sum", "squares", "min", "max")]
        assert np.isfinite(numbers).all()
        assert numbers == pytest.approx([seen.sum(), (seen**2).sum(), seen.min(), seen.max()])
        assert row["valid"] == seen.size and row["nodata"] == 256 - seen.size
        assert np.sum(row["histogram"]) == seen.size
    assert np.isfinite(contrast(image)) and len(perceptual(image)) == 16
    with Pillow.open(io.BytesIO(Jpeg(100)(sample, Context(seed=0)))) as shown:
        assert shown.size == (64, 64) and np.asarray(shown)[:6].max() < 40, "missing is black"
    with MemoryFile(GeoTiff()(sample, Context(seed=0))) as memory, memory.open() as source:
        np.testing.assert_array_equal(source.read(), array)
        if nodata is None:
            np.testing.assert_array_equal(source.dataset_mask() > 0, good)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "average"])
def test_fault_47_holes_do_not_spread(method: str, tmp_path: Path) -> None:
    array, _ = holes()
    fine = write(tmp_path / "f.tif", np.full((128, 128), 0.5, np.float32), grid(5, 128))
    href = write(tmp_path / "x.tif", array[:1], PLACE)
    told = scene(
        (band("a", fine, 5, dtype="float32"), band("b", href, dtype="float32")), grid(5, 128),
        collection="local",
    )  # fmt: skip
    image = chip(told, resampling=method).images["image"]
    expected = np.isfinite(array[0]).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(image.valid, expected)
    assert np.isfinite(image.array[:, expected]).all()
    assert image.array[1][expected].min() > -0.3 and image.array[1][expected].max() < 1.3


def test_fault_47_nothing_but_nan() -> None:
    array = np.full((3, 64, 64), np.nan, np.float32)
    image = Image(array, ("a", "b", "c"), PLACE, None, np.zeros((64, 64), bool), (0.0, 1.0))
    assert all(row["valid"] == 0 and np.isfinite(row["sum"]) for row in band_stats(image))
    assert contrast(image) == 0.0 and perceptual(image) == ""
