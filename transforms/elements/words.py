"""Words for geometry in a patch: where, what shape, which way. Left is west, top is north.

All functions take coordinates of the patch (x from the west side, y from the south side, 0 to 1) or
metres from its south-west corner, as each says; see `frame`. Bands and sectors are those of
specs/rsteller.md.
"""

import math
from typing import Any

import numpy as np
import shapely

EDGE = 1e-4
"""Share of a side within which a coordinate lies on an edge of the patch."""

STRAIGHT, CURVED = 1.0005, 1.5
"""Sinuosity up to which a line is straight, and curved; beyond it is twisted."""

ROUND = 0.1
"""Share by which area / perimeter may differ from a circle's for a shape to be circular."""

SQUARE = 1.1
"""Longest ratio of two sides of a square."""

FILLED = 0.85
"""Least share of its smallest surrounding rectangle that a rectangular shape fills."""

SIMPLER_M = 0.2
"""Tolerance in metres by which an outline is simplified before its corners are counted."""

SIDES = ("left", "right", "bottom", "top")


def cell(x: float, y: float) -> str:
    """Which of nine equal cells a point lies in: `top left`, `top`, ..., `center`."""
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    along = "bottom" if y < 1 / 3 else "top" if y > 2 / 3 else ""
    return f"{along} {across}".strip() or "center"


def edge(x: float, y: float) -> str:
    """The edges of the patch that a point lies on: `left`, `top left`, or "" for none."""
    across = "left" if x <= EDGE else "right" if x >= 1 - EDGE else ""
    along = "bottom" if y <= EDGE else "top" if y >= 1 - EDGE else ""
    return f"{along} {across}".strip()


def end(x: float, y: float) -> str:
    """Where a line ends: its cell, and the edge where it lies on one, `top left, at the left edge`."""
    at = edge(x, y)
    return (
        f"{cell(x, y)}, at the {at} {'edge' if ' ' not in at else 'corner'}" if at else cell(x, y)
    )


def edges(shape: Any) -> tuple[str, ...]:
    """The edges of the patch that a shape in it reaches, in the order of `SIDES`."""
    west, south, east, north = shapely.bounds(shape)
    reached = (west <= EDGE, east >= 1 - EDGE, south <= EDGE, north >= 1 - EDGE)
    return tuple(name for name, there in zip(SIDES, reached, strict=True) if there)


def position(shape: Any) -> str:
    """The cell of an area's centroid, or of the middle of a line (of its longest part)."""
    if shapely.get_dimensions(shape) == 2:
        point = shapely.centroid(shape)
    else:
        point = shapely.line_interpolate_point(longest(shape), 0.5, normalized=True)
    return cell(shapely.get_x(point), shapely.get_y(point))


def outline(area_m: Any) -> str:
    """The shape of an area in metres.

    | word | when, after simplification by `SIMPLER_M` |
    |---|---|
    | multi-polygonal | it has several parts |
    | circular | 4 pi area / perimeter squared is within 10 % of a circle's, with 8 corners or more |
    | square, rectangular | 4 to 7 corners, and it fills its smallest surrounding rectangle |
    | irregular | anything else |
    """
    shape = shapely.simplify(area_m, SIMPLER_M)
    if shapely.get_num_geometries(shape) > 1:
        return "multi-polygonal"
    ring = shapely.get_exterior_ring(shapely.get_geometry(shape, 0))
    corners = len(shapely.get_coordinates(ring)) - 1
    around = shapely.length(ring)
    roundness = 4 * math.pi * shapely.area(shapely.polygons(ring)) / around**2 if around else 0.0
    if corners >= 8:
        return "circular" if roundness >= 1 - ROUND else "irregular"
    box = shapely.minimum_rotated_rectangle(shape)
    full = shapely.area(box)
    if corners < 4 or not full or shapely.area(shape) < FILLED * full:
        return "irregular"
    corner = shapely.get_coordinates(box)
    one, two = (float(np.hypot(*(corner[i + 1] - corner[i]))) for i in (0, 1))
    return "square" if max(one, two) <= SQUARE * min(one, two) else "rectangular"


def longest(line: Any) -> Any:
    """The longest part of a line, the first of several."""
    parts = shapely.get_parts(line)
    return parts[int(np.argmax(shapely.length(parts)))]


def sinuosity(line_m: Any) -> float:
    """Length / distance of the ends, of a line in metres of one part; infinite where it is closed.

    Never below 1: a straight line of two points may come out a rounding step shorter than itself.
    """
    points = shapely.get_coordinates(line_m)
    apart = float(np.hypot(*(points[-1] - points[0])))
    length = float(shapely.length(line_m))
    return max(1.0, length / apart) if apart > 1e-6 * length else math.inf


def course(line_m: Any) -> str:
    """How a line in metres runs: `straight`, `curved`, `twisted`, `closed`, or `broken` into parts."""
    if shapely.get_num_geometries(line_m) > 1:
        return "broken"
    ratio = sinuosity(line_m)
    if math.isinf(ratio):
        return "closed"
    return "straight" if ratio <= STRAIGHT else "curved" if ratio <= CURVED else "twisted"


def orientation(line_m: Any) -> str:
    """Which way a line in metres runs from end to end; "" where it is closed.

    Sectors: 60 degrees about east-west and about north-south, 30 degrees for each diagonal.
    """
    points = shapely.get_coordinates(longest(line_m))
    east, north = points[-1] - points[0]
    if math.hypot(east, north) <= 1e-6 * float(shapely.length(line_m)):
        return ""
    angle = round(math.degrees(math.atan2(north, east)), 6) % 180
    if angle <= 30 or angle >= 150:
        return "east-west"
    if 60 <= angle <= 120:
        return "north-south"
    return "southwest-northeast" if angle < 60 else "northwest-southeast"
