"""A stac-geoparquet table as scenes: only the row groups that can hold what is asked for are read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from catalogs.sources.area import Area
from catalogs.sources.harvest import Harvest, Wanted, harvest
from catalogs.sources.stac_fields import Json, Lost
from schemas.errors import SourceError
from schemas.windows import Bounds

TOP = ("type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "assets", "collection")
"""Columns that are members of an item; others are properties (stac-geoparquet specification)."""

UNUSED = ("links", "properties")

BATCH = 1_024
"""Rows turned into items at once."""


def scenes_of_table(
    path: Path, area: Area | None, years: tuple[int, int] | None, lost: Lost
) -> Harvest:
    """The scenes of a table of items in an area and years; all of them where neither is given.

    Raises:
        SourceError: not a Parquet file, or not one of STAC items.
    """
    made = harvest(items_of_table(path, area, years), _wanted(path, area, years), lost)
    facts = {"url": path.name, "years": list(years) if years else None, **made.facts}
    if area is not None:
        facts["bounds"] = [list(box) for box in area.boxes()]
    return Harvest(made.scenes, made.notes, facts)


def _wanted(path: Path, area: Area | None, years: tuple[int, int] | None) -> Wanted:
    return Wanted((), str(path.resolve()), area, years, local=True)


def items_of_table(
    path: Path, area: Area | None = None, years: tuple[int, int] | None = None
) -> Iterator[Json]:
    """The items whose bounding box and time can be in the area and years.

    Raises:
        SourceError: as `scenes_of_table`.
    """
    try:
        table = ds.dataset(str(path), format="parquet")
        schema = table.schema
        missing = [name for name in ("id", "geometry", "assets") if name not in schema.names]
        if missing:
            raise SourceError(
                f"--imagery {path}: is no table of STAC items (no column {', '.join(missing)})"
            )
        columns = [name for name in schema.names if name != "links"]
        condition = _both(_within(schema, area), _during(schema, years))
        for fragment in table.get_fragments(filter=condition):
            for part in fragment.split_by_row_group(condition, schema=schema):
                yield from _rows(part, schema, columns, condition)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"--imagery {path}: cannot be read as Parquet ({error})") from error


def _rows(part: Any, schema: pa.Schema, columns: list[str], condition: Any) -> Iterator[Json]:
    """The items of a row group; where none matches, only the columns of the condition are read."""
    if condition is not None and not part.count_rows(filter=condition):
        return
    for batch in part.to_batches(
        schema=schema, columns=columns, filter=condition, batch_size=BATCH
    ):
        for row in batch.to_pylist():
            yield item_of_row(row)


def _both(one: Any, two: Any) -> Any:
    parts = [part for part in (one, two) if part is not None]
    return parts[0] & parts[1] if len(parts) == 2 else (parts[0] if parts else None)


def _within(schema: pa.Schema, area: Area | None) -> Any:
    """Rows whose box meets the bounds of an area, or that have none: their outlines are judged later.

    None when the table has no column of boxes.
    """
    if area is None or not _has_box(schema):
        return None
    found = pc.field("bbox", "xmin").is_null()
    for box in area.boxes():
        found = found | _meets(box)
    return found


def _has_box(schema: pa.Schema) -> bool:
    if "bbox" not in schema.names or not pa.types.is_struct(schema.field("bbox").type):
        return False
    names = {field.name for field in schema.field("bbox").type}
    return names >= {"xmin", "ymin", "xmax", "ymax"}


def _meets(box: Bounds) -> Any:
    """Rows whose box meets another; theirs may run across 180 degrees (xmin > xmax, RFC 7946)."""
    west, south, east, north = box
    xmin, ymin, xmax, ymax = (pc.field("bbox", n) for n in ("xmin", "ymin", "xmax", "ymax"))
    plain = (xmin <= east) & (xmax >= west)
    across = (xmin > 90) & (xmax < -90) & ((xmin <= east) | (xmax >= west))
    return (plain | across) & (ymin <= north) & (ymax >= south)


def _during(schema: pa.Schema, years: tuple[int, int] | None) -> Any:
    """Rows with a time in the years, or with none of their own: items of a range are judged later."""
    if years is None or "datetime" not in schema.names:
        return None
    kind = schema.field("datetime").type
    if not pa.types.is_timestamp(kind):
        return None
    first = pa.scalar(_moment(years[0], kind), kind)
    end = pa.scalar(_moment(years[1] + 1, kind), kind)
    time = pc.field("datetime")
    return time.is_null() | ((time >= first) & (time < end))


def _moment(year: int, kind: Any) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC if kind.tz else None)


def item_of_row(row: Json) -> Json:
    """The item that a row holds, whether its properties are columns of their own or in one.

    Fields that are null are those that the item does not have.
    """
    import shapely

    item = {name: _plain(row[name]) for name in TOP if row.get(name) is not None}
    own = row.get("properties")
    columns = {k: v for k, v in row.items() if k not in (*TOP, *UNUSED) and v is not None}
    item["properties"] = _plain({**(own if isinstance(own, dict) else {}), **columns})
    geometry = item.get("geometry")
    if isinstance(geometry, bytes):
        try:
            item["geometry"] = shapely.geometry.mapping(shapely.from_wkb(geometry))
        except shapely.errors.ShapelyError:
            item["geometry"] = None  # named as missing when the item is judged
    elif isinstance(geometry, str):
        item["geometry"] = _from_text(geometry)
    if isinstance(box := item.get("bbox"), dict):
        item["bbox"] = [box[n] for n in ("xmin", "ymin", "xmax", "ymax") if n in box]
    assets = item.get("assets")
    if isinstance(assets, list):  # a map: pairs of key and asset
        item["assets"] = dict(assets)
    elif isinstance(assets, str):
        item["assets"] = _from_text(assets)
    return item


def _from_text(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    """A value of a row as JSON has it: times as ISO text, without fields that are null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
