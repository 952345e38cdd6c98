"""Blocks of a PBF file as arrays, without Python work for each object.

The format is described at https://wiki.openstreetmap.org/wiki/PBF_Format. Names and ids of users
and changesets are stepped over.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from catalogs.sources.protobuf import (
    Damaged,
    Step,
    Value,
    message,
    number,
    part,
    plain,
    signed,
    summed,
)
from catalogs.sources.ragged import Ints, Ragged, joined, nothing

Fault = Callable[[Exception], Exception]
"""What is raised for something broken in a block."""

BROKEN = (ValueError, IndexError, OverflowError, MemoryError)
"""What comes of reading something broken."""


@dataclass(frozen=True, slots=True)
class Things:
    """Nodes, ways or relations of one block, in file order.

    Attributes:
        id, version, time: one for each; time in seconds since 1970, 0 where there is none.
        keys, texts: numbers of each tag's key and value in the block's strings.
        lon, lat: of nodes, in units of 1e-7 degrees; else empty.
        step: where ways and relations are read on: what most of them refer to is not asked for.
    """

    id: Ints
    version: Ints
    time: Ints
    keys: Ragged
    texts: Ragged
    lon: Ints
    lat: Ints
    step: Step | None
    scale: dict[int, Value]
    fault: Fault

    def nodes_of(self, rows: Ints) -> tuple[Ragged, Ints | None]:
        """Node ids of the ways `rows` (ascending), and their positions (n, 2) where the file has
        locations on ways.

        Raises:
            SourceError: the file is damaged.
        """
        assert self.step is not None
        with guarded(self.fault):
            refs = self.step.sums(8, rows)
            if not {9, 10} & self.step.spans.keys():
                return refs, None
            north, east = self.step.sums(9, rows), self.step.sums(10, rows)
            if not ((north.ends == refs.ends).all() and (east.ends == refs.ends).all()):
                raise Damaged("a way lacks some positions")
            lon = _position(east.values, self.scale, 20)
            return refs, np.stack([lon, _position(north.values, self.scale, 19)], axis=1)

    def members_of(self, rows: Ints) -> tuple[Ragged, Ints]:
        """Member ids of the relations `rows` (ascending), and 0 node, 1 way or 2 relation for each.

        Raises:
            SourceError: the file is damaged.
        """
        assert self.step is not None
        with guarded(self.fault):
            refs, types = self.step.sums(9, rows), self.step.packed(10, rows)
            if (types.ends != refs.ends).any():
                raise Damaged("members without a type")
            return refs, types.values


@contextmanager
def guarded(fault: Fault) -> Iterator[None]:
    """Raise `fault` for what is broken."""
    try:
        yield
    except BROKEN as error:
        raise fault(error) from error


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its strings as bytes, and its objects, by kind (0 node, 1 way, 2 relation)."""

    strings: list[bytes]
    groups: list[tuple[int, Things]]


def decode(data: bytes, fault: Fault) -> Block:
    """The objects of an unpacked block.

    Args:
        fault: what is raised when something broken is met later, in what the objects refer to.

    Raises:
        Damaged: it is broken (or one of `BROKEN`).
    """
    strings: list[bytes] = []
    groups: list[bytes] = []
    scale: dict[int, Value] = {}
    for field, value in message(data):
        if field == 1 and isinstance(value, bytes):
            strings = table(value)
        elif field == 2 and isinstance(value, bytes):
            groups.append(value)
        else:
            scale[field] = value
    found = [things for group in groups for things in _group(group, scale, fault)]
    for _, things in found:
        for numbers in (things.keys.values, things.texts.values):
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(strings):
                raise Damaged("a tag has no text")
        if (things.keys.ends != things.texts.ends).any():
            raise Damaged("a tag has a key or a value only")
    return Block(strings, found)


def together(parts: Sequence[tuple[list[bytes], Things]]) -> tuple[list[bytes], Things]:
    """The nodes of several blocks, each with its block's strings, as those of one block."""
    if len(parts) == 1:
        return parts[0]
    strings = [text for texts, _ in parts for text in texts]
    shift = np.cumsum([0, *(len(texts) for texts, _ in parts[:-1])]).tolist()
    things = [nodes for _, nodes in parts]
    ident, version, time, lon, lat = (
        np.concatenate([getattr(nodes, name) for nodes in things])
        for name in ("id", "version", "time", "lon", "lat")
    )
    keys, texts = (
        joined([getattr(nodes, name) for nodes in things], shift) for name in ("keys", "texts")
    )
    one = things[0]
    both = Things(ident, version, time, keys, texts, lon, lat, None, one.scale, one.fault)
    return strings, both


