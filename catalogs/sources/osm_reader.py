"""Features of an OSM file, block by block: nothing is done in Python for a single sound object."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from catalogs.sources.osm_arrays import Places, Seen, Texts
from catalogs.sources.osm_files import as_pbf
from catalogs.sources.osm_relations import assemble
from catalogs.sources.osm_table import (
    AREA,
    LINE,
    POINT,
    RING,
    TYPES,
    OnDrop,
    OsmDrop,
    Rows,
    batch,
    numbers,
)
from catalogs.sources.osm_tags import UNREADABLE, is_area, never_open
from catalogs.sources.pbf_blocks import Things
from catalogs.sources.pbf_file import Pbf
from catalogs.sources.ragged import Ints, Ragged
from schemas.errors import SourceError, UsageError
from schemas.windows import Bounds

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
        batch_rows: a batch is handed out when it has this many rows; the last block of the file
            that went into it may make it some thousands longer.

    Raises:
        SourceError: the file is damaged, or no OSM file.
        UsageError: no keys.
    """
    if not keys:
        raise UsageError("no OSM keys asked for: name at least one, e.g. building")
    with as_pbf(path) as pbf:
        held: list[pa.RecordBatch] = []
        for rows in _Reader(pbf, keys, on_drop).blocks():
            held.append(batch(rows, bbox, on_drop))
            if sum(map(len, held)) >= batch_rows:
                yield pa.concat_batches(held)
                held = []
        if held:
            yield pa.concat_batches(held)


@dataclass(slots=True)
class _Relations:
    """Relations that are asked for, with the ways that they need."""

    rows: Rows
    ways: Ragged  # empty where the relation is no area


