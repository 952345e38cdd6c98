"""Features of an OSM file: filters and geometry in C++, one record batch at a time.

pyosmium does not keep a filter alive that a reader uses: every filter is held by a name here.
"""

from collections.abc import Collection, Iterator
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
DOUBLE = "the object is in the file more than once; the first was kept"


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
    for rows in _Reader(path, sorted(keys), on_drop).blocks(batch_rows):
        yield batch(rows, bbox, on_drop)


class _Reader:
    """Fills rows from one file; the state of two passes."""

    def __init__(self, path: Path, keys: list[str], on_drop: OnDrop) -> None:
        import osmium

        self.path, self.on_drop = path, on_drop
        self.file = osmium.io.File(str(path), sniff(path))
        self.filter = osmium.filter.KeyFilter(*keys)
        self.wkb, self.every = osmium.geom.WKBFactory(), osmium.geom.ALL
        self.unplaced = osmium.InvalidLocationError
        self.areas = osmium.area.AreaManager()
        self.fresh = _Fresh(path, path.stat().st_size > SORTED_ABOVE)
        self.relations: dict[int, bool] = {}  # id -> may be an area; in file order

    def blocks(self, size: int) -> Iterator[Rows]:
        """All objects asked for, in blocks of `size` rows."""
        self._scan_relations()
        rows = Rows()
        for thing in self._stream():
            try:
                self._take(thing, rows)
            except UnicodeDecodeError as error:
                name = "node" if thing.is_node() else "way" if thing.is_way() else "relation"
                ident = thing.orig_id() if thing.is_area() else thing.id
                self._drop(name, ident, "text_invalid", f"tags are not UTF-8: {error}")
            if len(rows) >= size:
                yield rows
                rows = Rows()
        if len(rows):
            yield rows
        for ident, spatial in self.relations.items():
            code, why = "members_missing", "member ways or their nodes are not in the file"
            if not spatial:
                code, why = "not_spatial", "the relation is no multipolygon or boundary of ways"
            self._drop("relation", ident, code, why)

    def _take(self, thing: Any, rows: Rows) -> None:
        if thing.is_node():
            self._node(thing, rows)
        elif thing.is_way():
            self._way(thing, rows)
        else:
            self._area(thing, rows)

    def _scan_relations(self) -> None:
        """First pass: which relations are asked for, and which ways they need."""
        import osmium

        first = self.areas.first_pass_handler()
        with osmium.io.Reader(self.file, osmium.osm.RELATION) as reader:
            for item in _items(self.path, reader, self.filter, first):
                if item.id in self.relations:
                    self._drop("relation", item.id, "duplicate", DOUBLE)
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
        entities = osmium.osm.NODE | osmium.osm.WAY
        handlers: list[Any] = [places]
        if wanted:  # an area's id is odd when it was a relation: those of ways are not needed
            ids = osmium.filter.IdFilter(wanted)
            made = osmium.BufferIterator(ids)
            handlers.append(self.areas.second_pass_to_buffer(made))
        with osmium.io.Reader(self.file, entities) as reader:
            for item in _items(self.path, reader, *handlers, self.filter):
                yield item
                if wanted and made:
                    yield from made
        if wanted:
            yield from made

    def _node(self, node: Any, rows: Rows) -> None:
        if not self.fresh.first(NODE, node.id):
            self._drop("node", node.id, "duplicate", DOUBLE)
            return
        tags = tags_json(node.tags)
        try:
            point = self.wkb.create_point(node)
        except (RuntimeError, self.unplaced):
            self._drop("node", node.id, "geometry_invalid", "the node has no valid position")
            return
        _add(rows, node, (NODE, node.id), POINT, point, tags)

    def _way(self, way: Any, rows: Rows) -> None:
        ident = way.id
        if not self.fresh.first(WAY, ident):
            self._drop("way", ident, "duplicate", DOUBLE)
            return
        tags = dict(way.tags)
        closed = way.is_closed() and len(way.nodes) > 1
        shape = RING if closed and is_area(tags) else LINE
        if not closed and never_open(tags):
            self._drop("way", ident, "geometry_unclosed", "the way of an area is not closed")
            return
        try:  # ALL: by default leading nodes without a position are left out in silence
            line = self.wkb.create_linestring(way, self.every)
        except self.unplaced:
            self._drop("way", ident, "members_missing", "nodes are not in the file")
        except RuntimeError:
            code = "zero_area" if shape == RING else "geometry_invalid"
            self._drop("way", ident, code, "the way has fewer than two nodes")
        else:
            _add(rows, way, (WAY, ident), shape, line, tags_json(tags.items()))

    def _area(self, area: Any, rows: Rows) -> None:
        ident = area.orig_id()
        if self.relations.pop(ident, None) is None:
            return  # the double of a relation, reported in the first pass
        tags = tags_json(area.tags)
        if area.num_rings()[0] == 0:
            message = "the rings are open or cross each other"
            self._drop("relation", ident, "geometry_invalid", message)
            return
        _add(rows, area, (RELATION, ident), AREA, self.wkb.create_multipolygon(area), tags)

    def _drop(self, name: str, ident: int, code: str, message: str) -> None:
        self.on_drop(OsmDrop(name, ident, code, message))


def _add(rows: Rows, thing: Any, who: tuple[int, int], shape: int, wkb: str, tags: str) -> None:
    rows.types.append(who[0])
    rows.ids.append(who[1])
    rows.versions.append(thing.version)
    rows.times.append(int(thing.timestamp.timestamp()))
    rows.shapes.append(shape)
    rows.tags.append(tags)
    rows.wkb.append(wkb)


class _Fresh:
    """Tells objects met for the first time from doubles, for nodes and for ways.

    Doubles follow each other in a sorted file; in any other all ids have to be remembered.
    """

    def __init__(self, path: Path, ordered: bool) -> None:
        self.path, self.ordered = path, ordered
        self.last: dict[int, tuple[bool, int]] = {NODE: (False, -1), WAY: (False, -1)}
        self.seen: dict[int, set[int]] = {NODE: set(), WAY: set()}

    def first(self, kind: int, ident: int) -> bool:
        """Whether this object is met for the first time.

        Raises:
            SourceError: ids that should ascend (negative before positive, then by size) do not.
        """
        if not self.ordered:
            before = len(self.seen[kind])
            self.seen[kind].add(ident)
            return len(self.seen[kind]) > before
        here, last = (ident > 0, abs(ident)), self.last[kind]
        if here < last:
            raise SourceError(f"{self.path} is not sorted by type and id: run `osmium sort` on it")
        self.last[kind] = here
        return here != last


def _items(path: Path, reader: Any, *handlers: Any) -> Iterator[Any]:
    """What passes the filters, with the library's errors as one sentence that names the file."""
    import osmium

    source = None
    while True:
        try:
            source = source or osmium.OsmFileIterator(reader, *handlers)
            item = next(source)
        except StopIteration:
            return
        except RuntimeError as error:
            raise SourceError(f"{path} is damaged or cut ({error}): fetch it anew") from error
        yield item
