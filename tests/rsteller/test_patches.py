"""Check 1: patches of 268.8 m on a seeded grid, on the image's own pixels where they fit."""

import itertools
import random
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import Geod

from pipelines.datasets.rsteller import RECIPE
from schemas import grids
from schemas.errors import Reject
from schemas.samples import Sample
from schemas.scenes import Band, Scene
from schemas.windows import Grid as Pixels
from schemas.windows import from_lonlat, to_lonlat
from transforms.context import Context
from transforms.grid_places import tiles
from transforms.imagery import Read
from transforms.imagery.choice import usable
from transforms.patches import Grid, Square, square

GEOD = Geod(ellps="WGS84")
SIDE = 268.8


def scene_at(lon: float, lat: float, crs: str, px: float, name: str = "a", n: int = 4000) -> Scene:
    """A scene of `n` x `n` pixels of `px` CRS units around a place."""
    xs, ys = from_lonlat(crs, np.array([lon]), np.array([lat]))
    x, y = float(xs[0]) - n / 2 * px + 0.37 * px, float(ys[0]) + n / 2 * px
    grid = Pixels(crs, (px, 0.0, x, 0.0, -px, y), n, n, 512)
    west, south, east, north = grid.bounds()
    lons, lats = to_lonlat(
        crs, np.array([west, east, east, west]), np.array([south, south, north, north])
    )
    bands = (Band("red", f"{name}.tif", gsd=px if px > 0.01 else 0.6),)
    shape = shapely.to_wkt(shapely.Polygon(np.stack([lons, lats], axis=1)), rounding_precision=9)
    return Scene(name, "naip", datetime(2022, 6, 1, tzinfo=UTC), grid, shape, bands, "x", "x")


def sides(grid: Pixels) -> tuple[float, float]:
    """Metres of a grid from west to east and from south to north through its middle, by geodesics."""
    west, south, east, north = grid.bounds()
    x, y = (west + east) / 2, (south + north) / 2
    lon, lat = to_lonlat(grid.crs, np.array([west, east, x, x]), np.array([y, y, south, north]))
    across = GEOD.inv(lon[0], lat[0], lon[1], lat[1])[2]
    return across, GEOD.inv(lon[2], lat[2], lon[3], lat[3])[2]


GRIDS = {
    "own pixels": ("EPSG:32615", 0.6),
    "half as large": ("EPSG:32615", 0.3),
    "a third larger than half": ("EPSG:32615", 0.4),
    "web mercator": ("EPSG:3857", 0.597164),
    "degrees": ("EPSG:4326", 5.4e-6),
}


@pytest.mark.parametrize("lat", [30.0, 40.0, 48.0])
@pytest.mark.parametrize("name", GRIDS)
def test_1_a_patch_is_268_8_metres_on_both_sides(name: str, lat: float) -> None:
    """To 0.1 %, whatever the grid; measured along geodesics."""
    crs, px = GRIDS[name]
    scene = scene_at(-95.3, lat, crs, px)
    grid = square(scene.grid, -95.3, lat, 448, 0.6)
    assert (grid.width, grid.height) == (448, 448)
    assert sides(grid) == pytest.approx((SIDE, SIDE), rel=1e-3)


def test_1_a_patch_lies_on_the_images_own_pixels_where_they_are_0_6_m() -> None:
    """Its corner is a corner of the scene's pixels, and its middle within a pixel of the place."""
    scene = scene_at(-95.3, 40.0, "EPSG:32615", 0.6)
    found = Square()(Sample("p", -95.3, 40.0, scenes=(scene,)), Context())
    assert found.window is not None
    own = scene.grid.cut(found.window.col, found.window.row, 448, 448)
    assert found.window.grid.transform == pytest.approx(own.transform, abs=1e-6)
    lon, lat = found.window.centre()
    assert GEOD.inv(lon, lat, -95.3, 40.0)[2] < 0.6
    assert found.facts["image_name"] == "a"
    assert isinstance(found.facts["patch_id"], int)
    assert 0 <= found.facts["patch_id"] < 2**53


