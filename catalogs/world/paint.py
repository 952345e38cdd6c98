"""Rasters of a place: which feature shows in each pixel, and its land-cover class."""

from functools import lru_cache

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely import Point

from catalogs.world.feature import Feature
from catalogs.world.layout import Place
from catalogs.world.materials import CLASSES, cover
from catalogs.world.noise import Floats

GROUND = "grass"
"""Material where no feature lies."""

Bounds = tuple[float, float, float, float]


def painted(place: Place, year: int, bounds: Bounds) -> tuple[Feature, ...]:
    """Features that cover ground within `bounds` in `year`, in paint order; trees are left out."""
    found = [f for f in _near(place, bounds) if f.material(year) and not isinstance(f.geom, Point)]
    return tuple(sorted(found, key=lambda f: f.z))


def trees(place: Place, year: int, bounds: Bounds) -> list[Feature]:
    """Single trees within `bounds` in `year`."""
    return [f for f in _near(place, bounds) if f.material(year) and isinstance(f.geom, Point)]


def _near(place: Place, bounds: Bounds, margin: float = 30.0) -> list[Feature]:
    west, south, east, north = bounds
    near = []
    for item in place.features:
        w, s, e, n = item.geom.bounds
        if w < east + margin and e > west - margin and s < north + margin and n > south - margin:
            near.append(item)
    return near


@lru_cache(maxsize=6)
def index_raster(features: tuple[Feature, ...], affine: Affine, size: int) -> NDArray[np.uint16]:
    """Number of the topmost feature plus one, (size, size); 0 where bare ground shows."""
    shapes = [(f.footprint(), n + 1) for n, f in enumerate(features)]
    shapes = [(shape, n) for shape, n in shapes if not shape.is_empty]
    burnt = rasterize(shapes, out_shape=(size, size), transform=affine, dtype="uint16")
    burnt.setflags(write=False)
    return np.asarray(burnt, dtype=np.uint16)


def class_raster(
    place: Place, year: int, bounds: Bounds, affine: Affine, size: int
) -> NDArray[np.uint8]:
    """Land-cover class (size, size) in `year`, values of `CLASSES`, single trees included."""
    features = painted(place, year, bounds)
    table = np.array([cover(GROUND), *(cover(f.material(year)) for f in features)], dtype=np.uint8)
    classes = table[index_raster(features, affine, size)]
    for tree in trees(place, year, bounds):
        spot = stamp(tree, affine, tree.width / 2, classes.shape)
        if spot is not None:
            window, _, _, square = spot
            np.copyto(classes[window], CLASSES["tree"], where=square < 1)
    return np.asarray(classes, dtype=np.uint8)


def stamp(
    tree: Feature,
    affine: Affine,
    radius: float,
    shape: tuple[int, ...],
    shift: tuple[float, float] = (0.0, 0.0),
) -> tuple[tuple[slice, slice], Floats, Floats, Floats] | None:
    """The pixels of a disc: their window, offsets in radii (right, down) and squared distance.

    Args:
        tree: A point.
        affine: Pixel to UTM metres.
        radius: Radius of the disc in metres.
        shape: (rows, columns) of the raster; None comes back for a disc that lies outside.
        shift: Metres (east, north) by which the disc is moved.
    """
    gsd = affine.a
    col = (tree.geom.x + shift[0] - affine.c) / gsd
    row = (affine.f - tree.geom.y - shift[1]) / gsd
    reach = radius / gsd
    top, left = max(int(row - reach), 0), max(int(col - reach), 0)
    bottom, right = min(int(row + reach) + 1, shape[0]), min(int(col + reach) + 1, shape[1])
    if bottom <= top or right <= left:
        return None
    dy = ((np.arange(top, bottom) + 0.5 - row) / reach)[:, None].astype(np.float32)
    dx = ((np.arange(left, right) + 0.5 - col) / reach)[None, :].astype(np.float32)
    return (slice(top, bottom), slice(left, right)), dx, dy, dx * dx + dy * dy
