"""`stac/items.parquet`: one STAC item for each sample as stac-geoparquet, written as a stream."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.releases.stac import PROJECTION, VERSION, item_assets
from catalogs.releases.tables import GeoWriter
from catalogs.releases.times import Clock
from schemas.release import Staging
from schemas.tables import BBOX, member_columns

TIME = pa.timestamp("us", tz="UTC")
LINKS = pa.list_(pa.struct([(name, pa.string()) for name in ("href", "rel", "type", "title")]))
ASSET = pa.struct(
    [
        ("href", pa.string()),
        ("type", pa.string()),
        ("title", pa.string()),
        ("roles", pa.list_(pa.string())),
    ]
)
MEMBER = pa.struct([*ASSET, ("member", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])
"""An asset inside the tar at `href`: name of the member, its first byte and its length."""


def schema(extensions: list[str]) -> pa.Schema:
    """Columns of the table for samples with these members."""
    assets = [("shard", ASSET), *((ext.replace(".", "_"), MEMBER) for ext in extensions)]
    return pa.schema(
        [
            ("type", pa.string()),
            ("stac_version", pa.string()),
            ("stac_extensions", pa.list_(pa.string())),
            ("id", pa.string()),
            ("collection", pa.string()),
            ("datetime", TIME),
            ("start_datetime", TIME),
            ("end_datetime", TIME),
            ("datetime_unknown", pa.bool_()),
            ("split", pa.string()),
            ("gsd", pa.float64()),
            ("proj:code", pa.string()),
            ("proj:shape", pa.list_(pa.int64())),
            ("proj:transform", pa.list_(pa.float64())),
            ("assets", pa.struct(assets)),
            ("links", LINKS),
            ("bbox", BBOX),
            ("geometry", pa.binary()),
        ]
    )


def write_items(
    samples: Path, out: Path, staging: Staging, collection: dict[str, Any], clock: Clock
) -> int:
    """Write the table in the order of `samples.parquet`; returns its rows.

    `datetime` is the earliest scene's; `start_datetime` and `end_datetime` span all of them. A
    sample whose scenes carry no time has `datetime_unknown` and the fallback of `clock`.
    """
    extensions = list(staging.recipe.pack.members)
    about = {"version": "1.0.0", "collections": {collection["id"]: collection}}
    extra = {"stac-geoparquet": json.dumps(about, sort_keys=True)}
    columns = ["key", "split", "shard", "crs", "transform", "width", "height", "gsd_m"]
    columns += ["scene_ids", "bbox", "geometry"]
    columns += [name for ext in extensions for name in member_columns(ext)]
    target = schema(extensions)
    with pq.ParquetFile(samples) as file:
        geo = file.schema_arrow.metadata[b"geo"].decode()
        writer = GeoWriter(out, target, {"geo": geo, **extra})
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=columns).combine_chunks()
            writer.write(_items(table, target, staging, clock))
    return writer.close()


def _items(table: pa.Table, target: pa.Schema, staging: Staging, clock: Clock) -> pa.Table:
    count = table.num_rows

    def same(value: Any, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), count)

    plain = {name: table[name].combine_chunks() for name in table.column_names}
    start, end, known = clock.spans(plain["scene_ids"])
    shape = np.stack([plain["height"].to_numpy(), plain["width"].to_numpy()], axis=1)
    affine = plain["transform"].flatten()
    code = pc.if_else(pc.starts_with(plain["crs"], "EPSG:"), plain["crs"], None)
    columns = {
        "type": same("Feature", pa.string()),
        "stac_version": same(VERSION, pa.string()),
        "stac_extensions": same([PROJECTION], pa.list_(pa.string())),
        "id": plain["key"],
        "collection": same(staging.recipe.card.name, pa.string()),
        "datetime": pa.array(start, pa.int64()).cast(pa.timestamp("us")).cast(TIME),
        "start_datetime": pa.array(start, pa.int64()).cast(pa.timestamp("us")).cast(TIME),
        "end_datetime": pa.array(end, pa.int64()).cast(pa.timestamp("us")).cast(TIME),
        "datetime_unknown": pa.array(~known),
        "split": plain["split"],
        "gsd": plain["gsd_m"],
        "proj:code": code,
        "proj:shape": _lists(pa.array(shape.astype(np.int64).ravel()), 2, count),
        "proj:transform": _lists(affine, 6, count),
        "assets": _assets(plain, target.field("assets").type, staging, count),
        "links": _links(plain["shard"], count),
        "bbox": plain["bbox"],
        "geometry": plain["geometry"],
    }
    return pa.table([columns[name].cast(target.field(name).type) for name in target.names], target)


def _lists(values: pa.Array, size: int, count: int) -> pa.Array:
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * size)
    return pa.ListArray.from_arrays(offsets, values)


def _assets(
    plain: dict[str, pa.Array], kind: pa.StructType, staging: Staging, count: int
) -> pa.Array:
    hrefs = pc.binary_join_element_wise("../data/", plain["shard"], "")
    described = item_assets(staging)
    names = {ext.replace(".", "_"): ext for ext in staging.recipe.pack.members}
    found = []
    for entry in kind:
        about = described[entry.name]
        values = [
            hrefs,
            pa.repeat(pa.scalar(about["type"]), count),
            pa.repeat(pa.scalar(about["title"]), count),
            pa.repeat(pa.scalar(about["roles"], pa.list_(pa.string())), count),
        ]
        if entry.name in names:
            ext = names[entry.name]
            offset, size = member_columns(ext)
            member = pc.binary_join_element_wise(plain["key"], ext, ".")
            values += [member, plain[offset], plain[size]]
        found.append(pa.StructArray.from_arrays(values, fields=list(entry.type)))
    return pa.StructArray.from_arrays(found, fields=list(kind))


def _links(shards: pa.Array, count: int) -> pa.Array:
    """Two links an item: its collection and the Item of its shard."""
    stems = pc.replace_substring_regex(shards, r"\.tar$", ".json")
    related = pc.binary_join_element_wise("./shards/", stems, "")
    both = {
        "href": ["./collection.json", related],
        "rel": ["collection", "related"],
        "type": ["application/json", "application/geo+json"],
        "title": ["collection", "shard"],
    }
    fields = []
    for first, second in both.values():
        lists = [
            pa.repeat(pa.scalar(v), count) if isinstance(v, str) else v for v in (first, second)
        ]
        order = pa.array(np.arange(2 * count).reshape(2, count).T.ravel())
        fields.append(pa.concat_arrays(lists).take(order))
    return _lists(pa.StructArray.from_arrays(fields, fields=list(LINKS.value_type)), 2, count)
