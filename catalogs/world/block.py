"""A block of the street grid, and the book-keeping that keeps things on it apart."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from shapely import LineString, Polygon

from catalogs.world.shapes import long_axis

CELL = 16.0
"""Side of the look-up cells of `Lots` in metres."""


@dataclass(frozen=True)
class Block:
    """Land between four grid lines.

    Attributes:
        outline: The block on the axes of its streets, UTM metres.
        land: What is left inside the kerbs.
        doors: Middle of each side's axis (south, east, north, west), None without a street there.
        detailed: Whether small things are drawn.
    """

    outline: Polygon
    land: Polygon
    doors: tuple[tuple[float, float] | None, ...]
    detailed: bool

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle of the land."""
        return self.land.centroid.x, self.land.centroid.y

    @cached_property
    def angle(self) -> float:
        """Direction of the land's long side in radians."""
        return long_axis(self.land)[2]

    def street(self, first: int, second: int) -> LineString | None:
        """A path between two sides' doors through the middle; None if there is neither door."""
        start, end = self.doors[first], self.doors[second]
        if start is None and end is None:
            return None
        return LineString([point for point in (start, self.centre, end) if point is not None])


class Lots:
    """Discs that are taken already; a thing is placed only where its disc is free."""

    def __init__(self, *discs: tuple[float, float, float]) -> None:
        self._cells: dict[tuple[int, int], list[tuple[float, float, float]]] = defaultdict(list)
        for x, y, radius in discs:
            self.take(x, y, radius)

    def _near(self, x: float, y: float, radius: float) -> Iterator[tuple[int, int]]:
        for i in range(int((x - radius) // CELL), int((x + radius) // CELL) + 1):
            for j in range(int((y - radius) // CELL), int((y + radius) // CELL) + 1):
                yield i, j

    def take(self, x: float, y: float, radius: float) -> None:
        """Takes the disc, free or not."""
        for cell in self._near(x, y, radius):
            self._cells[cell].append((x, y, radius))

    def claim(self, x: float, y: float, radius: float) -> bool:
        """Takes the disc if it is free; says whether it was."""
        for cell in self._near(x, y, radius):
            for a, b, r in self._cells.get(cell, ()):
                if math.hypot(x - a, y - b) < radius + r:
                    return False
        self.take(x, y, radius)
        return True
