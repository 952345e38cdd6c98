"""Parts of assets asked for before they are read, neighbours in one request."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from catalogs.sources.earth_engine.assets import SCHEME, own_grid
from catalogs.sources.earth_engine.calls import service
from catalogs.sources.earth_engine.pixels import Pixels, read
from catalogs.sources.errands import Errand, Errands
from schemas.errors import Fault
from schemas.scenes import Box, Part

BUDGET = 128 << 20
"""Bytes asked for ahead and not yet read, at most, in one process."""

LARGEST = 4 << 20
"""Bytes of a joint request, at most: many requests at a time are faster than large ones."""

SPREAD = 1.5
"""Pixels of a joint request over those of its parts, at most: a round trip costs more than some."""

Key = tuple[str, tuple[str, ...], Box]


@dataclass(eq=False)
class Joint:
    """A request under way: a part that holds others, and how many reads of these are to come."""

    part: Part
    errand: Errand[Pixels]
    keys: tuple[Key, ...]
    left: int


class Ahead:
    """Requests of one process, shared by its threads, in the order of need."""

    def __init__(self, fetch: Callable[[Part], Pixels], threads: int, budget: int = BUDGET) -> None:
        self.fetch = fetch
        self.errands: Errands[Pixels] = Errands("earth-engine-ahead", budget, threads)
        self.known: dict[Key, Joint] = {}
        self.lock = threading.Lock()

    def want(self, parts: Iterable[Part]) -> list[Joint]:
        """Begin to ask for parts, given in the order of need; returns what is under way, for `forget`."""
        count: dict[Key, int] = {}
        groups: dict[tuple[str, tuple[str, ...]], list[Part]] = {}
        order: dict[Key, int] = {}
        with self.lock:
            for number, part in enumerate(parts):
                key = key_of(part)
                if key in self.known:
                    continue
                if key not in count:
                    order[key] = number
                    groups.setdefault(key[:2], []).append(part)
                count[key] = count.get(key, 0) + 1
            placed = []
            for group in groups.values():
                for box, within in joined([part.box for part in group], most_pixels(group[0])):
                    keys = tuple(key_of(group[number]) for number in within)
                    whole = replace(group[0], box=box)
                    errand = Errand(size_of(whole), partial(self.fetch, whole))
                    joint = Joint(whole, errand, keys, sum(count[key] for key in keys))
                    self.known.update(dict.fromkeys(keys, joint))
                    placed.append((min(order[key] for key in keys), joint))
        joints = [joint for _, joint in sorted(placed, key=lambda entry: entry[0])]
        self.errands.send(joint.errand for joint in joints)
        return joints

    def read(self, part: Part) -> Pixels:
        """The pixels of a part: asked for ahead, or now.

        Raises:
            Fault, SourceError: as `pixels.read`.
        """
        with self.lock:
            joint = self.known.get(key_of(part))
        if joint is None:
            return self.fetch(part)
        try:
            pixels, valid = self.errands.result(joint.errand)
        except CancelledError:  # let go in the meantime
            return self.fetch(part)
        except Fault as fault:
            if fault.retryable or len(joint.keys) == 1:
                raise
            return self.fetch(part)  # that the whole is refused says nothing of its parts
        finally:
            with self.lock:
                joint.left -= 1
                last = joint.left <= 0
            if last:
                self.forget([joint])
        col, row, width, height = part.box
        col, row = col - joint.part.box[0], row - joint.part.box[1]
        there = np.s_[row : row + height, col : col + width]
        return pixels[:, *there], valid[there]

    def forget(self, joints: Iterable[Joint]) -> None:
        """Let go of what has not been read."""
        for joint in joints:
            with self.lock:
                for key in joint.keys:
                    if self.known.get(key) is joint:
                        del self.known[key]
            self.errands.let_go(joint.errand)


def joined(boxes: Sequence[Box], most: int) -> list[tuple[Box, list[int]]]:
    """Few boxes that hold all: each with the numbers of those within it.

    A box joins that which grows least by it, as long as that keeps to `most` pixels and to `SPREAD`
    times the pixels of those within it.
    """
    found: list[tuple[Box, int, list[int]]] = []
    for number, box in enumerate(boxes):
        best: tuple[int, int, Box] | None = None
        for place, (hull, pixels, _) in enumerate(found):
            both = around(hull, box)
            size = both[2] * both[3]
            if size <= min(most, SPREAD * (pixels + box[2] * box[3])):
                growth = size - hull[2] * hull[3]
                if best is None or growth < best[0]:
                    best = growth, place, both
        if best is None:
            found.append((box, box[2] * box[3], [number]))
        else:
            _, place, both = best
            _, pixels, within = found[place]
            found[place] = both, pixels + box[2] * box[3], [*within, number]
    return [(hull, within) for hull, _, within in found]


def around(one: Box, other: Box) -> Box:
    """The box that holds two."""
    col, row = min(one[0], other[0]), min(one[1], other[1])
    right = max(one[0] + one[2], other[0] + other[2])
    bottom = max(one[1] + one[3], other[1] + other[3])
    return col, row, right - col, bottom - row


def key_of(part: Part) -> Key:
    """What tells a part from others."""
    return part.href, tuple(band.name for band in part.bands), part.box


def depth(part: Part) -> int:
    """Bytes of a pixel of a part, with that of its mask."""
    return sum(np.dtype(band.dtype).itemsize for band in part.bands) + 1


def size_of(part: Part) -> int:
    """Bytes of a part."""
    return part.box[2] * part.box[3] * depth(part)


def most_pixels(part: Part) -> int:
    """Pixels of the largest joint request for bands such as those of a part."""
    return LARGEST // depth(part)


def fetch(part: Part) -> Pixels:
    """A part, asked for now.

    Raises:
        Fault, UsageError, SourceError: as `pixels.read`.
    """
    grid = own_grid(part.bands[0], part.scene).cut(*part.box)
    itemsize = max(np.dtype(band.dtype).itemsize for band in part.bands)
    names = [band.name for band in part.bands]
    return read(part.href.removeprefix(SCHEME), names, grid, itemsize=itemsize)


def ahead() -> Ahead:
    """The requests of this process (a forked one has its own)."""
    return _ahead(os.getpid(), service().limits.requests)


@cache
def _ahead(pid: int, threads: int) -> Ahead:
    return Ahead(fetch, threads)
