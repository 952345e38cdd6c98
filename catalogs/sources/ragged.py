"""Rows of different lengths in one array."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of different lengths: row i is `values[ends[i - 1]:ends[i]]`."""

    values: Ints
    ends: Ints

    def counts(self) -> Ints:
        """Length of each row."""
        return np.diff(self.ends, prepend=0)

    def owner(self) -> Ints:
        """Row number of each value."""
        return np.repeat(np.arange(len(self.ends)), self.counts())

    def take(self, rows: Ints) -> "Ragged":
        """The rows numbered `rows`, in that order."""
        index = places(self.ends, rows)
        return Ragged(self.values[index.values], index.ends)


def places(ends: Ints, rows: Ints) -> Ragged:
    """Where the values of the rows numbered `rows` lie, for rows that end at `ends`."""
    last = ends[rows]
    counts = last - np.where(rows > 0, ends[rows - 1], 0)
    found = np.cumsum(counts)
    shift = np.repeat(last - found, counts)
    return Ragged(np.arange(len(shift)) + shift, found)


def running(values: Ints, ends: Ints) -> Ints:
    """Sums from the start of each row on."""
    total = np.cumsum(values)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: len(ends)]
    before: Ints = np.concatenate([np.zeros(1, np.int64), total])[starts]
    return total - np.repeat(before, np.diff(ends, prepend=0))


def joined(parts: Sequence[Ragged], shift: Sequence[int]) -> Ragged:
    """The rows of all parts; `shift` is added to the values of each."""
    values = [part.values + more for part, more in zip(parts, shift, strict=True)]
    before = np.cumsum([0, *(len(part.values) for part in parts[:-1])]).tolist()
    ends = [part.ends + more for part, more in zip(parts, before, strict=True)]
    return Ragged(np.concatenate(values), np.concatenate(ends))


def nothing(rows: int) -> Ragged:
    """A ragged array of empty rows."""
    return Ragged(np.empty(0, np.int64), np.zeros(rows, np.int64))