def table(data: bytes) -> list[bytes]:
    """The strings of a block. As `message`, for one field only, in a third of the time."""
    found, at, size = [], 0, len(data)
    while at < size:
        if data[at] != 0x0A:
            raise Damaged("the table of strings holds something else")
        length = data[at + 1]
        at += 2
        if length > 127:
            length &= 127
            for shift in (7, 14, 21, 28):
                byte = data[at]
                at += 1
                length |= (byte & 127) << shift
                if byte < 128:
                    break
        found.append(data[at : at + length])
        at += length
    if at > size:
        raise Damaged("the table of strings does not end")
    return found


def _group(data: bytes, scale: dict[int, Value], fault: Fault) -> Iterator[tuple[int, Things]]:
    heads: list[int] = []
    at, size = 0, len(data)
    while at < size:  # the only loop over objects: where does each begin?
        heads.append(at)
        length = data[at + 1]
        if length < 128:
            at += 2 + length
        elif data[at + 2] < 128:
            at += 3 + (length & 127 | data[at + 2] << 7)
        else:
            at += 2
            length &= 127
            for shift in range(7, 70, 7):
                byte = data[at]
                at += 1
                length |= (byte & 127) << shift
                if byte < 128:
                    break
            at += length
    buffer = np.frombuffer(data, np.uint8)
    head = np.array(heads, np.int64)
    tag, start, end = buffer[head], head + 2, np.append(head[1:], size)
    while (long := buffer[start - 1] > 127).any():
        start += long
    if at != size or (tag & 7 != 2).any():
        raise Damaged("a group holds something else than messages")
    for one in np.flatnonzero(tag >> 3 == 2).tolist():
        yield 0, _dense(data[start[one] : end[one]], scale, fault)
    for field, kind in ((1, 0), (3, 1), (4, 2)):
        own = np.flatnonzero(tag >> 3 == field)
        if len(own):
            yield kind, _things(Step(buffer, start[own], end[own]), kind, scale, fault)


def _things(step: Step, kind: int, scale: dict[int, Value], fault: Fault) -> Things:
    info = step.inner(4)
    ident = lon = lat = np.empty(0, np.int64)
    if kind == 0:
        none = np.zeros(step.size, np.uint64)
        ident, north, east = (signed(step.numbers.get(field, none)) for field in (1, 8, 9))
        lat, lon = _position(north, scale, 19), _position(east, scale, 20)
    else:
        ident = step.number(1)
    version, time = info.number(1), _seconds(info.number(2), scale)
    keys, texts = step.packed(2), step.packed(3)
    return Things(ident, version, time, keys, texts, lon, lat, step, scale, fault)


def _dense(data: bytes, scale: dict[int, Value], fault: Fault) -> Things:
    found = dict(message(data))
    ident = summed(part(found, 1))
    lat = _position(summed(part(found, 8)), scale, 19)
    lon = _position(summed(part(found, 9)), scale, 20)
    version = time = np.zeros(len(ident), np.int64)
    info = dict(message(part(found, 5)))
    if 1 in info:
        version = plain(part(info, 1))
    if 2 in info:
        time = _seconds(summed(part(info, 2)), scale)
    if len({len(ident), len(lat), len(lon), len(version), len(time)}) > 1:
        raise Damaged("nodes lack positions or versions")
    keys, texts = _dense_tags(plain(part(found, 10)), len(ident))
    return Things(ident, version, time, keys, texts, lon, lat, None, scale, fault)


def _dense_tags(values: Ints, rows: int) -> tuple[Ragged, Ragged]:
    """Tags of dense nodes: key, value, key, value, 0 for the first node, and so on."""
    if not len(values):
        return nothing(rows), nothing(rows)
    stops = np.flatnonzero(values == 0)
    if len(stops) != rows or stops[-1] != len(values) - 1:
        raise Damaged("the tags of nodes do not fit the nodes")
    ends = stops - np.arange(rows)
    if (ends % 2).any():
        raise Damaged("a tag has a key or a value only")
    texts = values[values != 0]
    return Ragged(texts[0::2], ends // 2), Ragged(texts[1::2], ends // 2)


def _position(values: Ints, scale: dict[int, Value], offset: int) -> Ints:
    """Coordinates in units of 1e-7 degrees."""
    origin, unit = number(scale, offset, 0), number(scale, 17, 100)
    return values if (origin, unit) == (0, 100) else (origin + unit * values) // 100


def _seconds(values: Ints, scale: dict[int, Value]) -> Ints:
    """Times in seconds since 1970."""
    unit = number(scale, 18, 1000)
    return values if unit == 1000 else values * unit // 1000
