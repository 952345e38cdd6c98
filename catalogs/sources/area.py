"""`Area`: where to search, and the coarse cells it is searched by."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.windows import Bounds

if TYPE_CHECKING:
    import shapely

MOST_CELLS = 4_096
"""Cells double in size until an area needs no more: each is a request to somebody's server."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One search.

    Attributes:
        name: its south-west corner and size in degrees, `n27e085-1`.
        box: (west, south, east, north) in degrees of the area within it; west < east.
    """

    name: str
    box: Bounds


@dataclass(frozen=True)
class Area:
    """A part of the Earth.

    Attributes:
        wkt: polygons in lon/lat degrees within -180 and 180.
    """

    wkt: str

    @classmethod
    def of_box(cls, bbox: Bounds) -> "Area":
        """A box; where west lies east of east it is one across 180 degrees (RFC 7946, 5.2)."""
        import shapely

        west, south, east, north = bbox
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        boxes = [shapely.box(a, south, b, north) for a, b in spans if a < b]
        return cls(shapely.MultiPolygon(boxes).wkt)

    @cached_property
    def shape(self) -> "shapely.Geometry":
        """The polygons, prepared for tests."""
        import shapely

        shape = shapely.from_wkt(self.wkt)
        shapely.prepare(shape)
        return shape

    def meets(self, outline: "shapely.Geometry") -> bool:
        """Whether a lon/lat outline and the area have a point in common."""
        return bool(self.shape.intersects(outline))

    def boxes(self) -> list[Bounds]:
        """The bounds of the area, one box on each side of 180 degrees."""
        import shapely

        parts = shapely.get_parts(self.shape)
        halves = [[p for p in parts if p.bounds[0] < 0], [p for p in parts if p.bounds[0] >= 0]]
        west, _, east, _ = self.shape.bounds
        groups = [h for h in halves if h] if east - west > 180 else [list(parts)]
        return [_floats(shapely.total_bounds(group)) for group in groups]

    def cells(self, most: int = MOST_CELLS) -> list[Cell]:
        """The cells that the area is searched by, from south to north and west to east.

        They are 1 degree wide, or 2, 4, 8, ... where there would be more than `most`.
        """
        size = 1
        while len(found := _meeting(self.shape, size)) > most:
            size *= 2
        return found


def _meeting(shape: Any, size: int) -> list[Cell]:
    """The cells of a whole-degree grid that share ground with a shape."""
    import shapely

    west, south, east, north = shape.bounds
    lons = np.arange(math.floor((west + 180) / size), math.ceil((east + 180) / size)) * size - 180
    lats = np.arange(math.floor((south + 90) / size), math.ceil((north + 90) / size)) * size - 90
    x, y = (grid.ravel() for grid in np.meshgrid(lons, lats))
    squares = shapely.box(x, y, np.minimum(x + size, 180), np.minimum(y + size, 90))
    hit = np.flatnonzero(shapely.intersects(shape, squares))
    shared = shapely.intersection(shape, squares[hit])
    return [
        Cell(_name(int(x[i]), int(y[i]), size), _floats(part.bounds))
        for i, part in zip(hit, shared, strict=True)
        if part.area > 0
    ]


def _name(west: int, south: int, size: int) -> str:
    lat = f"{'s' if south < 0 else 'n'}{abs(south):02d}"
    return f"{lat}{'w' if west < 0 else 'e'}{abs(west):03d}-{size}"


def _floats(box: Any) -> Bounds:
    west, south, east, north = (float(side) for side in box)
    return west, south, east, north
