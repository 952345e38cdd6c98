"""The one place that opens vector files with GDAL: the driver by content, and no other.

A file that only points to others (a virtual dataset, a service description) would read any file of this
machine or ask any host, whatever its ending says.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalogs.rasters import guard_environment
from schemas.errors import SourceError

SHAPEFILE = "ESRI Shapefile"

POINTER = b"<OGRVRTDataSource"
"""What makes GDAL take a file for a virtual dataset, wherever in its first bytes it stands."""

Info = dict[str, Any]


def table_of(path: Path) -> str:
    """`GPKG`, `Parquet`, `FlatGeobuf` or `GeoJSON` by the first bytes, "" when it is none of them."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith(b"SQLite format 3\0") and head[68:72] in (b"GPKG", b"GP10", b"GP11"):
        return "GPKG"
    if head.startswith(b"PAR1"):
        return "Parquet"
    if head.startswith(b"fgb\x03"):
        return "FlatGeobuf"
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    said = text.startswith(b"{") and b'"Feature' in text and POINTER not in head
    return "GeoJSON" if said else ""


def kind_of(path: Path) -> str:
    """As `table_of`, or `ESRI Shapefile` or `zip` where the ending agrees; "" for everything else."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        head = stream.read(4)
    if head == b"PK\x03\x04":
        return "zip" if path.suffix.lower() == ".zip" else ""
    if head == b"\x00\x00\x27\x0a" and path.suffix.lower() == ".shp":
        return SHAPEFILE
    return table_of(path)


def layers_of(path: Path, driver: str, **how: Any) -> Iterator[tuple[str, str | None, Info]]:
    """(name, kind of geometry or None, `pyogrio.read_info`) of each layer.

    Args:
        driver: what `kind_of` says of it; nothing else is opened.
        how: more for `pyogrio.read_info`.

    Raises:
        SourceError: it is no file of that driver.
    """
    if kind_of(path) != driver or driver in ("", "zip", "Parquet"):
        raise SourceError(f"{path} is no vector file that is opened here ({driver or 'unknown'})")
    guard_environment()
    import pyogrio

    for name, shape in pyogrio.list_layers(path):
        info = pyogrio.read_info(path, layer=name, **how)
        if info["driver"] != driver:
            raise SourceError(f"{path} opens as {info['driver']}, not as {driver}: refused")
        yield str(name), shape, info


def whole(source: Path, path: Path) -> None:
    """Nothing, where the outlines of a Shapefile are there to the last byte.

    Source of the layout: ESRI Shapefile Technical Description (1998), main file header.

    Args:
        source: what the user named, for the message.

    Raises:
        SourceError: the file ends before its header says.
    """
    with path.open("rb") as stream:
        head = stream.read(100)
    declared = 2 * int.from_bytes(head[24:28], "big")
    if len(head) < 100 or path.stat().st_size < declared:
        raise SourceError(
            f"{source} is cut: {path.name} has {path.stat().st_size:,} of {declared:,} bytes; fetch it "
            "anew"
        )
