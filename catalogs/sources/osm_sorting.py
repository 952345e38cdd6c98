"""Rows and drops on their way to a feature table: gathered, put in order of place, left in runs."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.runs import Codes, Runs
from catalogs.sources.arrow import values
from catalogs.sources.osm_table import bounds_of, centres
from schemas.curves import FINE, hilbert
from schemas.windows import Bounds

LEVELS = (0.02, 0.2, 2.0)
"""Objects up to so many degrees wide or tall come first, each size by itself: a few big ones among
small ones would stretch the outline of many row groups."""

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
    place = hilbert(middle[:, 0], middle[:, 1])
    found: Codes = (level.astype(np.uint64) << np.uint64(2 * FINE)) | place
    return found


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
        self.lost: list[pa.Table] = []
        self.size = self.runs = 0
        self.stats = Stats()

    def add(self, rows: pa.RecordBatch) -> None:
        """Take some rows."""
        if len(rows):
            self.held.append(rows)
            self.size += rows.nbytes
            if self.size >= self.run_bytes:
                self._flush()

    def drop(self, drops: pa.Table) -> None:
        """Take some drops."""
        self.lost.append(drops)
        if sum(map(len, self.lost)) >= MANY_DROPS:
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
        if not self.lost:
            return
        lost = pa.concat_tables(self.lost).combine_chunks()
        self.lost = []
        for entry in lost["code"].value_counts().to_pylist():
            self.stats.drops[entry["values"]] += entry["counts"]
        ids = values(lost["osm_id"].combine_chunks(), np.int64) + (1 << 60)
        kinds = np.searchsorted(list(b"nrw"), letters(lost["osm_type"].combine_chunks()))
        self.drops.add(lost, (kinds << 61 | ids).astype(np.uint64), self._next())

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


def letters(words: pa.Array) -> npt.NDArray[np.uint8]:
    """The first letter of each word."""
    _, ends, data = words.buffers()
    starts = np.frombuffer(ends, np.int32)[words.offset : words.offset + len(words)]
    return np.frombuffer(data, np.uint8)[starts]
