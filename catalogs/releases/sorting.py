"""Sorting tables larger than memory: spill into key ranges, sort each, hand them on in order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS = 20_000
"""Rows of one row group of a released table."""

BUCKET = 100_000
MOST_BUCKETS = 200  # open files at once

Batches = Callable[[], Iterator[pa.RecordBatch]]


def batches(
    paths: Sequence[Path], columns: Sequence[str] | None = None, rows: int = 16_384
) -> Iterator[pa.RecordBatch]:
    """Record batches of Parquet files, one file after another."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=rows, columns=columns)


def parquets(folder: Path) -> list[Path]:
    """The Parquet files of a folder by name; [] when there is no folder."""
    return sorted(folder.glob("*.parquet"))


def ordered(
    read: Batches,
    key: Callable[[pa.RecordBatch], pa.Array],
    ties: Sequence[str],
    schema: pa.Schema,
    scratch: Path,
    most: int = ROWS,
) -> Iterator[pa.Table]:
    """Tables of `most` rows (the last may be shorter), together sorted by (`key`, `ties`).

    Memory holds the key column and one bucket, five such tables while there are no more than
    `MOST_BUCKETS`. The order, and so the bytes written from it, depend
    on the rows alone, not on how files or batches divide them.

    Args:
        read: gives the record batches; called twice.
        key: sort key of a batch, one value for each row.
        ties: columns that decide among equal keys.
        schema: of the result; other columns are left out.
        scratch: folder for spilt buckets; nothing stays there.
        most: rows of a table.
    """
    keys = pa.chunked_array([key(batch) for batch in read()] or [pa.array([], pa.string())])
    if not len(keys):
        return
    edges = _edges(keys, BUCKET * most // ROWS)
    del keys
    carry = schema.empty_table()
    with TemporaryDirectory(prefix=".sort-", dir=scratch) as folder:
        for path in _spill(read, key, edges, schema, Path(folder)):
            with pa.OSFile(str(path)) as source:
                table = pa.ipc.open_stream(source).read_all()
            order = [("__key", "ascending"), *((name, "ascending") for name in ties)]
            table = table.take(pc.sort_indices(table, sort_keys=order)).drop_columns(["__key"])
            path.unlink()
            table = pa.concat_tables([carry, table.cast(schema)]).combine_chunks()
            whole = table.num_rows // most * most
            for start in range(0, whole, most):
                yield table.slice(start, most)
            carry = table.slice(whole)
    if carry.num_rows:
        yield carry


def _edges(keys: pa.ChunkedArray, bucket: int) -> list[pa.Scalar]:
    count = min(MOST_BUCKETS, -(-len(keys) // max(bucket, 1)))
    if count == 1:
        return []
    order = pc.sort_indices(keys)
    cuts = [order[len(keys) * i // count].as_py() for i in range(1, count)]
    return [keys[cut] for cut in cuts]


def _spill(
    read: Batches,
    key: Callable[[pa.RecordBatch], pa.Array],
    edges: list[pa.Scalar],
    schema: pa.Schema,
    folder: Path,
) -> list[Path]:
    paths = [folder / f"{number:04d}.arrow" for number in range(len(edges) + 1)]
    full = schema.remove_metadata()
    with ExitStack() as stack:
        writers: list[pa.ipc.RecordBatchStreamWriter | None] = [None] * len(paths)
        for batch in read():
            values = key(batch)
            code = np.zeros(len(values), np.int64)
            for edge in edges:
                code += pc.greater_equal(values, edge).to_numpy(zero_copy_only=False)
            plain = pa.Table.from_batches([batch]).select(full.names).cast(full)
            plain = plain.append_column("__key", values)
            for number in np.unique(code):
                part = plain.take(np.flatnonzero(code == number))
                if writers[number] is None:
                    sink = stack.enter_context(pa.OSFile(str(paths[number]), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_stream(sink, part.schema))
                writers[number].write_table(part)
    return [path for path in paths if path.exists()]
