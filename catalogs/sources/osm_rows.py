"""Rows of the objects of one block: nothing is done in Python for a single sound object."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import shapely

from catalogs.sources.osm_drops import Lost
from catalogs.sources.osm_picked import Picked, Reason, Seen, pick
from catalogs.sources.osm_places import Nodes, Outlines
from catalogs.sources.osm_relations import assemble, chunks, members
from catalogs.sources.osm_shapes import (
    UNIT,
    Lines,
    Mask,
    Places,
    wkb_lines,
    wkb_points,
    wkb_rings,
)
from catalogs.sources.osm_table import AREA, LINE, POINT, TINY, WORLD
from catalogs.sources.osm_tags import is_area, never_open
from catalogs.sources.osm_texts import Texts
from catalogs.sources.pbf_blocks import Things
from catalogs.sources.ragged import Ints
from catalogs.sources.ragged import places as spread
from schemas.geo import inside

NODE, WAY, RELATION = range(3)

_OFF = ("geometry_invalid", "positions lie off the globe")


@dataclass(slots=True)
class Maker:
    """Makes rows of blocks.

    Attributes:
        keys: those that objects are asked for by, None for any.
        lost: takes the drops.
        wanted: ids of the ways that relations need, ascending.
        nodes: where nodes lie.
        outlines: the lines of the wanted ways; `ways` adds to them.
    """

    keys: frozenset[str] | None
    lost: Lost
    wanted: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    nodes: Nodes = field(default_factory=Nodes)
    outlines: Outlines = field(default_factory=Outlines)
    seen: tuple[Seen, ...] = field(default_factory=lambda: (Seen(), Seen(), Seen()))

    def texts(self, strings: list[bytes]) -> Texts:
        """The tags of a block."""
        return Texts(strings, self.keys)

    def needed(self, things: Things, texts: Texts) -> Ints:
        """Ids of the ways that relations asked for need."""
        ways: Ints = members(things, texts, texts.chosen(things))[1]
        return ways

    def points(self, things: Things, texts: Texts) -> Iterator[pa.RecordBatch]:
        """Rows of nodes."""
        picked, rows = pick(NODE, things, texts, self.seen[NODE], self.lost)
        where = np.stack([things.lon[rows], things.lat[rows]], axis=1) / UNIT
        good = picked.sound(self.lost, [(~inside(where, WORLD), *_OFF)], where)
        if len(good):
            wkb, bounds = wkb_points(placed(things)[rows[good]]), np.tile(where[good], 2)
            yield picked.take(good).rows(POINT, wkb, bounds)

    def ways(self, things: Things, texts: Texts) -> Iterator[pa.RecordBatch]:
        """Rows of ways: lines, then areas."""
        picked, rows = pick(WAY, things, texts, self.seen[WAY], self.lost)
        needed = among(things.id, self.wanted)
        used = needed.copy()
        used[rows] = True
        index = np.flatnonzero(used)
        lines, whole, closed = self._lines(things, index)
        member = np.flatnonzero(needed[index] & whole)
        if len(member):
            self.outlines.add(things.id[index[member]], lines.take(member))
        at = np.searchsorted(index, rows)
        whole, closed, short = whole[at], closed[at], lines.counts()[at] < 2
        ring = closed & is_area(picked.bits)
        few = "the way has fewer than two nodes"
        opened = ~closed & never_open(picked.bits)
        reasons: list[Reason] = [
            (opened, "geometry_unclosed", "the way of an area is not closed"),
            (short & ring, "zero_area", few),
            (short, "geometry_invalid", few),
            (~whole, "members_missing", "nodes are not in the file"),
        ]
        good = picked.sound(self.lost, reasons)
        if len(good):
            lines = lines.take(at[good]).without_repeats()
            yield from self._drawn(picked.take(good), lines, ring[good])

    def relations(self, things: Things, texts: Texts) -> Iterator[pa.RecordBatch]:
        """Rows of relations, whose ways are known by now."""
        picked, rows = pick(RELATION, things, texts, self.seen[RELATION], self.lost)
        relation, ways = members(things, texts, rows)
        part, row, known = self.outlines.find(ways)
        count = np.bincount(relation, minlength=len(rows))
        missing = np.bincount(relation[~known], minlength=len(rows))
        lost = [
            f"{gone} of {all_} member ways are missing"
            for gone, all_ in zip(missing.tolist(), count.tolist(), strict=True)
        ]
        reasons: list[Reason] = [
            (count == 0, "not_spatial", "the relation is no multipolygon or boundary of ways"),
            (missing > 0, "members_missing", lost),
        ]
        good = picked.sound(self.lost, reasons)
        ends = np.cumsum(count)
        for some in chunks(good, count):
            own = spread(ends, some)
            lines = self.outlines.take(part[own.values], row[own.values])
            yield from self._assembled(picked.take(some), lines, own.owner())

    def _lines(self, things: Things, rows: Ints) -> tuple[Lines, Mask, Mask]:
        """Lines of the ways `rows`, which of them have all their nodes, and which are closed."""
        refs, xy = things.nodes_of(rows)
        counts = refs.counts()
        if xy is not None:
            places, known = narrowed(xy), np.ones(len(xy), bool)
        else:
            places, known = self.nodes.find(refs.values)
        lost = np.concatenate([[0], np.cumsum(~known)])
        whole = (np.diff(lost[refs.ends], prepend=0) == 0) & (counts > 1)
        closed = np.zeros(len(rows), bool)
        some = np.flatnonzero(counts > 1)
        first, last = refs.ends[some] - counts[some], refs.ends[some] - 1
        closed[some] = refs.values[first] == refs.values[last]
        return Lines(places, refs.ends), whole, closed

    def _drawn(self, picked: Picked, lines: Lines, ring: Mask) -> Iterator[pa.RecordBatch]:
        """Rows of ways whose lines are known."""
        bounds, counts = lines.bounds(), lines.counts()
        off = ~inside(bounds[:, :2], WORLD) | ~inside(bounds[:, 2:], WORLD)
        small = "the ring has fewer than three different positions"
        reasons: list[Reason] = [
            (off, *_OFF),
            (ring & (counts < 4), "zero_area", small),
            (counts < 2, "geometry_invalid", "all nodes lie on one spot"),
        ]
        good = picked.sound(self.lost, reasons, (bounds[:, :2] + bounds[:, 2:]) / 2)
        some = good[~ring[good]]
        if len(some):
            yield picked.take(some).rows(LINE, wkb_lines(lines.take(some)), bounds[some])
        some = good[ring[good]]
        if not len(some):
            return
        rings = lines.take(some)
        owner = np.repeat(np.arange(len(rings)), rings.counts())
        areas = shapely.polygons(shapely.linearrings(rings.degrees(), indices=owner))
        valid = shapely.is_valid(areas) & (shapely.area(areas) > TINY)
        fine, other = np.flatnonzero(valid), np.flatnonzero(~valid)
        if len(fine):
            wkb = wkb_rings(rings.take(fine).turned())
            yield picked.take(some[fine]).rows(AREA, wkb, bounds[some[fine]])
        if len(other):
            yield picked.take(some[other]).checked(areas[other], self.lost)

    def _assembled(self, picked: Picked, lines: Lines, owner: Ints) -> Iterator[pa.RecordBatch]:
        """Rows of relations; `owner` is the relation of each line."""
        index = np.repeat(np.arange(len(lines)), lines.counts())
        drawn = shapely.linestrings(lines.degrees(), indices=index)
        areas, broken = assemble(drawn, owner)
        reasons: list[Reason] = []
        for code, message in sorted({(one.code, one.message) for one in broken}):
            mask = np.zeros(len(areas), bool)
            mask[[one.index for one in broken if one.code == code]] = True
            reasons.append((mask, code, message))
        good = picked.sound(self.lost, reasons)
        yield picked.take(good).checked(areas[good], self.lost)


def placed(things: Things) -> Places:
    """Positions (n, 2) of nodes."""
    return narrowed(np.stack([things.lon, things.lat], axis=1))


def narrowed(xy: Ints) -> Places:
    """Positions in 32 bits, 214 degrees: what lies beyond stays off the globe."""
    limit = np.iinfo(np.int32)
    return np.clip(xy, limit.min, limit.max).astype(np.int32)


def among(ids: Ints, wanted: Ints) -> Mask:
    """Which of `ids` are in `wanted`, which ascends."""
    if not len(wanted):
        return np.zeros(len(ids), bool)
    at = np.searchsorted(wanted, ids)
    at[at == len(wanted)] = 0
    found: Mask = wanted[at] == ids
    return found
