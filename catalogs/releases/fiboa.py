"""Parcels as a release ships them: one GeoParquet file in the form of fiboa 0.3.

Columns follow fiboa core 0.3.0 on Vecorel 0.1.0, the extensions for crops 0.2.0, HCAT 0.3.0 and
administrative divisions 0.1.0 (https://fiboa.org/specification); what these do not name is described
in the file itself (`schemas:custom`). Rows lie along a Hilbert curve.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.files import atomic, write_bytes
from catalogs.geoparquet import geo_metadata, kinds_of
from catalogs.releases.tables import WRITE
from catalogs.runs import Runs
from schemas.curves import hilbert
from schemas.tables import BBOX

SCHEMAS = (
    "https://vecorel.org/specification/v0.1.0/schema.yaml",
    "https://fiboa.org/specification/v0.3.0/schema.yaml",
    "https://fiboa.org/crop-extension/v0.2.0/schema.yaml",
    "https://fiboa.org/hcat-extension/v0.3.0/schema.yaml",
    "https://vecorel.org/administrative-division-extension/v0.1.0/schema.yaml",
)

STATUS = {"type": "string", "enum": ["mapped", "ambiguous", "unmapped"]}

CUSTOM = {
    "fao_icc:code": {"type": "int32"},
    "fao_icc:name": {"type": "string"},
    "hcat4:code": {"type": "int64"},
    "hcat4:name": {"type": "string"},
    "hcat4:seasonality": {"type": "int32"},
    "hcat4:usage": {"type": "int32"},
    "mapping:fao_icc": STATUS,
    "mapping:hcat3": STATUS,
    "mapping:hcat4": STATUS,
    "harvest:year": {"type": "int32"},
    "metrics:declared_area": {"type": "float"},
    "overlaps": {"type": "boolean"},
    "register:id": {"type": "string"},
    "register:code_list": {"type": "string"},
}
"""What no extension names: in square metres, and codes as `crop_codes.MAPPED` explains them.

`register:id` is the parcel's name in its register, `register:code_list` the `code_list` of its crop in
`CODE_LIST`.
"""

COLUMNS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("collection", pa.string(), nullable=False),
        pa.field("geometry", pa.binary(), nullable=False),
        pa.field("bbox", BBOX),
        pa.field("category", pa.list_(pa.string())),
        pa.field("metrics:area", pa.float32()),
        pa.field("metrics:perimeter", pa.float32()),
        pa.field("metrics:declared_area", pa.float32()),
        pa.field("determination:datetime", pa.timestamp("ms", tz="UTC")),
        pa.field("determination:method", pa.string()),
        pa.field("determination:details", pa.string()),
        pa.field("admin:country_code", pa.string(), nullable=False),
        pa.field("harvest:year", pa.int32()),
        pa.field("crop:code_list", pa.string(), nullable=False),
        pa.field("crop:code", pa.string(), nullable=False),
        pa.field("crop:name", pa.string()),
        pa.field("hcat:code", pa.uint32()),
        pa.field("hcat:name", pa.string()),
        pa.field("hcat4:code", pa.int64()),
        pa.field("hcat4:name", pa.string()),
        pa.field("hcat4:seasonality", pa.int32()),
        pa.field("hcat4:usage", pa.int32()),
        pa.field("fao_icc:code", pa.int32()),
        pa.field("fao_icc:name", pa.string()),
        pa.field("mapping:fao_icc", pa.string()),
        pa.field("mapping:hcat3", pa.string()),
        pa.field("mapping:hcat4", pa.string()),
        pa.field("overlaps", pa.bool_()),
        pa.field("register:id", pa.string()),
        pa.field("register:code_list", pa.string()),
    ]
)

RUN = 65_536
"""Rows put in order at a time, about."""

GROUP = 8192

CODE_LIST = "crop_codes.csv"
"""Name of the list of native crops beside the table; see `write_code_list`."""

NOWHERE = "ZZ"
"""Country code of parcels whose country is not known (ISO 3166-1 leaves it to users)."""

OTHER = "not_known_and_other"
"""Name of the HCAT class for what is not mapped; `mapping:hcat3` and `mapping:hcat4` say which is."""

_DETAILS = (
    "boundary and crop as declared by the farmer to the paying agency or mapped by the survey"
)


def write_fiboa(
    parcels: Iterable[pa.Table], target: Path, facts: dict[str, Any], code_list: str = CODE_LIST
) -> int:
    """Write parcels, each key once, and return how many; memory does not grow with them.

    Args:
        parcels: with `sources.parcels.COLUMNS` and `sources.crop_codes.MAPPED`.
        facts: of the whole file, for people: `title`, `license`, `attribution`, `provider`.
        code_list: URL, or path from the table, of the list of native crops.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".fiboa-", dir=target.parent) as folder:
        runs, kinds = Runs(Path(folder)), set[int]()
        box = np.array([np.inf, np.inf, -np.inf, -np.inf])
        collections: set[str] = set()
        for number, part in enumerate(_pieces(parcels)):
            sides = np.stack([side.to_numpy() for side in part["bbox"].combine_chunks().flatten()])
            box[:2] = np.minimum(box[:2], sides[:2].min(1))
            box[2:] = np.maximum(box[2:], sides[2:].max(1))
            kinds |= kinds_of(part["geometry"])
            collections.update(part["collection"].to_pylist())
            place = hilbert(part["lon"].to_numpy(), part["lat"].to_numpy())
            runs.add(columns(part, code_list), place, f"{number:08d}")
        bounds = tuple(box.tolist()) if kinds else None
        meta = {
            b"geo": _json(geo_metadata(bounds, kinds)),
            b"collection": _json({
                "schemas": {name: list(SCHEMAS) for name in sorted(collections)},
                "schemas:custom": {"required": [], "properties": CUSTOM},
                **facts,
            }),
        }  # fmt: skip
        schema, count = COLUMNS.with_metadata(meta), 0
        with atomic(target) as sink, pq.ParquetWriter(sink, schema, **WRITE) as writer:
            for group in _groups(_ordered(runs)):
                count += len(group)
                writer.write_table(group.replace_schema_metadata(meta), GROUP)
    return count


