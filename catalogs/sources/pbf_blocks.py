"""Blocks of a PBF file as arrays, without Python work for each object.

The format is described at https://wiki.openstreetmap.org/wiki/PBF_Format. Names and ids of users
and changesets are stepped over.
"""

from collections.abc import Iterator
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
from catalogs.sources.ragged import Ints, Ragged, nothing


@dataclass(frozen=True, slots=True)
class Things:
    """Nodes, ways or relations of one block, in file order.

    Attributes:
        id, version, time: one for each; time in seconds since 1970, 0 where there is none.
        keys, texts: numbers of each tag's key and value in the block's strings.
        lon, lat: of nodes, in units of 1e-7 degrees; of ways one for each of `refs` where the file
            has locations on ways; empty otherwise.
        refs: node ids of ways, member ids of relations.
        kinds: 0 node, 1 way or 2 relation for each member of relations.
    """

    id: Ints
    version: Ints
    time: Ints
    keys: Ragged
    texts: Ragged
    lon: Ints
    lat: Ints
    refs: Ragged
    kinds: Ints


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its strings as bytes, and its objects, by kind (0 node, 1 way, 2 relation)."""

    strings: list[bytes]
    groups: list[tuple[int, Things]]


def decode(data: bytes) -> Block:
    """The objects of an unpacked block.

    Raises:
        Damaged: it is broken.
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
    found = [things for group in groups for things in _group(group, scale)]
    for _, things in found:
        for numbers in (things.keys.values, things.texts.values):
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(strings):
                raise Damaged("a tag has no text")
        if (things.keys.ends != things.texts.ends).any():
            raise Damaged("a tag has a key or a value only")
    return Block(strings, found)


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


def _group(data: bytes, scale: dict[int, Value]) -> Iterator[tuple[int, Things]]:
    buffer = np.frombuffer(data, np.uint8)
    tags: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    at, size = 0, len(data)
    while at < size:  # the only loop over objects: where does each begin?
        tags.append(data[at])
        length = data[at + 1]
        at += 2
        if length > 127:
            length &= 127
            for shift in range(7, 70, 7):
                byte = data[at]
                at += 1
                length |= (byte & 127) << shift
                if byte < 128:
                    break
        starts.append(at)
        at += length
        ends.append(at)
    if at != size or any(tag & 7 != 2 for tag in set(tags)):
        raise Damaged("a group holds something else than messages")
    field = np.array(tags, np.int64) >> 3
    first, end = np.array(starts, np.int64), np.array(ends, np.int64)
    for one in np.flatnonzero(field == 2).tolist():
        yield 0, _dense(data[starts[one] : ends[one]], scale)
    for tagged, kind in ((1, 0), (3, 1), (4, 2)):
        own = np.flatnonzero(field == tagged)
        if len(own):
            yield kind, _things(Step(buffer, first[own], end[own]), kind, scale)


def _things(step: Step, kind: int, scale: dict[int, Value]) -> Things:
    info = step.inner(4)
    keys, texts = step.packed(2), step.packed(3)
    none, empty = np.zeros(step.size, np.uint64), np.empty(0, np.int64)
    ident, lon, lat = step.number(1), empty, empty
    refs, kinds = nothing(step.size), empty
    if kind == 0:
        ident = signed(step.numbers.get(1, none))
        lat = _position(signed(step.numbers.get(8, none)), scale, 19)
        lon = _position(signed(step.numbers.get(9, none)), scale, 20)
    elif kind == 1:
        refs = step.sums(8)
        north, east = step.sums(9), step.sums(10)  # in a file with locations on ways
        if (
            len(north.values)
            and not (north.ends == refs.ends).all() & (east.ends == refs.ends).all()
        ):
            raise Damaged("a way lacks some positions")
        lat, lon = _position(north.values, scale, 19), _position(east.values, scale, 20)
    else:
        refs, types = step.sums(9), step.packed(10)
        kinds = types.values
        if (types.ends != refs.ends).any():
            raise Damaged("members without a type")
    time = _seconds(info.number(2), scale)
    return Things(ident, info.number(1), time, keys, texts, lon, lat, refs, kinds)


def _dense(data: bytes, scale: dict[int, Value]) -> Things:
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
    rows = nothing(len(ident))
    return Things(ident, version, time, keys, texts, lon, lat, rows, np.empty(0, np.int64))


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
