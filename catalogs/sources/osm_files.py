"""OSM files before they are read: what they are, and whether they are whole.

A PBF that was cut at the border of two blobs reads without any error and is silently short. The
framing cannot show it, so size and checksum are compared with what the publisher or user states.
"""

import bz2
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from catalogs.sources.pbf_file import Pbf
from schemas.errors import SourceError, UsageError
from schemas.windows import Bounds

KINDS = ".osm.pbf, .osm, .osm.bz2 or .osm.gz"


@dataclass(frozen=True, slots=True)
class Expect:
    """What is known of a file before it is opened; None and "" mean unknown."""

    size: int | None = None
    md5: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a checksum.

        Raises:
            UsageError: an MD5 is not 32 hexadecimal digits, or a SHA-256 not 64.
        """
        for name, text, digits in (("md5", self.md5, 32), ("sha256", self.sha256, 64)):
            if text and not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", text):
                raise UsageError(
                    f"--osm-{name} {text!r}: not {digits} hexadecimal digits; copy the checksum "
                    "from where the file came from"
                )


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
        licence, attribution: as a feature table of ours states them; "" elsewhere.
        origin: the extract that a feature table of ours was made of; "" elsewhere.
    """

    path: Path
    format: str
    size: int
    sha256: str
    timestamp: str = ""
    bbox: Bounds | None = None
    note: str = ""
    licence: str = ""
    attribution: str = ""
    origin: str = ""


def inspect(path: Path, expect: Expect | None = None) -> Extract:
    """What `path` holds, after checks that cost one reading of its bytes.

    Args:
        expect: known size and checksums; a file `<name>.md5` beside it is used too.

    Raises:
        SourceError: the file is missing, empty, something else, cut, or not what was expected.
    """
    kind = sniff(path)
    sha, note = verify(path, expect or Expect())
    size = path.stat().st_size
    if kind == "pbf":
        about = Pbf(path).header
        return Extract(path, kind, size, sha, about.timestamp, about.bbox, note)
    import osmium

    try:
        file = osmium.io.File(str(path), kind)
        with osmium.io.Reader(file, osmium.osm.NOTHING) as reader:
            header = reader.header()
    except RuntimeError as error:
        raise SourceError(f"{path} cannot be read as OSM data ({error}): fetch it anew") from error
    box, bbox = header.box(), None
    if box.valid():
        low, high = box.bottom_left, box.top_right
        bbox = (low.lon, low.lat, high.lon, high.lat)
    return Extract(path, kind, size, sha, header.get("timestamp") or "", bbox, note)


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


@contextmanager
def as_pbf(path: Path, within: Path | None = None) -> Iterator[Pbf]:
    """The file, rewritten as a temporary PBF (without users) where it is XML.

    Args:
        within: folder for the temporary file, the system's own where it is None.

    Raises:
        SourceError: damaged, or no OSM file.
    """
    kind = sniff(path)
    if kind == "pbf":
        yield Pbf(path)
        return
    import osmium

    with TemporaryDirectory(prefix="osm-", dir=within) as folder:
        copy = Path(folder) / "copy.osm.pbf"
        target = osmium.io.File(str(copy), "pbf,add_metadata=version+timestamp")
        try:
            with (
                osmium.io.Reader(osmium.io.File(str(path), kind)) as reader,
                osmium.SimpleWriter(target) as writer,
            ):
                osmium.apply(reader, writer)
        except RuntimeError as error:
            raise SourceError(f"{path} is damaged or cut ({error}): fetch it anew") from error
        yield Pbf(copy)
