"""quackosm: DuckDB with its spatial extension, taken from a package so that nothing is fetched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import duckdb_extension_spatial

HOME = Path(tempfile.mkdtemp(prefix="quackosm-"))  # before DuckDB looks for its extensions
for built in (Path(duckdb_extension_spatial.__file__).parent / "extensions").iterdir():
    target = HOME / ".duckdb" / "extensions" / built.name / "linux_amd64"
    target.mkdir(parents=True)
    for extension in built.iterdir():
        (target / extension.name).symlink_to(extension)
os.environ["HOME"] = str(HOME)

import pyarrow.parquet as pq  # noqa: E402
import quackosm  # noqa: E402

from benchmarks import osm_contender  # noqa: E402


def work(extract: Path, out: Path, keys: list[str]) -> int:
    """Its own conversion to sorted GeoParquet, with tags as one column."""
    path = quackosm.convert_pbf_to_parquet(
        extract,
        tags_filter=dict.fromkeys(keys, True) if keys else None,
        keep_all_tags=True,
        explode_tags=False,
        result_file_path=out / "x.parquet",
        ignore_cache=True,
        working_directory=out / "work",
        verbosity_mode="silent",
    )
    return pq.ParquetFile(path).metadata.num_rows


if __name__ == "__main__":
    osm_contender.main("quackosm", quackosm.__version__, work, "sorted")
