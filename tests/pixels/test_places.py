"""Files that lie elsewhere than their scene or their catalogue says are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixel_world import band, chip, code, grid, noise, scene, write
from schemas.windows import Grid


@pytest.mark.parametrize("shift", [5.0, -5.0, 10.5, 3.0])
@pytest.mark.parametrize("side", [10.0, 20.0, 60.0])
def test_fault_48_half_a_pixel_off(shift: float, side: float, tmp_path: Path) -> None:
    """A mask or band that lies between the scene's pixels is refused."""
    px = int(120 / side * 10)
    a, b, c, d, e, f = grid(side, px).transform
    off = Grid("EPSG:32633", (a, b, c + shift, d, e, f), px, px)
    good = write(tmp_path / "g.tif", noise(120), grid(10, 120), 0)
    bad = write(tmp_path / "b.tif", noise(px), off, 0)
    told = scene((band("B04", good), band("SCL", bad, side)), grid(10, 120))
    assert code(told) == "misaligned"


def test_fault_48_the_file_is_not_where_the_catalogue_says(tmp_path: Path) -> None:
    """A coarse band one fine pixel off nests, but the catalogue knows better."""
    a, b, c, d, e, f = grid(20, 60).transform
    off = Grid("EPSG:32633", (a, b, c + 10, d, e, f), 60, 60)
    good = write(tmp_path / "g.tif", noise(120), grid(10, 120), 0)
    moved = band("B11", write(tmp_path / "b.tif", noise(60), off, 0), 20)
    told = scene((band("B04", good), moved), grid(10, 120))
    chip(told)
    stated = replace(moved, place=(60, 60, *grid(20, 60).transform))
    assert code(replace(told, bands=(told.bands[0], stated))) == "misaligned"
    short = replace(moved, place=(61, 60, *off.transform))
    assert code(replace(told, bands=(told.bands[0], short))) == "band_mismatch"
    true = replace(moved, place=(60, 60, *off.transform))
    chip(replace(told, bands=(told.bands[0], true)))


def test_fault_48_a_declared_shift_is_honoured(tmp_path: Path) -> None:
    """Landsat's 15 m pixels lie around the corners of the 30 m ones: their centres decide."""
    fine = Grid("EPSG:32633", (15.0, 0, 0.0 + 300_007.5, 0, -15.0, 5_000_007.5 - 15), 40, 40)
    coarse = Grid("EPSG:32633", (30.0, 0, 300_000.0, 0, -30.0, 5_000_000.0), 20, 20)
    numbers = noise(20)
    hrefs = [
        write(tmp_path / "p.tif", noise(40), fine, 0),
        write(tmp_path / "r.tif", numbers, coarse, 0),
    ]
    red = band("red", hrefs[1], 30, place=(20, 20, *coarse.transform))
    told = scene((band("pan", hrefs[0], 15), red), fine, collection="landsat-c2-l1")
    image = chip(told).images["image"]
    xs = 300_007.5 + 15 * (np.arange(40) + 0.5)
    ys = 4_999_992.5 - 15 * (np.arange(40) + 0.5)
    cols, rows = ((xs - 300_000) // 30).astype(int), ((5_000_000 - ys) // 30).astype(int)
    inside = (rows[:, None] < 20) & (cols[None] < 20)
    expected = np.where(
        inside, numbers[np.minimum(rows, 19)[:, None], np.minimum(cols, 19)[None]], 0
    )
    np.testing.assert_array_equal(image.array[1], expected)
    np.testing.assert_array_equal(image.valid, inside)


@pytest.mark.parametrize("factor", [1.005, 1.2])
def test_fault_44_pixels_of_another_size_than_stated(factor: float, tmp_path: Path) -> None:
    place = grid(10 * factor, 120)
    told = scene((band("B04", write(tmp_path / "x.tif", noise(120), place, 0)),), grid(10, 120))
    assert code(told) == "misaligned"


def test_fault_44_another_crs(tmp_path: Path) -> None:
    other = Grid("EPSG:32632", grid(20, 60).transform, 60, 60)
    good = write(tmp_path / "g.tif", noise(120), grid(10, 120), 0)
    bad = write(tmp_path / "b.tif", noise(60), other, 0)
    assert code(scene((band("B04", good), band("B11", bad, 20)), grid(10, 120))) == "band_mismatch"
