"""The noun of the generated vector truth: one thing on the ground, and a sheet to collect it on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry

from catalogs.world.sites import Site

YEARS = (2020, 2021, 2022)
"""Years that the world knows; crops rotate through them."""


@dataclass(frozen=True, eq=False)
class Feature:
    """One thing on the ground.

    Attributes:
        geom: Point, LineString or Polygon (holes allowed) in the site's UTM metres.
        tags: OpenStreetMap tags; empty means that the thing is painted but not mapped.
        paint: Material by name (see `materials`), "" for things too small to paint.
        z: Paint order; higher covers lower.
        width: Painted width of a line or crown diameter of a tree, metres.
        height: Height above ground in metres, for shadows.
        angle: Main direction in radians, counter-clockwise from east: rows, ridges, bays.
        crops: Material in 2020, 2021 and 2022 where it rotates, else empty.
        since: First year in which the thing stands.
    """

    geom: BaseGeometry
    tags: Mapping[str, str]
    paint: str = ""
    z: int = 0
    width: float = 0.0
    height: float = 0.0
    angle: float = 0.0
    crops: tuple[str, str, str] | None = None
    since: int = 0

    def material(self, year: int) -> str:
        """Material in `year`, "" where nothing is painted."""
        if year < self.since:
            return ""
        return self.crops[YEARS.index(year)] if self.crops else self.paint

    def footprint(self) -> BaseGeometry:
        """The painted area in UTM metres: lines widened, everything else as it is."""
        if isinstance(self.geom, LineString):
            return self.geom.buffer(self.width / 2, cap_style="flat", join_style="mitre")
        return self.geom


@dataclass
class Sheet:
    """What a layout draws on: a site, its random generator and the features so far."""

    site: Site
    rng: np.random.Generator
    angle: float = 0.0
    features: list[Feature] = field(default_factory=list)

    def area(
        self, geom: BaseGeometry, tags: Mapping[str, str], paint: str, z: int = 1, **more: object
    ) -> None:
        """Adds a polygon; of a multi-part geometry only the largest part; none if nearly empty."""
        parts = [g for g in getattr(geom, "geoms", [geom]) if isinstance(g, Polygon)]
        if parts and (largest := max(parts, key=lambda g: g.area)).area > 1.0:
            self.features.append(Feature(largest, tags, paint, z, **more))  # type: ignore[arg-type]

    def line(
        self, geom: LineString, tags: Mapping[str, str], paint: str, width: float, z: int = 3
    ) -> None:
        """Adds a line that is painted `width` metres wide."""
        self.features.append(Feature(geom, tags, paint, z, width=width))

    def node(self, x: float, y: float, tags: Mapping[str, str]) -> None:
        """Adds a point that is mapped but too small to paint."""
        self.features.append(Feature(Point(x, y), tags))

    def tree(self, x: float, y: float, crown: float, mapped: bool = False) -> None:
        """Adds a tree with a crown of `crown` metres across."""
        kind = "broadleaved" if self.rng.random() < 0.7 else "needleleaved"
        tags = {"natural": "tree", "leaf_type": kind} if mapped else {}
        paint = "tree" if kind == "broadleaved" else "fir"
        self.features.append(Feature(Point(x, y), tags, paint, 9, width=crown, height=crown * 1.1))

    def pick(self, *choices: str) -> str:
        """One of the choices, at random."""
        return choices[int(self.rng.integers(len(choices)))]

    def between(self, low: float, high: float) -> float:
        """A random number in [low, high)."""
        return float(low + (high - low) * self.rng.random())