def columns(part: pa.Table, code_list: str = CODE_LIST) -> pa.Table:
    """Parcels as `COLUMNS`; the area is that of the outline, never the declared one."""
    size = len(part)
    crop = pc.if_else(pc.equal(part["crop_code"], ""), part["crop_name"], part["crop_code"])
    made = {
        "id": part["key"], "collection": part["collection"], "geometry": part["geometry"],
        "bbox": part["bbox"], "category": pa.array([["administrative"]] * size),
        "metrics:area": part["area_m2"], "metrics:perimeter": part["perimeter_m"],
        "metrics:declared_area": part["declared_m2"],
        "determination:datetime": part["determined"].cast(pa.timestamp("ms", tz="UTC"), safe=False),
        "determination:method": pa.array(["unknown"] * size),
        "determination:details": pa.array([_DETAILS] * size),
        "admin:country_code": _or(part["country"], "", NOWHERE),
        "harvest:year": _or(part["year"], 0, pa.scalar(None, pa.int64())),
        "crop:code_list": pa.array([code_list] * size), "crop:code": crop,
        "crop:name": part["crop_name"],
        "hcat:code": _or(part["hcat3_code"], 0, 3_399_000_000),
        "hcat:name": _or(part["hcat3_name"], "", OTHER),
        "hcat4:code": _or(part["hcat4_code"], 0, 3_390_000_000),
        "hcat4:name": _or(part["hcat4_name"], "", OTHER),
        "hcat4:seasonality": part["seasonality"], "hcat4:usage": part["usage"],
        "fao_icc:code": part["s4a_code"], "fao_icc:name": part["s4a_name"],
        "mapping:fao_icc": part["s4a_status"], "mapping:hcat3": part["hcat3_status"],
        "mapping:hcat4": part["hcat4_status"], "overlaps": part["overlaps"],
        "register:id": _or(part["id"], "", pa.scalar(None, pa.string())),
        "register:code_list": part["code_list"],
    }  # fmt: skip
    arrays = [made[field.name].cast(field.type) for field in COLUMNS]
    return pa.table(arrays, schema=COLUMNS)


def write_code_list(parcels: Iterable[pa.Table], target: Path) -> int:
    """Write the native crops of some parcels as the crop extension asks: `original_code`,
    `original_name`, `translated_name` (that of the FAO ICC); returns how many."""
    names = ("code_list", "crop_code", "crop_name", "s4a_code", "s4a_name")
    seen: set[tuple[Any, ...]] = set()
    for part in parcels:
        seen.update(zip(*(part[name].to_pylist() for name in names), strict=True))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ["original_code", "original_name", "translated_name", "code_list", "fao_icc_code"]
    )
    for lists, code, name, icc, title in sorted(seen):
        rows.writerow([code or name, name, title, lists, icc])
    write_bytes(target, text.getvalue().encode())
    return len(seen)


def _pieces(parcels: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables of some size: small ones are put together, for a run costs open files."""
    held: list[pa.Table] = []
    for part in parcels:
        if len(part):
            held.append(part)
        if sum(map(len, held)) >= RUN:
            yield pa.concat_tables(held).combine_chunks()
            held = []
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _ordered(runs: Runs) -> Iterator[pa.Table]:
    """Rows by place, then id; of several with one id the first."""
    for low, high in runs.ranges(RUN):
        rows, codes = runs.coded(low, high)
        ids = np.array(rows["id"].to_pylist(), str)
        order = np.lexsort((ids, codes))
        first = np.ones(len(order), bool)
        first[1:] = ids[order][1:] != ids[order][:-1]
        yield rows.take(pa.array(order[first]))


def _groups(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, `GROUP` at a time."""
    held = COLUMNS.empty_table()
    for part in parts:
        held = pa.concat_tables([held, part]).combine_chunks()
        while len(held) >= GROUP:
            yield held.slice(0, GROUP)
            held = held.slice(GROUP)
    if len(held):
        yield held.combine_chunks()


def _or(column: pa.ChunkedArray, unknown: Any, instead: Any) -> pa.ChunkedArray:
    """The column with another value for what stands for unknown in ours."""
    return pc.if_else(pc.equal(column, pa.scalar(unknown, column.type)), instead, column)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
