"""Where the sample world is: twenty-six invented places, none of which exists.

Most places lie tens of kilometres apart. Two of them are a pair about eight kilometres apart, and
five form a chain with 4.2 km steps across the boundary of two UTM zones at 12 degrees east: the
middle one stands on the boundary. Whatever the grid of a split, some neighbours end up in
different cells while nearer to each other than a buffer of 5 km.

The last eight stand in the middles of cells of the Major TOM grid with 23 km spacing. They are open
country and woods, seen from space only: no aerial picture, nothing on the map.
"""

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from affine import Affine
from pyproj import Transformer

from schemas import grids

CELL_KM = 23.0
"""Spacing of the Major TOM grid in whose cells the unmapped places stand."""

AERIAL_GSD = 0.6
"""Ground sampling distance of the aerial pictures in metres."""

AERIAL_PX = 1792
"""Side of an aerial picture in pixels: 1075.2 m."""

SCENE_METRES = 3840
"""Side of a Sentinel-2 scene in metres: 384 px at 10 m, 192 at 20 m, 64 at 60 m."""


@dataclass(frozen=True)
class Site:
    """One invented place.

    Attributes:
        id: Short ASCII name, used in file names.
        name: Name as a map would show it.
        lon: Longitude of the middle, degrees.
        lat: Latitude of the middle, degrees.
        theme: What the place has most of; steers the layout.
        years: Years with an aerial picture.
        edge: Whether a corner of its aerial picture carries no data.
        mapped: Whether the map knows the place.
    """

    id: str
    name: str
    lon: float
    lat: float
    theme: str
    years: tuple[int, ...] = (2022,)
    edge: bool = False
    mapped: bool = True

    @property
    def epsg(self) -> int:
        """EPSG code of the UTM zone; the place at exactly 12 degrees belongs to the western one."""
        return 32632 if self.lon <= 12.0 else 32633

    @property
    def centre(self) -> tuple[int, int]:
        """Easting and northing of the middle in metres, both multiples of 60."""
        return _centre(self.lon, self.lat, self.epsg)

    @property
    def scene_bounds(self) -> tuple[int, int, int, int]:
        """(west, south, east, north) of the Sentinel-2 scene in UTM metres."""
        east, north = self.centre
        half = SCENE_METRES // 2
        return east - half, north - half, east + half, north + half

    @property
    def aerial_bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) of the aerial picture in UTM metres."""
        east, north = self.centre
        half = AERIAL_PX * AERIAL_GSD / 2
        return east - half, north - half, east + half, north + half


@cache
def _centre(lon: float, lat: float, epsg: int) -> tuple[int, int]:
    east, north = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    return 60 * round(east / 60), 60 * round(north / 60)


def aerial_affine(site: Site) -> Affine:
    """Pixel to UTM metres for the aerial picture, (column, row) to (east, north)."""
    west, _, _, north = site.aerial_bounds
    return Affine(AERIAL_GSD, 0.0, west, 0.0, -AERIAL_GSD, north)


def scene_affine(site: Site, gsd: float) -> Affine:
    """Pixel to UTM metres for a Sentinel-2 grid with pixels of `gsd` metres."""
    west, _, _, north = site.scene_bounds
    return Affine(float(gsd), 0.0, float(west), 0.0, -float(gsd), float(north))


def generator(seed: int, *names: object) -> np.random.Generator:
    """A random generator that depends only on the seed and the names, never on order."""
    text = "/".join(str(part) for part in (seed, *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def _open(name: str, theme: str, row: int, column: int) -> Site:
    """A place in the middle of a Major TOM cell that is seen from space only."""
    lon, lat = grids.middles(np.array(row), np.array(column), CELL_KM)
    return Site(name.lower(), name, float(lon), float(lat), theme, (), mapped=False)


SITES: tuple[Site, ...] = (
    Site("seewiesen", "Seewiesen", 11.888, 48.0, "lake", (2020, 2022)),
    Site("kornau", "Kornau", 11.944, 48.0, "farm", (2022,)),
    Site("zwischenfeld", "Zwischenfeld", 12.0, 48.0, "town", (2022,)),
    Site("tannloh", "Tannloh", 12.056, 48.0, "forest", (2022,)),
    Site("rebach", "Rebach", 12.112, 48.0, "wine", (2022,)),
    Site("moosgrund", "Moosgrund", 12.62, 48.42, "river", (2020, 2022)),
    Site("hallwerk", "Hallwerk", 12.728, 48.42, "industry", (2022,)),
    Site("birkenried", "Birkenried", 11.18, 47.16, "forest", (2022,)),
    Site("obersteig", "Obersteig", 11.62, 47.3, "lake", (2022,)),
    Site("lindenthal", "Lindenthal", 12.31, 47.22, "town", (2022,), edge=True),
    Site("aumarkt", "Aumarkt", 12.81, 47.35, "river", (2022,)),
    Site("steinbruch", "Steinbrück", 11.24, 47.48, "industry", (2022,)),
    Site("wiesental", "Wiesental", 12.45, 47.68, "farm", (2020, 2022)),
    Site("fichtenhof", "Fichtenhof", 11.27, 48.33, "farm", (2022,)),
    Site("badsonn", "Bad Sonn", 11.56, 48.62, "resort", (2020, 2022)),
    Site("neuquell", "Neuquell", 12.36, 48.8, "river", (2022,)),
    Site("weinhalde", "Weinhalde", 11.56, 48.8, "wine", (2022,)),
    Site("ostheim", "Ostheim am Kanal", 12.84, 48.93, "town", (2022,)),
    _open("Haselau", "open", 230, 37),
    _open("Auerloh", "woods", 231, 36),
    _open("Kleeberg", "open", 231, 39),
    _open("Hochrain", "open", 232, 41),
    _open("Buchenried", "woods", 233, 38),
    _open("Langacker", "open", 234, 37),
    _open("Eichenlohe", "woods", 235, 40),
    _open("Weidmoos", "open", 236, 38),
)
