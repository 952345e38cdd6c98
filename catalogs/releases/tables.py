"""The tables of a release: samples, splits and drops, each sorted, streamed and byte-stable."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import CHUNK, write_json
from catalogs.geoparquet import geo_metadata, kinds_of, sides
from catalogs.releases.extents import middle, planar
from catalogs.releases.hilbert import index
from catalogs.releases.sorting import ROWS, batches, ordered, parquets
from schemas.recipes import Recipe
from schemas.tables import DROPS, SPLITS, samples_schema, shipped

WRITE = {"compression": "zstd", "compression_level": 9, "write_page_index": True}
"""How every released Parquet file is written."""


PIECE = 1 << 26
"""Bytes of rows, about, that a further table is given at a time."""


class GeoWriter:
    """Writes GeoParquet 1.1: WKB in OGC:CRS84 (the default, so no crs entry) with bbox covering."""

    def __init__(self, path: Path, schema: pa.Schema, metadata: dict[str, str]) -> None:
        """Open `path`; `metadata` must hold the `geo` entry (see `geo_of`)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.writer = pq.ParquetWriter(path, schema.with_metadata(metadata), **WRITE)
        self.rows = 0

    def write(self, table: pa.Table) -> None:
        """Append one row group; its `bbox` may have west > east and is stored as planar range."""
        bbox = table["bbox"].combine_chunks()
        west, south, east, north = sides(bbox)
        xmin, xmax = planar(west, east)
        flat = pa.StructArray.from_arrays([xmin, south, xmax, north], fields=list(bbox.type))
        place = table.schema.get_field_index("bbox")
        table = table.set_column(place, table.schema.field("bbox"), flat)
        self.rows += table.num_rows
        self.writer.write_table(
            table.replace_schema_metadata(self.writer.schema.metadata),
            row_group_size=max(table.num_rows, 1),
        )

    def close(self) -> int:
        """Write the footer; returns the number of rows."""
        self.writer.close()
        return self.rows


def geo_of(read: Iterator[pa.RecordBatch]) -> str:
    """The `geo` entry for these rows: bounds of all coordinates and the geometry types."""
    kinds: set[int] = set()
    least, most = np.full(2, np.inf), np.full(2, -np.inf)
    for batch in read:
        west, south, east, north = sides(batch.column("bbox"))
        xmin, xmax = planar(west, east)
        least = np.minimum(least, [xmin.min(initial=np.inf), south.min(initial=np.inf)])
        most = np.maximum(most, [xmax.max(initial=-np.inf), north.max(initial=-np.inf)])
        kinds |= kinds_of(batch.column("geometry"))
    bounds = (*least.tolist(), *most.tolist()) if kinds else None
    return json.dumps(geo_metadata(bounds, kinds), sort_keys=True)


def write_samples(rows: Path, out: Path, recipe: Recipe, scratch: Path) -> int:
    """`metadata/samples.parquet` from the packed rows, along a Hilbert curve; returns its rows."""
    paths, schema = parquets(rows), samples_schema(recipe)

    def read() -> Iterator[pa.RecordBatch]:
        return batches(paths, schema.names, rows=4096)

    geo = geo_of(batches(paths, ["bbox", "geometry"]))
    writer = GeoWriter(out, schema, {"geo": geo})
    for table in ordered(read, hilbert_key, ["key"], schema, scratch):
        writer.write(table)
    return writer.close()


def hilbert_key(batch: pa.RecordBatch) -> pa.Array:
    """Hilbert number of each row's footprint centre."""
    return pa.array(index(*middle(*sides(batch.column("bbox")))))


def write_splits(splits: Path, out: Path, scratch: Path) -> int:
    """`metadata/splits.parquet` sorted by key; returns its rows."""
    return _by_key(splits, out, SPLITS, ["split"], scratch)


def write_drops(drops: Path, out: Path, scratch: Path) -> int:
    """`metadata/drops.parquet` sorted by key; returns its rows."""
    return _by_key(drops, out, DROPS, ["act", "step", "code", "message"], scratch)


