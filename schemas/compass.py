"""Directions and distances on the globe, and their words."""

from bisect import bisect_right

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

WORDS = (
    "North", "North-East", "East", "South-East", "South", "South-West", "West", "North-West",
)  # fmt: skip
"""Sectors of 45 degrees, clockwise from the one about north."""

EDGES = tuple(22.5 + 45.0 * sector for sector in range(8))
"""Degrees at which each sector ends."""


def bearings(lon: float, lat: float, lons: npt.ArrayLike, lats: npt.ArrayLike) -> Floats:
    """Initial great-circle bearings from a place to others, degrees clockwise from north in [0, 360).

    On the sphere: tan b = sin dl cos p2 / (cos p1 sin p2 - sin p1 cos p2 cos dl), with latitudes p
    and the difference of longitudes dl. The antimeridian needs no special case.

    Args:
        lon, lat: the place, degrees.
        lons, lats: the others, degrees, shape (n,).
    """
    here, there = np.radians(lat), np.radians(np.asarray(lats, float))
    turn = np.radians(np.asarray(lons, float) - lon)
    east = np.sin(turn) * np.cos(there)
    north = np.cos(here) * np.sin(there) - np.sin(here) * np.cos(there) * np.cos(turn)
    return np.asarray(np.degrees(np.arctan2(east, north)) % 360.0)


def compass(bearing: float) -> str:
    """The word for a bearing in degrees: "North-East" from 22.5 up to, but without, 67.5.

    An edge belongs to the sector clockwise of it.
    """
    return WORDS[bisect_right(EDGES, bearing % 360.0) % 8]


def distances(lon: float, lat: float, lons: npt.ArrayLike, lats: npt.ArrayLike) -> Floats:
    """Geodesic distances in metres on the WGS 84 ellipsoid, shape (n,); arguments as in `bearings`."""
    from pyproj import Geod

    lons, lats = np.asarray(lons, float), np.asarray(lats, float)
    if not lons.size:
        return np.empty(0)
    start = np.full(lons.shape, lon), np.full(lons.shape, lat)
    return np.asarray(Geod(ellps="WGS84").inv(*start, lons, lats)[2])
