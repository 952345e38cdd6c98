"""Where nodes lie, and the ways that relations need: in memory, or mapped from parts on disk."""

import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.sources.osm_shapes import Lines, Mask, Places
from catalogs.sources.ragged import Ints


class Nodes:
    """Positions of nodes: 16 bytes each, in parts whose ids ascend."""

    def __init__(self, parts: Iterable[tuple[Ints, Places]] = ()) -> None:
        """`parts` are ids in ascending order with positions (n, 2); no two parts overlap."""
        self.parts = sorted(parts, key=lambda part: int(part[0][0]))
        self.fresh: list[tuple[Ints, Places]] = []

    def add(self, ids: Ints, xy: Places) -> None:
        """Remember nodes in any order; of a double the first."""
        if len(ids):
            self.fresh.append((ids, xy))

    def find(self, refs: Ints) -> tuple[Places, Mask]:
        """Positions (n, 2) of nodes, and which of them are known."""
        if self.fresh:
            self._settle()
        known, xy = np.zeros(len(refs), bool), np.zeros((len(refs), 2), np.int32)
        for rows, (ids, places) in self._groups(refs):
            wanted = refs[rows]
            at = np.searchsorted(ids, wanted)
            at[at == len(ids)] = 0
            xy[rows], known[rows] = places[at], ids[at] == wanted
        return xy, known

    def _groups(self, refs: Ints) -> Iterator[tuple[Any, tuple[Ints, Places]]]:
        """Which of `refs` to look for in which part."""
        if len(self.parts) == 1:
            yield slice(None), self.parts[0]
            return
        first = np.array([int(ids[0]) for ids, _ in self.parts])
        part = np.searchsorted(first, refs, side="right").astype(np.int32) - 1
        order = np.argsort(part, kind="stable")
        ends = np.searchsorted(part[order], np.arange(len(self.parts)), side="right")
        starts = np.searchsorted(part[order], np.arange(len(self.parts)))
        for index in np.flatnonzero(ends > starts).tolist():
            yield order[starts[index] : ends[index]], self.parts[index]

    def _settle(self) -> None:
        parts = [*self.parts, *self.fresh]
        self.fresh = []
        ids, xy = (np.concatenate(column) for column in zip(*parts, strict=True))
        if (np.diff(ids) <= 0).any():
            ids, first = np.unique(ids, return_index=True)
            xy = xy[first]
        self.parts = [(ids, xy)]


class Outlines:
    """Lines of ways by id, in parts of any order; of a double the first."""

    def __init__(self, parts: Iterable[tuple[Ints, Lines]] = ()) -> None:
        self.parts = list(parts)
        self.index: tuple[Ints, Ints, Ints] | None = None

    def add(self, ids: Ints, lines: Lines) -> None:
        """Remember some ways."""
        self.parts.append((ids, lines))
        self.index = None

    def find(self, ways: Ints) -> tuple[Ints, Ints, Mask]:
        """Part and row of ways, and which of them are known."""
        if self.index is None:
            self.index = self._indexed()
        ids, part, row = self.index
        if not len(ids):
            nothing = np.zeros(len(ways), np.int64)
            return nothing, nothing, np.zeros(len(ways), bool)
        at = np.searchsorted(ids, ways)
        at[at == len(ids)] = 0
        return part[at], row[at], ids[at] == ways

    def take(self, part: Ints, row: Ints) -> Lines:
        """The lines that `find` has found."""
        order = np.argsort(part, kind="stable")
        pieces = [
            self.parts[index][1].take(row[order[part[order] == index]])
            for index in np.unique(part).tolist()
        ]
        if not pieces:
            return Lines(np.empty((0, 2), np.int32), np.empty(0, np.int64))
        counts = np.concatenate([piece.counts() for piece in pieces])
        together = Lines(np.concatenate([piece.xy for piece in pieces]), np.cumsum(counts))
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return together.take(back)

    def _indexed(self) -> tuple[Ints, Ints, Ints]:
        sizes = [len(ids) for ids, _ in self.parts]
        ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in self.parts)])
        part = np.repeat(np.arange(len(sizes)), sizes)
        row = np.concatenate([np.empty(0, np.int64), *map(np.arange, sizes)])
        ids, first = np.unique(ids, return_index=True)
        return ids, part[first], row[first]


class Shelf:
    """Arrays on disk, one a file, mapped rather than read: their pages can be given back.

    Attributes:
        size: bytes that are mapped.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.maps: list[mmap.mmap] = []
        self.size = 0

    def write(self, name: str, values: npt.NDArray[Any]) -> None:
        """Write one array."""
        values.tofile(self.folder / name)

    def read(self, name: str, dtype: Any) -> npt.NDArray[Any]:
        """Map an array, flat."""
        path = self.folder / name
        size = path.stat().st_size
        if not size:
            return np.empty(0, dtype)
        with path.open("rb") as stream:
            self.maps.append(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        self.size += size
        return np.frombuffer(self.maps[-1], dtype)

    def forget(self) -> None:
        """Give back the memory of what is mapped; it is read anew when it is needed."""
        for one in self.maps:
            one.madvise(mmap.MADV_DONTNEED)

    @contextmanager
    def nodes_to(self, start: int) -> Iterator[Callable[[Ints, Places], None]]:
        """Takes ids and positions of the nodes from block `start` on, in ascending order."""
        ids, xy = (self.folder / f"{start:08d}.node-{what}" for what in ("ids", "xy"))
        with ids.open("wb") as one, xy.open("wb") as other:

            def add(numbers: Ints, places: Places) -> None:
                numbers.tofile(one)
                places.tofile(other)

            yield add

    def nodes(self) -> Nodes:
        """All nodes that were put down."""
        parts = []
        for path in sorted(self.folder.glob("*.node-ids")):
            ids = self.read(path.name, np.int64)
            if len(ids):
                xy = self.read(f"{path.stem}.node-xy", np.int32)
                parts.append((ids, xy.reshape(-1, 2)))
        return Nodes(parts)

    def keep(self, outlines: Outlines, start: int) -> None:
        """Put down the ways from block `start` on."""
        if outlines.parts:
            ids = np.concatenate([ids for ids, _ in outlines.parts])
            counts = np.concatenate([lines.counts() for _, lines in outlines.parts])
            self.write(f"{start:08d}.way-ids", ids)
            self.write(f"{start:08d}.way-ends", np.cumsum(counts))
            xy = np.concatenate([lines.xy for _, lines in outlines.parts])
            self.write(f"{start:08d}.way-xy", xy)

    def outlines(self) -> Outlines:
        """All ways that were put down."""
        parts = []
        for path in sorted(self.folder.glob("*.way-ids")):
            ids, ends = (self.read(f"{path.stem}.way-{what}", np.int64) for what in ("ids", "ends"))
            xy = self.read(f"{path.stem}.way-xy", np.int32)
            parts.append((ids, Lines(xy.reshape(-1, 2), ends)))
        return Outlines(parts)
