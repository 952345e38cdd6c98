"""Tables sorted on disk by a number of each row, in runs of bounded size, and read back by range.

Each run is an Arrow file of small batches in the order of its codes, with the codes beside it, so
that a range costs a binary search and a few batches of each run.
"""

import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BATCH = 1024  # rows of a batch: what is read at least
SAMPLE = 1 << 20  # codes that ranges are chosen by, at most

Codes = npt.NDArray[np.uint64]


class Runs:
    """Sorted runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, table: pa.Table, codes: Codes, name: str) -> None:
        """Write the rows as one run, by code; rows with the same code keep their order.

        Args:
            name: tells this run from the others of the folder.
        """
        order = np.argsort(codes, kind="stable")
        data = pa.py_buffer(order)
        table = table.take(pa.Array.from_buffers(pa.int64(), len(order), [None, data]))
        part = self.folder / f".{uuid.uuid4().hex}.part"
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=BATCH)
        np.save(self.folder / f"run-{name}.npy", codes[order])
        part.replace(self.folder / f"run-{name}.arrow")

    @cached_property
    def runs(self) -> list[pa.ipc.RecordBatchFileReader]:
        """The runs, open for reading by batch."""
        paths = sorted(self.folder.glob("run-*.arrow"))
        return [pa.ipc.open_file(pa.OSFile(str(path), "rb")) for path in paths]

    @cached_property
    def codes(self) -> list[Codes]:
        """Codes of each run: eight bytes a row, mapped from disk."""
        paths = sorted(self.folder.glob("run-*.npy"))
        return [np.load(path, mmap_mode="r") for path in paths]

    def count(self, low: int, high: int) -> int:
        """Rows with codes from `low` to below `high`."""
        ends = (np.uint64(low), np.uint64(high))
        return sum(int(np.diff(np.searchsorted(codes, ends))[0]) for codes in self.codes)

    def slice(self, low: int, high: int) -> pa.Table:
        """Rows with codes from `low` to below `high`, run by run."""
        return self.coded(low, high)[0]

    def coded(self, low: int, high: int) -> tuple[pa.Table, Codes]:
        """Rows with codes from `low` to below `high`, run by run, and their codes."""
        parts, numbers = [], []
        for run, codes in zip(self.runs, self.codes, strict=True):
            ends = np.searchsorted(codes, (np.uint64(low), np.uint64(high)))
            start, stop = int(ends[0]), int(ends[1])
            batches = [run.get_batch(i) for i in range(start // BATCH, -(-stop // BATCH))]
            held = pa.Table.from_batches(batches if stop > start else [], run.schema)
            parts.append(held.slice(start % BATCH, stop - start))
            numbers.append(codes[start:stop])
        return pa.concat_tables(parts).combine_chunks(), np.concatenate(numbers)

    def ranges(self, rows: int) -> Iterator[tuple[int, int]]:
        """Ranges of codes that follow one another, cover all rows, and have about `rows` each."""
        total = sum(map(len, self.codes))
        step = max(1, total // SAMPLE)
        sample = np.sort(np.concatenate([np.empty(0, np.uint64), *(c[::step] for c in self.codes)]))
        cuts = np.unique(sample[:: max(1, rows // step)]).tolist() if total else []
        low = 0
        for cut in cuts[1:]:
            yield low, cut
            low = cut
        if total:
            yield low, 1 << 63
