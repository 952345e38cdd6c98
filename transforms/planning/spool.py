"""Start rows sorted in space without holding them: sorted runs on disk, read back by place.

Each run is an Arrow file of small batches sorted by Morton code of (lon, lat), its codes beside it,
so that a partition (a quadtree cell) costs a binary search and a few batches of each run.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.windows import Bounds

BITS = 26  # a quadtree this deep has cells of 0.6 m at the equator
RUN_BYTES = 16 << 20
BATCH = 1024  # rows of a batch: what is read at least
HALVES = ("_half_lon", "_half_lat")  # optional columns: how far a row reaches, degrees
WIDE = 0.01  # degrees; what reaches farther is kept apart
SLACK = 1e-9  # degrees, for rounding


def morton(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """Morton code of lon/lat degrees, `BITS` bits an axis, longitude in the even bits."""
    side = 1 << BITS
    x = np.clip((np.asarray(lon) + 180) / 360 * side, 0, side - 1).astype(np.uint64)
    y = np.clip((np.asarray(lat) + 90) / 180 * side, 0, side - 1).astype(np.uint64)
    return _spread(x) | (_spread(y) << np.uint64(1))


def _spread(v: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333), (1, 0x5555555555555555),
    ):  # fmt: skip
        v = (v | (v << np.uint64(shift))) & np.uint64(mask)
    return v


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

    def fill(self, tables: Iterable[pa.Table]) -> int:
        """Write the rows as sorted runs of bounded size; returns their number."""
        self.folder.mkdir(parents=True, exist_ok=True)
        held: list[pa.Table] = []
        size = rows = 0
        for table in tables:
            code = morton(table["lon"].to_numpy(), table["lat"].to_numpy())
            held.append(table.append_column("_morton", pa.array(code)))
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
        table = table.take(pc.sort_indices(table, [("_morton", "ascending"), ("key", "ascending")]))
        index = len(list(self.folder.glob("run-*.arrow")))
        np.save(self.folder / f"run-{index:05d}.npy", table["_morton"].to_numpy())
        part = self.folder / f".{uuid.uuid4().hex}.part"
        table = table.drop_columns("_morton")
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=BATCH)
        part.replace(self.folder / f"run-{index:05d}.arrow")
        if HALVES[0] in table.column_names:
            wide = table.filter(pa.array(_is_wide(_boxes(table))))
            pq.write_table(wide, self.folder / f"wide-{index:05d}.parquet")

    @cached_property
    def runs(self) -> list[pa.ipc.RecordBatchFileReader]:
        """The runs, open for reading by batch."""
        paths = sorted(self.folder.glob("run-*.arrow"))
        return [pa.ipc.open_file(pa.OSFile(str(p), "rb")) for p in paths]

    @cached_property
    def codes(self) -> list[npt.NDArray[np.uint64]]:
        """Morton codes of each run, eight bytes a row."""
        return [np.load(p) for p in sorted(self.folder.glob("run-*.npy"))]

    def count(self, cell: Cell) -> int:
        """Rows in a cell."""
        ends = (np.uint64(cell.low), np.uint64(cell.high))
        return sum(int(np.diff(np.searchsorted(c, ends))[0]) for c in self.codes)

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
        table = self._slice(cell.low, cell.high)
        return table.take(pc.sort_indices(table, [("key", "ascending")]))

    def _slice(self, low: int, high: int) -> pa.Table:
        parts = []
        for run, codes in zip(self.runs, self.codes, strict=True):
            ends = np.searchsorted(codes, (np.uint64(low), np.uint64(high)))
            start, stop = int(ends[0]), int(ends[1])
            batches = [run.get_batch(i) for i in range(start // BATCH, -(-stop // BATCH))]
            held = pa.Table.from_batches(batches if stop > start else [], run.schema)
            parts.append(held.slice(start % BATCH, stop - start))
        return pa.concat_tables(parts).combine_chunks()

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
        found = [self._slice(c.low, c.high) for c in _cover((west, south, east, north))]
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
