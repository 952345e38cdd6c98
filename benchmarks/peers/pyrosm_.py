"""pyrosm: everything with one of the keys as a GeoDataFrame, written as GeoParquet; not sorted.

It has no filter for "tagged at all", so all keys of the extract are named then, as osmium-tool lists them.
"""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

from pyrosm import OSM

from benchmarks import osm_contender


def work(extract: Path, out: Path, keys: list[str]) -> int:
    """Its own filter by keys."""
    keys = keys or listed(extract)
    frame = OSM(str(extract)).get_data_by_custom_criteria(
        custom_filter=dict.fromkeys(keys, True), filter_type="keep", tags_as_columns=keys
    )
    frame.to_parquet(out / "x.parquet")
    return len(frame)


def listed(extract: Path) -> list[str]:
    """The keys of an extract, but for the one that all others take for no tag."""
    command = ["osmium", "tags-count", str(extract)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    keys = [json.loads(line.split("\t")[1]) for line in done.stdout.splitlines()]
    return [key for key in keys if key != "created_by"]


if __name__ == "__main__":
    osm_contender.main("pyrosm", version("pyrosm"), work, "not sorted, a column a key")
