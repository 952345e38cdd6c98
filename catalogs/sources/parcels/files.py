"""Files of parcels: which there are, their layers, and their rows in batches of Arrow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.geoparquet import declared
from catalogs.sources.parcels.archives import unpacked
from catalogs.sources.parcels.encoding import of_dbf
from catalogs.sources.vector_kinds import SHAPEFILE, kind_of, layers_of, whole
from schemas.errors import SourceError

PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
"""Endings of the files of one Shapefile."""

FORMS = "GeoPackage, GeoParquet, Shapefile, FlatGeobuf, GeoJSON, or a zip of them"

MEANT = frozenset((
    ".gpkg", ".shp", ".parquet", ".geoparquet", ".fgb", ".geojson", ".zip", ".7z", ".rar", ".kml", ".kmz",
    ".gml",
))  # fmt: skip
"""Endings of files that somebody meant as registers."""

Meta = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A layer with outlines.

    Attributes:
        source: the file that the user named or that lies in the folder, for messages and terms.
        path: where it is read from: `source`, or what was unpacked of it.
        crs: as the file declares it, "" where it does not.
        geometry: name of the WKB column in the batches.
        names: the other columns, as they are written.
        encoding: of a Shapefile's texts, "" for other forms.
        meta: the collection's facts that fiboa files hold.
    """

    source: Path
    path: Path
    driver: str
    layer: str
    crs: str
    geometry: str
    names: tuple[str, ...]
    encoding: str
    meta: Meta

    def batches(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """The rows in file order: the columns named, and the outlines.

        Raises:
            SourceError: the file is damaged.
        """
        try:
            if self.driver == "Parquet":
                yield from self._parquet([*columns, self.geometry], rows)
                return
            from pyogrio.raw import open_arrow

            with open_arrow(
                self.path,
                layer=self.layer,
                columns=columns,
                batch_size=rows,
                encoding=self.encoding or None,
                use_pyarrow=True,
            ) as (_, reader):
                yield from reader
        except (OSError, pa.ArrowException, RuntimeError, ValueError) as error:
            raise SourceError(f"{self.source} is damaged ({error}): fetch it anew") from error

    def _parquet(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path, buffer_size=1 << 20) as file:
            yield from file.iter_batches(rows, columns=columns, use_threads=False)


def files_of(location: Path) -> list[Path]:
    """The files of a location, sorted by name.

    Raises:
        SourceError: there is no such place, or none in it.
    """
    if location.is_file():
        return [location]
    if not location.is_dir():
        raise SourceError(f"{location}: no such file or folder of parcels")
    there = [path for path in sorted(location.rglob("*")) if path.is_file()]
    found = _readable(there, location)
    if not found:
        raise SourceError(f"{location} holds no file of parcels: give {FORMS}")
    return found


def is_sidecar(path: Path) -> bool:
    """Whether a file says what the columns of others mean."""
    return path.name == "parcels.json" or path.name.endswith(".parcels.json")


def sidecars(files: list[Path]) -> list[Path]:
    """The sidecars in the folders of some files, sorted."""
    folders = {path.parent for path in files}
    return sorted(p for folder in folders for p in folder.glob("*parcels.json") if is_sidecar(p))


def beside(path: Path) -> list[Path]:
    """A file and those beside it that may say what it means: of its name, or told by theirs."""
    stem = path.name.split(".")[0]
    near = (p for p in path.parent.iterdir() if p.suffix.lower() in (*PARTS, ".json"))
    named = (p for p in near if p.name.split(".")[0] in (stem, "parcels", "codes") and p.is_file())
    return sorted({path, *named})


def _readable(paths: list[Path], home: Path) -> list[Path]:
    """Those that are registers.

    Raises:
        SourceError: one is named as a register and is none.
    """
    found = [path for path in paths if _kind(path)]
    strange = next((p for p in paths if p.suffix.lower() in MEANT and p not in found), None)
    if strange is not None:
        raise SourceError(
            f"{home}: {strange.name} is named as a register and cannot be read as one: give {FORMS}, or "
            "take it out"
        )
    return found


def parts_of(path: Path) -> list[Path]:
    """The files that a register is made of: a Shapefile has several."""
    if path.suffix.lower() != ".shp":
        return [path]
    near = (p for p in path.parent.iterdir() if p.suffix.lower() in PARTS)
    return sorted(p for p in near if p.stem == path.stem and p.is_file())


def tables(source: Path, scratch: Path) -> list[Table]:
    """The layers of a file that hold outlines; zips are unpacked into `scratch`.

    Raises:
        SourceError: it is of no known form, damaged, unsafe, or without outlines.
    """
    paths = [source]
    if _kind(source) == "zip":
        scratch.mkdir(parents=True, exist_ok=True)
        paths = _readable(sorted(unpacked(source, scratch)), source)
    try:
        found = [table for path in paths for table in _layers(source, path)]
    except (OSError, pa.ArrowException, RuntimeError, ValueError, KeyError) as error:
        raise SourceError(f"{source} cannot be read as parcels ({error}): give {FORMS}") from error
    if not found:
        raise SourceError(f"{source} holds no layer of polygons: give {FORMS}")
    return found


def _kind(path: Path) -> str:
    """The driver's name, `zip`, or "" for what holds no parcels. Zips are not opened within zips."""
    if is_sidecar(path):
        return ""
    return kind_of(path)


def _layers(source: Path, path: Path) -> Iterator[Table]:
    driver = _kind(path)
    if driver == "Parquet":
        yield _parquet(source, path)
        return
    if driver in ("", "zip"):
        raise SourceError(f"{path} is no file of parcels: give {FORMS}")
    encoding = ""
    if driver == SHAPEFILE:
        dbf = next(
            (p for p in (path.with_suffix(s) for s in (".dbf", ".DBF")) if p.is_file()), None
        )
        if dbf is None:
            raise SourceError(f"{path} has no .dbf beside it: give all files of the Shapefile")
        encoding = of_dbf(dbf)
        whole(source, path)
    for name, shape, info in layers_of(path, driver, encoding=encoding or None):
        if shape is None or not ("Polygon" in shape or shape == "Unknown"):
            continue
        yield Table(
            source, path, driver, name, info["crs"] or "",
            info["geometry_name"] or "wkb_geometry", tuple(map(str, info["fields"])), encoding, {},
        )  # fmt: skip


def _parquet(source: Path, path: Path) -> Table:
    said = declared(path, source)
    held = said.metadata
    meta = json.loads(held.get(b"collection", held.get(b"fiboa", b"{}")))
    return Table(source, path, "Parquet", path.stem, said.crs, said.geometry, said.fields, "", meta)
