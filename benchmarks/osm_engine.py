"""The engine's feature table: sorted in space, drops beside it."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

from benchmarks import osm_contender
from catalogs.sources.osm_features import feature_table


def work(extract: Path, out: Path, keys: list[str]) -> int:
    """The table, with a process for each core."""
    cores = len(os.sched_getaffinity(0))
    made = feature_table(extract, out / "table.parquet", keys=keys or None, workers=cores)
    return int(made.about["rows"])


if __name__ == "__main__":
    osm_contender.main("earthloom", version("shapely"), work, "sorted, drops beside it")
