"""Canopy height in the manner of the global map of 2020: height and its uncertainty at 10 m."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from catalogs.world import biomass, cog, rasters, surface
from catalogs.world.layout import Place
from catalogs.world.sites import SCENE_METRES, scene_affine
from catalogs.world.stacfile import Json

NODATA = 255


def pixels(place: Place) -> NDArray[np.uint8]:
    """Mean height of the canopy and its standard deviation in whole metres (2, y, x), uint8, on the
    10 m grid of the Sentinel-2 scene; a corner has no data where `site.edge`."""
    affine, size = scene_affine(place.site, 10), SCENE_METRES // 10
    middle = np.arange(size) + 0.5
    east, north = np.meshgrid(affine.c + middle * affine.a, affine.f + middle * affine.e)
    there = Transformer.from_crs(place.site.epsg, 4326, always_xy=True)
    factor = biomass.vigour(*there.transform(east, north)).repeat(2, 0).repeat(2, 1)
    fine = biomass.canopy(surface.raster(place.site, place.seed, biomass.YEAR), factor)
    mean = fine.reshape(size, 2, size, 2).mean(axis=(1, 3))
    out = np.stack([np.round(mean), np.round(1 + 0.16 * mean)]).astype(np.uint8)
    if place.site.edge:
        out[:, :30, :30] = NODATA
    return out


def make(place: Place, folder: Path) -> list[Json]:
    """Draws the canopy height of a place: one item."""
    entry = rasters.item(
        place, folder, f"canopy-{place.site.id}", pixels(place),
        cog.Grid(place.site.epsg, scene_affine(place.site, 10)), ("height", "std"), NODATA,
        when=rasters.year(2020), title="Canopy height", gsd=10,
    )  # fmt: skip
    return [entry]


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """The collection of canopy heights."""
    about = "Height of the canopy and its standard deviation in whole metres; 255 is no data."
    return rasters.collection("canopy", "Canopy height (generated)", about, items)
