"""MCD12Q2 as tables of points: the ORNL subset service's CSV, and any CSV or Parquet of points."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.phenology.layers import KEPT, Layer, dates_of, lacking, of_band
from catalogs.sources.phenology.nearest import Known
from schemas.errors import SourceError
from schemas.phenology import CYCLES, Dates, Summary, usable_cycles
from schemas.windows import arcs, chords, unit_vectors

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

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

    @cached_property
    def _tree(self) -> "cKDTree":
        from scipy.spatial import cKDTree

        return cKDTree(unit_vectors(self.lon, self.lat))

    @cached_property
    def _known(self) -> Known | None:
        """The points with a usable cycle, None without any."""
        kept = np.flatnonzero(usable_cycles(self.dates).any(axis=(1, 2)))
        if not len(kept):
            return None
        return Known.of(unit_vectors(self.lon[kept], self.lat[kept]), kept, self.dates.take(kept))

    def at(self, lon: Floats, lat: Floats) -> Dates:
        """Of the nearest point within `REACH_M`; nothing beyond it."""
        found = Dates.blank(len(lon), self.dates.years)
        if len(self.lon) and len(lon):
            chord, row = map(np.asarray, self._tree.query(unit_vectors(lon, lat)))
            near = np.flatnonzero(chord <= chords(REACH_M))
            found.put(near, self.dates, row[near])
        return found

    def nearest(self, lon: Floats, lat: Floats, max_km: float = 0.0) -> tuple[Summary, Floats]:
        """As `nearest.Nearest`."""
        known = self._known
        if known is None:
            return Summary.blank(len(lon)), np.full(len(lon), np.inf)
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
    positions: list[npt.NDArray[np.complex128]] = []
    found: dict[Layer, list[tuple[npt.NDArray[np.int64], Floats]]] = {}
    count = 0
    for path in sorted(paths):
        lon, lat, columns = _rows(path, _table(path))
        _check(path, lon, lat)
        own, place = np.unique(lon + 1j * lat, return_inverse=True)
        positions.append(own)
        for layer, rows, values in columns:
            found.setdefault(layer, []).append((place[rows] + count, values))
        count += len(own)
    if not found:
        raise SourceError("--phenology: the tables hold no row")
    at, same = np.unique(np.concatenate(positions), return_inverse=True)  # by lon, then lat
    years = sorted({layer.year for layer in found})
    dates = Dates.blank(len(at), years)
    every = np.arange(len(at))
    for year in years:
        grids = {
            layer: _spread(layer, [(same[rows], values) for rows, values in parts], at)
            for layer, parts in found.items()
            if layer.year == year
        }
        dates.put(every, dates_of([year], grids, len(at)), every)
    return Points(at.real.copy(), at.imag.copy(), dates, frozenset(found))


def _spread(
    layer: Layer, parts: list[tuple[npt.NDArray[np.int64], Floats]], at: npt.NDArray[np.complex128]
) -> Floats:
    """A layer's value at each place, NaN where there is none.

    Raises:
        SourceError: two values for one place.
    """
    grid = np.full(len(at), np.nan)
    for place, values in parts:
        some = np.isfinite(values)
        grid[place[some]] = values[some]
    for place, values in parts:
        told = grid[place]
        bad = np.flatnonzero(np.isfinite(values) & (told != values))
        if bad.size:
            where = at[place[bad[0]]]
            raise SourceError(
                f"--phenology: {layer.name}_{layer.cycle + 1} of {layer.year} at {where.real:g} "
                f"{where.imag:g} is both {values[bad[0]]:g} and {told[bad[0]]:g}"
            )
    return grid


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
