"""`Grid`: the middles of the cells of the Major TOM grid, at any spacing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.chance import unit
from schemas.grids import middles, names
from schemas.grids import rows as rows_of
from schemas.recipes import at_least, within
from schemas.samples import Drop
from transforms.context import Context
from transforms.grid_places import tiles
from transforms.samplers.ground import OVER, asked_for, boxes_within, ground_of

MAJOR_TOM = 85.0
"""Degrees: rows of Major TOM begin within these latitudes (`MajorTOM/grid.py`)."""


@dataclass(frozen=True)
class Grid:
    """One place for each cell of the Major TOM grid whose middle lies on the ground asked for.

    Cells are of nearly equal area, so places are spread evenly over the Earth, poles aside. A place
    keeps its name whatever the seed; the seed decides which are left out.

    Attributes:
        km: spacing of the grid.
        over: the ground: `imagery` (its footprints), `land` (the role of that name) or `everywhere`.
        drop: share of the places that is left out.
        max_lat: degrees; rows of cells begin within this latitude. Major TOM: 85.
        coarsest: metres; scenes with larger pixels do not count as imagery. 0: all count.
    """

    km: float = 23.0
    over: str = "imagery"
    drop: float = 0.0
    max_lat: float = MAJOR_TOM
    coarsest: float = 0.0
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "grid_cell": "string",
            "grid_row_u": "int64",
            "grid_col_r": "int64",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse a grid without a step, ground that there is none of, and shares that are none."""
        at_least("samplers.Grid.km", self.km, 0.01)
        within("samplers.Grid.drop", self.drop, 0, 1)
        within("samplers.Grid.max_lat", self.max_lat, 0, 90)
        at_least("samplers.Grid.coarsest", self.coarsest, 0)
        if self.over not in OVER:
            raise ValueError(f"samplers.Grid.over={self.over!r}: one of {', '.join(OVER)}")

    @property
    def role(self) -> str:
        """The role that places come from."""
        return "land" if self.over == "land" else "imagery"

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat` of the middle, cell), some rows of the grid at a time."""
        import shapely

        ground = ground_of(self.over, ctx, self.coarsest)
        boxes = boxes_within(ground.pieces, ctx)
        some = np.flatnonzero(np.isfinite(boxes).all(axis=1))
        for tile in tiles(shapely.box(*boxes[some].T), self.km):
            row, column = tile.cells(self.km)
            keep = np.abs(row) * (180 / rows_of(self.km)) <= self.max_lat
            row, column = row[keep], column[keep]
            lon, lat = middles(row, column, self.km)
            lon = np.where(lon >= 180, lon - 360, lon)
            near = np.flatnonzero(asked_for(lon, lat, ctx))
            near = near[ground.holds(lon[near], lat[near], some[tile.shapes])]
            cells = names(row[near], column[near])
            if self.drop:
                lucky = [unit(ctx.seed, "patch", cell.lower()) >= self.drop for cell in cells]
                near = near[lucky]
                cells = [cell for cell, kept in zip(cells, lucky, strict=True) if kept]
            if cells:
                yield _table(cells, lon[near], lat[near], row[near], column[near])


def _table(
    cells: list[str],
    lon: npt.NDArray[np.float64],
    lat: npt.NDArray[np.float64],
    row: npt.NDArray[np.int64],
    column: npt.NDArray[np.int64],
) -> pa.Table:
    return pa.table(
        {
            "key": pa.array([cell.lower() for cell in cells], pa.string(), from_pandas=False),
            "lon": lon,
            "lat": lat,
            "grid_cell": pa.array(cells, pa.string(), from_pandas=False),
            "grid_row_u": row,
            "grid_col_r": column,
        }
    )
