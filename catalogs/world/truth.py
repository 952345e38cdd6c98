"""What is known for certain about the world, for tests of meaning."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from catalogs.world import biomass as mass
from catalogs.world import cog, fields, paint, phenology, season, surface, terrain
from catalogs.world.layout import Place
from catalogs.world.materials import CLASSES
from catalogs.world.sites import AERIAL_PX, SCENE_METRES, SITES, Site, aerial_affine, scene_affine

if TYPE_CHECKING:
    from catalogs.world import World

SCENE_GSD = 5
"""Pixel size in metres of the truth that covers a whole Sentinel-2 scene."""

YEAR = 2022
"""Year of the truth."""

__all__ = [
    "CLASSES",
    "biomass",
    "class_raster",
    "cycles",
    "elevation",
    "faults",
    "height",
    "materials",
    "parcels",
    "place",
    "sites",
    "write",
]


def sites(world: "World") -> tuple[Site, ...]:
    """All places of the world."""
    return SITES


def place(world: "World", site_id: str) -> Place:
    """A place with all its features, laid out once per process (a third of a second)."""
    return surface.place(next(site for site in SITES if site.id == site_id), world.seed)


def class_raster(
    world: "World", site_id: str, extent: Literal["aerial", "scene"] = "aerial"
) -> tuple[NDArray[np.uint8], Affine, int]:
    """Land cover of a place in 2022: classes (y, x) uint8 as in `CLASSES`, affine, EPSG code.

    Args:
        world: The world.
        site_id: Id of the place.
        extent: `aerial` has the pixels of the aerial picture (0.6 m), for places that have one;
            `scene` covers the Sentinel-2 scene with pixels of 5 m.
    """
    name = f"{site_id}.tif" if extent == "aerial" else f"{site_id}-scene.tif"
    classes, affine, epsg = cog.read(world.root / "truth" / name)
    return classes.astype(np.uint8), affine, epsg


def cycles(world: "World", lon: float, lat: float, year: int) -> tuple[season.Cycle, ...]:
    """Growing cycles of the phenology pixel that holds a point, in days after 1 January of `year`.

    They are the dates of the raster, except where its QA_Overall is 3: there the raster is wrong.

    Returns:
        One or two cycles in time order, () where most of the pixel never changes.

    Raises:
        ValueError: The pixel lies in no scene of the world.
    """
    return phenology.cycles_at(lon, lat, year, world.seed)


def materials(
    world: "World", lon: NDArray[np.float64], lat: NDArray[np.float64], year: int
) -> NDArray[np.str_]:
    """Material (names as in `materials.MATERIALS`) at points in degrees, of any shape, in `year`.

    It is what the pictures show there, on pixels of 5 m; "" where no scene lies.
    """
    codes = surface.materials(lon, lat, year, world.seed)
    return np.array([*surface.NAMES, ""])[codes]


def biomass(
    world: "World", lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Aboveground biomass in Mg/ha at points in degrees, of any shape: what GEDI's shots hold.

    It is the same in every year. Where no scene lies it is that of a meadow.
    """
    return mass.biomass(lon, lat, world.seed)


def height(
    world: "World", lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Canopy height in metres at points in degrees, of any shape; 0 where nothing woody grows."""
    return mass.height(lon, lat, world.seed)


def elevation(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height of the ground in metres at points in degrees, of any shape."""
    return terrain.elevation(lon, lat)


def parcels(world: "World", site_id: str, year: int) -> tuple[fields.Parcel, ...]:
    """Parcels of a place in `year` as they lie on the ground, without the faults of the files."""
    site = next(site for site in SITES if site.id == site_id)
    return fields.parcels(surface.place(site, world.seed), year)


def faults(world: "World") -> dict[str, dict[str, str]]:
    """What is wrong on purpose in each parcel file: the ids of its parcels by fault.

    Faults are `duplicate` (in two rows), `bow_tie`, `unknown` (a crop that no code table knows) and
    `small_crossing`, which can be repaired.
    """
    facts = json.loads((world.root / "world.json").read_text(encoding="utf-8"))["layers"]
    return {name: entry["faults"] for name, entry in facts["parcels"].items()}


def write(place: Place, folder: Path) -> None:
    """Writes the truth rasters of a place: of its scene, and of its aerial picture if it has one."""
    site = place.site
    fine, wide = aerial_affine(site), scene_affine(site, SCENE_GSD)
    for name, box, affine, size in (
        (f"{site.id}.tif", site.aerial_bounds, fine, AERIAL_PX),
        (f"{site.id}-scene.tif", site.scene_bounds, wide, SCENE_METRES // SCENE_GSD),
    )[0 if site.years else 1 :]:
        classes = paint.class_raster(place, YEAR, box, affine, size)
        grid = cog.Grid(site.epsg, affine)
        cog.write(folder / name, classes[None], grid, names=("class",), nodata=0, categorical=True)
