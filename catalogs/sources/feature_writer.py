"""Sorted runs of rows become one GeoParquet file: row groups small enough to be passed over."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.geoparquet import geo_metadata
from catalogs.runs import Codes, Runs
from catalogs.sources.arrow import numbers, values
from catalogs.sources.osm_drops import DROPS
from catalogs.sources.osm_sorting import Stats, letters, level_of
from catalogs.sources.osm_table import COLUMNS
from schemas.tables import BBOX, CORNERS

ROWS = 4096
"""Rows of a row group: what is read at least for a query."""

SIDES = ("west", "south", "east", "north")

SCHEMA = pa.schema(
    [
        *(field for field in COLUMNS if field.name not in SIDES),
        ("bbox", BBOX),
    ]
)
"""Columns of a feature table: those of `COLUMNS`, the four sides as one."""

META = b"earthloom:features"
"""Key of the metadata that say what the table was made of, as JSON."""


def geo(stats: Stats) -> dict[str, Any]:
    """The table's `geo` metadata."""
    return geo_metadata(stats.bounds, stats.shapes, edges="planar", orientation="counterclockwise")


def write(
    sink: IO[bytes], runs: Runs, stats: Stats, about: Mapping[str, Any], part_rows: int
) -> None:
    """Write the rows of `runs` in order of their codes, then of type and id.

    What is written depends on the rows alone, not on how they lie in runs, nor on `part_rows`: how
    many are put in order at a time.
    """
    meta = {b"geo": _json(geo(stats)), META: _json(about)}
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": ["osm_type", "kind", "tags"],
        "write_statistics": [f"bbox.{corner}" for corner in CORNERS],
        "write_page_checksum": True,
    }
    with pq.ParquetWriter(sink, SCHEMA.with_metadata(meta), **options) as writer:
        for rows in _groups(_parts(runs, part_rows)):
            whole = rows.combine_chunks()  # pages end where chunks end
            writer.write_table(whole.replace_schema_metadata(meta), ROWS)


def write_drops(sink: IO[bytes], runs: Runs, part_rows: int) -> None:
    """Write the drops of `runs`, by type and id."""
    order = [(name, "ascending") for name in DROPS.names]
    with pq.ParquetWriter(sink, DROPS, compression="zstd", write_page_checksum=True) as writer:
        for low, high in runs.ranges(part_rows):
            rows = runs.slice(low, high)
            writer.write_table(rows.take(pc.sort_indices(rows, order)))


def _parts(runs: Runs, part_rows: int) -> Iterator[tuple[int, pa.Table]]:
    """Class of size and rows, in order; the next ones are put in order while some are in use."""
    with ThreadPoolExecutor(1) as pool:
        coming: list[Future[list[tuple[int, pa.Table]]]] = []
        for low, high in runs.ranges(part_rows):
            coming.append(pool.submit(_ordered, runs, low, high))
            if len(coming) > 1:
                yield from coming.pop(0).result()
        for part in coming:
            yield from part.result()


def _groups(parts: Iterator[tuple[int, pa.Table]]) -> Iterator[pa.Table]:
    """The rows in tables of a multiple of `ROWS`, but for the last of each class of size."""
    held: pa.Table = SCHEMA.empty_table()
    last = 0
    for level, rows in parts:
        if level != last and len(held):
            yield held
            held = SCHEMA.empty_table()
        last, held = level, pa.concat_tables([held, rows])
        full = len(held) // ROWS * ROWS
        if full:
            yield held.slice(0, full)
            held = held.slice(full)
    if len(held):
        yield held


def _ordered(runs: Runs, low: int, high: int) -> list[tuple[int, pa.Table]]:
    """Rows of a range of codes in order, for each class of size."""
    rows, codes = runs.coded(low, high)
    order = _order(rows, codes)
    rows = rows.take(numbers(pa.int64(), order))
    sides = [rows[side].combine_chunks() for side in SIDES]
    bbox = pa.StructArray.from_arrays(sides, fields=list(BBOX))
    rows = rows.drop_columns(list(SIDES)).append_column("bbox", bbox)
    level = level_of(codes[order])
    cuts = [0, *(np.flatnonzero(np.diff(level)) + 1).tolist(), len(rows)]
    return [(int(level[a]), rows.slice(a, b - a)) for a, b in pairwise(cuts) if b > a]


def _order(rows: pa.Table, codes: Codes) -> npt.NDArray[np.int64]:
    """Order by code, then type and id."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    same = ordered[1:] == ordered[:-1]
    tied = np.zeros(len(order), bool)
    tied[1:] = same
    tied[:-1] |= same
    some = order[tied]
    if len(some):
        kinds = letters(rows["osm_type"].combine_chunks())[some]
        ids = values(rows["osm_id"].combine_chunks(), np.int64)[some]
        order[tied] = some[np.lexsort((ids, kinds, codes[some]))]
    return order


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
