"""Extents in lon/lat that know the antimeridian, and the GeoJSON geometry of a box."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bounds = tuple[float, float, float, float]


@dataclass
class Extent:
    """The least box around all boxes added, west > east where going over 180 degrees is shorter.

    Both readings of longitude are kept, -180..180 and 0..360, so that memory stays flat.
    """

    plain: list[float] = field(default_factory=lambda: [np.inf, -np.inf])
    round: list[float] = field(default_factory=lambda: [np.inf, -np.inf])
    lat: list[float] = field(default_factory=lambda: [np.inf, -np.inf])

    def add(self, west: Floats, south: Floats, east: Floats, north: Floats) -> None:
        """Widen by boxes in degrees (west > east: across the antimeridian), each shape (n,)."""
        if not len(west):
            return
        over = west > east
        self._widen(self.plain, np.where(over, -180, west), np.where(over, 180, east))
        shifted = west % 360
        self._widen(self.round, shifted, shifted + (east - west) % 360)
        self._widen(self.lat, south, north)

    def bbox(self) -> Bounds:
        """(west, south, east, north) in degrees; the whole globe when nothing was added."""
        if self.lat[0] > self.lat[1]:
            return -180.0, -90.0, 180.0, 90.0
        west, east = self.plain
        if self.round[1] - self.round[0] < east - west - 1e-9 and self.round[1] > 180:
            west, east = self.round[0], self.round[1]
            west, east = (west - 360 if west > 180 else west), east - 360
        return float(west), float(self.lat[0]), float(east), float(self.lat[1])

    @staticmethod
    def _widen(span: list[float], low: Floats, high: Floats) -> None:
        span[0], span[1] = min(span[0], float(low.min())), max(span[1], float(high.max()))


def box(bbox: Bounds) -> dict[str, Any]:
    """GeoJSON geometry of a box; a MultiPolygon cut at 180 degrees where west > east."""
    west, south, east, north = bbox
    if west <= east:
        return {"type": "Polygon", "coordinates": [_ring(west, south, east, north)]}
    parts = [_ring(west, south, 180.0, north), _ring(-180.0, south, east, north)]
    return {"type": "MultiPolygon", "coordinates": [[part] for part in parts]}


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def planar(west: Floats, east: Floats) -> tuple[Floats, Floats]:
    """(xmin, xmax) of the stored coordinates: a footprint cut at 180 degrees spans -180..180.

    Readers of GeoParquet compare these numbers as they are; west > east would hide the row.
    """
    over = west > east
    return np.where(over, -180.0, west), np.where(over, 180.0, east)


def middle(west: Floats, south: Floats, east: Floats, north: Floats) -> tuple[Floats, Floats]:
    """(lon, lat) of the boxes' centres in degrees, lon in [-180, 180]."""
    lon = west + ((east - west) % 360) / 2
    return np.where(lon > 180, lon - 360, lon), (south + north) / 2


def decimals(bbox: tuple[float, float, float, float]) -> int:
    """Digits after the point that tell the sides of a box apart: 2, or more for a small place."""
    side = min(abs(bbox[2] - bbox[0]), abs(bbox[3] - bbox[1]))
    return 2 if side >= 0.1 else 4 if side >= 0.001 else 6
