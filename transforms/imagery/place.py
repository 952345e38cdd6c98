"""On which grid a chip comes out: its window's, or that of coarser bands or another pixel size."""

import math
from functools import lru_cache

from catalogs.readers import together
from schemas.errors import Fault, Reject
from schemas.scenes import Band, Scene
from schemas.windows import Grid, Window, ground_gsd
from transforms.imagery.grids import own_grid
from transforms.resampling import TOLERANCE, offset


def chip_window(window: Window, scene: Scene, bands: tuple[Band, ...], gsd: float = 0.0) -> Window:
    """The window as it is where its pixels are the finest of `bands`; else the same place on their grid.

    Another grid holds the whole pixels within the window, never more, so that what the plan decided
    about footprints stays true. With a `gsd` that no band has, corners are multiples of it.

    Args:
        window: on the scene's grid.
        scene: of the bands.
        bands: those that the chip will have.
        gsd: metres for a pixel; 0: that of the finest band.

    Raises:
        Reject: `too_small` when no whole pixel lies within the window.
        Fault: as `own_grid`; `geographic_grid` for a gsd on a grid in degrees.
    """
    grids = [window.grid, *(own_grid(scene, group[0]) for group, _ in together(bands))]
    finest = min(abs(grid.transform[0]) for grid in grids[1:])
    side = gsd / metres_per_unit(window.grid.crs) if gsd else finest
    base = next((g for g in grids if abs(abs(g.transform[0]) - side) <= TOLERANCE * side), None)
    if base is window.grid:
        return window
    grid = _inside(base or _round(window.grid, side), window.grid)
    if grid is None:
        raise Reject("too_small", f"the window holds no whole pixel of {side:g}")
    west, south, east, north = grid.bounds()
    metres = ground_gsd(grid, (west + east) / 2, (south + north) / 2)
    return Window(grid, metres, window.col, window.row)


def _round(grid: Grid, side: float) -> Grid:
    """A grid of square pixels whose corners are multiples of their side, without an extent of its own."""
    a, _, _, _, e, _ = grid.transform
    return Grid(
        grid.crs, (math.copysign(side, a), 0.0, 0.0, 0.0, math.copysign(side, e), 0.0), 0, 0
    )


def _inside(base: Grid, place: Grid) -> Grid | None:
    """The pixels of `base` that lie wholly within `place`; None without any."""
    sides = []
    for first, length, size in zip(
        offset(base, place),
        (place.width, place.height),
        (place.transform[0] / base.transform[0], place.transform[4] / base.transform[4]),
        strict=True,
    ):
        start = math.ceil(first - TOLERANCE)
        sides.append((start, math.floor(first + length * size + TOLERANCE) - start))
    (col, width), (row, height) = sides
    return base.cut(col, row, width, height) if width > 0 and height > 0 else None


@lru_cache(maxsize=256)
def metres_per_unit(crs: str) -> float:
    """Metres for a unit of a projected CRS.

    Raises:
        Fault: `geographic_grid`.
    """
    from pyproj import CRS

    found = CRS.from_user_input(crs)
    if not found.is_projected:
        raise Fault("geographic_grid", f"{found.name}: a gsd in metres needs a projected grid")
    return float(found.axis_info[0].unit_conversion_factor)
