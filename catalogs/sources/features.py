"""A feature table as an OSM source: GeoPackage, GeoParquet, FlatGeobuf or GeoJSON made of OSM data.

A table that `osm_features` made gives the very rows and drops of its extract. Of others:

Three ways of holding tags are understood, in this order: a column `tags` (JSON object or map), a
column `fclass` (the classes of Geofabrik's shapefiles; `schemas/data/geofabrik_fclass.csv`), or
one column for each key. Where the table does not say whether an object is a node, way or relation,
a point is a node, a negative id (osm2pgsql) a relation, and everything else a **way**.

An object on several rows becomes one row, and each further row is reported as a `duplicate`: rows
with equal geometry are one object in several classes and their tags are merged (the first wins);
rows with equal tags are clipped parts and are united; of rows that differ in both (a way and a
relation may share a number) the first stays.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from catalogs.sources.arrow import blobs
from catalogs.sources.feature_files import DRIVERS, Layer, inspect, layers
from catalogs.sources.feature_table import FeatureTable, about_of
from catalogs.sources.feature_tags import Mapped, identity, mapping, seconds
from catalogs.sources.osm_drops import TYPES, OnDrop, OsmDrop
from catalogs.sources.osm_table import AREA, LINE, POINT, REPAIR, TINY, Rows, batch
from catalogs.sources.osm_tags import tags_json
from catalogs.sources.vector_kinds import table_of as driver_of
from schemas.errors import SourceError, UsageError
from schemas.windows import Bounds, to_lonlat

__all__ = ["DRIVERS", "driver_of", "features", "inspect"]

SHAPE_OF = {0: POINT, 1: LINE, 2: LINE, 3: AREA, 4: POINT, 5: LINE, 6: AREA}
"""Shape by GEOS geometry type; a collection (7) has none."""


@dataclass(slots=True)
class _Object:
    """One row of a table, tags not yet filtered."""

    kind: int
    ident: int
    version: int
    time: int
    tags: dict[str, str]
    geometry: Any  # shapely, lon/lat; None where the table has none


def features(
    path: Path,
    keys: Collection[str] | None,
    bbox: Bounds | None = None,
    batch_rows: int = 20_000,
    *,
    on_drop: OnDrop,
) -> Iterator[pa.RecordBatch]:
    """Batches of `osm_table.COLUMNS`: rows with at least one of `keys`, in file order.

    Objects that lie on several rows come last, by type and id.

    Args:
        keys: None for every object with a tag that may leave the reader.
        bbox: (west, south, east, north); rows whose own bounding box is centred in it are kept.

    Raises:
        SourceError: no CRS, no id column, no tags, or a damaged file.
        UsageError: no keys.
    """
    if keys is not None and not keys:
        raise UsageError("no OSM keys asked for: name at least one, e.g. building")
    if driver_of(path) == "Parquet" and about_of(path) is not None:
        yield from FeatureTable(path).features(keys, bbox, batch_rows, on_drop=on_drop)
        return
    twice = _doubles(path)
    held: dict[tuple[int, int], list[_Object]] = {}
    good: list[_Object] = []
    for thing in _objects(path):
        if (thing.kind, thing.ident) in twice:
            held.setdefault((thing.kind, thing.ident), []).append(thing)
        elif _wanted(thing, keys, on_drop):
            good.append(thing)
        if len(good) >= batch_rows:
            yield batch(_rows(good), bbox, on_drop)
            good = []
    for _, parts in sorted(held.items()):
        wanted = [part for part in parts if _asked(part, keys)]
        for _ in wanted[1:]:
            message = f"the object is on {len(wanted)} rows; made one"
            on_drop(OsmDrop(TYPES[parts[0].kind], parts[0].ident, "duplicate", message))
        if wanted and _wanted(made := reduce(_merge, wanted), keys, on_drop):
            good.append(made)
    if good:
        yield batch(_rows(good), bbox, on_drop)


def _doubles(path: Path) -> set[tuple[int, int]]:
    """(type, id) of objects on more than one row; reads ids and geometry types only."""
    found: list[Any] = []
    for layer in layers(path):
        for part in layer.batches(20_000):
            found.extend(_identities(layer, part))
    pairs, counts = np.unique(
        np.array(found, dtype=np.int64).reshape(-1, 2), axis=0, return_counts=True
    )
    return {(int(kind), int(ident)) for kind, ident in pairs[counts > 1]}


def _identities(layer: Layer, part: pa.RecordBatch) -> list[tuple[int, int]]:
    points = shapely.get_dimensions(_raw(layer, part)) == 0
    names = mapping(layer.names)
    ids = part.column(names.id).to_pylist()
    kinds = part.column(names.type).to_pylist() if names.type else [None] * len(ids)
    found = (
        identity(ident, kind, point=bool(point))
        for ident, kind, point in zip(ids, kinds, points, strict=True)
    )
    return [who for who in found if who is not None]


def _raw(layer: Layer, part: pa.RecordBatch) -> Any:
    wkb = np.array(part.column(layer.geometry).to_pylist(), dtype=object)
    try:
        return shapely.from_wkb(wkb)
    except shapely.GEOSException as error:
        raise SourceError(f"{layer.path}: geometry is damaged ({error}): make it anew") from error


def _objects(path: Path) -> Iterator[_Object]:
    for layer in layers(path):
        names = mapping(layer.names)
        for part in layer.batches(20_000):
            raw = _raw(layer, part)
            points = shapely.get_dimensions(raw) == 0
            geoms = shapely.transform(
                shapely.force_2d(raw),
                lambda xy, crs=layer.crs: np.stack(to_lonlat(crs, xy[:, 0], xy[:, 1]), axis=1),
            )
            yield from _rows_of(names, part, geoms, points)


def _rows_of(names: Mapped, part: pa.RecordBatch, geoms: Any, points: Any) -> Iterator[_Object]:
    blank = [None] * len(part)
    ids = part.column(names.id).to_pylist()
    kinds = part.column(names.type).to_pylist() if names.type else blank
    versions = part.column(names.version).to_pylist() if names.version else blank
    times = seconds(part.column(names.time)) if names.time else blank
    for i, tags in enumerate(names.tags(part)):
        kind, ident = identity(ids[i], kinds[i], point=bool(points[i])) or (1, 0)
        version = int(versions[i] or 0)
        yield _Object(kind, ident, version, times[i] or 0, tags, geoms[i])


def _asked(thing: _Object, keys: Collection[str] | None) -> bool:
    if keys is None:
        return tags_json(thing.tags.items()) != "{}"
    return not thing.tags.keys().isdisjoint(keys)


def _wanted(thing: _Object, keys: Collection[str] | None, on_drop: OnDrop) -> bool:
    if not _asked(thing, keys):
        return False
    if not thing.ident:
        on_drop(OsmDrop("way", 0, "id_missing", "the row has no OSM id"))
        return False
    if _shape(thing.geometry) < 0:
        message = "the row has no geometry, or a mixed one"
        on_drop(OsmDrop(TYPES[thing.kind], thing.ident, "geometry_invalid", message))
        return False
    return True


def _shape(geometry: Any) -> int:
    """POINT, LINE or AREA, -1 for none."""
    if geometry is None or shapely.is_empty(geometry):
        return -1
    return SHAPE_OF.get(shapely.get_type_id(geometry), -1)


def _rows(things: list[_Object]) -> Rows:
    return Rows(
        np.array([thing.kind for thing in things], np.int8),
        np.array([thing.ident for thing in things], np.int64),
        np.array([thing.version for thing in things], np.int64),
        np.array([thing.time for thing in things], np.int64),
        np.array([_shape(thing.geometry) for thing in things], np.int8),
        blobs(pa.string(), [tags_json(thing.tags.items()).encode() for thing in things]),
        np.array([thing.geometry for thing in things], object),
    )


def _merge(first: _Object, other: _Object) -> _Object:
    """Two rows of one object as one; see the rule at the top."""
    if first.geometry is None or other.geometry is None:
        return other if first.geometry is None else first
    if _same(first.geometry, other.geometry):
        first.tags = {**other.tags, **first.tags}
    elif first.tags == other.tags:
        both = [shapely.make_valid(part) for part in (first.geometry, other.geometry)]
        first.geometry = shapely.union_all(both)
    return first


def _same(one: Any, two: Any) -> bool:
    """Whether two outlines are one, but for vertices moved by rounding."""
    if shapely.equals_exact(one, two, tolerance=1e-7):
        return True
    size = max(shapely.area(one), shapely.area(two))
    if size <= TINY or not (shapely.is_valid(one) and shapely.is_valid(two)):
        return False
    return bool(shapely.area(shapely.symmetric_difference(one, two)) < REPAIR * size)
