"""The table that every OSM source yields: its columns, its drops, and the making of its batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from catalogs.sources.arrow import blobs, numbers, values, words
from catalogs.sources.osm_drops import TYPES, OnDrop, OsmDrop
from schemas.geo import inside
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

KINDS = ("point", "line", "area")
POINT, LINE, AREA = range(3)

WORLD = (-180.0, -90.0, 180.0, 90.0)

TINY = 1e-14
"""Areas up to this many square degrees are empty: OSM stores positions to 1e-7 degrees."""

REPAIR = 0.01
"""Largest relative change of area by a repair (the limit set for parcels too)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Objects before their geometry is checked.

    Attributes:
        types: 0 node, 1 way, 2 relation.
        times: seconds since 1970, 0 for unknown.
        shapes: POINT, LINE or AREA.
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
        lon, lat = (round(float(x), 7), round(float(y), 7)) if np.isfinite(x + y) else (None, None)
        tags = rows.tags[index].as_py()
        kind, ident = TYPES[rows.types[index]], int(rows.ids[index])
        on_drop(OsmDrop(kind, ident, code, message, lon, lat, tags))

    lines = np.flatnonzero(shapes == LINE)
    geoms[lines] = shapely.remove_repeated_points(geoms[lines])
    bounds = shapely.bounds(geoms)
    off = ~inside(bounds[:, :2], WORLD) | ~inside(bounds[:, 2:], WORLD)
    flat = (shapes == LINE) & (shapely.length(geoms) == 0)
    for index in np.flatnonzero(off | flat).tolist():
        why = "positions lie off the globe" if off[index] else "all nodes lie on one spot"
        drop(index, "geometry_invalid", why)
    areas = np.flatnonzero((shapes == AREA) & keep)
    mend(geoms, areas, drop)
    bounds[areas] = shapely.bounds(geoms[areas])
    if bbox is not None:
        keep &= inside(centres(bounds), bbox)
    kept = np.flatnonzero(keep)
    tags = rows.tags if keep.all() else rows.tags.take(numbers(pa.int64(), kept))
    wkb = blobs(pa.binary(), list(shapely.to_wkb(geoms[kept], byte_order=1)))
    return record(
        rows.types[kept], rows.ids[kept], rows.versions[kept], rows.times[kept],
        shapes[kept], tags, wkb, bounds[kept],
    )  # fmt: skip


def record(
    types: npt.NDArray[np.int8],
    ids: npt.NDArray[np.int64],
    versions: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int8],
    tags: pa.Array,
    wkb: pa.Array,
    bounds: npt.NDArray[np.float64],
) -> pa.RecordBatch:
    """Sound rows as a record batch with the schema `COLUMNS`; arguments as in `Rows`."""
    columns = [
        words(TYPES, types),
        numbers(pa.int64(), ids),
        numbers(pa.int32(), versions.astype(np.int32)),
        numbers(COLUMNS.field("timestamp").type, times, times != 0),
        words(KINDS, kinds),
        tags,
        wkb,
        *(numbers(pa.float64(), bounds[:, side]) for side in range(4)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=COLUMNS)


def bounds_of(rows: pa.RecordBatch) -> npt.NDArray[np.float64]:
    """West, south, east, north (n, 4) of rows with the schema `COLUMNS`."""
    sides = ("west", "south", "east", "north")
    return np.stack([values(rows.column(side), np.float64) for side in sides], axis=1)


def centred(rows: pa.RecordBatch, bbox: Bounds | None) -> pa.RecordBatch:
    """The rows whose own bounding box is centred in `bbox`; all where it is None."""
    if bbox is None:
        return rows
    keep = inside(centres(bounds_of(rows)), bbox)
    return rows if keep.all() else rows.take(numbers(pa.int64(), np.flatnonzero(keep)))


def gathered(
    parts: Iterable[pa.RecordBatch], bbox: Bounds | None, least: int
) -> Iterator[pa.RecordBatch]:
    """The rows of parts that are `centred` in `bbox`, handed on when there are `least` of them."""
    held: list[pa.RecordBatch] = []
    for rows in parts:
        held.append(centred(rows, bbox))
        if sum(map(len, held)) >= least:
            yield pa.concat_batches(held)
            held = []
    if held:
        yield pa.concat_batches(held)


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
