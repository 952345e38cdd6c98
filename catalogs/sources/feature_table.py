"""A feature table that `osm_features` made: queried by window through the outlines of its row groups.

`FeatureTable` holds a path and opens it when it is first asked; it may go to other processes, and
may be asked by several threads at a time.
"""

import json
from collections import OrderedDict
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.geoparquet import group_boxes
from catalogs.sources.arrow import numbers
from catalogs.sources.feature_matching import Floats, Mask, has_key, meeting, wrapped
from catalogs.sources.feature_writer import META
from catalogs.sources.osm_drops import OnDrop, each
from catalogs.sources.osm_table import COLUMNS, bounds_of, gathered
from schemas.errors import SourceError, UsageError
from schemas.windows import Bounds

CACHE_MB = 64
"""Decoded row groups that one table keeps, those that were used last."""


class FeatureTable:
    """A feature table on disk."""

    def __init__(self, path: Path, cache_mb: int = CACHE_MB) -> None:
        """Nothing is read before it is asked for."""
        self.path, self.cache_mb = path, cache_mb
        self._lock = Lock()
        self._kept: OrderedDict[int, _Group] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        """Goes to other processes as a path."""
        return FeatureTable, (self.path, self.cache_mb)

    @cached_property
    def about(self) -> dict[str, Any]:
        """What the table was made of: extract, keys, rows, drops, licence, attribution, address.

        Raises:
            SourceError: it is damaged, or no table that `osm_features` made.
        """
        found = about_of(self.path)
        if found is None:
            raise SourceError(f"{self.path} is no feature table: make one with pipelines.osm")
        return found

    def within(self, bounds: Bounds, keys: Collection[str] | None = None) -> pa.Table:
        """Objects whose bounding box meets a box, as `osm_table.COLUMNS`, in file order.

        Args:
            bounds: (west, south, east, north) in degrees; west > east spans the antimeridian, as do
                longitudes beyond 180.
            keys: only objects with one of these.

        Raises:
            SourceError: the table is damaged.
            UsageError: the box is empty, or the table was made without some of the keys.
        """
        box = wrapped(bounds)
        asked = self._asked(keys)
        found = []
        for index in np.flatnonzero(meeting(self._outlines, box)).tolist():
            group = self._group(index)
            hits = meeting(group.bounds, box)
            if asked is not None:
                hits &= group.having(asked)
            rows = np.flatnonzero(hits)
            if len(rows):
                found.append(group.rows.take(numbers(pa.int64(), rows)))
        return pa.Table.from_batches(found, COLUMNS)

    def features(
        self,
        keys: Collection[str] | None,
        bbox: Bounds | None,
        batch_rows: int = 20_000,
        *,
        on_drop: OnDrop,
    ) -> Iterator[pa.RecordBatch]:
        """Batches of `COLUMNS` as the extract itself would give them, in another order.

        Args:
            bbox: (west, south, east, north); rows whose own bounding box is centred in it are kept.

        Raises:
            SourceError: the table is damaged.
            UsageError: no keys, or the table was made without some of them.
        """
        if keys is not None and not keys:
            raise UsageError("no OSM keys asked for: name at least one, e.g. building")
        asked = self._asked(keys)
        groups = np.arange(len(self._outlines))
        if bbox is not None:
            groups = groups[meeting(self._outlines, bbox)]
        yield from gathered(
            (self._rows(index, asked) for index in groups.tolist()), bbox, batch_rows
        )
        self._report(asked, on_drop)

    def _rows(self, index: int, asked: frozenset[str] | None) -> pa.RecordBatch:
        """The rows of a row group with one of the keys, read past the cache."""
        with self._lock:
            group = self._read(index)
        if asked is None:
            return group.rows
        return group.rows.take(numbers(pa.int64(), np.flatnonzero(group.having(asked))))

    def drops(self) -> pa.Table:
        """Objects of the extract that could not be rows (`osm_sorting.DROPS`).

        Raises:
            SourceError: their file is missing, or damaged.
        """
        path = drops_beside(self.path)
        try:
            return pq.read_table(path, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{path} cannot be read ({error}): make the table anew") from error

    def _report(self, asked: frozenset[str] | None, on_drop: OnDrop) -> None:
        if not sum(self.about["drops"].values()) or not drops_beside(self.path).exists():
            return
        lost = self.drops()
        if asked is not None:
            mask = has_key(lost["tags"].combine_chunks(), asked)
            lost = lost.take(numbers(pa.int64(), np.flatnonzero(mask)))
        for drop in each(lost):
            on_drop(drop)

    def _asked(self, keys: Collection[str] | None) -> frozenset[str] | None:
        """The keys to filter by.

        Raises:
            UsageError: the table was made without some of them.
        """
        made = self.about["keys"]
        if made is not None:
            lacking = sorted(set(keys or ()) - set(made))
            if keys is None or lacking:
                what = "all keys" if keys is None else ", ".join(lacking)
                raise UsageError(
                    f"{self.path} holds objects with {', '.join(made)} only, not {what}: make a "
                    "table of everything with pipelines.osm, or name the extract itself"
                )
        return None if keys is None else frozenset(keys)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return _open(self.path)

    @cached_property
    def _outlines(self) -> Floats:
        """West, south, east, north (n, 4) of each row group."""
        with self._lock:
            meta = self._file.metadata
        return group_boxes(meta)

    def _group(self, index: int) -> "_Group":
        """A row group from the cache, or from the file."""
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            group = self._read(index)
            self._kept[index] = group
            while len(self._kept) > 1 and self._size() > self.cache_mb << 20:
                self._kept.popitem(last=False)
            return group

    def _size(self) -> int:
        return sum(group.rows.nbytes for group in self._kept.values())

    def _read(self, index: int) -> "_Group":
        try:
            return _Group(self._file.read_row_group(index))
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{self.path} is damaged ({error}): make it anew") from error


class _Group:
    """A decoded row group.

    Attributes:
        rows: with the schema `COLUMNS`.
        bounds: their bounding boxes (n, 4).
    """

    def __init__(self, table: pa.Table) -> None:
        sides = table["bbox"].combine_chunks().flatten()
        columns = [table[name].combine_chunks() for name in COLUMNS.names[:-4]]
        self.rows = pa.RecordBatch.from_arrays([*columns, *sides], schema=COLUMNS)
        self.bounds = bounds_of(self.rows)
        self._having: dict[frozenset[str], Mask] = {}

    def having(self, keys: frozenset[str]) -> Mask:
        """Which rows have one of the keys."""
        if keys not in self._having:
            self._having[keys] = has_key(self.rows.column("tags"), keys)
        return self._having[keys]


def about_of(path: Path) -> dict[str, Any] | None:
    """What a table that `osm_features` made says of itself; None of any other Parquet file.

    Raises:
        SourceError: the file is damaged.
    """
    found = (_open(path).metadata.metadata or {}).get(META)
    return None if found is None else dict(json.loads(found))


def drops_beside(path: Path) -> Path:
    """Where the drops of a table lie."""
    return path.with_name(f"{path.stem}.drops.parquet")


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} is damaged ({error}): make it anew") from error
