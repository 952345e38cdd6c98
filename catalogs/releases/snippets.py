"""Copyable ways to load a release, each run by the tests."""

from pathlib import Path

from catalogs.releases.bands import EVERY
from catalogs.releases.extents import decimals
from catalogs.releases.survey import Survey
from schemas.release import Staging
from schemas.tables import member_columns

HF = """\
import os
from datasets import load_dataset

here = os.getcwd()  # or the name of a hub repository
ds = load_dataset(here, split="{split}")
ds = load_dataset(here, split="{split}", streaming=True)  # read the tar files as you go
sample = next(iter(ds))
# {fields}
"""

WDS = """\
import webdataset as wds

shards = "data/{split}-{{{first}..{last}}}.tar"
ds = wds.WebDataset(shards, shardshuffle=False).decode("pil")
sample = next(iter(ds))
# {fields}
"""

TABLE = """\
import geopandas, duckdb

near = geopandas.read_parquet("metadata/samples.parquet", bbox=({bbox}))
duckdb.sql("SELECT split, count(*) FROM 'metadata/samples.parquet' GROUP BY split")
"""

ARROW = """\
import pyarrow.parquet as pq

table = pq.read_table("metadata/samples.parquet", filters=[("split", "=", "{split}")])
"""

NORMS = """\
import json
import pyarrow.parquet as pq

table = pq.read_table("metadata/samples.parquet", filters=[("split", "=", "train")])
row = table.slice(0, 1).to_pylist()[0]
with open("stats/stats.json") as file:
    collections = json.load(file)["bands"]["collections"]
own = collections[{group}]  # other sensors have other numbers
mean, std = ({{band: about[name] for band, about in own.items()}} for name in ("mean", "std"))
"""

RANGE = """\
import pyarrow.parquet as pq, rasterio

row = pq.read_table("metadata/samples.parquet").slice(0, 1).to_pylist()[0]
where = f"{{row['{offset}']}}_{{row['{size}']}}"
with rasterio.open(f"/vsisubfile/{{where}},data/{{row['shard']}}") as chip:
    pixels, crs = chip.read(), chip.crs
"""


def snippets(stage: Path, staging: Staging, found: Survey) -> str:
    """The section "Load it"."""
    split = next(iter(found.samples), "train")
    shards = [Path(name).stem for name, s in found.shards.items() if s.split == split]
    first, last = (shards[0][-6:], shards[-1][-6:]) if shards else ("000000", "000000")
    fields = ", ".join(f'sample["{ext}"]' for ext in staging.recipe.pack.members)
    box = window(found)
    bbox = ", ".join(f"{value:.{decimals(box)}f}" for value in box)
    blocks = [
        ("Hugging Face `datasets`", HF.format(split=split, fields=fields)),
        ("WebDataset", WDS.format(split=split, first=first, last=last, fields=fields)),
        ("The table, cut by a box on the map, or in SQL", TABLE.format(bbox=bbox)),
        ("The table as Arrow", ARROW.format(split=split)),
    ]
    if group := lookup(staging, found):
        blocks.append(("Mean and deviation of a sample's bands", NORMS.format(group=group)))
    raster = [ext for ext in staging.recipe.pack.members if ext.endswith("geotiff")]
    if raster:
        offset, size = member_columns(raster[0])
        blocks.append(
            (
                "One chip out of a tar file, without unpacking it",
                RANGE.format(offset=offset, size=size),
            )
        )
    lines = ["## Load it", "", "All paths are relative to this folder.", ""]
    for title, code in blocks:
        lines += [f"{title}:", "", "```python", code.rstrip(), "```", ""]
    return "\n".join(lines)


def lookup(staging: Staging, found: Survey) -> str:
    """How a row finds its collection's statistics, as Python; "" where no column says it."""
    if set(found.bands) == {EVERY}:
        return f'"{EVERY}"'
    plain = set(found.bands) <= {scene.collection for scene in staging.scenes.values()}
    return 'row["collection"]' if found.bands and plain else ""


def window(found: Survey) -> tuple[float, float, float, float]:
    """A box for the map filter: that of all samples, unless it crosses the antimeridian."""
    west, south, east, north = found.extent.bbox()
    return (west, south, east, north) if west <= east else (west, south, 180.0, north)
