"""Rasters of a place: which feature shows in each pixel, which class, and the aerial picture."""

import math
from collections.abc import Sequence

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely import Point, Polygon
from shapely.affinity import translate

from catalogs.world import noise
from catalogs.world.feature import Feature
from catalogs.world.layout import Place
from catalogs.world.materials import CLASSES, MATERIALS, cover
from catalogs.world.noise import Floats
from catalogs.world.sites import AERIAL_GSD, AERIAL_PX, aerial_affine, generator
from catalogs.world.textures import TEXTURES

GROUND = "grass"
"""Material where no feature lies."""

SUN = {2020: (-0.55, 0.84), 2022: (-0.38, 0.92)}
"""Unit vector (east, north) in which shadows fall, by year of flight."""

SHADE = 0.75
"""Length of a shadow for one metre of height."""

PANEL = (46.0, 56.0, 92.0, 66.0)
"""Red, green, blue, near infrared of a solar panel."""


def painted(place: Place, year: int) -> list[Feature]:
    """Features that cover ground in `year`, in paint order; trees are left out."""
    found = [f for f in place.features if f.material(year) and not isinstance(f.geom, Point)]
    return sorted(found, key=lambda f: f.z)


def index_raster(features: Sequence[Feature], affine: Affine, size: int) -> NDArray[np.uint16]:
    """Number of the topmost feature plus one, (size, size); 0 where bare ground shows."""
    shapes = [(f.footprint(), n + 1) for n, f in enumerate(features)]
    shapes = [(shape, n) for shape, n in shapes if not shape.is_empty]
    burnt = rasterize(shapes, out_shape=(size, size), transform=affine, dtype="uint16")
    return np.asarray(burnt, dtype=np.uint16)


def class_raster(place: Place, affine: Affine, size: int, year: int) -> NDArray[np.uint8]:
    """Land-cover class (size, size) in `year`, values of `CLASSES`, single trees included."""
    features = painted(place, year)
    table = np.array([cover(GROUND), *(cover(f.material(year)) for f in features)], dtype=np.uint8)
    classes = table[index_raster(features, affine, size)]
    crowns = [t.geom.buffer(t.width / 2) for t in _trees(place, year)]
    if crowns:
        rasterize(crowns, out=classes, transform=affine, default_value=CLASSES["tree"])
    return np.asarray(classes, dtype=np.uint8)


def aerial(place: Place, year: int) -> NDArray[np.uint8]:
    """The aerial picture of a July day, (band, y, x) red, green, blue, near infrared; 0 is nodata."""
    affine, size = aerial_affine(place.site), AERIAL_PX
    features = _inside(painted(place, year), place)
    index = index_raster(features, affine, size)
    names = [GROUND, *(f.material(year) for f in features)]
    looks = [MATERIALS[name] for name in names]
    rng = place.rng("colour")
    jitter = {id(f): rng.random(5) for f in place.features}
    spread = np.array([look.rough for look in looks])
    luck = np.array([np.full(5, 0.5), *(jitter[id(f)] for f in features)])
    light = 1 + (luck[:, 4] - 0.5) * np.minimum(spread, 0.08) * 2.4
    tint = 1 + (luck[:, :4] - 0.5) * 0.05
    colours = (np.array([look.colour for look in looks]) * light[:, None] * tint).astype(np.float32)

    gain = _mottle(place, spread.astype(np.float32)[index])
    panels = _textures(features, looks, index, year, gain)
    _crowns(place, looks, index, gain)
    raised = np.array([False, *(f.height > 2 for f in features)])
    gain *= _shadows(features, place, year, affine, raised[index])
    picture = np.empty((4, size, size), dtype=np.uint8)
    grain = noise.fine(place.rng("grain", year), size // 2, 5).repeat(2, 0).repeat(2, 1)
    tops = _tree_tops(place, year)
    for band in range(4):
        values = colours[:, band][index]
        values.reshape(-1)[panels] = PANEL[band]
        values *= gain
        for rows, cols, factor, crown in tops:
            patch = values[rows, cols]
            values[rows, cols] = np.where(crown >= 0, factor[band] * crown, patch * (-crown))
        values += grain
        picture[band] = np.clip(values + 0.5, 1, 255)
    if place.site.edge:
        _cut_corner(picture)
    return picture


def _trees(place: Place, year: int) -> list[Feature]:
    return [f for f in place.features if f.material(year) and isinstance(f.geom, Point)]


def _inside(features: list[Feature], place: Place) -> list[Feature]:
    west, south, east, north = place.site.aerial_bounds
    near = []
    for item in features:
        w, s, e, n = item.geom.bounds
        if w < east + 30 and e > west - 30 and s < north + 30 and n > south - 30:
            near.append(item)
    return near


def _mottle(place: Place, spread: Floats) -> Floats:
    """Brightness factors from noise of three sizes, as strong as the ground is rough."""
    rng, size = place.rng("mottle"), spread.shape[0]
    gain = noise.smooth(rng, size, 96) * np.float32(0.8)
    gain += noise.smooth(rng, size, 24) * np.float32(0.7)
    gain += noise.smooth(rng, size, 5) * np.float32(0.7)
    gain *= spread
    gain += 1
    return gain


def _textures(
    features: list[Feature], looks: Sequence[object], index: NDArray[np.uint16], year: int, gain: Floats
) -> NDArray[np.intp]:
    """Multiplies textures into `gain`; returns the flat indices of pixels that show solar panels."""
    kinds = np.array([getattr(look, "texture", "plain") for look in looks])
    middle = np.array([(0.0, 0.0), *(f.geom.centroid.coords[0] for f in features)])
    angle = np.array([0.0, *(f.angle for f in features)])
    west, north = _origin(features, middle)
    flat, out = index.reshape(-1), gain.reshape(-1)
    away = SUN[year]
    panels = np.empty(0, dtype=np.intp)
    for kind, texture in TEXTURES.items():
        spots = np.flatnonzero((kinds == kind)[flat])
        if not spots.size:
            continue
        which = flat[spots]
        x = (spots % AERIAL_PX + 0.5) * AERIAL_GSD + west - middle[which, 0]
        y = north - (spots // AERIAL_PX + 0.5) * AERIAL_GSD - middle[which, 1]
        c, s = np.cos(angle)[which], np.sin(angle)[which]
        sun = (np.sin(angle) * away[0] - np.cos(angle) * away[1]).astype(np.float32)[which]
        factor = texture((x * c + y * s).astype(np.float32), (y * c - x * s).astype(np.float32), sun)
        if kind == "panels":
            panels = spots[factor == 0]
            factor = np.where(factor == 0, np.float32(1), factor)
        out[spots] *= factor
    return panels
