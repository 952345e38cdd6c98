"""osmium-tool: `osmium export -f pg` piped through Arrow's CSV reader into GeoParquet.

Hexadecimal WKB is turned into bytes by a table, not by Python. By the engine's own rules a closed way
is an area or a line, and what has no tag but `created_by` is no feature: by the tool's defaults there would
be nearly twice as many rows. `--sort` also computes outlines
and sorts in space, all in memory, which is what the engine's table is; without it the rows lie as they come.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks import osm_contender
from catalogs.sources.osm_tags import AREAS_ONLY, LINES_BUT

NIBBLES = np.zeros(256, np.uint8)
NIBBLES[list(b"0123456789ABCDEF")] = range(16)
COLUMNS = ["id", "geometry", "version", "timestamp", "tags"]
SORT = "--sort" in sys.argv


def work(extract: Path, out: Path, keys: list[str]) -> int:
    """Filter by keys where there are any, export, write."""
    if keys:
        picked = out / "picked.osm.pbf"
        wanted = [f"nwr/{key}" for key in keys]
        subprocess.run(
            ["osmium", "tags-filter", "--no-progress", "-o", picked, extract, *wanted], check=True
        )
        extract = picked
    rules = out / "rules.json"
    rules.write_text(
        json.dumps({"area_tags": areas(), "exclude_tags": ["created_by"]}), encoding="utf-8"
    )
    command = ["osmium", "export", "-c", rules, "-f", "pg", "-u", "type_id", "-a",
               "version,timestamp", "--no-progress", "-o", "-", extract]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE) as export:
        batches = (binary(batch) for batch in reader(export.stdout))
        rows = ordered(batches, out) if SORT else streamed(batches, out)
    assert export.returncode == 0
    return rows


def areas() -> list[str]:
    """Tags that make a closed way an area, as the tool writes them; `area` itself it knows."""
    but = [f"{key}!={','.join(sorted({'no', *lines}))}" for key, lines in LINES_BUT.items()]
    return but + [f"{key}={','.join(sorted(values))}" for key, values in AREAS_ONLY.items()]


def reader(stream: object) -> pa.csv.CSVStreamingReader:
    """Batches of the lines that osmium writes."""
    return pa.csv.open_csv(
        stream,
        read_options=pa.csv.ReadOptions(column_names=COLUMNS, block_size=8 << 20),
        parse_options=pa.csv.ParseOptions(delimiter="\t", quote_char=False, escape_char="\\"),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in ("id", "geometry", "tags")}
        ),
    )


def binary(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its geometry as bytes."""
    text = batch.column("geometry")
    ends = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]
    half = NIBBLES[np.frombuffer(text.buffers()[2], np.uint8)[ends[0] : ends[-1]]]
    places = ((ends - ends[0]) // 2).astype(np.int32)
    data = [None, pa.py_buffer(places), pa.py_buffer((half[0::2] << 4) | half[1::2])]
    return batch.set_column(1, "geometry", pa.Array.from_buffers(pa.binary(), len(text), data))


def streamed(batches: object, out: Path) -> int:
    """Write as they come."""
    rows, writer = 0, None
    for batch in batches:
        writer = writer or pq.ParquetWriter(out / "x.parquet", batch.schema, compression="zstd")
        writer.write_batch(batch)
        rows += len(batch)
    if writer:
        writer.close()
    return rows


def ordered(batches: object, out: Path) -> int:
    """Write sorted by the place of each outline's middle, with the outlines."""
    import shapely

    from schemas.curves import hilbert

    parts, codes = [], []
    for batch in batches:
        shapes = shapely.from_wkb(batch.column("geometry").to_numpy(zero_copy_only=False))
        box = shapely.bounds(shapes)
        codes.append(hilbert((box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2))
        sides = [pa.array(np.ascontiguousarray(box[:, side])) for side in range(4)]
        bbox = pa.StructArray.from_arrays(sides, ["xmin", "ymin", "xmax", "ymax"])
        parts.append(batch.append_column("bbox", bbox))
    table = pa.Table.from_batches(parts)
    table = table.take(pa.array(np.argsort(np.concatenate(codes), kind="stable")))
    pq.write_table(table, out / "x.parquet", compression="zstd", row_group_size=4096)
    return len(table)


if __name__ == "__main__":
    if SORT:
        sys.argv.remove("--sort")
    found = subprocess.run(["osmium", "--version"], capture_output=True, text=True, check=True)
    version = found.stdout.split("\n")[0].split()[-1]
    note = "sorted, in memory; no drops" if SORT else "not sorted, no outlines, no drops"
    osm_contender.main("osmium export, Arrow", version, work, note)
