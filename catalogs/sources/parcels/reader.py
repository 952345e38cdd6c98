"""Parcels of all years and registers of a location, asked by window through their row groups."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from catalogs.geoparquet import columns_of, group_boxes, sides
from catalogs.sources.feature_matching import meeting, wrapped
from catalogs.sources.parcels.columns import COLUMNS
from schemas.errors import SourceError
from schemas.sources import About
from schemas.windows import Bounds

META = b"earthloom:parcels"
"""Key of the metadata that say what the table was made of, as JSON."""

CACHE_MB = 64
"""Decoded row groups that one reader keeps, those that were used last."""


class Parcels:
    """A table of parcels on disk."""

    def __init__(self, path: Path, cache_mb: int = CACHE_MB) -> None:
        """Nothing is read before it is asked for."""
        self.path, self.cache_mb = path, cache_mb
        self._lock = Lock()
        self._kept: OrderedDict[int, pa.Table] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        """Goes to other processes as a path."""
        return Parcels, (self.path, self.cache_mb)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the table was made of, and what was counted.

        Raises:
            SourceError: it is damaged, or another kind of table.
        """
        found = (self._file.metadata.metadata or {}).get(META)
        if found is None:
            raise SourceError(f"{self.path} is no table of parcels: name the register's own files")
        return dict(json.loads(found))

    @property
    def abouts(self) -> tuple[About, ...]:
        """Licence and credit line of each register."""
        return tuple(
            About(**{**about, "parts": tuple(about["parts"]), "notes": tuple(about["notes"])})
            for about in self.facts["abouts"]
        )

    @property
    def about(self) -> About:
        """Licence and credit line, where all registers agree; else those of the first."""
        return self.abouts[0]

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were read, kept, repaired, and lost by reason."""
        return dict(self.facts["counts"])

    @property
    def years(self) -> tuple[int, ...]:
        """Years of harvest, sorted; 0 stands for an unknown one."""
        return tuple(self.facts["years"])

    @property
    def undated(self) -> tuple[str, ...]:
        """Names of files none of whose parcels has a year."""
        return tuple(self.facts["undated"])

    @property
    def version(self) -> str:
        """What the table was made of: files, sidecars, terms and code."""
        return str(self.facts["address"])

    @property
    def bounds(self) -> Bounds | None:
        """(west, south, east, north) of all parcels in degrees, None without any."""
        outlines = self._groups[0]
        if not len(outlines):
            return None
        low, high = outlines[:, :2].min(0).tolist(), outlines[:, 2:].max(0).tolist()
        return low[0], low[1], high[0], high[1]

    def __len__(self) -> int:
        """Parcels in all."""
        return int(self._file.metadata.num_rows)

    def within(self, bounds: Bounds, year: int | None = None) -> pa.Table:
        """Parcels whose boxes meet a box, as `COLUMNS`, sorted by key.

        Args:
            bounds: (west, south, east, north) in degrees; west > east spans the antimeridian.
            year: of harvest, None for all years.

        Raises:
            SourceError: the table is damaged.
            UsageError: the box is empty.
        """
        box = wrapped(bounds)
        outlines, years = self._groups
        hit = meeting(outlines, box)
        if year is not None:
            hit &= (years[:, 0] <= year) & (years[:, 1] >= year)
        found = [COLUMNS.empty_table()]
        for index in np.flatnonzero(hit).tolist():
            group = self._group(index)
            rows = meeting(boxes(group), box)
            if year is not None:
                rows &= group["year"].to_numpy() == year
            found.append(group.filter(pa.array(rows)))
        return pa.concat_tables(found).combine_chunks().sort_by("key")

    def beside(self, own: npt.NDArray[np.float64], year: int) -> pa.Table:
        """Key and outline of a year's parcels whose boxes meet any of some boxes `(n, 4)`.

        One box around them all may hold much of a register: a curve that leaves it and comes back
        puts parcels of far places side by side.

        Raises:
            SourceError: the table is damaged.
        """
        tree = shapely.STRtree(shapely.box(*own.T))
        outlines, years = self._groups
        hit = _hit(tree, outlines) & (years[:, 0] <= year) & (years[:, 1] >= year)
        found = [COLUMNS.empty_table().select(["key", "geometry"])]
        for index in np.flatnonzero(hit).tolist():
            group = self._group(index)
            rows = _hit(tree, boxes(group)) & (group["year"].to_numpy() == year)
            found.append(group.select(["key", "geometry"]).filter(pa.array(rows)))
        return pa.concat_tables(found)

    def batches(self) -> Iterator[pa.Table]:
        """All parcels, a row group at a time: by year, then along a Hilbert curve."""
        for index in range(self._file.metadata.num_row_groups):
            with self._lock:
                group = self._read(index)
            yield group

    def drops(self) -> pa.Table:
        """Rows that are no parcels, with reasons (`columns.DROPS`).

        Raises:
            SourceError: their file is missing, or damaged.
        """
        path = drops_beside(self.path)
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{path} cannot be read ({error}): make the table anew") from error

    @cached_property
    def _file(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{self.path} is damaged ({error}): remove it") from error

    @cached_property
    def _groups(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Outlines (n, 4) and first and last year (n, 2) of the row groups."""
        with self._lock:
            meta = self._file.metadata
        number = columns_of(meta).index("year")
        groups = (meta.row_group(index) for index in range(meta.num_row_groups))
        known = [group.column(number).statistics for group in groups]
        years = np.array([(year.min, year.max) for year in known], np.int64).reshape(-1, 2)
        return group_boxes(meta), years

    def _group(self, index: int) -> pa.Table:
        """A row group from the cache, or from the file."""
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            group = self._kept[index] = self._read(index)
            while len(self._kept) > 1 and self._size() > self.cache_mb << 20:
                self._kept.popitem(last=False)
            return group

    def _size(self) -> int:
        return sum(group.nbytes for group in self._kept.values())

    def _read(self, index: int) -> pa.Table:
        try:
            return self._file.read_row_group(index, use_threads=False).replace_schema_metadata()
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{self.path} is damaged ({error}): remove it") from error


def boxes(table: pa.Table) -> npt.NDArray[np.float64]:
    """West, south, east, north of each row's box, (n, 4)."""
    return np.stack(sides(table["bbox"].combine_chunks()), axis=1)


def _hit(tree: shapely.STRtree, some: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which boxes `(n, 4)` meet one of a tree, borders included."""
    found = np.zeros(len(some), bool)
    found[tree.query(shapely.box(*some.T))[0]] = True
    return found


def drops_beside(path: Path) -> Path:
    """Where the drops of a table lie."""
    return path.with_name(f"{path.stem}.drops.parquet")
