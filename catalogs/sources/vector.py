"""Shapes of vector files as lon/lat, in batches: GeoPackage, GeoJSON, FlatGeobuf, Shapefile, Parquet."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.files import sha256
from schemas.errors import SourceError
from schemas.windows import to_lonlat

SUFFIXES = (".gpkg", ".geojson", ".json", ".fgb", ".shp", ".zip")
"""What GDAL is asked to read; a file that only points to others (`.vrt`, `.xml`) is none of them."""

BATCH = 65_536


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    Attributes:
        first: number of its first row in the file, from 1.
        shapes: in lon/lat degrees; None where a row has no geometry.
        columns: the other columns.
    """

    first: int
    shapes: npt.NDArray[Any]
    columns: pa.Table


def read_shapes(path: Path, columns: tuple[str, ...] | None = None) -> Iterator[Batch]:
    """The shapes of a file in file order.

    Args:
        columns: names of those to read as well; None: all.

    Raises:
        SourceError: another format, damaged, or without a CRS.
    """
    if path.suffix.lower() in (".parquet", ".geoparquet"):
        yield from _of_parquet(path, columns)
        return
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(
            f"{path}: no vector file that is read here ({', '.join(SUFFIXES)}, .parquet)"
        )
    from pyogrio.raw import open_arrow

    first = 1
    with _damaged(path), open_arrow(
        path, columns=None if columns is None else list(columns), batch_size=BATCH,
        use_pyarrow=True,
    ) as (meta, reader):  # fmt: skip
        crs = meta["crs"]
        geometry = meta["geometry_name"] or "wkb_geometry"
        for batch in reader:
            yield _batch(path, first, pa.table(batch), geometry, crs)
            first += len(batch)


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, RuntimeError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read ({error})") from error


def _of_parquet(path: Path, columns: tuple[str, ...] | None) -> Iterator[Batch]:
    import json

    import pyarrow.parquet as pq

    first = 1
    with _damaged(path), pq.ParquetFile(path) as file:
        said = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
        name = said.get("primary_column", "geometry")
        if not said:
            raise ValueError("no GeoParquet: it has no `geo` metadata")
        crs = said["columns"][name].get("crs", "OGC:CRS84")
        crs = "OGC:CRS84" if crs == "OGC:CRS84" else json.dumps(crs) if crs else None
        wanted = None if columns is None else [*columns, name]
        for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
            yield _batch(path, first, pa.table(batch), name, crs)
            first += len(batch)


def _batch(path: Path, first: int, table: pa.Table, geometry: str, crs: str | None) -> Batch:
    import shapely

    if not crs:
        raise SourceError(f"{path}: declares no CRS; write it with one (ogr2ogr -a_srs)")
    values = table[geometry].to_numpy(zero_copy_only=False)
    shapes = shapely.from_wkb(values, on_invalid="ignore")

    def moved(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.stack(to_lonlat(crs, xy[:, 0], xy[:, 1]), axis=1)

    if crs not in ("EPSG:4326", "OGC:CRS84"):
        shapes = shapely.transform(shapes, moved)
        for row in np.flatnonzero(np.ptp(shapely.bounds(shapes)[:, ::2], axis=1) > 180):
            shapes[row] = around_pole(shapes[row])
    return Batch(first, np.asarray(shapes), table.drop_columns([geometry]))


def around_pole(shape: Any) -> Any:
    """Polygons whose outline runs once around a pole, as polygons of longitude and latitude: with an
    edge along the pole. Others come back as they are.
    """
    import shapely

    parts = []
    for part in shapely.get_parts(shape).tolist():
        if part.geom_type == "Polygon":
            ring = shapely.get_coordinates(part.exterior)
            lon = np.unwrap(ring[:, 0], period=360)
            if abs(lon[-1] - lon[0]) > 180:
                lon -= 360 * np.round((lon.min() + lon.max()) / 720)
                pole = 90.0 if ring[:, 1].mean() > 0 else -90.0
                ring = np.stack([lon, ring[:, 1]], axis=1)
                ends = np.array([[lon[-1], pole], [lon[0], pole]])
                part = shapely.Polygon(np.concatenate([ring, ends]), part.interiors)
        parts.append(part)
    return shapely.MultiPolygon(parts) if len(parts) > 1 else parts[0]


def content_of(path: Path) -> tuple[str, int]:
    """(SHA-256, bytes) of a file; of a Shapefile over the sums of its parts, by name."""
    parts = [path]
    if path.suffix.lower() == ".shp":
        parts = sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.is_file())
    if len(parts) == 1:
        return sha256(path), path.stat().st_size
    sums = "\n".join(f"{sha256(part)}  {part.name}" for part in parts)
    return hashlib.sha256(sums.encode()).hexdigest(), sum(p.stat().st_size for p in parts)
