"""Outlines of parcels on the grid of a chip: out of lon/lat, within reach of the chip, drawn in."""

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.windows import Grid, from_lonlat, ground_sides

Shapes = npt.NDArray[Any]
"""Shapely geometries, object array `(n,)`."""

STEP = 0.002
"""Degrees between the points of a densified edge, about 200 m: an edge that is straight in lon/lat then
stays within a centimetre of its course in a projected CRS."""


ALIKE = 0.01
"""Share by which the two sides of a unit may differ and still count as one length."""


def projected(shapes: Shapes, crs: str, step: float = STEP) -> Shapes:
    """Lon/lat shapes in `crs`, their edges densified first.

    Args:
        shapes: see `Shapes`.
        crs: "EPSG:n" or WKT.
        step: degrees; 0 leaves the edges as they are.
    """
    import shapely

    dense = shapely.segmentize(shapes, step) if step and len(shapes) else shapes

    def moved(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.stack(from_lonlat(crs, points[:, 0], points[:, 1]), axis=1)

    return np.asarray(shapely.transform(dense, moved), dtype=object)


def touching(shapes: Shapes, grid: Grid) -> npt.NDArray[np.int64]:
    """Which shapes share area with the chip; those in its CRS that only touch its edge do not."""
    import shapely

    box = shapely.box(*grid.bounds())
    shapely.prepare(box)
    near = np.flatnonzero(shapely.intersects(box, shapes))
    return np.asarray(near[shapely.area(shapely.intersection(shapes[near], box)) > 0])


def drawn_in(shapes: Shapes, metres: float, sides: tuple[float, float]) -> Shapes:
    """Shapes without the rim along their edges; what is narrower than twice that becomes empty.

    Args:
        shapes: in the CRS of a grid.
        metres: width of the rim on the ground.
        sides: metres on the ground for one unit of the CRS, across and along; degrees differ in them.
    """
    import shapely

    if not metres:
        return shapes
    across, along = sides
    if abs(along / across - 1) <= ALIKE:
        rim = -metres / (across * along) ** 0.5
        return np.asarray(shapely.buffer(shapes, rim, join_style="mitre"), dtype=object)
    flat = shapely.transform(shapes, lambda points: points * sides)
    found = shapely.buffer(flat, -metres, join_style="mitre")
    return np.asarray(shapely.transform(found, lambda points: points / sides), dtype=object)


def unit_sides(grid: Grid) -> tuple[float, float]:
    """Metres on the ground for one unit of a grid's CRS in its middle, across and along."""
    west, south, east, north = grid.bounds()
    width, height = ground_sides(grid, (west + east) / 2, (south + north) / 2)
    return width / abs(grid.transform[0]), height / abs(grid.transform[4])
