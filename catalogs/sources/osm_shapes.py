"""Lines and rings of whole blocks as arrays: cleaned, measured and written as WKB without objects.

Positions are in units of 1e-7 degrees, as OSM stores them, until they are written.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.arrow import varied
from catalogs.sources.ragged import Ints, places

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]

UNIT = 1e7
"""Units in a degree."""

_POINT, _LINE, _RING = (
    np.frombuffer(head, np.uint8) for head in (b"\1\1\0\0\0", b"\1\2\0\0\0", b"\1\3\0\0\0\1\0\0\0")
)
"""How WKB begins: byte order, type, and of a polygon the number of its rings."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines: line i is `xy[ends[i - 1]:ends[i]]`; `xy` has the shape (n, 2)."""

    xy: Places
    ends: Ints

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self.ends)

    def counts(self) -> Ints:
        """Positions of each line."""
        return np.diff(self.ends, prepend=0)

    def starts(self) -> Ints:
        """Where each line begins."""
        return self.ends - self.counts()

    def take(self, rows: Ints) -> "Lines":
        """The lines numbered `rows`, in that order."""
        if len(rows) == len(self) and (rows == np.arange(len(rows))).all():
            return self
        index = places(self.ends, rows)
        return Lines(self.xy[index.values], index.ends)

    def without_repeats(self) -> "Lines":
        """The lines without positions that repeat the one before."""
        fresh = np.ones(len(self.xy), bool)
        fresh[1:] = (self.xy[1:] != self.xy[:-1]).any(axis=1)
        starts = self.starts()
        fresh[starts[starts < len(self.xy)]] = True
        if fresh.all():
            return self
        return Lines(self.xy[fresh], np.concatenate([[0], np.cumsum(fresh)])[self.ends])

    def bounds(self) -> Floats:
        """West, south, east, north (n, 4) in degrees; no line may be empty."""
        starts = self.starts()
        low, high = np.minimum.reduceat(self.xy, starts), np.maximum.reduceat(self.xy, starts)
        return np.concatenate([low, high], axis=1) / UNIT

    def degrees(self) -> Floats:
        """All positions (n, 2) in degrees."""
        return self.xy / UNIT

    def turned(self) -> "Lines":
        """The closed lines counter-clockwise, turned where they run the other way."""
        starts = self.starts()
        xy = (self.xy - np.repeat(self.xy[starts].astype(np.int64), self.counts(), axis=0)) / UNIT
        twice = np.zeros(len(xy))
        twice[:-1] = xy[:-1, 0] * xy[1:, 1] - xy[1:, 0] * xy[:-1, 1]
        twice[self.ends - 1] = 0
        back = np.repeat(np.add.reduceat(twice, starts) < 0, self.counts())
        index = np.arange(len(xy))
        mirrored = np.repeat(starts + self.ends - 1, self.counts()) - index
        return Lines(self.xy[np.where(back, mirrored, index)], self.ends)


def wkb_points(xy: Places) -> pa.Array:
    """WKB of points (n, 2)."""
    data = np.empty((len(xy), 21), np.uint8)
    data[:, :5] = _POINT
    data[:, 5:] = np.ascontiguousarray(xy / UNIT).view(np.uint8).reshape(len(xy), 16)
    return varied(pa.binary(), np.arange(1, len(xy) + 1) * 21, data)


def wkb_lines(lines: Lines) -> pa.Array:
    """WKB of lines."""
    return _wkb(lines, _LINE)


def wkb_rings(lines: Lines) -> pa.Array:
    """WKB of polygons of one ring each."""
    return _wkb(lines, _RING)


def _wkb(lines: Lines, head: npt.NDArray[np.uint8]) -> pa.Array:
    size, counts = len(head), lines.counts()
    ends = np.cumsum(16 * counts + size + 4)
    starts = (ends - 16 * counts - size - 4)[:, None]
    data = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    body = np.ones(len(data), bool)
    heads = starts + np.arange(size + 4)
    body[heads] = False
    data[body] = lines.degrees().view(np.uint8).ravel()
    data[heads[:, :size]] = head
    data[heads[:, size:]] = counts.astype("<u4")[:, None].view(np.uint8)
    return varied(pa.binary(), ends, data)
