"""Where there is land: polygons of any vector file, or a raster whose pixels say so."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from catalogs.rasters import open_raster
from catalogs.sources.about import about_file
from catalogs.sources.pixels_at import values_at
from catalogs.sources.terms import Override
from catalogs.sources.vector import content_of, read_shapes
from schemas.errors import Fault, SourceError
from schemas.geo import within_180
from schemas.sources import About
from schemas.windows import to_lonlat

Floats = npt.NDArray[np.float64]

MOST = 256
"""Vertices of a piece of land: a test for a point then costs the same in Fiji and in Asia."""

RASTERS = (".tif", ".tiff")


class Ground(Protocol):
    """Ground that places may lie on.

    Attributes:
        pieces: lon/lat shapes within -180 and 180, outside of which there is none of it.
    """

    @property
    def pieces(self) -> npt.NDArray[Any]:
        """Shapes that it is made of, or that hold it."""
        ...

    def holds(
        self, lon: Floats, lat: Floats, among: npt.NDArray[np.intp] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which points lie on it; only the pieces `among` are looked at where they are given."""
        ...


@dataclass(frozen=True)
class Land:
    """Polygons, cut into pieces of at most some hundred vertices.

    Attributes:
        pieces: lon/lat polygons within -180 and 180.
    """

    pieces: npt.NDArray[Any]
    about: About

    @cached_property
    def _tree(self) -> Any:
        import shapely

        return shapely.STRtree(self.pieces)

    def holds(
        self, lon: Floats, lat: Floats, among: npt.NDArray[np.intp] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which points in degrees lie on land, its shore included."""
        import shapely

        found = np.zeros(len(lon), bool)
        hits = self._tree.query(shapely.points(lon, lat), predicate="intersects")
        found[hits[0]] = True
        return found


@dataclass(frozen=True)
class LandRaster:
    """A raster in which zero, NaN and nodata are water, and everything else is land."""

    path: str
    about: About
    pieces: npt.NDArray[Any] = field(repr=False)

    def holds(
        self, lon: Floats, lat: Floats, among: npt.NDArray[np.intp] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which points in degrees lie in a pixel of land; each stored block is read once.

        Raises:
            SourceError: the file cannot be read.
        """
        values, known = values_at(self.path, lon, lat)
        return np.asarray(known & np.isfinite(values) & (values != 0))


def open_land(location: Path, terms: Override, role: str = "land") -> Land | LandRaster:
    """The land mask in a file, or that of another ground.

    Args:
        location: polygons (GeoPackage, GeoJSON, FlatGeobuf, Shapefile, GeoParquet) in any CRS, or a
            GeoTIFF in which zero, NaN and nodata are water.

    Raises:
        SourceError: nothing is there, it has no licence, or a row lies outside the globe.
    """
    if not location.is_file():
        what = "is a folder; name the file in it" if location.is_dir() else "no such file"
        raise SourceError(f"--{role} {location}: {what}")
    checksum, size = content_of(location, terms.checksum)
    about = about_file(location, role, terms, checksum, size)
    said = f"--{role} {location}"
    if location.suffix.lower() in RASTERS:
        return LandRaster(str(location), about, _outline(location, said))
    return Land(_pieces(location, said), about)


def open_mountains(location: Path, terms: Override) -> Land | LandRaster:
    """Where there are mountains, as `open_land`."""
    return open_land(location, terms, "mountains")


def _outline(location: Path, said: str) -> npt.NDArray[Any]:
    """The box of a raster in lon/lat, two where it spans the antimeridian."""
    import shapely

    try:
        with open_raster(str(location)) as data:
            if data.crs is None:
                raise SourceError(f"{said}: has no CRS")
            west, south, east, north = data.bounds
            crs = data.crs.to_string()
    except Fault as fault:
        raise SourceError(f"{said}: {fault.message}") from fault
    t = np.linspace(0, 1, 65)
    side = np.stack([west + (east - west) * t, south + (north - south) * t])
    x = np.concatenate([side[0], np.full(65, east), side[0][::-1], np.full(65, west)])
    y = np.concatenate([np.full(65, south), side[1], np.full(65, north), side[1][::-1]])
    lon, lat = to_lonlat(crs, x, y)
    if not np.isfinite([lon, lat]).all() or np.ptp(lon) >= 180:
        return np.array([shapely.box(-180, -90, 180, 90)], object)
    box = shapely.box(lon.min(), max(lat.min(), -90), lon.max(), min(lat.max(), 90))
    return np.asarray(shapely.get_parts(within_180(box)))


def _pieces(location: Path, said: str) -> npt.NDArray[Any]:
    """All polygons of a file, mended, within -180 and 180, and cut into small pieces."""
    import shapely

    found: list[Any] = []
    for batch in read_shapes(location, ()):
        some = ~(shapely.is_missing(batch.shapes) | shapely.is_empty(batch.shapes))
        for row in np.flatnonzero(some).tolist():
            shape = batch.shapes[row]
            west, south, east, north = shape.bounds
            if not (south >= -90.000001 and north <= 90.000001 and west >= -360 and east <= 360):
                raise SourceError(
                    f"{said}: row {batch.first + row} lies outside the globe "
                    f"({west:g} {south:g} {east:g} {north:g}); its axes may be swapped, or its CRS "
                    "is another than it declares"
                )
            for part in shapely.get_parts(within_180(shape)).tolist():
                if part.geom_type == "Polygon":
                    found += cut(part)
    if not found:
        raise SourceError(f"{said}: holds no polygon")
    pieces = np.array(found, object)
    shapely.prepare(pieces)
    return pieces


def cut(shape: Any, most: int = MOST) -> list[Any]:
    """A valid polygon in parts of at most `most` vertices, by halving its box.

    A part that no cut makes smaller (it lies within 1e-6 degrees) stays as it is.
    """
    import shapely

    done, left = [], [shape]
    while left:
        part = left.pop()
        west, south, east, north = part.bounds
        if shapely.get_num_coordinates(part) <= most or max(east - west, north - south) < 1e-6:
            done.append(part)
            continue
        if east - west >= north - south:
            middle = (west + east) / 2
            halves = ((west, south, middle, north), (middle, south, east, north))
        else:
            middle = (south + north) / 2
            halves = ((west, south, east, middle), (west, middle, east, north))
        for half in halves:
            piece = shapely.clip_by_rect(part, *half)
            if not shapely.is_valid(piece):
                piece = shapely.intersection(part, shapely.box(*half))
            left += [p for p in shapely.get_parts(piece).tolist() if p.geom_type == "Polygon"]
    return done
