"""Features of an OSM file: filters and geometry in C++, one record batch at a time.

pyosmium does not keep a filter alive that a reader uses: every filter is held by a name here.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.sources.osm_files import sniff
from catalogs.sources.osm_relations import Broken, assemble
from catalogs.sources.osm_table import AREA, LINE, POINT, RING, OnDrop, OsmDrop, Rows, batch
from catalogs.sources.osm_tags import is_area, never_open, tags_json
from schemas.errors import SourceError, UsageError
from schemas.windows import Bounds

SORTED_ABOVE = 256 * 1024 * 1024
"""Bytes from which on a file must be sorted: below, ids seen are held in memory to find doubles."""

NODE, WAY, RELATION = range(3)
DOUBLE = "the object is in the file more than once; the first was kept"
NO_TEXT = "its tags are not UTF-8"


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


@dataclass(slots=True)
class _Relation:
    """A relation that is asked for; `ways` is empty where it is no area."""

    id: int
    version: int
    timestamp: datetime
    ways: tuple[int, ...]
    tags: str


class _Reader:
    """Fills rows from one file: relations are read first and made last, when their ways are known."""

    def __init__(self, path: Path, keys: list[str], on_drop: OnDrop) -> None:
        import osmium

        self.path, self.on_drop = path, on_drop
        self.file = osmium.io.File(str(path), sniff(path))
        self.keys = osmium.filter.KeyFilter(*keys)
        self.wkb, self.every = osmium.geom.WKBFactory(), osmium.geom.ALL
        self.unplaced = osmium.InvalidLocationError
        self.places = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
        self.places.ignore_errors()
        self.fresh = _Fresh(path, path.stat().st_size > SORTED_ABOVE)

    def blocks(self, size: int) -> Iterator[Rows]:
        """All objects asked for, in blocks of `size` rows."""
        import osmium

        rows = Rows()
        relations = self._relations()
        for thing in self._items(osmium.osm.NODE | osmium.osm.WAY, self.places, self.keys):
            take = self._node if thing.is_node() else self._way
            try:
                take(thing, rows)
            except UnicodeDecodeError:
                self._drop("node" if thing.is_node() else "way", thing.id, "text_invalid", NO_TEXT)
            if len(rows) >= size:
                yield rows
                rows = Rows()
        lines = self._lines({way for relation in relations for way in relation.ways})
        for relation in relations:
            self._relation(relation, lines, rows)
            if len(rows) >= size:
                yield rows
                rows = Rows()
        if len(rows):
            yield rows

    def _relations(self) -> list[_Relation]:
        import osmium

        found: dict[int, _Relation | None] = {}
        for item in self._items(osmium.osm.RELATION, self.keys):
            ident = item.id
            if ident in found:
                self._drop("relation", ident, "duplicate", DOUBLE)
                continue
            found[ident] = None
            try:
                tags = tags_json(item.tags)
            except UnicodeDecodeError:
                self._drop("relation", ident, "text_invalid", NO_TEXT)
                continue
            spatial = item.tags.get("type") in ("multipolygon", "boundary")
            ways = [member.ref for member in item.members if member.type == "w"]
            known = tuple(dict.fromkeys(ways)) if spatial else ()
            found[ident] = _Relation(ident, item.version, item.timestamp, known, tags)
        return [relation for relation in found.values() if relation is not None]

    def _lines(self, wanted: set[int]) -> dict[int, bytes]:
        """Lines (WKB) of the ways `wanted`; those without all their nodes are left out."""
        import osmium

        lines: dict[int, bytes] = {}
        if wanted:
            ids = osmium.filter.IdFilter(wanted)
            for way in self._items(osmium.osm.WAY, self.places, ids):
                with suppress(RuntimeError, self.unplaced):
                    line = bytes.fromhex(self.wkb.create_linestring(way, self.every))
                    lines.setdefault(way.id, line)
        return lines

    def _relation(self, relation: _Relation, lines: dict[int, bytes], rows: Rows) -> None:
        missing = sum(way not in lines for way in relation.ways)
        try:
            if not relation.ways:
                raise Broken("not_spatial", "the relation is no multipolygon or boundary of ways")
            if missing:
                raise Broken("members_missing", f"{missing} of {len(relation.ways)} ways are missing")
            area = assemble([lines[way] for way in relation.ways])
        except Broken as broken:
            self._drop("relation", relation.id, broken.code, broken.message)
        else:
            _add(rows, relation, (RELATION, relation.id), AREA, area, relation.tags)

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

    def _drop(self, name: str, ident: int, code: str, message: str) -> None:
        self.on_drop(OsmDrop(name, ident, code, message))

    def _items(self, entities: Any, *handlers: Any) -> Iterator[Any]:
        """What passes the filters, with the library's errors as one sentence that names the file."""
        import osmium

        source = None
        with osmium.io.Reader(self.file, entities) as reader:
            while True:
                try:
                    source = source or osmium.OsmFileIterator(reader, *handlers)
                    item = next(source)
                except StopIteration:
                    return
                except RuntimeError as error:
                    message = f"{self.path} is damaged or cut ({error}): fetch it anew"
                    raise SourceError(message) from error
                yield item


def _add(
    rows: Rows, thing: Any, who: tuple[int, int], shape: int, wkb: str | bytes, tags: str
) -> None:
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
