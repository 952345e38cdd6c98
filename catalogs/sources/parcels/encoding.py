"""Names of crops as they were meant: which encoding a DBF is in, and texts that were decoded wrongly."""

import re
import struct
from pathlib import Path

from schemas.errors import SourceError

SAMPLE = 1 << 24
"""Bytes of a DBF that its encoding is found from, at most."""

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
    content = _texts(path)
    for cpg in (path.with_suffix(".cpg"), path.with_suffix(".CPG")):
        if cpg.is_file():
            name = _codec(cpg.read_text(encoding="ascii", errors="replace"))
            if name and _fits(content, name):
                return name
    for name in ("utf-8", "cp1252"):
        if _fits(content, name):
            return name
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


def _texts(path: Path) -> bytes:
    """The values of a DBF's text columns, blanks cut, one a line: padding may cut a letter in two.

    Source of the layout: dBASE table file, level 5 (header of 32 bytes, 32 bytes a field).
    """
    with path.open("rb") as stream:
        head = stream.read(32)
        if len(head) < 32:
            raise SourceError(f"{path} is no DBF table: it ends within its header")
        start, width = struct.unpack("<HH", head[8:12])
        fields = stream.read(max(start - 32, 0))
        data = stream.read(SAMPLE)
    spans, at = [], 1
    for i in range(0, len(fields) - 31, 32):
        if fields[i] == 0x0D:
            break
        size = fields[i + 16]
        if fields[i + 11 : i + 12] == b"C":
            spans.append((at, at + size, size))
        at += size
    values = set()
    for row in range(0, len(data) - width + 1, max(width, 1)):
        for low, high, size in spans:
            value = data[row + low : row + high]
            full = len(value.rstrip(b" \0")) == size  # a cut value may end within a letter
            value = value.rstrip(b" \0")
            values.add(value[:-3] if full else value)
    return b"\n".join(sorted(value for value in values if not value.isascii()))