def test_1_finer_pixels_are_taken_whole() -> None:
    """Of 0.3 m pixels a patch is made of whole two by two, never cut ones."""
    scene = scene_at(-95.3, 40.0, "EPSG:32615", 0.3)
    grid = square(scene.grid, -95.3, 40.0, 448, 0.6)
    assert grid.transform[0] == pytest.approx(2 * 0.3)
    first = (grid.transform[2] - scene.grid.transform[2]) / 0.3
    assert first == pytest.approx(round(first), abs=1e-6)


def test_1_a_patch_that_leaves_the_image_is_rejected() -> None:
    """The reason names the scene."""
    scene = scene_at(-95.3, 40.0, "EPSG:32615", 0.6, n=500)
    with pytest.raises(Reject) as caught:
        Square()(Sample("p", -95.299, 40.0, scenes=(scene,)), Context())
    assert caught.value.code == "outside_imagery"
    assert "a" in caught.value.message


@pytest.mark.parametrize("lat", [30.0, 40.0, 48.0])
def test_1_places_lie_two_widths_apart(lat: float) -> None:
    """Along a row and from row to row, to less than 1 %, by geodesics."""
    km = RECIPE.start.km  # type: ignore[attr-defined]
    assert km == pytest.approx(2 * 0.2688)
    row, column = grids.cells(np.array([-95.3]), np.array([lat]), km)
    lon, lats = grids.middles(row + np.array([0, 0, 1]), column + np.array([0, 1, 0]), km)
    east = GEOD.inv(lon[0], lats[0], lon[1], lats[1])[2]
    north = GEOD.inv(lon[0], lats[0], lon[0], lats[2])[2]
    assert (east, north) == pytest.approx((2 * SIDE, 2 * SIDE), rel=0.01)


def scanned(scenes: list[Scene], seed: int = 0, **more: Any) -> list[str]:
    """Names of the places that a grid finds, in order."""
    ctx = Context(
        seed=seed, sources={"imagery": SimpleNamespace(scenes=scenes)}, bbox=more.pop("bbox", None)
    )
    return [key for t in Grid(**more).scan(ctx, print) for key in t["key"].to_pylist()]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Three images of a few kilometres; two of them overlap."""
    return [scene_at(-95.3 + 0.03 * k, 40.0, "EPSG:32615", 0.6, f"s{k}", 9000) for k in (0, 1, 5)]


def test_1_the_same_seed_gives_the_same_patches(scenes: list[Scene]) -> None:
    """In whatever order the images come; another seed gives others."""
    first = scanned(scenes, drop=0.5)
    mixed = random.Random(1).sample(scenes, len(scenes))
    assert scanned(mixed, drop=0.5) == first
    assert set(scanned(scenes, seed=1, drop=0.5)) != set(first)


def test_1_the_share_that_is_dropped_is_the_one_asked_for(scenes: list[Scene]) -> None:
    """And what a larger share leaves is left by a smaller one too: a place's luck is its own."""
    every, half, few = (set(scanned(scenes, drop=drop)) for drop in (0.0, 0.5, 0.9))
    assert few < half < every
    for kept, share in ((half, 0.5), (few, 0.1)):
        spread = 4 * (share * (1 - share) / len(every)) ** 0.5
        assert abs(len(kept) / len(every) - share) < spread


def test_1_overlapping_images_give_each_place_once(scenes: list[Scene]) -> None:
    """The grid is the globe's, not the image's."""
    found = Counter(scanned(scenes))
    assert max(found.values()) == 1
    alone = {key for scene in scenes for key in scanned([scene])}
    assert set(found) == alone


