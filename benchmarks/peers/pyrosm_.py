"""pyrosm: everything with one of the keys as a GeoDataFrame, written as GeoParquet; not sorted."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from pyrosm import OSM

from benchmarks import osm_contender


def work(extract: Path, out: Path, keys: list[str]) -> int:
    """Its own filter by keys; it has none for "tagged at all"."""
    if not keys:
        raise SystemExit("pyrosm cannot be asked for everything tagged")
    frame = OSM(str(extract)).get_data_by_custom_criteria(
        custom_filter=dict.fromkeys(keys, True), filter_type="keep", tags_as_columns=keys
    )
    frame.to_parquet(out / "x.parquet")
    return len(frame)


if __name__ == "__main__":
    osm_contender.main("pyrosm", version("pyrosm"), work, "not sorted")
