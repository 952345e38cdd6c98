"""How the columns of a feature table become ids, times and tags of OSM objects."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.errors import SourceError

IDS = ("full_id", "@id", "feature_id", "osm_id", "id", "osm_way_id")
OSM_TYPES = ("osm_type", "@type", "type_osm")
VERSIONS = ("osm_version", "@version", "version")
TIMES = ("osm_timestamp", "@timestamp", "timestamp")
NOT_TAGS = frozenset(
    (*IDS, *OSM_TYPES, *VERSIONS, *TIMES, "fid", "ogc_fid", "code", "label", "path")
) | {"user", "uid", "changeset", "@user", "@uid", "@changeset", "bbox", "way_area", "z_order"}
"""Columns that tables made of OSM data carry beside its tags."""

FCLASSES = Path(__file__).parents[2] / "schemas" / "data" / "geofabrik_fclass.csv"

_ID = re.compile(r"(?:(node|way|relation|n|w|r)[/ ]?)?(-?\d{1,18})", re.IGNORECASE)
_FLAGS = {"bridge": "bridge", "tunnel": "tunnel"}  # columns of Geofabrik's roads: T or F


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which column means what; "" where there is none."""

    id: str
    type: str
    version: str
    time: str
    names: tuple[str, ...]

    def tags(self, part: pa.RecordBatch) -> Iterator[dict[str, str]]:
        """The tags of each row, as the table holds them."""
        if "tags" in self.names:
            yield from map(_from_json, part.column("tags").to_pylist())
        elif "fclass" in self.names:
            yield from _from_classes(part)
        else:
            yield from _from_columns(part, [n for n in self.names if n not in NOT_TAGS])


def mapping(names: tuple[str, ...]) -> Mapped:
    """The meaning of a table's columns.

    Raises:
        SourceError: no column holds ids.
    """

    def first(wanted: tuple[str, ...]) -> str:
        return next((name for name in wanted if name in names), "")

    if not first(IDS):
        raise SourceError(f"a feature table needs one of the columns {IDS}; it has {names[:12]}")
    return Mapped(first(IDS), first(OSM_TYPES), first(VERSIONS), first(TIMES), names)


def identity(value: Any, kind: Any, *, point: bool) -> tuple[int, int] | None:
    """(0 node, 1 way or 2 relation; id) from values such as 12, "12", "way/12", "r12" or -12."""
    if isinstance(value, float) and value.is_integer():  # a column with gaps
        value = int(value)
    match = _ID.fullmatch(str(value).strip())
    if match is None:
        return None
    number = int(match[2])
    letter = (match[1] or str(kind or "") or ("n" if point else "r" if number < 0 else "w"))[:1]
    found = "nwr".find(letter.lower())
    return (max(found, 0) if found >= 0 else 1, abs(number))


def seconds(column: pa.Array) -> list[int]:
    """Times as seconds since 1970 (UTC), 0 where unknown."""
    if pa.types.is_timestamp(column.type):
        values = column.cast(pa.timestamp("s", tz=column.type.tz), safe=False).cast(pa.int64())
        return [value or 0 for value in values.to_pylist()]
    return [_second(value) for value in column.to_pylist()]


def _second(value: Any) -> int:
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return 0
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def _from_json(value: Any) -> dict[str, str]:
    if isinstance(value, list):  # an Arrow map
        return {str(key): str(item) for key, item in value if item is not None}
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(key): str(item) for key, item in found.items() if isinstance(item, str | int | float)
    }


def _from_columns(part: pa.RecordBatch, names: list[str]) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = [{} for _ in range(len(part))]
    for name in names:
        column = part.column(name)
        if column.null_count < len(column):
            for row, value in zip(rows, column.to_pylist(), strict=True):
                if isinstance(value, str | int | float) and value != "":
                    row[name] = str(value)
    return rows


def _from_classes(part: pa.RecordBatch) -> Iterator[dict[str, str]]:
    names, known = set(part.schema.names), classes()
    extra = [name for name in ("name", "type", *_FLAGS) if name in names]
    for row in _from_columns(part, ["fclass", *extra]):
        key, value = known.get(row.get("fclass", ""), ("", ""))
        if not key:
            yield {}
            continue
        if key == "building":
            value = row.get("type", value)
        tags = {key: value}
        if "name" in row:
            tags["name"] = row["name"]
        tags.update({tag: "yes" for flag, tag in _FLAGS.items() if row.get(flag) == "T"})
        yield tags


@lru_cache(maxsize=1)
def classes() -> dict[str, tuple[str, str]]:
    """(key, value) of each class in Geofabrik's free shapefiles."""
    with FCLASSES.open(encoding="utf-8", newline="") as stream:
        return {row["fclass"]: (row["key"], row["value"]) for row in csv.DictReader(stream)}
