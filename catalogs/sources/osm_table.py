"""The table that every OSM source yields: its columns, its drops, and the making of its batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from schemas.windows import Bounds

COLUMNS = pa.schema(
    [
        ("osm_type", pa.string()),  # node | way | relation
        ("osm_id", pa.int64()),
        ("version", pa.int32()),  # 0 where the file has none
        ("timestamp", pa.timestamp("s", tz="UTC")),  # last edit; null where the file has none
        ("kind", pa.string()),  # point | line | area
        ("tags", pa.string()),  # JSON object, sorted keys, cleaned
        ("geometry", pa.binary()),  # WKB, OGC:CRS84
        ("west", pa.float64()),
        ("south", pa.float64()),
        ("east", pa.float64()),
        ("north", pa.float64()),
    ]
)

TYPES = ("node", "way", "relation")
KINDS = ("point", "line", "area")
POINT, LINE, AREA, RING = range(4)  # RING: a closed line that is to become an area

WORLD = (-180.0, -90.0, 180.0, 90.0)

TINY = 1e-14
"""Areas up to this many square degrees are empty: OSM stores positions to 1e-7 degrees."""

REPAIR = 0.01
"""Largest relative change of area by a repair (the limit set for parcels too)."""


@dataclass(frozen=True, slots=True)
class OsmDrop:
    """An object that was asked for and cannot be a row.

    Attributes:
        code: `geometry_invalid`, `geometry_unclosed`, `members_missing`, `zero_area`, `duplicate`,
            `not_spatial` (a relation that is no area), `text_invalid` (tags are not UTF-8) or
            `id_missing` (a table's row without an id; `osm_id` is 0).
        lon, lat: degrees, None when no position is known.
    """

    osm_type: str
    osm_id: int
    code: str
    message: str
    lon: float | None = None
    lat: float | None = None


OnDrop = Callable[[OsmDrop], None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Objects before their geometry is checked.

    Attributes:
        types: 0 node, 1 way, 2 relation.
        times: seconds since 1970, 0 for unknown.
        shapes: POINT, LINE, AREA or RING.
        tags: Arrow strings, JSON.
        geoms: shapely geometries, lon/lat.
    """

    types: npt.NDArray[np.int8]
    ids: npt.NDArray[np.int64]
    versions: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    shapes: npt.NDArray[np.int8]
    tags: pa.Array
    geoms: npt.NDArray[Any]


def batch(rows: Rows, bbox: Bounds | None, on_drop: OnDrop) -> pa.RecordBatch:
    """`rows` as a record batch with the schema `COLUMNS`; broken geometry goes to `on_drop`.

    Args:
        bbox: keep rows whose own bounding box is centred in it; west > east spans 180 degrees.
    """
    shapes, geoms = rows.shapes, rows.geoms.copy()
    keep = np.ones(len(geoms), dtype=bool)

    def drop(index: int, code: str, message: str) -> None:
        keep[index] = False
        x, y = centres(shapely.bounds(geoms[index : index + 1]))[0]
        place = (round(float(x), 7), round(float(y), 7)) if np.isfinite(x + y) else (None, None)
        on_drop(OsmDrop(TYPES[rows.types[index]], int(rows.ids[index]), code, message, *place))

    lines = np.flatnonzero((shapes == LINE) | (shapes == RING))
    geoms[lines] = shapely.remove_repeated_points(geoms[lines])
    bounds = shapely.bounds(geoms)
    off = ~inside(bounds[:, :2], WORLD) | ~inside(bounds[:, 2:], WORLD)
    flat = (shapes == LINE) & (shapely.length(geoms) == 0)
    for index in np.flatnonzero(off | flat).tolist():
        why = "positions lie off the globe" if off[index] else "all nodes lie on one spot"
        drop(index, "geometry_invalid", why)
    close(geoms, np.where(keep, shapes, POINT), drop)
    areas = np.flatnonzero((shapes >= AREA) & keep)
    mend(geoms, areas, drop)
    bounds[areas] = shapely.bounds(geoms[areas])
    if bbox is not None:
        keep &= inside(centres(bounds), bbox)
    kept = np.flatnonzero(keep)
    times = rows.times[kept]
    columns = [
        words(TYPES, rows.types[kept]),
        numbers(pa.int64(), rows.ids[kept]),
        numbers(pa.int32(), rows.versions[kept].astype(np.int32)),
        numbers(COLUMNS.field("timestamp").type, times, times != 0),
        words(KINDS, np.minimum(shapes, AREA)[kept]),
        rows.tags if keep.all() else rows.tags.take(numbers(pa.int64(), kept)),
        blobs(pa.binary(), list(shapely.to_wkb(geoms[kept], byte_order=1))),
        *(numbers(pa.float64(), bounds[kept, side]) for side in range(4)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=COLUMNS)


def close(
    geoms: npt.NDArray[Any], shapes: npt.NDArray[np.int8], drop: Callable[[int, str, str], None]
) -> None:
    """Turn the closed lines among `geoms` (shape RING) into polygons, in place."""
    rings = np.flatnonzero(shapes == RING)
    short = shapely.get_num_coordinates(geoms[rings]) < 4
    for index in rings[short]:
        drop(int(index), "zero_area", "the ring has fewer than three different positions")
    rings = rings[~short]
    if len(rings):
        coordinates, owner = shapely.get_coordinates(geoms[rings], return_index=True)
        geoms[rings] = shapely.polygons(shapely.linearrings(coordinates, indices=owner))


def mend(
    geoms: npt.NDArray[Any], areas: npt.NDArray[np.intp], drop: Callable[[int, str, str], None]
) -> None:
    """Repair invalid areas where that changes little, in place; drop them otherwise.

    Valid ones become a Polygon where they have one part, with counter-clockwise shells.
    """
    size = shapely.area(geoms[areas])
    for index, was in zip(areas, size, strict=True):
        if was <= TINY and shapely.is_valid(geoms[index]):
            drop(int(index), "zero_area", "the area is empty")
    for index in areas[~shapely.is_valid(geoms[areas])]:
        was, made = shapely.area(geoms[index]), polygonal(shapely.make_valid(geoms[index]))
        now = shapely.area(made)
        if now <= TINY:
            drop(int(index), "zero_area", "the area is empty")
        elif abs(now - was) > REPAIR * now:
            reason = shapely.is_valid_reason(geoms[index]).split("[")[0].lower()
            drop(int(index), "geometry_invalid", f"{reason}; a repair changes the area too much")
        else:
            geoms[index] = made
    single = areas[shapely.get_num_geometries(geoms[areas]) == 1]
    geoms[single] = shapely.get_geometry(geoms[single], 0)
    geoms[areas] = shapely.orient_polygons(geoms[areas])


def polygonal(geometry: Any) -> Any:
    """The polygons of a geometry, without the points and lines that a repair leaves behind."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == 3])


def centres(bounds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Middles (n, 2) as lon/lat of bounding boxes (n, 4); NaN for empty ones."""
    return (bounds[:, :2] + bounds[:, 2:]) / 2


def inside(places: npt.NDArray[np.float64], bbox: Bounds) -> npt.NDArray[np.bool_]:
    """Which lon/lat places (n, 2) lie in `bbox`, borders included."""
    west, south, east, north = bbox
    lon, lat = places[:, 0], places[:, 1]
    across = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    result: npt.NDArray[np.bool_] = across & (lat >= south) & (lat <= north)
    return result


# Arrow arrays from buffers: `pa.array` imports pandas on its first call, a second per process.


def numbers(
    kind: pa.DataType, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """A numeric Arrow array of type `kind`; null where `valid` is False."""
    mask = None
    if valid is not None and not valid.all():
        mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [mask, data])


def blobs(kind: pa.DataType, values: Sequence[bytes]) -> pa.Array:
    """A string or binary Arrow array."""
    ends = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, values), dtype=np.int64, count=len(values)), out=ends[1:])
    if ends[-1] > np.iinfo(np.int32).max:
        raise OverflowError(f"{ends[-1]} bytes in one batch: use fewer rows in a batch")
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def words(names: Sequence[str], codes: npt.NDArray[np.int8]) -> pa.Array:
    """A string Arrow array of `names[code]`."""
    known = blobs(pa.string(), [name.encode() for name in names])
    return known.take(numbers(pa.int8(), codes))
