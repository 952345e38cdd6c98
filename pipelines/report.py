"""What a build says: the plan in numbers, and the summary at the end."""

import math
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.progress import Progress
from schemas.text import counted

if TYPE_CHECKING:
    from pipelines.job import Job
    from pipelines.sources import Sources

SHIPPED = ("red", "green", "blue", "nir")
"""Bands that requests are reckoned with where no step says which it reads."""

CHIP_REQUESTS = 0.25
"""Requests for a chip of files on another host, for the estimate only: neighbours share blocks
(measured with Sentinel-2 on servers of object storage)."""

FILE_MS, MEGABYTE_MS = 3.0, 30.0
"""Milliseconds of one core for each file that a chip is read from, and for each megabyte of its pixels,
for the estimate only (benchmarks/make_local.py, and the recipes on the sample world)."""

MEMBER_BYTES = 1_500
"""Headers and padding of a member in its tar file."""

LOOKED_AT = 200
"""Samples from which a plan's bytes and time are reckoned."""


def plan_report(
    progress: Progress, job: "Job", planned: dict[str, Any], opened: "Sources", objects_only: bool
) -> None:
    """Counts, bytes, time, disk and licences of a plan."""
    tags = sorted(planned["tags"].items(), key=lambda kv: (-kv[1], kv[0]))
    if objects_only:
        progress.table("objects by tag", ("objects", "tag"), [(n, t) for t, n in tags])
        return
    splits = planned["splits"]
    shown = ", ".join(f"{k} {splits.get(k, 0):,}" for k in ("train", "val", "test"))
    progress.event(
        "planned",
        f"plan: {counted(planned['planned'], 'attempt')}, "
        f"{counted(planned['samples'], 'sample')} planned ({shown}) "
        f"in {counted(len(planned['blocks']), 'block')}",
        planned=planned["planned"], samples=planned["samples"], splits=splits,
        blocks=len(planned["blocks"]), left_out=planned["left_out"],
    )  # fmt: skip
    if planned["left_out"]:
        further = counted(planned["left_out"], "further sample")
        progress.say(f"plan: {further} left out by --limit")
    rows = [(n, f"{step}: {code}") for step, code, _, n in planned["drops"]]
    progress.table("not planned, and why", ("samples", "reason"), sorted(rows, reverse=True))
    size, effort = reckoned(job, planned["samples"])
    free = shutil.disk_usage(job.work).free
    seconds = effort / job.workers
    progress.say(
        f"plan: about {size / 1e6:,.0f} MB of shards ({2 * size / 1e6:,.0f} MB of disk, "
        f"{free / 1e9:,.0f} GB free), about {seconds:,.0f} s of make on "
        f"{counted(job.workers, 'core')}, {over_the_network(job)}"
    )
    licences = sorted({(c.role, c.licence) for c in opened.credits})
    progress.say("plan: licences: " + ", ".join(f"{role} {name}" for role, name in licences))


def over_the_network(job: "Job") -> str:
    """About how many requests the chips of a plan take: at least one for each file on another host."""
    from catalogs.readers import is_far
    from pipelines.job import scenes_of
    from transforms.imagery import choose_bands

    wanted = next((b for s in job.recipe.make if (b := getattr(s, "bands", ()))), SHIPPED)
    files = {
        key: {b.href for b in choose_bands(scene, wanted) if is_far(b)}
        for key, scene in scenes_of(job.planned / "scenes.jsonl").items()
    }
    needed: set[str] = set()
    chips = 0
    for _, _, scenes in _chips(job):
        far = set().union(*(files.get(key, set()) for key in scenes))
        needed |= far
        chips += bool(far)
    if not needed:
        return "no request over the network"
    requests = max(len(needed), math.ceil(CHIP_REQUESTS * chips))
    return f"about {counted(requests, 'request')} to {counted(len(needed), 'file')} on other hosts"


def _chips(job: "Job") -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """(width, height, keys of scenes) of each planned sample."""
    import pyarrow.parquet as pq

    for path in sorted((job.planned / "blocks").glob("*.parquet")):
        table = pq.read_table(path, columns=["width", "height", "scene_ids"])
        for row in table.to_pylist():
            yield row["width"], row["height"], tuple(row["scene_ids"] or ())


def reckoned(job: "Job", count: int) -> tuple[int, float]:
    """(bytes of all members, seconds of one core for them), from some samples of every block.

    0.6 of the pixels that are read for deflate, 0.3 bytes a pixel for a JPEG, 2 kB of text.
    """
    import numpy as np
    import pyarrow.parquet as pq

    from pipelines.job import scenes_of
    from transforms.planning.rows import from_table

    paths = sorted((job.planned / "blocks").glob("*.parquet"))
    scenes = scenes_of(job.planned / "scenes.jsonl")
    steps = [step for step in job.recipe.make if hasattr(step, "reads")]
    members = job.recipe.pack.members
    pictures = sum(getattr(member, "feature", "") == "image" for member in members.values())
    share = max(1, LOOKED_AT // max(len(paths), 1))
    seen, size, effort = 0, 0.0, 0.0
    for path in paths[:: max(1, len(paths) // LOOKED_AT)]:
        for sample in from_table(pq.read_table(path).slice(0, share), scenes):
            assert sample.window is not None
            pixels = sample.window.grid.width * sample.window.grid.height
            bands = [band for step in steps for band in step.reads(sample)]
            raw = pixels * sum(np.dtype(band.dtype).itemsize for band in bands)
            size += 0.6 * raw + 0.3 * pixels * pictures + MEMBER_BYTES * len(members) + 2048
            effort += FILE_MS * len({band.href for band in bands}) + MEGABYTE_MS * raw / 1e6
            seen += 1
    return int(size * count / max(seen, 1)), effort * count / max(seen, 1) / 1000


def summary(progress: Progress, target: Path, manifest: dict[str, Any], seconds: float) -> None:
    """What was shipped, what was dropped and why with an example, and the next command."""
    import pyarrow.parquet as pq

    counts = manifest["counts"]
    drops = pq.read_table(target / "metadata" / "drops.parquet", columns=["key", "step", "code"])
    example: dict[tuple[str, str], str] = {}
    for key, step, code in zip(*(c.to_pylist() for c in drops.columns), strict=True):
        example.setdefault((step, code), key)
    rows = [
        (count, f"{outcome} by {step}: {code}", f"e.g. {example.get((step, code), '')}")
        for _, step, code, outcome, count in manifest["funnel"]
    ]
    progress.table("what was dropped, and why", ("samples", "reason", "example"), rows)
    splits = ", ".join(f"{k} {v['samples']:,}" for k, v in manifest["splits"].items())
    progress.event(
        "done",
        f"planned {counts['planned']:,} = shipped {counts['shipped']:,} + rejected "
        f"{counts['rejected']:,} + failed {counts['failed']:,}\n"
        f"release: {target} ({splits}; {seconds:.1f} s), verified\n"
        f"next: python -m pipelines.verify {shlex.quote(str(target))}",
        release=str(target), counts=counts, seconds=round(seconds, 1),
    )  # fmt: skip
