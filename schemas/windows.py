"""`Window`: the place, grid and time of one sample; `Grid`: the pixel grid that it is cut from."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pyproj import Transformer

Affine6 = tuple[float, float, float, float, float, float]
Bounds = tuple[float, float, float, float]  # west, south, east, north

EARTH_M = 6_371_008.8  # mean radius of GRS 80 (IUGG), for distances on the sphere


@dataclass(frozen=True, slots=True)
class Grid:
    """A raster's pixel grid.

    Attributes:
        crs: "EPSG:n" or WKT.
        transform: (a, b, c, d, e, f) of x = a*col + b*row + c, y = d*col + e*row + f, in CRS units.
        width, height: pixels.
        tile: side in pixels of the file's internal tiles (0 when unknown).
    """

    crs: str
    transform: Affine6
    width: int
    height: int
    tile: int = 0

    @property
    def rotated(self) -> bool:
        """Whether rows do not run east-west (such a grid is never cut into chips)."""
        _, b, _, d, _, _ = self.transform
        return b != 0.0 or d != 0.0

    def cut(self, col: int, row: int, width: int, height: int) -> "Grid":
        """The sub-grid that begins at pixel (col, row)."""
        a, b, c, d, e, f = self.transform
        moved = (a, b, c + a * col, d, e, f + e * row)
        return replace(self, transform=moved, width=width, height=height)

    def bounds(self) -> Bounds:
        """(min x, min y, max x, max y) in CRS units."""
        a, _, c, _, e, f = self.transform
        xs, ys = (c, c + a * self.width), (f, f + e * self.height)
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True, slots=True)
class Window:
    """Where one sample lies: `grid` is exactly the grid of its pixels.

    Attributes:
        grid: CRS, affine and shape of the chip.
        gsd: metres on the ground for one pixel at the window's centre (geometric mean of both axes).
        col, row: offset of the window in the scene it is cut from, in pixels of that scene.
    """

    grid: Grid
    gsd: float
    col: int = 0
    row: int = 0

    def outline(self, steps: int = 4) -> npt.NDArray[np.float64]:
        """Closed ring in lon/lat degrees, shape (4*steps + 1, 2), counter-clockwise.

        Edges are densified by `steps` so that a curved edge stays within a few centimetres.
        Longitudes run on past 180 where the window crosses the antimeridian; see `schemas.geo`.
        """
        west, south, east, north = self.grid.bounds()
        t = np.linspace(0, 1, steps, endpoint=False)
        xs = np.concatenate(
            [
                west + (east - west) * t,
                np.full(steps, east),
                east - (east - west) * t,
                np.full(steps, west),
                [west],
            ]
        )
        ys = np.concatenate(
            [
                np.full(steps, south),
                south + (north - south) * t,
                np.full(steps, north),
                north - (north - south) * t,
                [south],
            ]
        )
        lon, lat = to_lonlat(self.grid.crs, xs, ys)
        if len(lon) and lon.max() - lon.min() > 180:
            lon = np.where(lon < 0, lon + 360, lon)
        return np.stack([lon, lat], axis=1)

    def bbox(self) -> Bounds:
        """(west, south, east, north) in degrees; west > east across the antimeridian (RFC 7946)."""
        ring = self.outline()
        west, east = float(ring[:, 0].min()), float(ring[:, 0].max())
        return (
            west,
            float(ring[:, 1].min()),
            east - 360 if east > 180 else east,
            float(ring[:, 1].max()),
        )

    def centre(self) -> tuple[float, float]:
        """(lon, lat) in degrees of the middle of the window."""
        west, south, east, north = self.grid.bounds()
        lon, lat = to_lonlat(
            self.grid.crs, np.array([(west + east) / 2]), np.array([(south + north) / 2])
        )
        return float(lon[0]), float(lat[0])


@lru_cache(maxsize=256)
def transformer(source: str, target: str) -> "Transformer":
    """A pyproj transformer in (x, y) order, made once per process."""
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def to_lonlat(
    crs: str, xs: npt.NDArray[np.float64], ys: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """CRS positions as lon/lat degrees (OGC:CRS84)."""
    if crs == "EPSG:4326":
        return np.asarray(xs, float), np.asarray(ys, float)
    lon, lat = transformer(crs, "OGC:CRS84").transform(xs, ys)
    return np.asarray(lon), np.asarray(lat)


def from_lonlat(
    crs: str, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lon/lat degrees as positions in `crs`."""
    if crs == "EPSG:4326":
        return np.asarray(lon, float), np.asarray(lat, float)
    xs, ys = transformer("OGC:CRS84", crs).transform(lon, lat)
    return np.asarray(xs), np.asarray(ys)


def ground_gsd(grid: Grid, x: float, y: float) -> float:
    """Metres on the ground covered by one pixel of `grid` at CRS position (x, y).

    The geometric mean of `ground_sides`, so that a web mercator or geographic grid gets its true
    scale rather than its nominal one.
    """
    across, along = ground_sides(grid, x, y)
    return math.sqrt(across * along)


def ground_sides(grid: Grid, x: float, y: float) -> tuple[float, float]:
    """(width, height) of one pixel of `grid` on the ground, metres, at CRS position (x, y)."""
    a, _, _, _, e, _ = grid.transform
    lon, lat = to_lonlat(grid.crs, np.array([x, x + a, x]), np.array([y, y, y + e]))
    return (
        near_metres(lon[0], lat[0], lon[1], lat[1]),
        near_metres(lon[0], lat[0], lon[2], lat[2]),
    )


def box_around(lon: float, lat: float, radius_m: float) -> Bounds:
    """The lon/lat box of a circle on the ground; longitudes may run past 180."""
    small = 1e-4  # degrees
    across = near_metres(lon, lat, lon + small, lat) / small
    along = near_metres(lon, lat, lon, lat + small) / small
    wide, tall = min(radius_m / max(across, 1e-9), 180.0), radius_m / along
    return lon - wide, lat - tall, lon + wide, lat + tall


def near_metres(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Metres between two near points (under ~10 km) from the WGS 84 radii of curvature.

    Source of the radii: Snyder, Map Projections - A Working Manual (1987), eq. 4-18 and 4-20.
    Within a degree of a pole the ground is a disc around it, with the polar radius of curvature.
    """
    a, e2 = 6_378_137.0, 0.00669437999014
    if min(abs(lat1), abs(lat2)) > 89:
        polar = a / math.sqrt(1 - e2)
        one, two = (math.radians(90 - abs(lat)) * polar for lat in (lat1, lat2))
        turn = math.radians(lon2 - lon1)
        return math.hypot(one - two * math.cos(turn), two * math.sin(turn))
    phi = math.radians((lat1 + lat2) / 2)
    w2 = 1 - e2 * math.sin(phi) ** 2
    north = math.radians(lat2 - lat1) * a * (1 - e2) / w2**1.5
    east = math.radians((lon2 - lon1 + 180) % 360 - 180) * a / math.sqrt(w2) * math.cos(phi)
    return math.hypot(north, east)


def unit_vectors(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Lon/lat degrees as unit vectors, shape (n, 3): chords need no special case at pole or date line."""
    lam, phi = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def chords(length_m: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Chords of the unit sphere that span metres on the ground; half the globe is the most."""
    return np.asarray(2 * np.sin(np.clip(np.asarray(length_m) / EARTH_M, 0, np.pi) / 2))


def arcs(chord: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Metres on the ground that chords of the unit sphere span; inverse of `chords`."""
    return np.asarray(2 * EARTH_M * np.arcsin(np.clip(np.asarray(chord) / 2, 0, 1)))
