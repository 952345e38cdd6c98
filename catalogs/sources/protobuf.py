"""Protobuf messages as arrays: many messages of one kind are read in step.

The first field of all ways of a block is read at once, then their second, and so on, so that no
Python runs for a single message. Encoding: https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from catalogs.sources.ragged import Ints, Ragged, running

Bytes = npt.NDArray[np.uint8]
Value = int | bytes


class Damaged(ValueError):
    """The bytes are no PBF of the kind that is expected."""


def message(data: bytes) -> Iterator[tuple[int, Value]]:
    """Field numbers and values (numbers, or bytes) of one protobuf message.

    Raises:
        Damaged: the message ends too early or has a wire type that PBF does not use.
    """
    at, size = 0, len(data)

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while at < size and shift < 70:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise Damaged("a number does not end")

    while at < size:
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 2:
            length = varint()
            at += length
            if at > size:
                raise Damaged("a field is longer than its message")
            yield tag >> 3, data[at - length : at]
        else:
            raise Damaged(f"wire type {tag & 7}")


def part(found: dict[int, Value], number: int) -> bytes:
    """The bytes of field `number`, empty when it is absent.

    Raises:
        Damaged: it is a number.
    """
    value = found.get(number, b"")
    if isinstance(value, int):
        raise Damaged(f"field {number} is a number")
    return value


def number(found: dict[int, Value], field: int, default: int) -> int:
    """The number in `field`.

    Raises:
        Damaged: it is a string of bytes.
    """
    value = found.get(field, default)
    if isinstance(value, bytes):
        raise Damaged(f"field {field} is no number")
    return value - (1 << 64) if value >= 1 << 63 else value


def varints(data: Bytes) -> npt.NDArray[np.uint64]:
    """The numbers in a run of varints.

    Raises:
        Damaged: the last one does not end, or one is longer than ten bytes.
    """
    if not len(data):
        return np.empty(0, np.uint64)
    last = np.flatnonzero(data < 128)
    if not len(last) or last[-1] != len(data) - 1:
        raise Damaged("a number does not end")
    if len(last) == len(data):
        return data.astype(np.uint64)
    first = np.empty_like(last)
    first[0], first[1:] = 0, last[:-1] + 1
    length = last - first
    longest = int(length.max())
    if longest > 9:
        raise Damaged("a number is too long")
    value = (data[first] & 127).astype(np.uint64)
    for step in range(1, longest + 1):
        rows = np.flatnonzero(length >= step)
        more = (data[first[rows] + step] & 127).astype(np.uint64)
        value[rows] |= more << np.uint64(7 * step)
    return value


def signed(values: npt.NDArray[np.uint64]) -> Ints:
    """Zigzag-coded numbers (protobuf's sint64)."""
    half = (values >> np.uint64(1)).astype(np.int64)
    return half ^ -(values & np.uint64(1)).astype(np.int64)


def plain(data: bytes) -> Ints:
    """A packed field of int64."""
    return varints(np.frombuffer(data, np.uint8)).astype(np.int64)


def summed(data: bytes) -> Ints:
    """A packed field of differences (sint64), added up."""
    return np.cumsum(signed(varints(np.frombuffer(data, np.uint8))))


class Step:
    """The same fields of many messages that lie in one buffer, read in step.

    Attributes:
        numbers: field -> its number in each message (0 where absent).
        spans: field -> first and end byte in each message (equal where absent).
    """

    def __init__(self, data: Bytes, start: Ints, end: Ints) -> None:
        """Read all messages; `start` and `end` are their byte spans.

        Raises:
            Damaged: a message is broken.
        """
        self.data, self.size = data, len(start)
        self.numbers: dict[int, npt.NDArray[np.uint64]] = {}
        self.spans: dict[int, tuple[Ints, Ints]] = {}
        at, rows = start.copy(), np.flatnonzero(start < end)
        while len(rows):
            tag = self._varint(at, rows, end)
            value = self._varint(at, rows, end)
            for name in np.unique(tag).tolist():
                same = tag == name
                self._keep(name, rows[same], value[same], at)
            if (at[rows] > end[rows]).any():
                raise Damaged("a field is longer than its message")
            rows = rows[at[rows] < end[rows]]

    def _keep(self, tag: int, rows: Ints, value: npt.NDArray[np.uint64], at: Ints) -> None:
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            self.numbers.setdefault(field, np.zeros(self.size, np.uint64))[rows] = value
        elif kind == 2 and (value <= len(self.data)).all():
            empty = np.zeros(self.size, np.int64)
            first, end = self.spans.setdefault(field, (empty, empty.copy()))
            if (end[rows] > 0).any():
                raise Damaged(f"field {field} is there twice")
            first[rows] = at[rows]
            at[rows] += value.astype(np.int64)
            end[rows] = at[rows]
        else:
            raise Damaged(f"field {field} has wire type {kind}, or is too long")

    def _varint(self, at: Ints, rows: Ints, end: Ints) -> npt.NDArray[np.uint64]:
        value = np.zeros(len(rows), np.uint64)
        left = np.arange(len(rows))
        for step in range(10):
            place = at[rows[left]]
            if (place >= end[rows[left]]).any():
                break
            byte = self.data[place]
            value[left] |= (byte & 127).astype(np.uint64) << np.uint64(7 * step)
            at[rows[left]] += 1
            left = left[byte >= 128]
            if not len(left):
                return value
        raise Damaged("a number does not end")

    def number(self, field: int) -> Ints:
        """The numbers of `field` (int64), 0 where absent."""
        found = self.numbers.get(field)
        return np.zeros(self.size, np.int64) if found is None else found.astype(np.int64)

    def packed(self, field: int, rows: Ints | None = None) -> Ragged:
        """The packed numbers (int64) of `field` of each message, or of the messages `rows`.

        Args:
            rows: ascending.

        Raises:
            Damaged: a number does not end, or they are not packed.
        """
        if field in self.numbers:
            raise Damaged(f"field {field} is not packed")
        zero = np.zeros(self.size, np.int64)
        first, end = self.spans.get(field, (zero, zero))
        if rows is not None:
            first, end = first[rows], end[rows]
        length = end - first
        stop = np.cumsum(length)
        some = length > 0
        runs = np.empty(2 * int(some.sum()), np.int64)  # gap, span, gap, span: spans ascend
        runs[0::2] = first[some]
        runs[2::2] -= end[some][:-1]
        runs[1::2] = length[some]
        inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        data = self.data[: len(inside)][inside]
        if len(data) and (data[stop[some] - 1] >= 128).any():
            raise Damaged("a number does not end")
        done = np.concatenate([[0], np.cumsum(data < 128)])
        return Ragged(varints(data).astype(np.int64), done[stop])

    def sums(self, field: int, rows: Ints | None = None) -> Ragged:
        """The packed differences (sint64) of `field`, added up within each message, as `packed`."""
        found = self.packed(field, rows)
        return Ragged(running(signed(found.values.astype(np.uint64)), found.ends), found.ends)

    def inner(self, field: int) -> "Step":
        """The messages in `field`."""
        zero = np.zeros(self.size, np.int64)
        return Step(self.data, *self.spans.get(field, (zero, zero)))


def span(size: int) -> tuple[Ints, Ints]:
    """The span of one message that fills a buffer."""
    return np.zeros(1, np.int64), np.full(1, size, np.int64)
