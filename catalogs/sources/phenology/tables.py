"""MCD12Q2 as tables of points: the ORNL subset service's CSV, and any CSV or Parquet of points."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.phenology.layers import KEPT, Layer, dates_of, lacking, of_band
from catalogs.sources.phenology.nearest import Known
from schemas.errors import SourceError
from schemas.phenology import CYCLES, Dates, Summary, usable_cycles
from schemas.windows import arcs, chords, unit_vectors

FILES = (".csv", ".parquet")

SUBSET = ("band", "calendar_date", "latitude", "longitude", "value")
"""Columns by which a table of the subset service is known."""

MODES = re.compile(rf"({'|'.join(KEPT)}|NumCycles)(?:\.Num_Modes_0([12]))?")
"""Its names of layers: `Greenup.Num_Modes_01`."""

REACH_M = 330.0
"""Half the diagonal of a pixel of 463 m: as far as a point speaks for its surroundings."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Phenology at points, each a pixel of the product.

    Attributes:
        lon, lat: degrees, float64 `(n,)`, sorted by (lon, lat).
        dates: of each.
        layers: that the tables hold.
    """

    lon: Floats
    lat: Floats
    dates: Dates
    layers: frozenset[Layer]

    @property
    def years(self) -> tuple[int, ...]:
        """Product years."""
        return tuple(self.dates.years.tolist())

    def at(self, lon: Floats, lat: Floats) -> Dates:
        """Of the nearest point within `REACH_M`; nothing beyond it."""
        from scipy.spatial import cKDTree

        found = Dates.blank(len(lon), self.dates.years)
        if len(self.lon) and len(lon):
            tree = cKDTree(unit_vectors(self.lon, self.lat))
            chord, row = map(np.asarray, tree.query(unit_vectors(lon, lat)))
            near = np.flatnonzero(chord <= chords(REACH_M))
            found.put(near, self.dates, row[near])
        return found

    def nearest(self, lon: Floats, lat: Floats, max_km: float = 0.0) -> tuple[Summary, Floats]:
        """As `nearest.Nearest`."""
        kept = np.flatnonzero(usable_cycles(self.dates).any(axis=(1, 2)))
        if not len(kept):
            return Summary.blank(len(lon)), np.full(len(lon), np.inf)
        known = Known.of(unit_vectors(self.lon[kept], self.lat[kept]), kept, self.dates.take(kept))
        chord, row = known.nearest(unit_vectors(lon, lat))
        km, found = np.asarray(arcs(chord) / 1000), known.summary(row)
        far = np.flatnonzero(km > max_km) if max_km else row[:0]
        found.put(far, Summary.blank(len(far)))
        km[far] = np.inf
        return found, km


def open_tables(paths: Iterable[Path]) -> Points:
    """The points of some tables together.

    Raises:
        SourceError: unreadable, without the columns, positions off the globe, or two values for one
            layer of a point.
    """
    lons, lats, numbers, values = [], [], [], []
    layers: dict[Layer, int] = {}
    for path in sorted(paths):
        lon, lat, columns = _rows(path, _table(path))
        _check(path, lon, lat)
        for layer, rows, array in columns:
            lons.append(lon[rows])
            lats.append(lat[rows])
            values.append(array)
            numbers.append(np.full(len(rows), layers.setdefault(layer, len(layers))))
    if not layers:
        raise SourceError("--phenology: the tables hold no row")
    lon, lat, number, value = map(np.concatenate, (lons, lats, numbers, values))
    at, place = np.unique(np.stack([lon, lat], axis=1), axis=0, return_inverse=True)
    place = place.ravel()
    grids = {layer: np.full(len(at), np.nan) for layer in layers}
    for layer, which in layers.items():
        rows = np.flatnonzero(number == which)
        grids[layer][place[rows]] = value[rows]
        told = grids[layer][place[rows]]
        if (bad := np.flatnonzero(~((told == value[rows]) | np.isnan(value[rows])))).size:
            row = rows[bad[0]]
            raise SourceError(
                f"--phenology: {layer.name}_{layer.cycle + 1} of {layer.year} at {lon[row]:g} "
                f"{lat[row]:g} is both {value[row]:g} and {told[bad[0]]:g}"
            )
    years = sorted({layer.year for layer in layers})
    return Points(at[:, 0], at[:, 1], dates_of(years, grids, len(at)), frozenset(layers))


def missing(points: Points) -> list[str]:
    """Layers that seasons need and the tables lack."""
    return lacking(points.layers)


def _table(path: Path) -> pa.Table:
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path)
        return csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"--phenology {path}: cannot be read as a table ({error})") from error


Columns = list[tuple[Layer, npt.NDArray[Any], Floats]]
"""(layer, rows, their values)."""


def _rows(path: Path, table: pa.Table) -> tuple[Floats, Floats, Columns]:
    """Longitudes and latitudes of all rows, and the values of each layer."""
    if set(SUBSET) <= set(table.column_names):
        return _subset(path, table)
    wide = [name for name in table.column_names if of_band(_numbered(name), 0)]
    if not {"lon", "lat", "year"} <= set(table.column_names) or not wide:
        raise SourceError(
            f"--phenology {path}: neither a table of the subset service ({', '.join(SUBSET)}) nor one "
            "with lon, lat, year and layers (Greenup_1, ...)"
        )
    year = _numbers(path, table, "year").astype(int)
    found: Columns = []
    for name in wide:
        values = _numbers(path, table, name)
        for each in np.unique(year).tolist():
            layer, rows = of_band(_numbered(name), each), np.flatnonzero(year == each)
            assert layer is not None
            found.append((layer, rows, values[rows]))
    return _numbers(path, table, "lon"), _numbers(path, table, "lat"), found


def _numbered(name: str) -> str:
    """A layer's name with its cycle: the first where none is told."""
    return f"{name}_1" if name in KEPT else name


