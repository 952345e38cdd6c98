"""Small geometry in metres: boxes, blobs, strips of a block and curved edges."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]


def box_at(x: float, y: float, length: float, depth: float, angle: float) -> Polygon:
    """A rectangle around (x, y), its `length` along `angle` (radians from east)."""
    c, s = np.cos(angle), np.sin(angle)
    corners = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    return Polygon(
        [
            (x + u * length * c - v * depth * s, y + u * length * s + v * depth * c)
            for u, v in corners
        ]
    )


def disc(x: float, y: float, radius: float, sides: int = 20) -> Polygon:
    """A regular polygon that stands for a circle."""
    turn = np.arange(sides) * (2 * np.pi / sides)
    return Polygon(np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)]))


def blob(
    rng: np.random.Generator, x: float, y: float, radius: float, squeeze: float = 0.75
) -> Polygon:
    """A smooth closed shape with about `radius` metres from middle to edge: a lake, a grove."""
    turn = np.arange(40) * (2 * np.pi / 40)
    reach = np.ones(40)
    for wave, size in ((2, 0.16), (3, 0.11), (5, 0.05)):
        reach += size * (2 * rng.random() - 1) * np.cos(wave * turn + 2 * np.pi * rng.random())
    tilt = np.pi * rng.random()
    u, v = radius * reach * np.cos(turn), radius * squeeze * reach * np.sin(turn)
    c, s = np.cos(tilt), np.sin(tilt)
    return Polygon(np.column_stack([x + u * c - v * s, y + u * s + v * c])).buffer(0)


def curve(start: Floats, middle: Floats, end: Floats) -> Floats:
    """Five points (5, 2) of the parabola through three points, ends included."""
    t = np.linspace(0.0, 1.0, 5)[:, None]
    return np.asarray(
        (1 - t) * (1 - 2 * t) * start + 4 * t * (1 - t) * middle + t * (2 * t - 1) * end
    )


def lines(shape: BaseGeometry) -> list[LineString]:
    """The lines that a shape consists of."""
    parts = getattr(shape, "geoms", [shape])
    return [part for part in parts if isinstance(part, LineString) and part.length > 1.0]


def bearing(line: LineString, at: float) -> tuple[float, float, float]:
    """(x, y, angle) of a point `at` metres along a line."""
    here, there = line.interpolate(at), line.interpolate(min(at + 2.0, line.length))
    back = line.interpolate(max(at - 2.0, 0.0))
    return here.x, here.y, float(np.arctan2(there.y - back.y, there.x - back.x))


def along(
    line: LineString, step: float, start: float = 0.0
) -> Iterator[tuple[float, float, float]]:
    """(x, y, angle) every `step` metres along a line."""
    for at in np.arange(start, line.length - start + 1e-6, step):
        yield bearing(line, float(at))


def long_axis(shape: BaseGeometry) -> tuple[float, float, float]:
    """(length, depth, angle) of the smallest rotated rectangle around a shape."""
    ring = np.asarray(shape.minimum_rotated_rectangle.exterior.coords)
    first, second = ring[1] - ring[0], ring[2] - ring[1]
    a, b = float(np.hypot(*first)), float(np.hypot(*second))
    side = first if a >= b else second
    return max(a, b), min(a, b), float(np.arctan2(side[1], side[0]) % np.pi)


def strips(shape: BaseGeometry, cuts: list[float], across: bool = False) -> list[BaseGeometry]:
    """Parts of a shape between relative `cuts` in 0..1 along its long (if `across`, short) axis."""
    length, depth, angle = long_axis(shape)
    middle = shape.minimum_rotated_rectangle.centroid
    if across:
        length, depth, angle = depth, length, angle + np.pi / 2
    c, s = np.cos(angle), np.sin(angle)
    parts = []
    for low, high in pairwise(cuts):
        shift = ((low + high) / 2 - 0.5) * length
        slab = box_at(
            middle.x + c * shift, middle.y + s * shift, (high - low) * length, 2 * depth, angle
        )
        parts.append(shape.intersection(slab))
    return parts


def scatter(
    rng: np.random.Generator, shape: BaseGeometry, count: int, tries: int = 6
) -> Iterator[Point]:
    """Up to `count` random points inside a shape."""
    west, south, east, north = shape.bounds
    for _ in range(count):
        for _ in range(tries):
            point = Point(
                west + (east - west) * rng.random(), south + (north - south) * rng.random()
            )
            if shape.contains(point):
                yield point
                break
