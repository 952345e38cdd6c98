"""Names of crops as they were meant: which encoding a DBF is in, and texts that were decoded wrongly."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import SourceError

CHUNK = 1 << 24
"""Bytes of a DBF that are looked at at a time."""

LOST = "\N{REPLACEMENT CHARACTER}"


class EncodingError(SourceError):
    """Letters of a text are lost, or bytes fit no known encoding."""


def mended(text: str) -> str:
    """A text whose UTF-8 bytes were read as Latin-1 or Windows-1252, once or more, as it was meant.

    Any other text stays as it is: bytes above 127 are valid UTF-8 by chance in next to no word.

    Raises:
        EncodingError: it holds the character that decoders put for bytes they could not read.
    """
    if text.isascii():
        return text
    if LOST in text:
        raise EncodingError(
            f"the text {text!r} has lost letters (bytes of another encoding were read as UTF-8): "
            "take the original file, with its .cpg"
        )
    while not text.isascii():
        try:
            better = _bytes(text).decode("utf-8")
        except UnicodeError:
            break
        text = better
    return text


def _bytes(text: str) -> bytes:
    """The bytes that Windows-1252 shows so; those it leaves undefined as Latin-1 has them."""
    found = bytearray()
    for letter in text:
        try:
            found += letter.encode("cp1252")
        except UnicodeEncodeError:
            found += letter.encode("latin-1")
    return bytes(found)


def of_dbf(path: Path) -> str:
    """The encoding of a DBF's texts as Python names it.

    The `.cpg` beside it counts where the content can be read so; else what the file's bytes are:
    UTF-8 if they are valid UTF-8, Windows-1252 if all of them have a meaning there.

    Raises:
        EncodingError: neither.
    """
    names = ["utf-8", "cp1252"]
    for cpg in (path.with_suffix(".CPG"), path.with_suffix(".cpg")):
        if cpg.is_file() and (name := _codec(cpg.read_text(encoding="ascii", errors="replace"))):
            names.insert(0, name)
    names = [name for name in names if _fits(b" ", name)]
    for content in _texts(path):
        names = [name for name in names if _fits(content, name)]
    if names:
        return names[0]
    raise EncodingError(
        f"{path}: its texts are neither UTF-8 nor Windows-1252: put a .cpg with the name of their "
        "encoding beside it"
    )


def _codec(declared: str) -> str:
    """Python's name of what a .cpg says: `UTF-8`, `1252`, `ISO 88591`, `ANSI 1252`; "" if unknown."""
    word = declared.strip().lower().replace("_", "-")
    latin = re.fullmatch(r"(?:iso)?[- ]?8859[- ]?(\d{1,2})", word)
    page = re.fullmatch(r"(?:ansi|cp|windows|ms)?[- ]?(\d{3,4})", word)
    if latin:
        return f"iso8859-{latin[1]}"
    if page:
        return f"cp{page[1]}"
    return "utf-8" if word in ("utf-8", "utf8") else ""


def _fits(content: bytes, codec: str) -> bool:
    try:
        content.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _texts(path: Path) -> Iterator[bytes]:
    """The values of a DBF's text columns that are not ASCII, a chunk of rows at a time, one a line.

    Blanks are cut: padding may cut a letter in two.
    Source of the layout: dBASE table file, level 5 (header of 32 bytes, 32 bytes a field).
    """
    with path.open("rb") as stream:
        head = stream.read(32)
        if len(head) < 32:
            raise SourceError(f"{path} is no DBF table: it ends within its header")
        start, width = struct.unpack("<HH", head[8:12])
        fields = stream.read(max(start - 32, 0))
        spans, at = [], 1
        for i in range(0, len(fields) - 31, 32):
            if fields[i] == 0x0D:
                break
            size = fields[i + 16]
            if fields[i + 11 : i + 12] == b"C":
                spans.append((at, at + size))
            at += size
        while data := stream.read(CHUNK // max(width, 1) * width or CHUNK):
            if not data.isascii():
                yield b"\n".join(sorted(_values(data, max(width, 1), spans)))


def _values(data: bytes, width: int, spans: list[tuple[int, int]]) -> set[bytes]:
    """The values of some rows that are not ASCII; a full one without its end, where a letter may be cut."""
    found = set()
    for row in range(0, len(data) - width + 1, width):
        if data[row : row + width].isascii():
            continue
        for low, high in spans:
            value = data[row + low : row + high].rstrip(b" \0")
            found.add(value[:-3] if len(value) == high - low else value)
    return {value for value in found if not value.isascii()}
