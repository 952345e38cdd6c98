"""Features of an OSM file: filters and geometry in C++, one record batch at a time.

pyosmium does not keep a filter alive that a reader uses: every filter is held by a name here.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.sources.osm_files import sniff
from catalogs.sources.osm_table import AREA, LINE, POINT, RING, OnDrop, OsmDrop, Rows, batch
from catalogs.sources.osm_tags import is_area, never_open, tags_json
from schemas.errors import SourceError, UsageError
from schemas.windows import Bounds

SORTED_ABOVE = 256 * 1024 * 1024
"""Bytes from which on a file must be sorted: below, ids seen are held in memory to find doubles."""

NODE, WAY, RELATION = range(3)


def features(
    path: Path,
    keys: Collection[str],
    bbox: Bounds | None = None,
    batch_rows: int = 20_000,
    *,
    on_drop: OnDrop,
) -> Iterator[pa.RecordBatch]:
    """One row for every object with at least one of `keys`: nodes, ways, then relations.

    A closed way is an area or a line by `osm_tags.is_area`, never both; relations of type
    multipolygon and boundary are areas. Every other object asked for goes to `on_drop`, so that
    rows and drops together are the objects with one of `keys` (where no `bbox` is given).

    Args:
        bbox: (west, south, east, north); rows whose own bounding box is centred in it are kept.
        batch_rows: rows gathered before a batch is made; broken ones leave fewer.

    Raises:
        SourceError: the file is damaged, unsorted and large, or no OSM file.
        UsageError: no keys.
    """
    if not keys:
        raise UsageError("no OSM keys asked for: name at least one, e.g. building")
    reader = _Reader(path, sorted(keys), on_drop)
    rows = Rows()
    for _ in reader.fill(lambda: rows):
        if len(rows) >= batch_rows:
            yield batch(rows, bbox, on_drop)
            rows = Rows()
    if len(rows):
        yield batch(rows, bbox, on_drop)


class _Reader:
    """Fills rows from one file; the state of two passes."""

    def __init__(self, path: Path, keys: list[str], on_drop: OnDrop) -> None:
        import osmium

        self.path, self.on_drop = path, on_drop
        self.file = osmium.io.File(str(path), sniff(path))
        self.filter = osmium.filter.KeyFilter(*keys)
        self.wkb = osmium.geom.WKBFactory()
        self.areas = osmium.area.AreaManager()
        self.fresh = _Fresh(path, path.stat().st_size > SORTED_ABOVE)
        self.relations: dict[int, bool] = {}  # id -> may be an area; in file order

    def fill(self, rows: Callable[[], Rows]) -> Iterator[None]:
        """Add objects to `rows()`, yielding after each."""
        self._scan_relations()
        for thing in self._stream():
            into = rows()
            try:
                if thing.is_node():
                    added = self._node(thing, into)
                elif thing.is_way():
                    added = self._way(thing, into)
                else:
                    added = self._area(thing, into)
            except UnicodeDecodeError as error:
                name = "node" if thing.is_node() else "way" if thing.is_way() else "relation"
                ident = thing.orig_id() if thing.is_area() else thing.id
                self.on_drop(OsmDrop(name, ident, "text_invalid", f"tags are not UTF-8: {error}"))
                continue
            if added:
                yield
        for ident, spatial in self.relations.items():
            code, why = ("members_missing", "member ways or their nodes are not in the file")
            if not spatial:
                code, why = ("not_spatial", "the relation is no multipolygon or boundary of ways")
            self.on_drop(OsmDrop("relation", ident, code, why))

    def _scan_relations(self) -> None:
        """First pass: which relations are asked for, and which ways they need."""
        import osmium

        first = self.areas.first_pass_handler()
        with osmium.io.Reader(self.file, osmium.osm.RELATION) as reader:
            for item in _guard(osmium.OsmFileIterator(reader, self.filter, first), self.path):
                if item.id in self.relations:
                    self._double("relation", item.id)
                    continue
                way = any(member.type == "w" for member in item.members)
                spatial = item.tags.get("type") in ("multipolygon", "boundary")
                self.relations[item.id] = way and spatial

    def _stream(self) -> Iterator[Any]:
        """Second pass: nodes and ways with one of the keys, and areas made of relations."""
        import osmium

        places = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
        places.ignore_errors()
        wanted = [2 * ident + 1 for ident, spatial in self.relations.items() if spatial]
        entities, handlers = osmium.osm.NODE | osmium.osm.WAY, [places]
        if wanted:  # an area's id is odd when it was a relation: those of ways are not needed
            ids = osmium.filter.IdFilter(wanted)
            made = osmium.BufferIterator(ids)
            handlers.append(self.areas.second_pass_to_buffer(made))
        with osmium.io.Reader(self.file, entities) as reader:
            for item in _guard(osmium.OsmFileIterator(reader, *handlers, self.filter), self.path):
                yield item
                if wanted and made:
                    yield from made
        if wanted:
            yield from made

    def _node(self, node: Any, rows: Rows) -> bool:
        if not self.fresh.node(node.id):
            return self._double("node", node.id)
        try:
            point = self.wkb.create_point(node)
        except (RuntimeError, _invalid_location()):
            return self._drop("node", node.id, "geometry_invalid", "the node has no valid position")
        return self._add(rows, node, NODE, POINT, point, tags_json(node.tags))

    def _way(self, way: Any, rows: Rows) -> bool:
        if not self.fresh.way(way.id):
            return self._double("way", way.id)
        tags = {key: value for key, value in way.tags}
        closed = way.is_closed() and len(way.nodes) > 1
        shape = RING if closed and is_area(tags) else LINE
        if not closed and never_open(tags):
            return self._drop("way", way.id, "geometry_unclosed", "an area's way is not closed")
        try:
            line = self.wkb.create_linestring(way)
        except _invalid_location():
            return self._drop("way", way.id, "members_missing", "nodes are not in the file")
        except RuntimeError as error:
            code = "zero_area" if shape == RING else "geometry_invalid"
            return self._drop("way", way.id, code, str(error))
        return self._add(rows, way, WAY, shape, line, tags_json(tags.items()))

    def _area(self, area: Any, rows: Rows) -> bool:
        ident = area.orig_id()
        if self.relations.pop(ident, None) is None:
            return False  # the double of a relation, reported in the first pass
        if area.num_rings()[0] == 0:
            message = "rings are open or cross each other"
            return self._drop("relation", ident, "geometry_invalid", message)
        shape = self.wkb.create_multipolygon(area)
        return self._add(rows, area, RELATION, AREA, shape, tags_json(area.tags))

    def _add(self, rows: Rows, thing: Any, kind: int, shape: int, wkb: str, tags: str) -> bool:
        rows.types.append(kind)
        rows.ids.append(thing.orig_id() if kind == RELATION else thing.id)
        rows.versions.append(thing.version)
        rows.times.append(int(thing.timestamp.timestamp()))
        rows.shapes.append(shape)
        rows.tags.append(tags)
        rows.wkb.append(wkb)
        return True

    def _drop(self, name: str, ident: int, code: str, message: str) -> bool:
        self.on_drop(OsmDrop(name, ident, code, message))
        return False

    def _double(self, name: str, ident: int) -> bool:
        return self._drop(name, ident, "duplicate", "the object is there more than once; first kept")


class _Fresh:
    """Tells objects met for the first time from doubles, for nodes and for ways."""

    def __init__(self, path: Path, ordered: bool) -> None:
        self.path, self.ordered = path, ordered
        self.last = {NODE: -(1 << 62), WAY: -(1 << 62)}
        self.seen: dict[int, set[int]] = {NODE: set(), WAY: set()}

    def node(self, ident: int) -> bool:
        return self._first(NODE, ident)

    def way(self, ident: int) -> bool:
        return self._first(WAY, ident)

    def _first(self, kind: int, ident: int) -> bool:
        if not self.ordered:
            if ident in self.seen[kind]:
                return False
            self.seen[kind].add(ident)
            return True
        last, self.last[kind] = self.last[kind], ident
        if abs(ident) < abs(last) and last != -(1 << 62):
            raise SourceError(f"{self.path} is not sorted by type and id: run `osmium sort` on it")
        return ident != last


def _guard(items: Iterable[Any], path: Path) -> Iterator[Any]:
    """The items, with the library's errors as one sentence that names the file."""
    source = iter(items)
    while True:
        try:
            item = next(source)
        except StopIteration:
            return
        except RuntimeError as error:
            raise SourceError(f"{path} is damaged or cut ({error}): fetch it anew") from error
        yield item


def _invalid_location() -> type[Exception]:
    import osmium

    return osmium.InvalidLocationError
