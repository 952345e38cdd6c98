"""OSM files before they are read: what they are, and whether they are whole.

A PBF that was cut at the border of two blobs reads without any error and is silently short. The
framing cannot show it, so size and checksum are compared with what the publisher or user states.
"""

import bz2
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from schemas.errors import SourceError
from schemas.windows import Bounds

HEADER_LIMIT, BLOB_LIMIT = 64 * 1024, 32 * 1024 * 1024
"""Largest BlobHeader and Blob in bytes (OSM wiki, PBF format, "File format")."""

KINDS = ".osm.pbf, .osm, .osm.bz2 or .osm.gz"


@dataclass(frozen=True, slots=True)
class Expect:
    """What is known of a file before it is opened; None and "" mean unknown."""

    size: int | None = None
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Extract:
    """A whole, readable OSM source.

    Attributes:
        format: `pbf`, `osm`, `osm.bz2`, `osm.gz`, or the driver's name for a feature table.
        size: bytes.
        sha256: of the file, in hex.
        timestamp: state of the data as the file's header declares it, ISO 8601; "" if it does not.
        bbox: (west, south, east, north) as the header declares it, or None.
        note: what could not be verified, "" when all could.
    """

    path: Path
    format: str
    size: int
    sha256: str
    timestamp: str = ""
    bbox: Bounds | None = None
    note: str = ""


def inspect(path: Path, expect: Expect | None = None) -> Extract:
    """What `path` holds, after checks that cost one reading of its bytes.

    Args:
        expect: known size and checksums; a file `<name>.md5` beside it is used too.

    Raises:
        SourceError: the file is missing, empty, something else, cut, or not what was expected.
    """
    import osmium

    kind = sniff(path)
    if kind == "pbf":
        with path.open("rb") as stream:
            for _ in blobs(stream, path):
                pass
    sha, note = verify(path, expect or Expect())
    try:
        file = osmium.io.File(str(path), kind)
        with osmium.io.Reader(file, osmium.osm.NOTHING) as reader:
            header = reader.header()
    except RuntimeError as error:
        raise SourceError(f"{path} cannot be read as OSM data ({error}): fetch it anew") from error
    if header.has_multiple_object_versions:
        raise SourceError(f"{path} holds object histories or changes: give a snapshot extract")
    box, bbox = header.box(), None
    if box.valid():
        low, high = box.bottom_left, box.top_right
        bbox = (low.lon, low.lat, high.lon, high.lat)
    when = header.get("osmosis_replication_timestamp") or header.get("timestamp") or ""
    return Extract(path, kind, path.stat().st_size, sha, when, bbox, note)


def sniff(path: Path) -> str:
    """The format of an OSM file by its first bytes: `pbf`, `osm`, `osm.bz2` or `osm.gz`.

    Raises:
        SourceError: missing, empty, a web page or no OSM file.
    """
    if not path.is_file():
        raise SourceError(f"OSM file {path} does not exist: check the path")
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head:
        raise SourceError(f"OSM file {path} is empty: fetch it anew")
    if b"\x0a\x09OSMHeader" in head[:64]:
        return "pbf"
    kind = "osm.bz2" if head[:3] == b"BZh" else "osm.gz" if head[:2] == b"\x1f\x8b" else "osm"
    if kind != "osm":
        try:
            with bz2.open(path) if kind == "osm.bz2" else gzip.open(path) as packed:
                head = packed.read(4096)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{path} is damaged ({error}): fetch it anew") from error
    text = head.decode("utf-8", "replace").lstrip("\ufeff \r\n\t").lower()
    if text.startswith(("<!doctype html", "<html")):
        raise SourceError(f"{path} is a web page, not OSM data: check the address it came from")
    if "<osm" not in text or "<osmchange" in text:
        raise SourceError(f"{path} is no OSM extract: expected {KINDS}")
    return kind


def verify(path: Path, expect: Expect) -> tuple[str, str]:
    """(SHA-256 in hex, note) of a file that agrees with all that is known of it.

    Raises:
        SourceError: size or a checksum differs.
    """
    size = path.stat().st_size
    if expect.size is not None and size != expect.size:
        raise SourceError(f"{path} has {size} bytes, expected {expect.size}: fetch it anew")
    beside = path.with_name(path.name + ".md5")
    md5s = {"md5 expected": expect.md5.lower()}
    if beside.is_file():
        words = beside.read_text(encoding="utf-8", errors="replace").split()
        md5s[f"md5 in {beside.name}"] = words[0].lower() if words else "nothing"
    sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            sha.update(chunk)
            if any(md5s.values()):
                md5.update(chunk)
    for name, wanted in md5s.items():
        if wanted and wanted != md5.hexdigest():
            found = md5.hexdigest()
            raise SourceError(f"{path} differs from the {name} ({found}, not {wanted}): fetch anew")
    if expect.sha256 and expect.sha256.lower() != sha.hexdigest():
        found = sha.hexdigest()
        raise SourceError(f"{path} has sha256 {found}, expected {expect.sha256}: fetch it anew")
    known = any(md5s.values()) or expect.sha256 or expect.size is not None
    return sha.hexdigest(), "" if known else f"unverified: no {beside.name} beside the file"


def blobs(stream: IO[bytes], path: Path) -> Iterator[tuple[int, str, int]]:
    """Offset, type and size of each blob of a PBF file, which must end with the last one.

    Raises:
        SourceError: the framing is broken; the message holds the offset.
    """
    size, at = path.stat().st_size, 0
    while at < size:
        length = int.from_bytes(stream.read(4), "big")
        head = stream.read(length) if 0 < length <= HEADER_LIMIT else b""
        if not head or len(head) != length:
            raise SourceError(f"{path} is cut or damaged at byte {at}: fetch it anew")
        try:
            fields = dict(varint_fields(head))
            name, data = bytes(fields[1]).decode(), int(fields[3])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SourceError(f"{path} is damaged at byte {at}: fetch it anew") from error
        if (at == 0) != (name == "OSMHeader"):
            raise SourceError(f"{path} has a blob {name!r} at byte {at}: fetch it anew")
        yield at, name, data
        at += 4 + length + data
        if not 0 < data <= BLOB_LIMIT or at > size:
            raise SourceError(f"{path} is cut: the last blob should end at byte {at}, not {size}")
        stream.seek(at)


def varint_fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Field numbers and values of a protobuf message of varints and byte strings.

    Raises:
        ValueError: another wire type.
        IndexError: the message ends too early.
    """
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 2:
            length = varint()
            at += length
            yield tag >> 3, message[at - length : at]
        else:
            raise ValueError(f"wire type {tag & 7}")
