"""Places of a global grid that lie in shapes, tile by tile: never all of them at once."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.grids import columns, middles, names, one_turn, rows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TALL = 64
"""Rows of the grid in a tile; about as many columns, so that a tile has some thousand places."""


@dataclass(frozen=True)
class Tile:
    """Some rows of the grid between two meridians, and the shapes that may hold places of it.

    Attributes:
        first: row, counted from the equator; the tile has `TALL` of them.
        west, east: degrees; the middle of a place of the tile lies in [west, east).
        shapes: positions of the shapes.
    """

    first: int
    west: float
    east: float
    shapes: npt.NDArray[np.intp]

    def cells(self, km: float) -> tuple[Ints, Ints]:
        """(row, column) of the cells whose middles lie in it, row by row, each once on the globe."""
        rank = np.arange(self.first, self.first + TALL)
        around = columns(rank, km)
        wide = 360 / around
        low, high = (
            np.ceil(side / wide - 0.5 - 1e-9).astype(np.int64) for side in (self.west, self.east)
        )
        count = np.maximum(high - low, 0)
        row, turn = np.repeat(rank, count), np.repeat(around, count)
        column = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - low, count)
        keep = np.abs(2 * row + 1) < rows(km)
        return row[keep], one_turn(column[keep], turn[keep])

    def places(self, km: float) -> tuple[Floats, Floats, list[str]]:
        """(lon, lat) of the middles in degrees, and names in lower case, `517u_57r`."""
        row, column = self.cells(km)
        lon, lat = middles(row, column, km)
        lon = np.where(lon >= 180, lon - 360, lon)
        return lon, lat, [text.lower() for text in names(row, column)]


def tiles(shapes: npt.NDArray[Any], km: float) -> Iterator[Tile]:
    """Tiles of the grid of `km` that shapes (lon/lat, within -180 to 180) reach into, south to north.

    Every place of the grid lies in one tile.
    """
    import shapely

    if not len(shapes):
        return
    west, south, east, north = shapely.bounds(shapes).T
    step = 180 / rows(km)
    low, high = (np.floor(side / step / TALL).astype(np.int64) for side in (south, north))
    for band in _numbers(low, high):
        here = np.flatnonzero((low <= band) & (high >= band))
        nearest = min(abs(band), abs(band + 1)) * TALL * step  # degrees from the equator
        around = max(1, math.floor(360 * math.cos(math.radians(min(nearest, 90))) / (TALL * step)))
        wide = 360 / around
        first = np.floor((west[here] + 180) / wide).astype(np.int64)
        last = np.minimum(np.floor((east[here] + 180) / wide).astype(np.int64), around - 1)
        for place in _numbers(first, last):
            hit = here[(first <= place) & (last >= place)]
            yield Tile(band * TALL, place * wide - 180, (place + 1) * wide - 180, hit)


def _numbers(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> list[int]:
    """All whole numbers in the spans [low, high], each once, rising."""
    spans = set(zip(low.tolist(), high.tolist(), strict=True))
    return sorted({number for a, b in spans for number in range(a, b + 1)})
