"""GeoParquet 1.1.0 (https://geoparquet.org/releases/v1.1.0): its metadata, and boxes of rows."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import SourceError
from schemas.tables import CORNERS

Floats = npt.NDArray[np.float64]

KINDS = {
    1: "Point",
    2: "LineString",
    3: "Polygon",
    4: "MultiPoint",
    5: "MultiLineString",
    6: "MultiPolygon",
    7: "GeometryCollection",
}
"""Names of WKB's types; 1000 more where there are heights (ISO)."""


def kinds_of(geometry: pa.Array | pa.ChunkedArray) -> set[int]:
    """The types in a column of WKB; `shapely.get_type_id` counts otherwise below Polygon."""
    import shapely

    shapes = shapely.from_wkb(np.array(geometry.to_pylist(), object))
    shapes = shapes[~shapely.is_missing(shapes)]
    codes = shapely.get_type_id(shapes) + 1000 * shapely.has_z(shapes)
    return {
        {0: 1, 1: 2, 2: 2}.get(k % 1000, k % 1000) + k // 1000 * 1000
        for k in np.unique(codes).tolist()
    }


def geo_metadata(bbox: Iterable[float] | None, kinds: Iterable[int], **more: str) -> dict[str, Any]:
    """The `geo` entry for a WKB column `geometry` with a `bbox` covering.

    There is no `crs` in it: the default is OGC:CRS84.

    Args:
        bbox: (xmin, ymin, xmax, ymax) of all coordinates, degrees; None without any.
        kinds: WKB's types of the geometries, see `KINDS`.
        more: further entries of the column, such as `orientation`.
    """
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [f"{KINDS[k % 1000]}{' Z' * (k > 1000)}" for k in sorted(kinds)],
        "covering": {"bbox": {corner: ["bbox", corner] for corner in CORNERS}},
        **more,
    }
    if bbox is not None:
        column["bbox"] = list(bbox)
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


class Declared(NamedTuple):
    """What a GeoParquet file says of itself.

    Attributes:
        geometry: name of its geometry column.
        crs: authority and code, or WKT; "" where it says that it knows none.
        fields: names of the other columns.
        bbox: low and high corner of all coordinates in 2 or 3 axes, None where it is silent.
        metadata: all of its own entries.
    """

    geometry: str
    crs: str
    fields: tuple[str, ...]
    bbox: list[float] | None
    metadata: Mapping[bytes, bytes]


def declared(path: Path, source: Path) -> Declared:
    """What the file at `path` says of itself; messages call it `source`.

    Raises:
        SourceError: no `geo` entry, one that cannot be read, or geometry that is not WKB.
    """
    import pyproj

    schema = pq.read_schema(path)
    held = schema.metadata or {}
    if b"geo" not in held:
        raise SourceError(f"{source} is Parquet without `geo` metadata: write it as GeoParquet")
    try:
        geo = json.loads(held[b"geo"])
        name = str(geo["primary_column"])
        about = dict(geo["columns"][name])
        crs = about.get("crs", "OGC:CRS84")  # absent means CRS84, null means unknown
        known = None if crs is None else pyproj.CRS.from_user_input(crs)
        bbox = [float(side) for side in about.get("bbox") or ()]
    except (KeyError, TypeError, ValueError, pyproj.exceptions.CRSError) as error:
        raise SourceError(
            f"{source} has `geo` metadata that cannot be read ({error!r}): write it as GeoParquet"
        ) from error
    if about.get("encoding") != "WKB":
        raise SourceError(f"{source} encodes geometry as {about.get('encoding')}: write it as WKB")
    if isinstance(crs, dict) and known is not None:
        authority = known.to_authority(min_confidence=100)
        crs = ":".join(authority) if authority else known.to_wkt()
    fields = tuple(column for column in schema.names if column != name)
    return Declared(name, str(crs or ""), fields, bbox if len(bbox) in (4, 6) else None, held)


def columns_of(meta: pq.FileMetaData) -> list[str]:
    """Dotted paths of the columns, by their number."""
    return [meta.schema.column(number).path for number in range(meta.num_columns)]


def group_boxes(meta: pq.FileMetaData) -> Floats:
    """xmin, ymin, xmax, ymax (n, 4) of each row group, from the statistics of its `bbox`."""
    names = columns_of(meta)
    at = [names.index(f"bbox.{corner}") for corner in CORNERS]
    found = np.empty((meta.num_row_groups, 4))
    for index in range(meta.num_row_groups):
        group = meta.row_group(index)
        for side, column in enumerate(at):
            known = group.column(column).statistics
            found[index, side] = known.min if side < 2 else known.max
    return found


def sides(bbox: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """(xmin, ymin, xmax, ymax) arrays of an Arrow bbox struct column."""
    return tuple(bbox.field(i).to_numpy(zero_copy_only=False).astype(float) for i in range(4))
