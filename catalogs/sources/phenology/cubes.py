"""Rasters of one grid over product years: read by boxes, and the pixels that points lie in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from schemas.phenology import Dates
from schemas.scenes import Box
from schemas.windows import Grid, from_lonlat, to_lonlat

SIDE = 256
"""Pixels along a side of what is read at once."""

Floats = npt.NDArray[np.float64]


class Cube(Protocol):
    """Layers of some years on one grid."""

    @property
    def grid(self) -> Grid:
        """CRS, affine and size; rows run east-west."""
        ...

    @property
    def years(self) -> tuple[int, ...]:
        """Product years, ascending."""
        ...

    def read(self, box: Box) -> Dates:
        """The pixels of a box, row after row."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """A box of a cube.

    Attributes:
        cube: its number.
        first: number of the cube's first pixel, so that pixels of all cubes have one order.
    """

    cube: int
    box: Box
    first: int


def chunks(cubes: Sequence[Cube]) -> Iterator[Chunk]:
    """All boxes of all cubes, in order."""
    first = 0
    for number, cube in enumerate(cubes):
        width, height = cube.grid.width, cube.grid.height
        for row in range(0, height, SIDE):
            for col in range(0, width, SIDE):
                box = (col, row, min(SIDE, width - col), min(SIDE, height - row))
                yield Chunk(number, box, first)
        first += width * height


def pixels(box: Box) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(columns, rows) of the pixels of a box, row after row."""
    col, row, width, height = box
    rows, cols = np.mgrid[row : row + height, col : col + width]
    return cols.ravel(), rows.ravel()


def lonlat(grid: Grid, cols: npt.NDArray[Any], rows: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Degrees of positions in pixels (0.5, 0.5 is the middle of the first); infinite off the globe."""
    a, _, c, _, e, f = grid.transform
    return to_lonlat(grid.crs, c + a * np.asarray(cols, float), f + e * np.asarray(rows, float))


def places(grid: Grid, lon: Floats, lat: Floats) -> tuple[Any, Any, npt.NDArray[np.bool_]]:
    """(columns, rows, whether they lie on the grid) of the pixels that hold lon/lat points."""
    xs, ys = from_lonlat(grid.crs, lon, lat)
    a, _, c, _, e, f = grid.transform
    with np.errstate(invalid="ignore"):
        cols, rows = np.floor((xs - c) / a), np.floor((ys - f) / e)
        inside = (cols >= 0) & (cols < grid.width) & (rows >= 0) & (rows < grid.height)
    whole = [np.where(inside, at, 0).astype(np.int64) for at in (cols, rows)]
    return whole[0], whole[1], inside


def at(cubes: Sequence[Cube], years: Sequence[int], lon: Floats, lat: Floats) -> Dates:
    """What the pixels hold that points lie in; each product year is of the first cube there that has it."""
    found = Dates.blank(len(lon), years)
    left = np.ones((len(lon), len(found.years)), bool)
    for cube in cubes:
        cols, rows, inside = places(cube.grid, lon, lat)
        own = np.searchsorted(found.years, cube.years)
        wanted = left[:, own] & inside[:, None]
        left[:, own] &= ~inside[:, None]
        for some in _together(np.flatnonzero(wanted.any(axis=1)), cols, rows):
            box, within = _box(cols[some], rows[some])
            read = cube.read(box)
            for kind in np.unique(wanted[some], axis=0):
                rows_of = np.flatnonzero((wanted[some] == kind).all(axis=1))
                found.put(some[rows_of], read.of_years(kind), within[rows_of])
    return found


def _together(here: Any, cols: Any, rows: Any) -> Iterable[npt.NDArray[np.int64]]:
    """The points of each chunk."""
    names = (rows[here] // SIDE) << 32 | (cols[here] // SIDE)
    order = np.argsort(names, kind="stable")
    cuts = np.flatnonzero(np.diff(names[order])) + 1
    return np.split(here[order], cuts) if len(here) else ()


def _box(cols: Any, rows: Any) -> tuple[Box, npt.NDArray[np.int64]]:
    """The box around pixels, and where in it they are."""
    col, row = int(cols.min()), int(rows.min())
    width, height = int(cols.max()) - col + 1, int(rows.max()) - row + 1
    return (col, row, width, height), (rows - row) * width + cols - col
