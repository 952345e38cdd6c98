"""Files of feature tables: their kind by content, their layers, CRS and batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.geoparquet import declared
from catalogs.sources.feature_table import about_of, drops_beside
from catalogs.sources.osm_files import Expect, Extract, verify
from catalogs.sources.vector_kinds import layers_of
from catalogs.sources.vector_kinds import table_of as driver_of
from schemas.errors import SourceError
from schemas.windows import Bounds

DRIVERS = ("GPKG", "Parquet", "FlatGeobuf", "GeoJSON")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a file.

    Attributes:
        crs: "EPSG:n" or WKT, as the file declares it.
        geometry: name of the WKB column in the batches.
        names: the other columns.
        bounds: in the layer's CRS, None when unknown.
    """

    path: Path
    driver: str
    name: str
    crs: str
    geometry: str
    names: tuple[str, ...]
    bounds: Bounds | None = None

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The layer's rows in file order.

        Raises:
            SourceError: the file is damaged.
        """
        try:
            if self.driver == "Parquet":
                import pyarrow.parquet as pq

                with pq.ParquetFile(self.path) as file:
                    yield from file.iter_batches(batch_size=rows)
                return
            from pyogrio.raw import open_arrow

            with open_arrow(self.path, layer=self.name, batch_size=rows, use_pyarrow=True) as (
                _,
                reader,
            ):
                yield from reader
        except (OSError, pa.ArrowException, RuntimeError, ValueError) as error:
            raise SourceError(f"{self.path} is damaged ({error}): make it anew") from error


def inspect(path: Path, expect: Expect | None = None) -> Extract:
    """What a feature table holds; its bbox covers all layers, in lon/lat.

    Raises:
        SourceError: damaged, without layers or CRS, or not what was expected.
    """
    sha, note = verify(path, expect or Expect())
    driver, bbox, size = driver_of(path), bounds_of_layers(path), path.stat().st_size
    about = about_of(path) if driver == "Parquet" else None
    if about is None:
        return Extract(path, driver, size, sha, "", bbox, note)
    made = about["extract"]
    note = "" if made["verified"] else f"unverified: {made['name']} was, when the table was made"
    if any(about["drops"].values()) and not drops_beside(path).is_file():
        note = (
            f"what {made['name']} lost is not told: no {drops_beside(path).name} beside the table"
        )
    return Extract(
        path, driver, size, sha, made["timestamp"], bbox, note, about["licence"],
        about["attribution"], f"{made['name']}, sha256 {made['sha256']}",
    )  # fmt: skip


def bounds_of_layers(path: Path) -> Bounds | None:
    """(west, south, east, north) in degrees over all layers, None when none states its bounds.

    Raises:
        SourceError: damaged, without layers or CRS.
    """
    import pyproj

    boxes = []
    for layer in layers(path):
        if layer.bounds is not None:
            to = pyproj.Transformer.from_crs(layer.crs, "OGC:CRS84", always_xy=True)
            boxes.append(to.transform_bounds(*layer.bounds))
    if not boxes:
        return None
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def layers(path: Path) -> list[Layer]:
    """The layers of a file that have a geometry.

    Raises:
        SourceError: damaged, without layers, or without a CRS.
    """
    driver = driver_of(path)
    try:
        found = [_parquet(path)] if driver == "Parquet" else list(_ogr(path, driver))
    except (OSError, pa.ArrowException, RuntimeError, ValueError, KeyError) as error:
        raise SourceError(f"{path} cannot be read as {driver} ({error}): make it anew") from error
    if not found:
        raise SourceError(f"{path} has no layer with a geometry: give a table of OSM features")
    for layer in found:
        if not layer.crs:
            raise SourceError(f"layer {layer.name!r} of {path} declares no CRS: write it with one")
    return found


def _ogr(path: Path, driver: str) -> Iterator[Layer]:
    for name, shape, info in layers_of(path, driver, force_total_bounds=True):
        if shape is None:
            continue
        box: Any = info["total_bounds"]
        bounds = None if box is None else corners([float(side) for side in box])
        geometry = info["geometry_name"] or "wkb_geometry"  # GeoJSON does not name it
        fields = tuple(map(str, info["fields"]))
        yield Layer(path, driver, name, info["crs"] or "", geometry, fields, bounds)


def _parquet(path: Path) -> Layer:
    said = declared(path, path)
    bounds = corners(said.bbox) if said.bbox else None
    return Layer(path, "Parquet", path.stem, said.crs, said.geometry, said.fields, bounds)


def corners(box: list[float]) -> Bounds:
    """(west, south, east, north) of a box that is given as low and high corner, in 2 or 3 axes."""
    half = len(box) // 2
    return box[0], box[1], box[half], box[half + 1]
