"""Rasters of a place: which feature shows in each pixel, and its land-cover class."""

from collections.abc import Sequence

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely import Point

from catalogs.world.feature import Feature
from catalogs.world.layout import Place
from catalogs.world.materials import CLASSES, cover

GROUND = "grass"
"""Material where no feature lies."""

Bounds = tuple[float, float, float, float]


def painted(place: Place, year: int, bounds: Bounds) -> list[Feature]:
    """Features that cover ground within `bounds` in `year`, in paint order; trees are left out."""
    found = [f for f in _near(place, bounds) if f.material(year) and not isinstance(f.geom, Point)]
    return sorted(found, key=lambda f: f.z)


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


def index_raster(features: Sequence[Feature], affine: Affine, size: int) -> NDArray[np.uint16]:
    """Number of the topmost feature plus one, (size, size); 0 where bare ground shows."""
    shapes = [(f.footprint(), n + 1) for n, f in enumerate(features)]
    shapes = [(shape, n) for shape, n in shapes if not shape.is_empty]
    burnt = rasterize(shapes, out_shape=(size, size), transform=affine, dtype="uint16")
    return np.asarray(burnt, dtype=np.uint16)


def class_raster(
    place: Place, year: int, bounds: Bounds, affine: Affine, size: int
) -> NDArray[np.uint8]:
    """Land-cover class (size, size) in `year`, values of `CLASSES`, single trees included."""
    features = painted(place, year, bounds)
    table = np.array([cover(GROUND), *(cover(f.material(year)) for f in features)], dtype=np.uint8)
    classes = table[index_raster(features, affine, size)]
    crowns = [t.geom.buffer(t.width / 2) for t in trees(place, year, bounds)]
    if crowns:
        rasterize(crowns, out=classes, transform=affine, default_value=CLASSES["tree"])
    return np.asarray(classes, dtype=np.uint8)
