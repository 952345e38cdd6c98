"""The engine's own contender: the whole make act, ending with committed blocks on disk.

The plan (windows, blocks) is made first and not timed, as the loop's sorting is not. Timed are Beam,
reading, GeoTIFF, JPEG, band statistics, checksums, syncs, sidecars and commit records.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import contender
from benchmarks.family import Family
from benchmarks.stack import CHIP, EPSG, sample
from catalogs.sources.imagery import Override, open_imagery
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
    """One sample for each of the benchmark's places."""

    count: int
    role: str = field(default="spots", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"_col": "int64", "_row": "int64"}, init=False
    )

    def open(self, location: str) -> None:
        """Nothing to open."""

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """All places in one table."""
        spots = sample(self.count)
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


@dataclass(frozen=True)
class Here:
    """The window of a place, in the one scene there is."""

    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"window": "noun", "scenes": "noun"}, init=False
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with window and scene."""
        scene = ctx.sources["imagery"].scenes[0]
        col, row = int(sample.facts["_col"]), int(sample.facts["_row"])  # type: ignore[arg-type]
        sample.scenes = (scene,)
        sample.window = Window(scene.grid.cut(col, row, CHIP, CHIP), 10.0, col, row)
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


def main() -> None:
    """Plan, time the make act, check pixels, print one line of JSON."""
    options = contender.arguments().parse_args()
    item = contender.start(options)
    folder = options.out / ".work"
    job = Job(folder, recipe(options.n), 0, "bench", {"spots": ""}, workers=options.workers)
    scenes = open_imagery(str(item), Override(licence="CC0-1.0"))
    write_scenes(scenes, job.planned)
    if options.workers > 1:
        warm()  # as `build` does before it plans
    planned = plan(job)
    run("warm", [0], abs)
    family = Family()
    begun = contender.clock()
    counts = make(job, planned["blocks"])
    used = contender.clock() - begun
    cpu, peak = family.end()
    used = contender.Clock(used.seconds, used.cpu_seconds + cpu)
    done = contender.Done(counts["shipped"], counts["bytes"], contender.peak_mb() + peak)
    contender.check(sample(options.n), options.cache, _places(job, planned))
    contender.report("earthloom make", "0.1.0", done, used, options.workers,
                     f"{counts['blocks']} blocks, committed")  # fmt: skip


def _places(job: Job, planned: dict[str, list[dict[str, str]]]) -> dict[str, tuple[Path, int, int]]:
    """Where each chip's GeoTIFF lies."""
    found = {}
    for entry in planned["blocks"]:
        path = job.made / f"{entry['id']}.bin"
        table = pq.read_table(
            path.with_suffix(".parquet"), columns=["key", "tif_offset", "tif_size"]
        )
        for row in table.to_pylist():
            found[row["key"]] = (path, row["tif_offset"], row["tif_size"])
    return found


if __name__ == "__main__":  # by its name, so that worker processes can import the recipe's steps
    from benchmarks import engine

    engine.main()
