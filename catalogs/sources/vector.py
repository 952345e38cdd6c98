"""Shapes of vector files as lon/lat, in batches: GeoPackage, GeoJSON, FlatGeobuf, Shapefile, Parquet."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.about import content
from catalogs.sources.parcels.archives import unpacked
from catalogs.sources.vector_kinds import SHAPEFILE, kind_of, layers_of, whole
from schemas.errors import SourceError
from schemas.windows import to_lonlat

FORMS = "GeoPackage, GeoJSON, FlatGeobuf, Shapefile, GeoParquet, or a zip of one"

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
    """The shapes of a file in file order; of a zip, of the one vector file in it.

    Args:
        columns: names of those to read as well; None: all.

    Raises:
        SourceError: of another kind, of several layers, damaged, or without a CRS.
    """
    with _damaged(path), tempfile.TemporaryDirectory() as scratch:
        kind = kind_of(path)
        if kind == "zip":
            inside = [p for p in unpacked(path, Path(scratch)) if kind_of(p) not in ("", "zip")]
            if len(inside) != 1:
                raise SourceError(f"{path}: holds {len(inside)} vector files; give one at a time")
            yield from _shapes(path, inside[0], kind_of(inside[0]), columns)
        else:
            yield from _shapes(path, path, kind, columns)


def _shapes(said: Path, path: Path, kind: str, columns: tuple[str, ...] | None) -> Iterator[Batch]:
    """As `read_shapes`, of a file of a known kind; messages name `said`."""
    if kind == "Parquet":
        yield from _of_parquet(path, columns)
        return
    if not kind:
        raise SourceError(f"{said}: no vector file that is read here ({FORMS})")
    if kind == SHAPEFILE:
        whole(said, path)
    layers = [(name, info) for name, shape, info in layers_of(path, kind) if shape is not None]
    if len(layers) != 1:
        names = ", ".join(name for name, _ in layers)
        raise SourceError(
            f"{said}: has {len(layers)} layers with a geometry ({names or 'none'}); give a file of one"
        )
    from pyogrio.raw import open_arrow

    name, info = layers[0]
    first = 1
    with open_arrow(
        path, layer=name, columns=None if columns is None else list(columns), batch_size=BATCH,
        use_pyarrow=True,
    ) as (_, reader):  # fmt: skip
        geometry = info["geometry_name"] or "wkb_geometry"
        for batch in reader:
            yield _batch(said, first, pa.table(batch), geometry, info["crs"])
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
    with pq.ParquetFile(path) as file:
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


def content_of(path: Path, known: str = "") -> tuple[str, int]:
    """(SHA-256, bytes) of a file; of a Shapefile over the sums of its parts, by name.

    Args:
        known: the sum, where it need not be worked out.
    """
    parts = [path]
    if path.suffix.lower() == ".shp":
        parts = sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.is_file())
    return content(path, parts, known)
