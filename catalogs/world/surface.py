"""What lies at any point of the world: the pixels of 5 m that the Sentinel-2 scenes are mixed from.

Every layer that is not a picture asks here, so that all of them agree with the pictures.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from catalogs.world import paint
from catalogs.world.layout import Place, lay_out
from catalogs.world.materials import MATERIALS
from catalogs.world.noise import Spots
from catalogs.world.sites import SCENE_METRES, SITES, Site, scene_affine

GSD = 5
"""Pixel size in metres."""

NAMES = tuple(MATERIALS)
"""Materials; codes are positions in here."""

OUTSIDE = -1
"""Code of a point in no scene."""

Codes = NDArray[np.int16]


@cache
def place(site: Site, seed: int) -> Place:
    """A place with all its features, laid out once per process."""
    return lay_out(site, seed)


@cache
def raster(site: Site, seed: int, year: int) -> Codes:
    """Code of the material in each pixel (y, x) of 5 m of a scene in `year`; single trees left out."""
    features = paint.painted(place(site, seed), year, site.scene_bounds)
    table = np.array(
        [NAMES.index(paint.GROUND), *(NAMES.index(f.material(year)) for f in features)], np.int16
    )
    index = paint.index_raster(features, scene_affine(site, GSD), SCENE_METRES // GSD)
    return np.asarray(table[index])


def materials(lon: Spots, lat: Spots, year: int, seed: int) -> Codes:
    """Code of the material at points in degrees, of any shape; `OUTSIDE` where no scene lies."""
    lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    out = np.full(lon.shape, OUTSIDE, np.int16)
    for site in SITES:
        near = (np.abs(lon - site.lon) < 0.04) & (np.abs(lat - site.lat) < 0.025)
        if near.any():
            row, column, inside = pixels(site, lon[near], lat[near])
            codes = raster(site, seed, year)
            out[near] = np.where(inside, codes[row, column], out[near])
    return out


def pixels(
    site: Site, lon: Spots, lat: Spots
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """(row, column, inside) of points in a scene's pixels of 5 m; outside, row and column are 0."""
    east, north = _transformer(site.epsg).transform(lon, lat)
    west, _, _, top = site.scene_bounds
    column, row = np.floor((east - west) / GSD), np.floor((top - north) / GSD)
    size = SCENE_METRES // GSD
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    return (
        np.where(inside, row, 0).astype(np.intp),
        np.where(inside, column, 0).astype(np.intp),
        np.asarray(inside),
    )


@cache
def _transformer(epsg: int) -> Transformer:
    return Transformer.from_crs(4326, epsg, always_xy=True)
