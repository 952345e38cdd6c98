"""The build's map, asked by window: a feature table, made once of each extract and kept in the cache."""

from functools import lru_cache
from pathlib import Path
from threading import Lock

import pyarrow as pa

from catalogs.files import cache_place
from catalogs.sources import features
from catalogs.sources.feature_index import FeatureIndex, asked
from catalogs.sources.feature_table import FeatureTable, about_of
from catalogs.sources.osm_features import feature_table
from schemas.windows import Bounds

WORKER_MB = 350
"""Memory that a process may take while a table is made."""

SMALL = 20_000_000
"""Bytes of an extract that one process reads in less time than others take to start."""

_making = Lock()


@lru_cache(maxsize=2)
def map_of(location: str, workers: int) -> FeatureTable | FeatureIndex:
    """The map at a path: a feature table as it is, an extract as its table, other tables in memory.

    Raises:
        SourceError: it is damaged.
        UsageError: a table without keys that are needed, or a cache that cannot be written.
    """
    path = Path(location)
    if kind := features.driver_of(path):
        return FeatureTable(path) if kind == "Parquet" and about_of(path) else FeatureIndex.of(path)
    crew = 1 if path.stat().st_size < SMALL else workers
    memory = WORKER_MB * max(crew, 2)
    place = cache_place("osm", "the map's table")
    return feature_table(path, place, keys=asked(), memory_mb=memory, workers=crew)


def within(location: str, workers: int, bounds: Bounds) -> pa.Table:
    """The map's objects whose boxes meet a lon/lat box, sorted by type and id.

    Raises:
        SourceError, UsageError: as `map_of`.
    """
    with _making:
        found = map_of(location, workers)
    rows = found.within(bounds, asked())
    return rows.sort_by([("osm_type", "ascending"), ("osm_id", "ascending")])
