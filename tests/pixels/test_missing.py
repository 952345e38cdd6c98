"""What is missing, and what only looks like it: bands without nodata, dark colours, holes, grids that drift."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixel_world import band, chip, cut, grid, noise, scene, write
from schemas.errors import Fault
from schemas.windows import Grid
from transforms.imagery.grids import aligned
from transforms.resampling import onto


def test_the_order_of_bands_does_not_decide_what_is_valid(tmp_path: Path) -> None:
    """A band without nodata is data everywhere; a neighbour's nodata value says nothing of it."""
    red = np.full((20, 20), 7, "uint16")
    red[:4] = 0
    files = {
        "red": (write(tmp_path / "red.tif", red, grid(10, 20), 0), 0.0),
        "water": (write(tmp_path / "water.tif", np.zeros((20, 20), "uint16"), grid(10, 20)), None),
    }
    bands = {name: replace(band(name, href), nodata=value) for name, (href, value) in files.items()}
    for order in (("red", "water"), ("water", "red")):
        told = scene(tuple(bands[name] for name in order), grid(10, 20))
        image = chip(told, bands=order).images["image"]
        assert image.nodata is None
        np.testing.assert_array_equal(image.valid, red != 0)
        np.testing.assert_array_equal(image.array[order.index("water")], 0)
        np.testing.assert_array_equal(image.array[order.index("red")], red)


def test_a_colour_stays_itself_at_the_edge_of_its_file(tmp_path: Path) -> None:
    """One dark band is a colour, whether or not the chip reaches beyond the picture."""
    rgb = np.stack([np.zeros((30, 30)), np.full((30, 30), 80), np.full((30, 30), 90)]).astype(
        "uint8"
    )
    href = write(tmp_path / "rgb.tif", rgb, grid(1, 30), 0)
    names = ("red", "green", "blue")
    bands = tuple(
        band(name, href, 1, index=n + 1, dtype="uint8", nodata=0.0) for n, name in enumerate(names)
    )
    told = scene(bands, grid(1, 30))
    inside = chip(told, bands=names, window=cut(told.grid, 10, 10, 16, 16)).images["image"]
    beyond = chip(told, bands=names, window=cut(told.grid, 18, 18, 16, 16)).images["image"]
    assert inside.valid.all() and (inside.array[0] == 0).all()
    assert beyond.valid.sum() == 12 * 12 and beyond.valid[:12, :12].all()
    np.testing.assert_array_equal(beyond.array[:, :12, :12], rgb[:, 18:, 18:])
    assert (beyond.array[:, 12:] == 0).all()


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
def test_a_hole_of_one_band_is_no_hole_of_another(method: str) -> None:
    source, target = grid(20, 30), grid(10, 60)
    both = np.stack([noise(30), noise(30)])
    holes = np.zeros_like(both, bool)
    holes[0, 10:14, 10:14] = True
    values, gone = onto(both, source, target, method, holes)
    for number in (0, 1):
        alone, missing = onto(both[number][None], source, target, method, holes[number][None])
        np.testing.assert_array_equal(values[number], alone[0])
        np.testing.assert_array_equal(gone[number], missing[0])
    assert gone[0].sum() == 64 and not gone[1].any()


def test_a_file_in_another_crs_than_stated_is_refused(tmp_path: Path) -> None:
    """Tiles of neighbouring zones have the same numbers: only the CRS tells them apart."""
    place = grid(10, 60)
    href = write(tmp_path / "x.tif", noise(60), Grid("EPSG:32632", place.transform, 60, 60))
    told = scene((band("B04", href),), place)
    with pytest.raises(Fault, match="not in EPSG:32633") as caught:
        chip(told, bands=("B04",))
    assert caught.value.code == "band_mismatch"


def test_a_rotated_file_is_refused(tmp_path: Path) -> None:
    a, _, c, _, e, f = grid(20, 30).transform
    turned = Grid("EPSG:32633", (a, 8.0, c, 8.0, e, f), 30, 30)
    fine = write(tmp_path / "f.tif", noise(60), grid(10, 60))
    href = write(tmp_path / "r.tif", noise(30), turned)
    told = scene((band("B04", fine), band("B11", href, 20)), grid(10, 60))
    with pytest.raises(Fault) as caught:
        chip(told, bands=("B04", "B11"))
    assert caught.value.code == "rotated_grid"


def test_sides_that_differ_a_little_add_up() -> None:
    a, b, c, d, e, f = grid(10, 10980).transform
    own = Grid("EPSG:32633", (a, b, c, d, e, f), 10980, 10980)
    drifting = Grid("EPSG:32633", (a * 1.00009, b, c, d, e * 1.00009, f), 10980, 10980)
    assert aligned(own, own) and not aligned(own, drifting)
    assert aligned(own, drifting.cut(0, 0, 64, 64)), "half a pixel in a hundred"
