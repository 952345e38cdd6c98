"""Reading the members of a tar file strictly: USTAR, plain files, no times, no owners, no gaps."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512


@dataclass(slots=True)
class Member:
    """One file in a tar: where its bytes lie, and what is odd about its header.

    Attributes:
        offset: of the first data byte from the start of the tar.
        size: bytes.
        faults: what breaks the promise of plain deterministic archives.
    """

    name: str
    offset: int
    size: int
    faults: tuple[str, ...]


class TarError(ValueError):
    """The archive is not one that we would write; the message says where."""


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """The file's bytes, mapped for reading.

    Raises:
        TarError: when the file is empty.
    """
    with path.open("rb") as stream:
        if not stream.seek(0, 2):
            raise TarError("empty file")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def members(data: mmap.mmap) -> Iterator[Member]:
    """The members in order.

    Raises:
        TarError: for a cut file, a broken header, or a missing end mark.
    """
    place, end = 0, len(data)
    while True:
        header = data[place : place + BLOCK]
        if len(header) < BLOCK:
            raise TarError(f"cut at byte {end}: no end mark")
        if not header.strip(b"\0"):
            break
        size = _number(header[124:136], place)
        stated = _number(header[148:156], place)
        if stated != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            raise TarError(f"broken header at byte {place}")
        first = place + BLOCK
        after = first + -(-size // BLOCK) * BLOCK
        if after > end:
            raise TarError(f"cut at byte {end}: a member needs {after - end} more")
        faults = _faults(header, place)
        if data[first + size : after].strip(b"\0"):
            faults = (*faults, "bytes hidden in the padding")
        yield Member(header[:100].rstrip(b"\0").decode("ascii", "replace"), first, size, faults)
        place = after
    if end - place < 2 * BLOCK or data[place:end].strip(b"\0"):
        raise TarError(f"the end mark at byte {place} is cut or something follows it")


def _number(field: bytes, place: int) -> int:
    try:
        return int(field.rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        raise TarError(f"broken header at byte {place}") from None


def _faults(header: bytes, place: int) -> tuple[str, ...]:
    odd = []
    if header[257:265] != b"ustar\x0000":
        odd.append("not USTAR")
    if header[156:157] not in (b"0", b"\0"):
        odd.append("not a plain file")
    for name, low, high in (("owner", 108, 116), ("group", 116, 124), ("mtime", 136, 148)):
        if _number(header[low:high], place):
            odd.append(f"{name} is not 0")
    if header[265:329].strip(b"\0"):
        odd.append("an owner's name")
    if header[345:500].strip(b"\0"):
        odd.append("a path prefix")
    return tuple(odd)
