"""Rows and drops on their way to a feature table: gathered, put in order of place, left in runs."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.runs import Codes, Runs
from catalogs.sources.osm_table import TYPES, OsmDrop, blobs, bounds_of, centres, numbers
from schemas.curves import FINE, hilbert
from schemas.windows import Bounds

LEVELS = (0.02, 0.2, 2.0)
"""Objects up to so many degrees wide or tall come first, each size by itself: a few big ones among
small ones would stretch the outline of many row groups."""

DROPS = pa.schema(
    [
        ("osm_type", pa.string()),
        ("osm_id", pa.int64()),
        ("code", pa.string()),  # as in `osm_table.OsmDrop`
        ("message", pa.string()),
        ("lon", pa.float64()),  # degrees, null when no position is known
        ("lat", pa.float64()),
        ("tags", pa.string()),
    ]
)

MANY_DROPS = 20_000
"""Drops that are held before they are written."""


@dataclass
class Stats:
    """What the runs of one or more processes hold.

    Attributes:
        shapes: WKB types that occur.
        bounds: (west, south, east, north) of all rows; None where there are none.
        drops: how many for each code.
    """

    rows: int = 0
    shapes: set[int] = field(default_factory=set)
    bounds: Bounds | None = None
    drops: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Stats") -> None:
        """Count what another process has."""
        self.rows += other.rows
        self.shapes |= other.shapes
        self.drops += other.drops
        both = [box for box in (self.bounds, other.bounds) if box is not None]
        if both:
            west, south, east, north = zip(*both, strict=True)
            self.bounds = min(west), min(south), max(east), max(north)


def order_of(bounds: npt.NDArray[np.float64]) -> Codes:
    """The number that rows are sorted by, from their bounding boxes (n, 4): size, then place."""
    middle = centres(bounds)
    level = np.searchsorted(LEVELS, (bounds[:, 2:] - bounds[:, :2]).max(axis=1))
    return (level.astype(np.uint64) << np.uint64(2 * FINE)) | hilbert(middle[:, 0], middle[:, 1])


def level_of(codes: Codes) -> npt.NDArray[np.int64]:
    """The class of size in numbers of `order_of`."""
    found: npt.NDArray[np.int64] = (codes >> np.uint64(2 * FINE)).astype(np.int64)
    return found


class Sorter:
    """Gathers rows and drops of one process.

    Attributes:
        rows, drops: folders of the runs.
    """

    def __init__(self, rows: Path, drops: Path, name: str, run_bytes: int) -> None:
        self.rows, self.drops, self.name, self.run_bytes = Runs(rows), Runs(drops), name, run_bytes
        self.held: list[pa.RecordBatch] = []
        self.lost: list[OsmDrop] = []
        self.size = self.runs = 0
        self.stats = Stats()

    def add(self, rows: pa.RecordBatch) -> None:
        """Take some rows."""
        if len(rows):
            self.held.append(rows)
            self.size += rows.nbytes
            if self.size >= self.run_bytes:
                self._flush()

    def drop(self, drop: OsmDrop) -> None:
        """Take a drop."""
        self.lost.append(drop)
        if len(self.lost) >= MANY_DROPS:
            self._flush_drops()

    def finish(self) -> Stats:
        """Write what is held, and say what was written in all."""
        self._flush()
        self._flush_drops()
        return self.stats

    def _flush(self) -> None:
        if not self.held:
            return
        held = self.held
        self.held, self.size = [], 0
        bounds = np.concatenate([bounds_of(rows) for rows in held])
        low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
        box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        shapes = {kind for rows in held for kind in shapes_of(rows)}
        self.stats.add(Stats(len(bounds), shapes, box))
        self.rows.add(pa.Table.from_batches(held), order_of(bounds), self._next())

    def _flush_drops(self) -> None:
        lost, self.lost = self.lost, []
        if lost:
            self.stats.drops.update(drop.code for drop in lost)
            kinds = np.array([TYPES.index(drop.osm_type) for drop in lost], np.uint64)
            ids = np.array([drop.osm_id for drop in lost], np.int64) + (1 << 60)
            codes = (kinds << np.uint64(61)) | ids.astype(np.uint64)
            self.drops.add(drop_table(lost), codes, self._next())

    def _next(self) -> str:
        self.runs += 1
        return f"{self.name}-{self.runs:05d}"


def shapes_of(rows: pa.RecordBatch) -> list[int]:
    """The WKB types of some rows."""
    wkb = rows.column("geometry")
    _, ends, data = wkb.buffers()
    starts = np.frombuffer(ends, np.int32)[wkb.offset : wkb.offset + len(wkb)]
    types = np.bincount(np.frombuffer(data, np.uint8)[starts + 1])
    kinds: list[int] = np.flatnonzero(types).tolist()
    return kinds


def drop_table(drops: list[OsmDrop]) -> pa.Table:
    """Drops as a table with the schema `DROPS`."""

    def texts(name: str) -> pa.Array:
        return blobs(pa.string(), [str(getattr(drop, name)).encode() for drop in drops])

    def places(name: str) -> pa.Array:
        found: list[Any] = [getattr(drop, name) for drop in drops]
        known = np.array([value is not None for value in found], bool)
        return numbers(pa.float64(), np.array([value or 0.0 for value in found]), known)

    ids = numbers(pa.int64(), np.array([drop.osm_id for drop in drops], np.int64))
    columns = [texts("osm_type"), ids, texts("code"), texts("message"), places("lon"),
               places("lat"), texts("tags")]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=DROPS)
