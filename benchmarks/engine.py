"""The engine's own contender: the whole make act, ending with committed blocks on disk.

The plan (windows, blocks) is made first and not timed, as the loop's sorting is not. Timed are Beam,
reading, GeoTIFF, JPEG, band statistics, checksums, syncs, sidecars and commit records.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import contender, dates
from benchmarks.family import Family
from benchmarks.stack import CHIP, EPSG, Spot, sample
from catalogs.sources.imagery import open_imagery
from catalogs.sources.terms import Override
from pipelines.acts.crew import warm
from pipelines.acts.make import make
from pipelines.acts.plan import plan
from pipelines.job import Job
from pipelines.runners import run
from pipelines.sources import write_scenes
from schemas.recipes import Card, Pack, Recipe
from schemas.samples import Drop, Sample
from schemas.windows import Window, to_lonlat
from transforms import encode, imagery, splits
from transforms.context import Context


@dataclass(frozen=True)
class Spots:
    """One sample for each of the benchmark's places: `stack`, or `towns` or `anywhere` of `dates`."""

    count: int
    where: str = "stack"
    role: str = field(default="spots", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"_col": "int64", "_row": "int64"}, init=False
    )

    def open(self, location: str) -> None:
        """Nothing to open."""

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """All places in one table."""
        spots = places(self.where, self.count)
        place = [spot.transform * (CHIP / 2, CHIP / 2) for spot in spots]
        lon, lat = to_lonlat(f"EPSG:{EPSG}", *map(pa.array, zip(*place, strict=True)))
        yield pa.table(
            {
                "key": [spot.key for spot in spots],
                "lon": lon,
                "lat": lat,
                "_col": [spot.col for spot in spots],
                "_row": [spot.row for spot in spots],
            }
        )


def places(where: str, count: int) -> list[Spot]:
    """So many places."""
    return sample(count) if where == "stack" else dates.places(count, where == "anywhere")


@dataclass(frozen=True)
class Here:
    """The window of a place, in the scenes chosen for it or in the one scene there is."""

    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"window": "noun", "scenes": "noun"}, init=False
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with window and scene."""
        sample.scenes = sample.scenes or ctx.sources["imagery"].scenes
        col, row = int(sample.facts["_col"]), int(sample.facts["_row"])  # type: ignore[arg-type]
        grid = sample.scenes[0].grid.cut(col, row, CHIP, CHIP)
        sample.window = Window(grid, 10.0, col, row)
        return sample


def recipe(count: int) -> Recipe:
    """Read, GeoTIFF, JPEG: the loop's work as a recipe."""
    return Recipe(
        card=Card("bench", "1.0.0", "bench", "bench", ("image-to-text",)),
        start=Spots(count),
        plan=(Here(), splits.ByCell(val=0.0, test=0.0)),
        make=(imagery.Read(bands=("B02", "B03", "B04", "B08")),),
        pack=Pack(members={"tif": encode.GeoTiff(), "jpg": encode.Jpeg(quality=90)}),
    )


class Run(NamedTuple):
    """What a timed make act did.

    Attributes:
        made: (sidecar, payload) of each block.
        worker_mb: the largest memory of a process that makes blocks.
    """

    done: contender.Done
    used: contender.Clock
    made: list[tuple[Path, Path]]
    worker_mb: float


def timed(wanted: Recipe, item: Path, options: argparse.Namespace, **settings: Any) -> Run:
    """Plan a recipe on placed items, then make it, by the clock."""
    location = {"spots": ""}
    folder = options.out / ".work"
    job = Job(folder, wanted, 0, "bench", location, workers=options.workers, **settings)
    write_scenes(open_imagery(str(item), Override(licence="CC0-1.0")), job.planned)
    if options.workers > 1:
        warm()  # as `build` does before it plans
    planned = plan(job)
    run("warm", [0], abs)
    family = Family()
    begun = contender.clock()
    counts = make(job, planned["blocks"])
    used = contender.clock() - begun
    cpu, peaks = family.end()
    used = contender.Clock(used.seconds, used.cpu_seconds + cpu)
    own = contender.peak_mb()
    done = contender.Done(counts["shipped"], counts["bytes"], own + sum(peaks))
    made = [job.made / f"{entry['id']}.bin" for entry in planned["blocks"]]
    return Run(done, used, [(p.with_suffix(".parquet"), p) for p in made], max(peaks, default=own))


def members(made: list[tuple[Path, Path]]) -> dict[str, tuple[Path, int, int]]:
    """Where each chip's GeoTIFF lies."""
    found = {}
    for sidecar, payload in made:
        table = pq.read_table(sidecar, columns=["key", "tif_offset", "tif_size"])
        for row in table.to_pylist():
            found[row["key"]] = (payload, row["tif_offset"], row["tif_size"])
    return found


def main() -> None:
    """Plan, time the make act, check pixels, print one line of JSON."""
    options = contender.arguments().parse_args()
    item = contender.start(options)
    ran = timed(recipe(options.n), item, options)
    contender.check(sample(options.n), options.cache, members(ran.made))
    note = f"{len(ran.made)} blocks, committed"
    contender.report("earthloom make", "0.1.0", ran.done, ran.used, options.workers, note)


if __name__ == "__main__":  # by its name, so that worker processes can import the recipe's steps
    from benchmarks import engine

    engine.main()
