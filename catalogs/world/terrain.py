"""How high the ground is: a smooth relief that rises to the south, in metres."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from catalogs.world import cog, noise, rasters
from catalogs.world.grids import Degrees
from catalogs.world.layout import Place
from catalogs.world.noise import Spots
from catalogs.world.stacfile import Json

PER_DEGREE = 3600
"""Pixels per degree: 1 second of arc."""

NODATA = -9999

MOUNTAIN_M = 640
"""Height in metres from which the ground counts as mountains here."""

MASK = (10.8, 49.2, 0.01, 245, 235)
"""West and north edge of the mask of mountains, side of a pixel, in degrees; columns, rows."""


def elevation(lon: Spots, lat: Spots) -> Spots:
    """Height of the ground in metres, float64, at points in degrees, of any shape."""
    wide = noise.field(lon, lat, 0.21, 21) * 110 + noise.field(lon, lat, 0.03, 22) * 34
    return np.asarray(
        430 + (49.0 - np.asarray(lat)) * 160 + wide + noise.field(lon, lat, 0.006, 23) * 7
    )


def pixels(place: Place) -> tuple[NDArray[np.int16], Degrees]:
    """Height (1, y, x) in whole metres, int16, in the middle of each pixel, and the grid.

    A corner has no data where `site.edge`.
    """
    grid = Degrees(place.site, PER_DEGREE)
    lon, lat = grid.points()
    found = np.round(elevation(lon, lat)[:, :, 0, 0]).astype(np.int16)
    if place.site.edge:
        found[:12, :12] = NODATA
    return found[None], grid


def make(place: Place, folder: Path) -> list[Json]:
    """Draws the elevation of a place: one item."""
    values, grid = pixels(place)
    entry = rasters.item(
        place, folder, f"dem-{place.site.id}", values, cog.Grid(4326, grid.affine),
        ("elevation",), NODATA, when=("2020-01-01", "2020-12-31"), title="Elevation", gsd=30,
    )  # fmt: skip
    return [entry]


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """The collection of elevation rasters."""
    about = (
        "Height of the ground in whole metres with pixels of one second of arc; -9999 is no data."
    )
    return rasters.collection("dem", "Elevation (generated)", about, items)


def mountains(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """Writes the mask of mountains, uint8, 1 where a pixel's middle is; returns no collection."""
    west, north, side, columns, rows = MASK
    lon, lat = np.meshgrid(
        west + side * (np.arange(columns) + 0.5), north - side * (np.arange(rows) + 0.5)
    )
    mask = (elevation(lon, lat) >= MOUNTAIN_M).astype(np.uint8)
    grid = cog.Grid(4326, Affine(side, 0, west, 0, -side, north))
    cog.write(
        folder / "mountains.tif", mask[None], grid, names=("mountain",), nodata=None, block=256,
        overviews=False, categorical=True,
    )  # fmt: skip
    return {}, {"share": round(float(mask.mean()), 4)}
