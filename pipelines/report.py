"""What a build says: the plan in numbers, and the summary at the end."""

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.progress import Progress
from schemas.text import counted

if TYPE_CHECKING:
    from pipelines.job import Job
    from pipelines.sources import Sources

CHIP_MS = 8.0
"""Milliseconds of one core for a chip, for the estimate only (benchmarks/make_local.py)."""


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
    size = planned_bytes(job)
    free = shutil.disk_usage(job.work).free
    seconds = planned["samples"] * CHIP_MS / 1000 / job.workers
    progress.say(
        f"plan: about {size / 1e6:,.0f} MB of shards ({2 * size / 1e6:,.0f} MB of disk, "
        f"{free / 1e9:,.0f} GB free), about {seconds:,.0f} s of make on "
        f"{counted(job.workers, 'core')}, {network(opened, planned['samples'])}"
    )
    licences = sorted({(c.role, c.licence) for c in opened.credits})
    progress.say("plan: licences: " + ", ".join(f"{role} {name}" for role, name in licences))


def network(opened: "Sources", samples: int) -> str:
    """What make will ask over the network, and of whom: a request a chip where no two share tiles."""
    from catalogs.readers import is_far

    scenes = [s for s in opened.imagery.scenes if any(is_far(band) for band in s.bands)]
    if not scenes:
        return "no request over the network"
    hosts = sorted({scene.provider for scene in scenes if scene.provider})
    whose = f" to {', '.join(hosts)}" if hosts else ""
    return f"up to about {counted(samples, 'request')} over the network{whose}"


def planned_bytes(job: "Job") -> int:
    """Expected bytes of all members: 0.6 of the raw pixels for deflate, 0.1 for JPEG, 2 kB of text."""
    import numpy as np
    import pyarrow.parquet as pq

    from pipelines.job import scenes_of
    from transforms.imagery import choose_bands

    scenes = scenes_of(job.planned / "scenes.jsonl")
    per_pixel: dict[str, float] = {}
    for key, scene in scenes.items():
        bands = choose_bands(scene, ("red", "green", "blue", "nir"))
        per_pixel[key] = sum(np.dtype(b.dtype).itemsize for b in bands) * 0.6 + 0.3
    total = 0.0
    for path in sorted((job.planned / "blocks").glob("*.parquet")):
        table = pq.read_table(path, columns=["width", "height", "scene_ids"])
        for row in table.to_pylist():
            area = row["width"] * row["height"]
            total += area * sum(per_pixel.get(key, 0) for key in row["scene_ids"] or ()) + 2048
    return int(total)


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
