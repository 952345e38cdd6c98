"""The engine's feature table: sorted in space, drops beside it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from benchmarks import osm_contender
from catalogs.sources.osm_features import feature_table
from catalogs.sources.osm_means import processes


def work(extract: Path, out: Path, keys: list[str]) -> int:
    """The table, with as many processes as the command takes."""
    workers = processes([extract], len(os.sched_getaffinity(0)), 700)
    made = feature_table(extract, out / "table.parquet", keys=keys or None, workers=workers)
    return int(made.about["rows"])


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    osm_contender.main("earthloom", project["version"], work, "sorted, drops beside it")
