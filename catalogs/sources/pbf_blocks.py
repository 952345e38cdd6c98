"""Blocks of a PBF file: framing, header, and the objects of a block as arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from catalogs.sources.pbf import (
    BLOB_LIMIT,
    Block,
    Damaged,
    Ints,
    Ragged,
    Step,
    Things,
    Value,
    message,
    nothing,
    number,
    part,
    plain,
    running,
    signed,
    summed,
    unpack,
)
from schemas.errors import SourceError
from schemas.windows import Bounds

HEADER_LIMIT = 64 * 1024
"""Largest BlobHeader in bytes (PBF format, "File format")."""

KNOWN = {b"OsmSchema-V0.6", b"DenseNodes"}
HISTORY = b"HistoricalInformation"


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself: `bbox` None and `timestamp` "" where it does not."""

    bbox: Bounds | None
    timestamp: str
    ordered: bool  # by type, then by id


def blobs(stream: IO[bytes], path: Path) -> Iterator[tuple[int, str, int]]:
    """Offset of the content, type and size of each blob; the file must end with the last one.

    Raises:
        SourceError: the framing is broken; the message holds the offset.
    """
    size, at = path.stat().st_size, 0
    while at < size:
        stream.seek(at)
        length = int.from_bytes(stream.read(4), "big")
        head = stream.read(length) if 0 < length <= HEADER_LIMIT else b""
        if not head or len(head) != length:
            raise SourceError(f"{path} is cut or damaged at byte {at}: fetch it anew")
        try:
            found = dict(message(head))
            name, data = part(found, 1).decode(), number(found, 3, 0)
        except ValueError as error:
            raise SourceError(f"{path} is damaged at byte {at} ({error}): fetch it anew") from error
        if (at == 0) != (name == "OSMHeader"):
            raise SourceError(f"{path} has a blob {name!r} at byte {at}: fetch it anew")
        start, at = at + 4 + length, at + 4 + length + data
        if not 0 < data <= BLOB_LIMIT or at > size:
            raise SourceError(f"{path} is cut: the last blob should end at byte {at}, not {size}")
        yield start, name, data


class Pbf:
    """A PBF file whose framing is whole."""

    def __init__(self, path: Path) -> None:
        """Find the blobs and read the header.

        Raises:
            SourceError: cut or damaged, a history, or with features that cannot be read.
        """
        self.path = path
        with path.open("rb") as stream:
            found = list(blobs(stream, path))
        self.places = [(start, size) for start, name, size in found if name == "OSMData"]
        self.header = self._header(self._content(found[0][0], found[0][2]))

    def __len__(self) -> int:
        """How many blocks of data there are."""
        return len(self.places)

    def block(self, index: int) -> Block:
        """The objects of block `index`.

        Raises:
            SourceError: it is damaged; the message holds its offset.
        """
        start, size = self.places[index]
        try:
            return decode(self._content(start, size))
        except (Damaged, IndexError, OverflowError) as error:
            raise self._damaged(start, error) from error

    def _content(self, start: int, size: int) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(start)
            try:
                return unpack(stream.read(size))
            except Damaged as error:
                raise self._damaged(start, error) from error

    def _damaged(self, start: int, error: Exception) -> SourceError:
        return SourceError(f"{self.path} is damaged at byte {start} ({error}): fetch it anew")

    def _header(self, data: bytes) -> Header:
        fields: list[tuple[int, Value]] = list(message(data))
        needed = {value for field, value in fields if field == 4}
        if HISTORY in needed:
            raise SourceError(f"{self.path} holds object histories: give a snapshot extract")
        unknown = sorted(str(name) for name in needed - KNOWN)
        if unknown:
            raise SourceError(
                f"{self.path} needs {', '.join(unknown)}: rewrite it with `osmium cat -f pbf`"
            )
        found, bbox = dict(fields), None
        if part(found, 1):
            box = Step(np.frombuffer(part(found, 1), np.uint8), *span(len(part(found, 1))))
            left, right, top, bottom = (
                float(signed(box.numbers.get(field, np.zeros(1, np.uint64)))[0]) / 1e9
                for field in (1, 2, 3, 4)
            )
            bbox = (left, bottom, right, top)
        when, seconds = "", number(found, 32, 0)
        if seconds:
            when = str(np.datetime64(seconds, "s")) + "Z"
        ordered = any(field == 5 and value == b"Sort.Type_then_ID" for field, value in fields)
        return Header(bbox, when, ordered)


def span(size: int) -> tuple[Ints, Ints]:
    """The span of one message that fills a buffer."""
    return np.zeros(1, np.int64), np.full(1, size, np.int64)


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
            strings = [text for _, text in message(value) if isinstance(text, bytes)]
        elif field == 2 and isinstance(value, bytes):
            groups.append(value)
        else:
            scale[field] = value
    found = [things for group in groups for things in _group(group, scale)]
    for _, things in found:
        for numbers in (things.keys.values, things.texts.values):
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(strings):
                raise Damaged("a tag has no text")
        if len(things.keys.values) != len(things.texts.values):
            raise Damaged("a tag has a key or a value only")
    return Block(strings, found)


def _group(data: bytes, scale: dict[int, Value]) -> Iterator[tuple[int, Things]]:
    buffer = np.frombuffer(data, np.uint8)
    starts: dict[int, list[int]] = {1: [], 3: [], 4: []}
    ends: dict[int, list[int]] = {1: [], 3: [], 4: []}
    at, size = 0, len(data)
    while at < size:  # the only loop over objects: where does each begin?
        tag, length, shift = data[at], 0, 0
        at += 1
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
        if tag & 7 != 2 or at + length > size:
            raise Damaged("a group holds something else than messages")
        if tag == 0x12:
            yield 0, _dense(data[at : at + length], scale)
        elif tag >> 3 in starts:
            starts[tag >> 3].append(at)
            ends[tag >> 3].append(at + length)
        at += length
    for field, kind in ((1, 0), (3, 1), (4, 2)):
        if starts[field]:
            first, end = np.array(starts[field], np.int64), np.array(ends[field], np.int64)
            yield kind, _things(Step(buffer, first, end), kind, scale)


def _things(step: Step, kind: int, scale: dict[int, Value]) -> Things:
    info = step.inner(4)
    keys, texts = (
        Ragged(values.astype(np.int64), ends)
        for values, ends in (step.packed(2), step.packed(3))
    )  # fmt: skip
    ident, lon, lat = step.number(1), np.empty(0, np.int64), np.empty(0, np.int64)
    refs, kinds = nothing(step.size), np.empty(0, np.int64)
    if kind == 0:
        none = np.zeros(step.size, np.uint64)
        ident = signed(step.numbers.get(1, none))
        lat = _position(signed(step.numbers.get(8, none)), scale, 19)
        lon = _position(signed(step.numbers.get(9, none)), scale, 20)
    else:
        values, ends = step.packed(8 if kind == 1 else 9)
        refs = Ragged(running(signed(values), ends), ends)
        if kind == 2:
            kinds = step.packed(10)[0].astype(np.int64)
            if len(kinds) != len(refs.values):
                raise Damaged("members without a type")
    time = info.number(2) * number(scale, 18, 1000) // 1000
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
        time = summed(part(info, 2)) * number(scale, 18, 1000) // 1000
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
    return (number(scale, offset, 0) + number(scale, 17, 100) * values) // 100