def _subset(path: Path, table: pa.Table) -> tuple[Floats, Floats, Columns]:
    if any(name in table.column_names for name in ("nrows", "ncols")):
        sides = [_numbers(path, table, n) for n in ("nrows", "ncols") if n in table.column_names]
        if any((side != 1).any() for side in sides):
            raise SourceError(
                f"--phenology {path}: rows of more than one pixel around a place; ask the subset "
                "service for 0 km around it"
            )
    bands, years = table["band"].to_pylist(), _years(path, table)
    values = _numbers(path, table, "value")
    groups: dict[Layer, list[int]] = {}
    for row, (band, year) in enumerate(zip(bands, years, strict=True)):
        if found := MODES.fullmatch(band or ""):
            layer = Layer(year, found[1], min(int(found[2] or 1), CYCLES) - 1)
            groups.setdefault(layer, []).append(row)
    columns = [(layer, np.array(rows), values[rows]) for layer, rows in groups.items()]
    return _numbers(path, table, "longitude"), _numbers(path, table, "latitude"), columns


def _years(path: Path, table: pa.Table) -> list[int]:
    try:
        return [int(str(value)[:4]) for value in table["calendar_date"].to_pylist()]
    except ValueError as error:
        raise SourceError(f"--phenology {path}: calendar_date holds no date ({error})") from error


def _numbers(path: Path, table: pa.Table, name: str) -> Floats:
    """A column as float64, NaN where it is empty."""
    try:
        column = table[name].cast(pa.float64())
    except pa.ArrowException as error:
        raise SourceError(f"--phenology {path}: {name} holds no numbers ({error})") from error
    return np.asarray(column.fill_null(np.nan).to_numpy(), float)


def _check(path: Path, lon: Floats, lat: Floats) -> None:
    bad = np.flatnonzero(~((np.abs(lon) <= 180) & (np.abs(lat) <= 90)))
    if bad.size:
        row = int(bad[0])
        raise SourceError(
            f"--phenology {path}: row {row + 1} lies at {lon[row]:g} {lat[row]:g}, which is no place"
        )
