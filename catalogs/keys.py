"""A set of names in few bytes: sorted text of one width instead of objects."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Names = npt.NDArray[np.bytes_]

FRESH = 1 << 16
"""Names that are held unsorted at least."""


class Keys:
    """Names, each once: as many bytes a name as the longest has.

    While names are added, about two and a half times as much is held for a moment.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Begin with some names, or with none."""
        self._sorted: Names = np.empty(0, "S1")
        self._fresh: list[Names] = []
        self._count = 0
        self.add(list(names))

    def add(self, names: Sequence[str]) -> None:
        """Take in names; those that are there already count once."""
        if not len(names):
            return
        self._fresh.append(np.unique(_bytes(names)))
        self._count += len(self._fresh[-1])
        if self._count >= max(FRESH, len(self._sorted) // 4):
            self._settle()

    def names(self) -> Names:
        """All names, rising."""
        self._settle()
        return self._sorted

    def __len__(self) -> int:
        """Names, each once."""
        return len(self.names())

    def has(self, names: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of some names are there."""
        places = self.places(names)
        return np.asarray(places >= 0)

    def places(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """The place of each name among `names()`, -1 where it is not there."""
        own = self.names()
        if not len(own) or not len(names):
            return np.full(len(names), -1, np.int64)
        asked = _bytes(names)
        cut = asked.astype(own.dtype)  # of one width, or `own` would be copied
        at = np.minimum(np.searchsorted(own, cut), len(own) - 1)
        return np.where((own[at] == cut) & (cut == asked), at, -1)

    def shared(self, other: "Keys") -> list[str]:
        """Names that another set has, too, rising."""
        own, theirs = self.names(), other.names()
        if not len(own) or not len(theirs):
            return []
        width = max(own.dtype, theirs.dtype, key=lambda kind: kind.itemsize)
        own, theirs = own.astype(width, copy=False), theirs.astype(width, copy=False)
        at = np.minimum(np.searchsorted(own, theirs), len(own) - 1)
        return [name.decode() for name in theirs[own[at] == theirs].tolist()]

    def _settle(self) -> None:
        if not self._fresh:
            return
        parts, self._fresh, self._count = [self._sorted, *self._fresh], [], 0
        self._sorted = np.empty(0, "S1")
        both = np.concatenate(parts)
        del parts
        both.sort()
        first = np.ones(len(both), bool)
        first[1:] = both[1:] != both[:-1]
        self._sorted = both if first.all() else both[first]


def _bytes(names: Sequence[str]) -> Names:
    return np.array([name.encode() for name in names])
