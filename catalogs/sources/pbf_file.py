"""PBF files: framing, header and unpacking; see `pbf_blocks` for what blocks hold."""

import lzma
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import deflate
import numpy as np
import pyarrow as pa

from catalogs.sources.pbf_blocks import Block, decode, guarded
from catalogs.sources.protobuf import Damaged, Step, Value, message, number, part, signed, span
from schemas.errors import SourceError
from schemas.text import clean
from schemas.windows import Bounds

HEADER_LIMIT = 64 * 1024
"""Largest BlobHeader in bytes (PBF format, "File format")."""

BLOB_LIMIT = 32 * 1024 * 1024
"""Largest blob in bytes, before and after decompression (PBF format, "File format")."""

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
            raise SourceError(
                f"{path} is cut: the last blob should end at byte {at}, not {size}: fetch it anew"
            )
        yield start, name, data


class Pbf:
    """A PBF file whose framing is whole."""

    def __init__(self, path: Path) -> None:
        """Find the blobs and read the header.

        Raises:
            SourceError: cut or damaged, a history, or with features that cannot be read.
        """
        self.path, self.stream = path, path.open("rb")
        found = list(blobs(self.stream, path))
        self.places = [(start, size) for start, name, size in found if name == "OSMData"]
        try:
            self.header = self._header(self._content(found[0][0], found[0][2]))
        except (ValueError, IndexError, OverflowError) as error:
            raise self._damaged(0, error) from error

    def __len__(self) -> int:
        """How many blocks of data there are."""
        return len(self.places)

    def kinds(self, index: int) -> set[int]:
        """Which of nodes (0), ways (1) and relations (2) block `index` holds."""
        start, size = self.places[index]
        try:
            groups = [v for field, v in message(self._content(start, size)) if field == 2]
        except Damaged as error:
            raise self._damaged(start, error) from error
        fields = {group[0] >> 3 for group in groups if isinstance(group, bytes) and group}
        return {kind for field, kind in ((1, 0), (2, 0), (3, 1), (4, 2)) if field in fields}

    def block(self, index: int) -> Block:
        """The objects of block `index`.

        Raises:
            SourceError: it is damaged; the message holds its offset.
        """
        start, size = self.places[index]
        fault = partial(self._damaged, start)
        with guarded(fault):
            return decode(self._content(start, size), fault)

    def blocks(self, indexes: Iterable[int]) -> Iterator[Block]:
        """The blocks `indexes`; the next one is unpacked in a thread while one is in use.

        Raises:
            SourceError: one is damaged.
        """
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead: deque[Future[Block]] = deque()
            for index in indexes:
                ahead.append(pool.submit(self.block, index))
                if len(ahead) > 1:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _content(self, start: int, size: int) -> bytes:
        try:
            return unpack(os.pread(self.stream.fileno(), size, start))
        except Damaged as error:
            raise self._damaged(start, error) from error

    def _damaged(self, start: int, error: Exception) -> SourceError:
        return SourceError(f"{self.path} is damaged at byte {start} ({error}): fetch it anew")

    def _header(self, data: bytes) -> Header:
        fields: list[tuple[int, Value]] = list(message(data))
        needed = {value for field, value in fields if field == 4 and isinstance(value, bytes)}
        if HISTORY in needed:
            raise SourceError(f"{self.path} holds object histories: give a snapshot extract")
        unknown = sorted(clean(str(name, "utf-8", "replace")) for name in needed - KNOWN)
        if unknown:
            raise SourceError(
                f"{self.path} needs {', '.join(unknown)}: rewrite it with `osmium cat -f pbf`"
            )
        found, bbox = dict(fields), None
        if part(found, 1):
            box = Step(np.frombuffer(part(found, 1), np.uint8), *span(len(part(found, 1))))
            left, right, top, bottom = (
                round(float(signed(box.numbers.get(field, np.zeros(1, np.uint64)))[0]) / 1e9, 7)
                for field in (1, 2, 3, 4)
            )
            bbox = (left, bottom, right, top)
        when, seconds = "", number(found, 32, 0)
        if seconds:
            when = str(np.datetime64(seconds, "s")) + "Z"
        ordered = any(field == 5 and value == b"Sort.Type_then_ID" for field, value in fields)
        return Header(bbox, when, ordered)


def unpack(blob: bytes) -> bytes:
    """The content of a Blob message.

    Raises:
        Damaged: wrong size, damaged, or packed in an unknown way.
    """
    found = dict(message(blob))
    if 1 in found:
        return part(found, 1)
    size = number(found, 2, 0)
    if not 0 < size <= BLOB_LIMIT:
        raise Damaged(f"a blob declares {size} bytes")
    data: bytes | bytearray
    try:
        if 3 in found:
            data = deflate.zlib_decompress(part(found, 3), size)
        elif 4 in found:
            data = lzma.LZMADecompressor().decompress(part(found, 4), size + 1)
        elif 6 in found or 7 in found:
            codec, field = ("lz4_raw", 6) if 6 in found else ("zstd", 7)
            data = pa.decompress(part(found, field), size, codec, asbytes=True)
        else:
            raise Damaged(f"a blob is packed in an unknown way: fields {sorted(found)}")
    except (deflate.DeflateError, lzma.LZMAError, OSError, pa.ArrowException) as error:
        raise Damaged(str(error)) from error
    if len(data) != size:
        raise Damaged(f"a blob holds {len(data)} bytes, not {size}")
    return bytes(data)
