"""Start rows sorted in space without holding them: sorted runs on disk, read back by place.

Each run is an Arrow file of small batches sorted by Morton code of (lon, lat), its codes beside it,
so that a partition (a quadtree cell) costs a binary search and a few batches of each run.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.runs import Runs
from schemas.curves import BITS, morton
from schemas.windows import Bounds

RUN_BYTES = 16 << 20
HALVES = ("_half_lon", "_half_lat")  # optional columns: how far a row reaches, degrees
WIDE = 0.01  # degrees; what reaches farther is kept apart
SLACK = 1e-9  # degrees, for rounding


@dataclass(frozen=True, order=True)
class Cell:
    """A quadtree cell: `level` bits of each axis are fixed.

    Attributes:
        low: first Morton code in it.
    """

    low: int
    level: int

    @property
    def high(self) -> int:
        """First Morton code after it."""
        return self.low + (1 << (2 * (BITS - self.level)))

    @property
    def name(self) -> str:
        """Sortable file stem."""
        return f"{self.low:014x}-{self.level:02d}"

    def children(self) -> list["Cell"]:
        """Its four quarters."""
        step = 1 << (2 * (BITS - self.level - 1))
        return [Cell(self.low + i * step, self.level + 1) for i in range(4)]

    def bounds(self) -> Bounds:
        """(west, south, east, north) in degrees."""
        x = y = 0
        for bit in range(BITS):
            x |= (self.low >> (2 * bit) & 1) << bit
            y |= (self.low >> (2 * bit + 1) & 1) << bit
        wide, side = 2.0 ** (BITS - self.level), float(1 << BITS)
        return (
            x / side * 360 - 180, y / side * 180 - 90,
            (x + wide) / side * 360 - 180, (y + wide) / side * 180 - 90,
        )  # fmt: skip


class Spool:
    """Sorted runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sorted = Runs(folder)

    def fill(self, tables: Iterable[pa.Table]) -> int:
        """Write the rows as sorted runs of bounded size; returns their number."""
        self.folder.mkdir(parents=True, exist_ok=True)
        held: list[pa.Table] = []
        size = rows = 0
        for table in tables:
            held.append(table)
            size += table.nbytes
            rows += len(table)
            if size >= RUN_BYTES:
                self._flush(held)
                held, size = [], 0
        if held:
            self._flush(held)
        return rows

    def _flush(self, held: list[pa.Table]) -> None:
        table = pa.concat_tables(held).combine_chunks()
        codes = morton(table["lon"].to_numpy(), table["lat"].to_numpy())
        name = f"{len(list(self.folder.glob('run-*.arrow'))):05d}"
        self.sorted.add(table, codes, name)
        if HALVES[0] in table.column_names:
            wide = table.filter(pa.array(_is_wide(_boxes(table))))
            pq.write_table(wide, self.folder / f"wide-{name}.parquet")

    def count(self, cell: Cell) -> int:
        """Rows in a cell."""
        return self.sorted.count(cell.low, cell.high)

    def partitions(self, most: int) -> Iterator[Cell]:
        """The coarsest cells with rows and at most `most` of them, in Morton order."""
        stack = [Cell(0, 0)]
        while stack:
            cell = stack.pop()
            rows = self.count(cell)
            if not rows:
                continue
            if rows <= most or cell.level == BITS:
                yield cell
            else:
                stack.extend(reversed(cell.children()))

    def rows(self, cell: Cell) -> pa.Table:
        """The rows of a cell sorted by key."""
        table = self.sorted.slice(cell.low, cell.high)
        return table.take(pc.sort_indices(table, [("key", "ascending")]))

    def within(self, bounds: Bounds) -> pa.Table:
        """Rows whose lon/lat lies in a box (west > east across the antimeridian), sorted by key."""
        west, south, east, north = bounds
        if west > east:
            halves = [
                self.within((west, south, 180, north)),
                self.within((-180, south, east, north)),
            ]
            both = pa.concat_tables(halves)
            return both.take(pc.sort_indices(both, [("key", "ascending")]))
        found = [self.sorted.slice(c.low, c.high) for c in _cover((west, south, east, north))]
        table = pa.concat_tables(found)
        lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
        keep = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
        table = table.filter(pa.array(keep))
        return table.take(pc.sort_indices(table, [("key", "ascending")]))

    def meeting(self, bounds: Bounds) -> pa.Table:
        """Rows whose own box (lon, lat +- `_half_lon`, `_half_lat`) meets a box, sorted by key.

        The box has west > east where it spans the antimeridian.

        Small things are found around the box by place; the few wide ones are all looked at.
        """
        if HALVES[0] not in self.wide.column_names:
            return self.within(bounds)
        far = self.wide.filter(pa.array(_overlap(_boxes(self.wide), bounds)))
        table = pa.concat_tables([self._near(bounds), far])
        return table.take(pc.sort_indices(table, [("key", "ascending")]))

    def _near(self, bounds: Bounds) -> pa.Table:
        west, south, east, north = bounds
        table = self.within((west - WIDE, south - WIDE, east + WIDE, north + WIDE))
        boxes = _boxes(table)
        return table.filter(pa.array(_overlap(boxes, bounds) & ~_is_wide(boxes)))

    @cached_property
    def wide(self) -> pa.Table:
        """The few rows that reach farther than `WIDE`, of all runs."""
        paths = sorted(self.folder.glob("wide-*.parquet"))
        return pa.concat_tables([pq.read_table(p) for p in paths]) if paths else pa.table({})


def _boxes(table: pa.Table) -> npt.NDArray[np.float64]:
    """West, south, east, north of each row, shape (4, n)."""
    lon, lat, wide, tall = (table[n].to_numpy() for n in ("lon", "lat", *HALVES))
    return np.stack([lon - wide, lat - tall, lon + wide, lat + tall])


def _is_wide(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.maximum(boxes[2] - boxes[0], boxes[3] - boxes[1]) / 2 > WIDE - SLACK)


def _overlap(boxes: npt.NDArray[np.float64], bounds: Bounds) -> npt.NDArray[np.bool_]:
    west, south, east, north = bounds
    starts, ends = boxes[0] <= east + SLACK, boxes[2] >= west - SLACK
    across = starts & ends if west <= east else starts | ends
    return np.asarray(across & (boxes[1] <= north + SLACK) & (boxes[3] >= south - SLACK))


def _cover(bounds: Bounds) -> list[Cell]:
    """At most a few dozen quadtree cells that cover a box."""
    west, south, east, north = bounds
    cells = [Cell(0, 0)]
    while True:
        finer = [
            child
            for cell in cells
            for child in cell.children()
            if _meets(child.bounds(), (west, south, east, north))
        ]
        if len(finer) > 24 or cells[0].level >= BITS - 1:
            return cells
        cells = finer


def _meets(a: Bounds, b: Bounds) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