def _by_key(folder: Path, out: Path, schema: pa.Schema, ties: list[str], scratch: Path) -> int:
    paths, rows = parquets(folder), 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(out, schema, **WRITE) as writer:
        found = ordered(
            lambda: batches(paths, schema.names), lambda b: b.column("key"), ties, schema, scratch
        )
        for table in found:
            writer.write_table(table, row_group_size=table.num_rows)
            rows += table.num_rows
    return rows


def write_beside(rows: Path, folder: Path, recipe: Recipe, ctx: Any, scratch: Path) -> None:
    """The recipe's further tables, each from the packed rows by key.

    Args:
        ctx: what the tables may ask for (`transforms.context.Context`).
    """
    paths = parquets(rows)
    if not paths:
        return
    whole = pq.read_schema(paths[0])
    for beside in recipe.tables:
        wanted = [name for name in whole.names if shipped(name) or name in beside.needs]
        schema = pa.schema([whole.field(name) for name in wanted if name != "band_stats"])
        most = max(1, min(ROWS, PIECE // _bytes(paths, schema.names)))
        found = ordered(
            partial(batches, paths, schema.names, rows=most), _keys, [], schema, scratch, most
        )
        beside.write(found, folder / beside.name, ctx)


def _keys(batch: pa.RecordBatch) -> pa.Array:
    return batch.column("key")


def _bytes(paths: list[Path], names: list[str]) -> int:
    """Bytes of a row in memory, on average and about."""
    size, rows = 0, 0
    for path in paths:
        known = pq.read_metadata(path)
        rows += known.num_rows
        for group in range(known.num_row_groups):
            columns = (known.row_group(group).column(c) for c in range(known.num_columns))
            size += sum(
                c.total_uncompressed_size
                for c in columns
                if c.path_in_schema.split(".")[0] in names
            )
    return size // max(rows, 1) + 1


def write_classes(out: Path, recipe: Recipe, labels: dict[str, dict[str, int]]) -> None:
    """`metadata/classes.json`: id, name, description and count in each split.

    Args:
        labels: samples by label and split.
    """
    splits = sorted({split for counts in labels.values() for split in counts})
    classes = [
        {
            "id": number,
            "name": name,
            "description": f"{recipe.label} = {name}" if name else f"no {recipe.label} known",
            "count": {split: labels[name].get(split, 0) for split in splits},
        }
        for number, name in enumerate(sorted(labels))
    ]
    write_json(out, {"label": recipe.label, "classes": classes})


def write_index(out: Path, name: str, shards: list[dict[str, Any]]) -> None:
    """`metadata/wids-{split}.json`: shard index; urls are relative to the index file.

    Args:
        shards: dicts with `name`, `samples`, `bytes` and `md5`.
    """
    entries = [
        {
            "url": f"../data/{shard['name']}",
            "nsamples": shard["samples"],
            "filesize": shard["bytes"],
            "md5sum": shard["md5"],
        }
        for shard in shards
    ]
    write_json(out, {"wids_version": 1, "name": name, "shardlist": entries})


def write_fgb(samples: Path, out: Path, label: str) -> None:
    """`metadata/samples.fgb`: footprints, key, split, shard and label, for map viewers."""
    import pyogrio.raw

    columns = ["key", "split", "shard", *([label] if label else []), "geometry"]
    with pq.ParquetFile(samples) as file:
        geo = json.loads(file.metadata.metadata[b"geo"])
        kinds = geo["columns"]["geometry"]["geometry_types"]
        schema = pa.schema([file.schema_arrow.field(name) for name in columns])
        if label:
            schema = schema.set(3, schema.field(3).with_name("label"))
        parts = (
            pa.RecordBatch.from_arrays(batch.select(columns).columns, schema=schema)
            for batch in file.iter_batches(batch_size=4096, columns=columns)
        )
        pyogrio.raw.write_arrow(
            pa.RecordBatchReader.from_batches(schema, parts),
            out,
            driver="FlatGeobuf",
            geometry_name="geometry",
            geometry_type=kinds[0] if len(kinds) == 1 else "Unknown",
            crs="OGC:CRS84",
        )


def digests(path: Path) -> dict[str, Any]:
    """bytes, sha256 and md5 of a file, read once."""
    import hashlib

    sha, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            sha.update(block)
            md5.update(block)
            size += len(block)
    return {"bytes": size, "sha256": sha.hexdigest(), "md5": md5.hexdigest()}
