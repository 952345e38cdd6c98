"""A block of the street grid, and the book-keeping that keeps things on it apart."""

import math
from dataclasses import dataclass, field
from functools import cached_property

from shapely import LineString, Polygon

from catalogs.world.shapes import long_axis


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
        """A path from one side's door through the middle to another's; None if a door is missing."""
        start, end = self.doors[first], self.doors[second]
        if start is None and end is None:
            return None
        return LineString([point for point in (start, self.centre, end) if point is not None])


@dataclass
class Lots:
    """Discs that are taken already; a thing is placed only where its disc is free."""

    discs: list[tuple[float, float, float]] = field(default_factory=list)

    def claim(self, x: float, y: float, radius: float) -> bool:
        """Takes the disc if it is free; says whether it was."""
        if any(math.hypot(x - a, y - b) < radius + r for a, b, r in self.discs):
            return False
        self.discs.append((x, y, radius))
        return True
