"""Points with ids: CSV, Parquet, GeoPackage, GeoJSON, FlatGeobuf, Shapefile; read in batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalogs.sources.about import about_file
from catalogs.sources.plain_tables import csv_batches, parquet_batches
from catalogs.sources.terms import Override
from catalogs.sources.vector import content_of, read_shapes
from schemas.errors import SourceError
from schemas.sources import About

Floats = npt.NDArray[np.float64]
OnBad = Callable[[int, str, str], None]
"""Takes a row's number in the file (from 1), a reason code, and a sentence that names file and row."""

IDS = ("id", "point_id", "sample_id", "location_id", "geonameid", "fid", "key")
LONS = ("lon", "longitude", "lng", "long", "decimallongitude", "x")
LATS = ("lat", "latitude", "decimallatitude", "y")

NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"


@dataclass(frozen=True)
class Points:
    """A file of points.

    Attributes:
        names: columns of id, longitude and latitude where they are named; "" for the usual names.
        role: what it fills; columns of cities cannot be named.
    """

    path: Path
    about: About
    names: tuple[str, str, str] = ("", "", "")
    role: str = "points"

    def batches(self, on_bad: OnBad, columns: tuple[str, ...] = ()) -> Iterator[pa.Table]:
        """Rows of `id` (text), `lon`, `lat` (degrees, lon in [-180, 180)) and the columns asked for.

        Rows without a place on Earth go to `on_bad`. A file without a column of ids has ids made of
        the coordinates, so that they do not hang on the order of rows.

        Raises:
            SourceError: the file is damaged, or lacks a column.
        """
        for numbers, lon, lat, table in self._read(on_bad):
            missing = [name for name in columns if name not in table.column_names]
            if missing:
                raise SourceError(
                    f"{self.path}: has no column {missing[0]!r}, only {', '.join(table.column_names)}"
                )
            ids = self._ids(table, lon, lat)
            good = self._good(numbers, lon, lat, ids, on_bad)
            found = {
                "id": ids.filter(pa.array(good)),
                "lon": _wrapped(lon[good]),
                "lat": lat[good],
            }
            picked = table.select(list(columns)).filter(pa.array(good))
            yield pa.table({**found, **{n: picked[n] for n in columns}})

    def _read(
        self, on_bad: OnBad
    ) -> Iterator[tuple[npt.NDArray[np.int64], Floats, Floats, pa.Table]]:
        suffix = self.path.suffix.lower()
        if suffix in (".csv", ".tsv", ".txt"):

            def ragged(number: int, message: str) -> None:
                on_bad(number, "ragged", f"{self.path.name}, row {number}: {message}")

            for numbers, table in csv_batches(self.path, ragged):
                yield numbers, *self._columns(table), table
        elif suffix == ".parquet" and not _geo(self.path):
            for numbers, table in parquet_batches(self.path):
                yield numbers, *self._columns(table), table
        else:
            import shapely

            for batch in read_shapes(self.path):
                kinds = shapely.get_type_id(batch.shapes)
                lon = np.where(kinds == 0, shapely.get_x(batch.shapes), np.nan)
                lat = np.where(kinds == 0, shapely.get_y(batch.shapes), np.nan)
                numbers = batch.first + np.arange(len(batch.shapes))
                yield numbers, lon, lat, batch.columns

    def _columns(self, table: pa.Table) -> tuple[Floats, Floats]:
        if len(set(table.column_names)) < len(table.column_names):
            twice = max(table.column_names, key=table.column_names.count)
            raise SourceError(f"{self.path}: has two columns {twice!r}; rename one of them")
        found = []
        for said, usual, what in ((1, LONS, "longitude"), (2, LATS, "latitude")):
            name = self._pick(table, said, usual)
            if not name:
                more = f", or name it (--set samplers.{usual[0]}=NAME)" * (self.role == "points")
                raise SourceError(
                    f"{self.path}: no column of {what} among {', '.join(table.column_names)}; "
                    f"call it {usual[0]!r}{more}"
                )
            found.append(numbers_of(table[name]))
        return found[0], found[1]

    def _pick(self, table: pa.Table, which: int, usual: tuple[str, ...]) -> str:
        """The column that was named, else the first with a usual name in any case; "" for none."""
        said, names = self.names[which], table.column_names
        if said and said not in names:
            raise SourceError(f"{self.path}: has no column {said!r}, only {', '.join(names)}")
        lower = {name.strip().lower(): name for name in reversed(names)}
        return said or next((lower[name] for name in usual if name in lower), "")

    def _ids(self, table: pa.Table, lon: Floats, lat: Floats) -> pa.ChunkedArray:
        name = self._pick(table, 0, IDS)
        if name:
            return table[name].cast(pa.string())
        made = [f"{x:.6f}_{y:.6f}" for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
        return pa.chunked_array([pa.array(made, pa.string(), from_pandas=False)])

    def _good(
        self,
        numbers: npt.NDArray[np.int64],
        lon: Floats,
        lat: Floats,
        ids: pa.ChunkedArray,
        on_bad: OnBad,
    ) -> npt.NDArray[np.bool_]:
        here = np.isfinite(lon) & np.isfinite(lat)
        earth = here & (np.abs(lat) <= 90) & (np.abs(lon) <= 360)
        named = np.asarray(pc.fill_null(pc.not_equal(ids, ""), False))
        for i in np.flatnonzero(~(earth & named)).tolist():
            where = f"{self.path.name}, row {numbers[i]}"
            if not here[i]:
                on_bad(int(numbers[i]), "no_coordinates", f"{where}: holds no point")
            elif not earth[i]:
                said = f"{where}: lon {lon[i]:g}, lat {lat[i]:g} is no place on Earth"
                hint = "; its axes may be swapped" if abs(lon[i]) <= 90 < abs(lat[i]) <= 180 else ""
                on_bad(int(numbers[i]), "bounds", said + hint)
            else:
                on_bad(int(numbers[i]), "no_id", f"{where}: has no id")
        return np.asarray(earth & named)


def _wrapped(lon: Floats) -> Floats:
    """Longitudes in [-180, 180); those that lie there already keep their last digit."""
    return np.where((lon >= -180) & (lon < 180), lon, (lon + 180) % 360 - 180)


def open_points(location: Path, terms: Override, role: str = "points") -> Points:
    """The points of a file.

    Raises:
        SourceError: nothing is there, or no licence.
    """
    if not location.is_file():
        raise SourceError(f"--{role} {location}: no such file")
    checksum, size = content_of(location, terms.checksum)
    return Points(location, about_file(location, role, terms, checksum, size), role=role)


def open_cities(location: Path, terms: Override) -> Points:
    """The cities of a file, as `open_points`."""
    return open_points(location, terms, "cities")


def numbers_of(column: pa.ChunkedArray) -> Floats:
    """A column as numbers, NaN where it holds none; a dot is the decimal point."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return np.asarray(column.cast(pa.float64()).to_numpy(), float)
    plain = pc.fill_null(pc.match_substring_regex(column, NUMBER), False)
    text = pc.if_else(plain, pc.utf8_trim_whitespace(column), pa.scalar(None, pa.string()))
    text = pc.replace_substring_regex(text, r"^\+", "")
    return np.asarray(text.cast(pa.float64()).to_numpy(), float)


def _geo(path: Path) -> bool:
    import pyarrow.parquet as pq

    try:
        metadata: dict[Any, Any] = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path}: cannot be read ({error})") from error
    return b"geo" in metadata