def test_1_the_grid_is_all_of_the_globes_places_in_the_footprints(scenes: list[Scene]) -> None:
    """Against every place of the box around them, tried one by one; and cut by a bbox."""
    shapes = [shapely.from_wkt(scene.footprint) for scene in scenes]
    west, south, east, north = shapely.total_bounds(shapes)
    km, expected = Grid().km, set()
    step = 180 / grids.rows(km)
    for row in range(int(south / step) - 1, int(north / step) + 2):
        wide = 360 / int(grids.columns(np.array([row]), km)[0])
        for column in range(int(west / wide) - 2, int(east / wide) + 2):
            lon, lat = grids.middles(np.array([row]), np.array([column]), km)
            if any(shapely.intersects_xy(s, lon[0], lat[0]) for s in shapes):
                expected.add(grids.name(row, column).lower())
    assert len(expected) > 200
    assert set(scanned(scenes)) == expected
    box = (west, south, (west + east) / 2, (south + north) / 2)
    part = set(scanned(scenes, bbox=box))
    assert part and part < expected


def test_1_coarse_images_have_no_places() -> None:
    """A satellite's scene around an aerial picture adds nothing to the grid, nor to the choice."""
    wide = scene_at(-95.3, 40.0, "EPSG:32615", 10.0, "s2", 2000)
    fine = scene_at(-95.3, 40.0, "EPSG:32615", 0.6, "naip")
    assert scanned([wide, fine]) == scanned([fine])
    assert scanned([wide]) == []
    assert usable([wide, fine], None, 20, 0.6) == ([fine], "too_coarse")


@pytest.mark.parametrize("west", [178.9, -180.0, -1.0])
def test_places_are_each_in_one_tile_wherever_they_lie(west: float) -> None:
    """At the antimeridian and at Greenwich: no place twice, none forgotten, none outside."""
    shape = shapely.box(west, -0.4, west + 1.1, 0.4)
    km = 20.0
    names = [n for tile in tiles(np.array([shape], object), km) for n in tile.places(km)[2]]
    assert len(names) == len(set(names))
    places = [
        (x, y)
        for tile in tiles(np.array([shape], object), km)
        for x, y in zip(*tile.places(km)[:2], strict=True)
    ]
    found = {(round(x, 9), round(y, 9)) for x, y in places if shape.intersects(shapely.Point(x, y))}
    lon, lat = np.meshgrid(
        np.linspace(west, min(west + 1.1, 180), 400), np.linspace(-0.4, 0.4, 300)
    )
    rows, columns = grids.cells(lon.ravel(), lat.ravel(), km)
    middles = zip(*grids.middles(rows, columns, km), strict=True)
    expected = {
        (round(x, 9), round(y, 9))
        for x, y in middles
        if shape.covers(shapely.Point(x, y)) and x < 180
    }
    assert found == expected


def test_no_tile_is_large() -> None:
    """Whatever the area: memory stays bounded."""
    shape = np.array([shapely.box(-125, 24, -66, 50)], object)
    some = itertools.islice(tiles(shape, 0.5376), 0, 40_000, 997)
    assert max(len(tile.places(0.5376)[2]) for tile in some) < 10_000


def test_planned_pixels_and_a_gsd_exclude_each_other() -> None:
    """Two answers to one question."""
    with pytest.raises(ValueError, match="only one of gsd"):
        Read(gsd=0.6, planned=True)


def test_a_patch_is_north_up_even_where_an_image_is_not() -> None:
    """Left is west and the top is north in every chip."""
    scene = scene_at(-95.3, 40.0, "EPSG:32615", 0.6)
    a, b, c, d, e, f = scene.grid.transform
    turned = Pixels(scene.grid.crs, (a, b, c, d, -e, f + 4000 * e), 4000, 4000)
    grid = square(turned, -95.3, 40.0, 448, 0.6)
    assert grid.transform[0] > 0 > grid.transform[4]
    assert grid.bounds() == pytest.approx(
        square(scene.grid, -95.3, 40.0, 448, 0.6).bounds(), abs=0.6
    )
