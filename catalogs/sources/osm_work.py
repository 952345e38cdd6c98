"""The reading of one sorted extract by several processes: where each kind lies, and their work.

Nodes come first, then ways, then relations; so the file is read in three phases, and the blocks of
a phase in any order. What a phase learns for the next is left on disk and mapped by all processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from catalogs.sources.osm_places import Nodes, Outlines, Shelf
from catalogs.sources.osm_rows import NODE, RELATION, WAY, Maker, placed
from catalogs.sources.osm_sorting import Sorter, Stats
from catalogs.sources.pbf_blocks import Things, together
from catalogs.sources.pbf_file import Pbf
from catalogs.sources.ragged import Ints

SPAN = 256
"""Blocks of a piece of work, at most."""

LEAST_RUN = 1 << 20
"""Bytes of rows that a process gathers before they are sorted, at least."""

TOGETHER = 8
"""Blocks of nodes whose rows are made at a time: most have few tagged ones."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Job:
    """One extract's work.

    Attributes:
        path: a PBF file.
        folder: for what is made on the way, with folders `rows`, `drops` and `shelf`.
        memory: bytes that all processes together may take beside their libraries.
    """

    path: Path
    folder: Path
    keys: frozenset[str] | None
    memory: int
    workers: int


@dataclass(slots=True)
class Done:
    """A piece of work, from block `start` on, and what it met.

    Attributes:
        low, high: first and last id of the phase's kind (0 and -1 where there is none).
        ordered: whether the ids of that kind ascend.
        foreign: blocks that hold other kinds, with these.
        bytes: of the file.
    """

    kind: int
    start: int
    low: int = 0
    high: int = -1
    ordered: bool = True
    foreign: set[tuple[int, int]] = field(default_factory=set)
    bytes: int = 0

    def see(self, block: int, kind: int, things: Things) -> None:
        """Note a group."""
        if kind != self.kind:
            self.foreign.add((block, kind))
        elif len(things.id):
            first, last = int(things.id[0]), int(things.id[-1])
            if self.high < self.low:
                self.low, self.high = first, first - 1
            self.ordered &= first > self.high and bool((np.diff(things.id) > 0).all())
            self.high = last


def phases(pbf: Pbf) -> tuple[Span, Span, Span]:
    """The blocks with nodes, ways and relations, if the file is sorted by them."""
    borders = []
    for kind in (WAY, RELATION):
        low, high = 0, len(pbf)
        while low < high:
            middle = (low + high) // 2
            if max(pbf.kinds(middle), default=NODE) >= kind:
                high = middle
            else:
                low = middle + 1
        borders.append(low)
    ways, relations = borders
    return (
        (0, ways + (ways < len(pbf) and NODE in pbf.kinds(ways))),
        (ways, relations + (relations < len(pbf) and WAY in pbf.kinds(relations))),
        (relations, len(pbf)),
    )


def spans(phase: Span, workers: int) -> list[Span]:
    """Pieces of a phase, several for each process."""
    start, stop = phase
    step = min(SPAN, max(1, (stop - start) // (8 * workers)))
    return [(at, min(at + step, stop)) for at in range(start, stop, step)]


def is_sorted(done: list[list[Done]], ranges: tuple[Span, Span, Span]) -> bool:
    """Whether the pieces of work have met what a sorted file holds: then no object is twice."""
    for pieces in done:
        met = [one for one in sorted(pieces, key=lambda one: one.start) if one.high >= one.low]
        if not all(one.ordered for one in pieces):
            return False
        if any(a.high >= b.low for a, b in pairwise(met)):
            return False
        for piece in pieces:
            for block, kind in piece.foreign:
                if not ranges[kind][0] <= block < ranges[kind][1]:
                    return False
    return True


class Work:
    """One process's part of a job."""

    def __init__(self, job: Job, name: str) -> None:
        """`name` tells it from the others."""
        self.job, self.pbf = job, Pbf(job.path)
        self.shelf = Shelf(job.folder / "shelf")
        size = max(job.memory // (16 * job.workers), LEAST_RUN)
        self.sorter = Sorter(job.folder / "rows", job.folder / "drops", name, size)

    def finish(self) -> Stats:
        """Write what is still held."""
        return self.sorter.finish()

    def points(self, start: int, stop: int) -> Done:
        """Rows of nodes, and where all nodes lie."""
        maker, done = self._maker(), Done(NODE, start)
        held: list[tuple[list[bytes], Things]] = []
        with self.shelf.nodes_to(start) as add:
            for strings, things in self._groups(done, start, stop):
                add(things.id, placed(things))
                held.append((strings, things))
                if len(held) == TOGETHER:
                    self._points(maker, held)
                    held = []
        if held:
            self._points(maker, held)
        return done

    def _points(self, maker: Maker, held: list[tuple[list[bytes], Things]]) -> None:
        strings, things = together(held)
        for rows in maker.points(things, maker.texts(strings)):
            self.sorter.add(rows)

    def needed(self, start: int, stop: int) -> Ints:
        """Ids of the ways that relations need."""
        maker, done = self._maker(), Done(RELATION, start)
        groups = self._groups(done, start, stop)
        found = [maker.needed(things, maker.texts(strings)) for strings, things in groups]
        return np.unique(np.concatenate([np.empty(0, np.int64), *found]))

    def ways(self, start: int, stop: int) -> Done:
        """Rows of ways, and the lines of those that relations need."""
        maker, done = self._maker(), Done(WAY, start)
        maker.nodes, maker.wanted = self.nodes, self.wanted
        for strings, things in self._groups(done, start, stop):
            for rows in maker.ways(things, maker.texts(strings)):
                self.sorter.add(rows)
            self._forget()
        self.shelf.keep(maker.outlines, start)
        return done

    def relations(self, start: int, stop: int) -> Done:
        """Rows of relations."""
        maker, done = self._maker(), Done(RELATION, start)
        maker.outlines = self.outlines
        for strings, things in self._groups(done, start, stop):
            for rows in maker.relations(things, maker.texts(strings)):
                self.sorter.add(rows)
            self._forget()
        return done

    def _maker(self) -> Maker:
        return Maker(self.job.keys, self.sorter.drop)

    def _groups(self, done: Done, start: int, stop: int) -> Iterator[tuple[list[bytes], Things]]:
        """Groups of the piece's kind, with the strings of their block."""
        for index in range(start, stop):
            block = self.pbf.block(index)
            for kind, things in block.groups:
                done.see(index, kind, things)
                if kind == done.kind:
                    yield block.strings, things
            done.bytes += self.pbf.places[index][1]

    @cached_property
    def nodes(self) -> Nodes:
        """What `points` of all processes left."""
        return self.shelf.nodes()

    @cached_property
    def wanted(self) -> Ints:
        """What `needed` of all processes found."""
        return self.shelf.read("wanted", np.int64)

    @cached_property
    def outlines(self) -> Outlines:
        """What `ways` of all processes left."""
        return self.shelf.outlines()

    def _forget(self) -> None:
        if self.shelf.size > self.job.memory // 4:
            self.shelf.forget()
