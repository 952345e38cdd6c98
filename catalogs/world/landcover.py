"""Land cover with pixels of 100 m in the manner of CGLS-LC100: discrete class and its probability."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalogs.world import biomass, cog, rasters, surface
from catalogs.world.grids import Degrees
from catalogs.world.layout import Place
from catalogs.world.materials import MATERIALS
from catalogs.world.stacfile import Json

PER_DEGREE = 1008
"""Pixels per degree: about 100 m."""

NODATA = 255

FINE = 10
"""Points per side at which a pixel's ground is looked up."""

CLOSED = {"conifer": 111, "broadleaf": 114, "mixed": 115}
"""Closed forest by leaf type; codes of open forest are 10 higher."""

SPARSE = 0.7
"""Share of trees below which a forest is open."""

BY_MATERIAL = {**CLOSED, "scrub": 20, "heath": 20}

BY_COVER = {
    "grass": 30, "crop": 40, "orchard": 40, "vineyard": 40, "garden": 50, "water": 80, "pool": 50,
    "road": 50, "building": 50, "paved": 50, "bare": 60, "railway": 50, "pitch": 50, "solar": 50,
    "wetland": 90, "tree": 114, "forest": 116,
}  # fmt: skip
"""Class by land cover of the truth where the material does not tell."""

CLASSES = (20, 30, 40, 50, 60, 80, 90, 111, 114, 115, 116)

TREES = slice(7, 11)
"""Where the forests stand among `CLASSES`."""


def known(name: str) -> int:
    """Class of a material, forests as closed."""
    return BY_MATERIAL.get(name, BY_COVER[MATERIALS[name].cover])


def pixels(place: Place) -> tuple[NDArray[np.uint8], Degrees]:
    """Class and probability in per cent (2, y, x), uint8, and the grid.

    The class is the most frequent one on the ground, its probability its share; forests of all
    kinds count together. A pixel most of which lies in no scene has no data.
    """
    grid = Degrees(place.site, PER_DEGREE)
    codes = surface.materials(*grid.points(FINE), biomass.YEAR, place.seed)
    table = np.array([*(known(name) for name in surface.NAMES), 0])
    kinds = table[codes].reshape(*codes.shape[:2], -1)
    counts = np.stack([(kinds == value).sum(axis=2) for value in CLASSES], axis=2)
    trees = counts[:, :, TREES].sum(axis=2)
    wood = np.array(CLASSES)[TREES][counts[:, :, TREES].argmax(axis=2)]
    counts[:, :, TREES] = 0
    total = counts.sum(axis=2) + trees
    wooded = trees >= counts.max(axis=2)
    share = np.where(wooded, trees, counts.max(axis=2)) / np.maximum(total, 1)
    open_ = np.where(share < SPARSE, 10, 0)
    best = np.where(wooded, wood + open_, np.array(CLASSES)[counts.argmax(axis=2)])
    out = np.stack([best, np.round(100 * share)]).astype(np.uint8)
    out[:, total * 2 < FINE * FINE] = NODATA
    return out, grid


def make(place: Place, folder: Path) -> list[Json]:
    """Draws the land cover of a place: one item."""
    values, grid = pixels(place)
    entry = rasters.item(
        place, folder, f"landcover-{place.site.id}", values, cog.Grid(4326, grid.affine),
        ("class", "probability"), NODATA, when=rasters.year(2019), title="Land cover", gsd=100,
        categorical=True,
    )  # fmt: skip
    return [entry]


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """The collection of land cover."""
    about = "Discrete class with the codes of CGLS-LC100 and its probability; 255 is no data."
    return rasters.collection("landcover", "Land cover (generated)", about, items)