class _Reader:
    """Rows of one file: relations are read first and made last, when their ways are known."""

    def __init__(self, pbf: Pbf, keys: Collection[str], on_drop: OnDrop) -> None:
        self.pbf, self.on_drop = pbf, on_drop
        self.keys = frozenset(key.encode() for key in keys)
        self.seen = (Seen(), Seen(), Seen())
        self.places = Places()
        self.lines: dict[int, Any] = {}  # of the ways that relations need

    def blocks(self) -> Iterator[Rows]:
        """Rows of each block, geometry not yet checked."""
        relations, mixed, first = self._relations()
        needed = [part.ways.values for part in relations]
        wanted = np.unique(np.concatenate([np.empty(0, np.int64), *needed]))
        if mixed:  # some ways may come before their nodes
            for block in self.pbf.blocks(range(len(self.pbf))):
                for kind, things in block.groups:
                    if kind == NODE:
                        self.places.add(things)
        met = NODE
        for index, block in enumerate(self.pbf.blocks(range(len(self.pbf)))):
            texts = Texts(block.strings, self.keys)
            for kind, things in block.groups:
                met = max(met, kind)
                if not mixed and (kind < met or (kind == RELATION and index < first)):
                    path = self.pbf.path
                    raise SourceError(f"{path} is not in the order it declares: run `osmium sort`")
                if kind == NODE:
                    yield self._nodes(things, texts)
                    if not mixed:
                        self.places.add(things)
                elif kind == WAY:
                    yield self._ways(things, texts, wanted)
        for part in relations:
            yield self._made(part)

    def _relations(self) -> tuple[list[_Relations], bool, int]:
        """The relations asked for, whether types are mixed, and the first block with relations.

        A file that declares itself sorted ends with its relations and is read from there only.
        """
        holding: list[int] = []
        later: set[int] = set()
        mixed = False
        for index in reversed(range(len(self.pbf))):
            kinds = self.pbf.kinds(index)
            mixed |= len(kinds) > 1 or bool(later and min(later) < max(kinds, default=NODE))
            later |= kinds
            if RELATION in kinds:
                holding.append(index)
            elif self.pbf.header.ordered:
                break
        found: list[_Relations] = []
        for block in self.pbf.blocks(reversed(holding)):
            texts = Texts(block.strings, self.keys)
            found.extend(
                self._asked(part, texts) for kind, part in block.groups if kind == RELATION
            )
        return found, mixed, holding[-1] if holding else len(self.pbf)

    def _choose(self, kind: int, things: Things, texts: Texts) -> tuple[Ints, pa.Array, Ints]:
        """Rows asked for, without doubles and unreadable ones; their tags and shape bits."""
        rows = texts.chosen(things)
        double = self.seen[kind].doubles(things.id[rows])
        for ident in things.id[rows[double]].tolist():
            message = "the object is in the file more than once; the first was kept"
            self._drop(kind, ident, "duplicate", message)
        rows = rows[~double]
        tags, bits = texts.packed(things, rows)
        bad = (bits & UNREADABLE) != 0
        for ident in things.id[rows[bad]].tolist():
            self._drop(kind, ident, "text_invalid", "its tags are not UTF-8")
        good = np.flatnonzero(~bad)
        return rows[good], tags.take(numbers(pa.int64(), good)), bits[good]

    def _nodes(self, things: Things, texts: Texts) -> Rows:
        rows, tags, _ = self._choose(NODE, things, texts)
        places = np.stack([things.lon[rows], things.lat[rows]], axis=1) / 1e7
        shapes = np.full(len(rows), POINT, np.int8)
        return _rows(NODE, things, rows, shapes, tags, shapely.points(places))

    def _ways(self, things: Things, texts: Texts, wanted: Ints) -> Rows:
        rows, tags, bits = self._choose(WAY, things, texts)
        members = np.flatnonzero(np.isin(things.id, wanted))
        both = np.union1d(rows, members)
        lines, short, closed = self.places.lines(things, both)
        needed = lines[np.searchsorted(both, members)]
        for ident, line in zip(things.id[members].tolist(), needed, strict=True):
            if line is not None:
                self.lines.setdefault(ident, line)
        at = np.searchsorted(both, rows)
        lines, short, closed = lines[at], short[at], closed[at]
        shapes = np.where(closed & is_area(bits), RING, LINE).astype(np.int8)
        broken = ~closed & never_open(bits)
        keep = np.array([line is not None for line in lines], bool) & ~broken
        for index in np.flatnonzero(~keep).tolist():
            code, message = "members_missing", "nodes are not in the file"
            if broken[index]:
                code, message = "geometry_unclosed", "the way of an area is not closed"
            elif short[index]:
                code = "zero_area" if shapes[index] == RING else "geometry_invalid"
                message = "the way has fewer than two nodes"
            self._drop(WAY, int(things.id[rows[index]]), code, message)
        good = np.flatnonzero(keep)
        tags = tags.take(numbers(pa.int64(), good))
        return _rows(WAY, things, rows[good], shapes[good], tags, lines[good])

    def _asked(self, things: Things, texts: Texts) -> _Relations:
        rows, tags, _ = self._choose(RELATION, things, texts)
        named = {text: index for index, text in enumerate(texts.strings)}
        kinds = [named.get(text, -1) for text in (b"multipolygon", b"boundary")]
        says = (things.keys.values == named.get(b"type", -1)) & np.isin(things.texts.values, kinds)
        spatial = np.diff(np.concatenate([[0], np.cumsum(says)])[things.keys.ends], prepend=0) > 0
        ways = (things.kinds == WAY) & spatial[things.refs.owner()]
        counts = np.diff(np.concatenate([[0], np.cumsum(ways)])[things.refs.ends], prepend=0)
        members = Ragged(things.refs.values[ways], np.cumsum(counts)).take(rows)
        shapes = np.full(len(rows), AREA, np.int8)
        none = np.full(len(rows), None, object)
        return _Relations(_rows(RELATION, things, rows, shapes, tags, none), members)

    def _made(self, part: _Relations) -> Rows:
        rows, start, good, lines = part.rows, 0, [], []
        for index, end in enumerate(part.ways.ends.tolist()):
            ways = dict.fromkeys(part.ways.values[start:end].tolist())
            start, ident = end, int(rows.ids[index])
            found = [self.lines[way] for way in ways if way in self.lines]
            if not ways:
                message = "the relation is no multipolygon or boundary of ways"
                self._drop(RELATION, ident, "not_spatial", message)
            elif len(found) < len(ways):
                message = f"{len(ways) - len(found)} of {len(ways)} member ways are missing"
                self._drop(RELATION, ident, "members_missing", message)
            else:
                good.append(index)
                lines.append(found)
        owner = np.repeat(np.arange(len(good)), [len(found) for found in lines])
        areas, broken = assemble(np.array([line for found in lines for line in found]), owner)
        whole = np.ones(len(good), bool)
        for one in broken:
            self._drop(RELATION, int(rows.ids[good[one.index]]), one.code, one.message)
            whole[one.index] = False
        kept = np.array(good, np.int64)[whole]
        tags = rows.tags.take(numbers(pa.int64(), kept))
        made = replace(rows, types=rows.types[kept], ids=rows.ids[kept], shapes=rows.shapes[kept])
        versions, times = rows.versions[kept], rows.times[kept]
        return replace(made, versions=versions, times=times, tags=tags, geoms=areas[whole])

    def _drop(self, kind: int, ident: int, code: str, message: str) -> None:
        self.on_drop(OsmDrop(TYPES[kind], ident, code, message))


def _rows(
    kind: int, things: Things, rows: Ints, shapes: npt.NDArray[np.int8], tags: pa.Array, geoms: Any
) -> Rows:
    kinds = np.full(len(rows), kind, np.int8)
    return Rows(
        kinds, things.id[rows], things.version[rows], things.time[rows], shapes, tags, geoms
    )
