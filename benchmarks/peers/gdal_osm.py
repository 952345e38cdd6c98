"""GDAL's OSM driver, read through Arrow, one Parquet file a layer; neither sorted nor with outlines."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pyogrio
from pyogrio.raw import open_arrow

from benchmarks import osm_contender

LAYERS = ("points", "lines", "multilinestrings", "multipolygons", "other_relations")


def work(extract: Path, out: Path, keys: list[str]) -> int:
    """Every layer in turn, as the driver asks for."""
    rows = 0
    for layer in LAYERS:
        options = {"where": chosen(extract, layer, keys)} if keys else {}
        with open_arrow(str(extract), layer=layer, use_pyarrow=True, **options) as (_, reader):
            writer = pq.ParquetWriter(out / f"{layer}.parquet", reader.schema, compression="zstd")
            for batch in reader:
                writer.write_batch(batch)
                rows += len(batch)
            writer.close()
    return rows


def chosen(extract: Path, layer: str, keys: list[str]) -> str:
    """Keys are columns, or in the text `other_tags`."""
    columns = set(pyogrio.read_info(str(extract), layer=layer)["fields"])
    parts = [
        f'"{key}" IS NOT NULL' if key in columns else f"other_tags LIKE '%\"{key}\"=>%'"
        for key in keys
    ]
    return " OR ".join(parts)


if __name__ == "__main__":
    version = ".".join(map(str, pyogrio.__gdal_version__))
    osm_contender.main(
        "GDAL's driver, Arrow", version, work, "five layers, not sorted, no outlines"
    )
