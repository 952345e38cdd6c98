"""The acts of a build in their order: each finds what is done already, and does the rest."""

import argparse
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalogs.files import clean_parts, write_json
from pipelines import models
from pipelines.acts import annotate as asking
from pipelines.acts.blocks import retry, sweep, tally
from pipelines.acts.crew import warm
from pipelines.acts.make import make
from pipelines.acts.pack import pack, waits_for
from pipelines.acts.plan import plan
from pipelines.acts.release import release, split_rule
from pipelines.commands.options import ACTS
from pipelines.job import Job, cores
from pipelines.origin import resolved, run_facts
from pipelines.progress import Progress
from pipelines.report import plan_report, summary
from pipelines.sources import Sources, contents, open_sources, region_of, write_scenes
from pipelines.workdir import RETRYING, SEARCHES, clear, finished, forget_searches
from schemas.chance import digest
from schemas.errors import BuildError, UsageError
from schemas.recipes import Recipe
from schemas.text import counted
from transforms.planning.blocks import code_version, step_settings


@dataclass(frozen=True)
class Build:
    """What was asked for.

    Attributes:
        args: the options; argv: as they were written.
        recipe: with overrides applied.
        work: the work area; target: where the release goes.
        settings: everything asked for that shapes the output.
    """

    args: argparse.Namespace
    argv: tuple[str, ...]
    recipe: Recipe
    work: Path
    target: Path
    settings: dict[str, Any]
    progress: Progress

    @property
    def last(self) -> str:
        """The act to stop after."""
        return "plan" if self.args.plan else str(self.args.until)

    def wants(self, act: str) -> bool:
        """Whether the build goes as far as this act."""
        return ACTS.index(act) <= ACTS.index(self.last)

    def done(self) -> int:
        """Say that there is nothing to do."""
        self.progress.event("done", f"up to date: {self.target}", release=str(self.target))
        return 0

    def keep_settings(self) -> None:
        """What later runs must ask for, too."""
        write_json(self.work / "settings.json", self.settings)


def run_acts(build: Build) -> int:
    """Run the acts up to the one asked for; returns the exit code.

    Raises:
        LoomError: with one sentence and its exit code.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    args, progress = build.args, build.progress
    opened = _opened(build)
    asked = None
    if build.wants("annotate") and build.recipe.annotate:
        asked = models.resolve(args, build.recipe, build.target.parent, progress.say)
    job = job_of(build, opened, asked)
    planned = _planned(build, job, opened)
    if build.last == "plan":
        return 0
    names = [entry["id"] for entry in planned["blocks"]]
    if args.retry_failed and not _again(build, job, names) and finished(build.target, build.work):
        build.keep_settings()
        return build.done()
    with progress.act("make", len(names), lambda: sum(1 for _ in job.made.glob("*.json"))):
        make(job, planned["blocks"], progress.say)
    if build.wants("annotate") and job.recipe.annotate:
        _annotated(build, job, planned)
    if not build.wants("pack"):
        return 0
    k, n = args.slice
    if build.last == "release" and n > 1 and (missing := waits_for(job, names)):
        progress.say(f"slice {k}/{n}: done so far; pack waits for {missing}")
        return 0
    with progress.act("pack"):
        packed = pack(job, planned["blocks"])
    if n > 1:
        progress.say(
            "slice done; run once without --slice when all are, to pack the rest and release"
        )
    if not build.wants("release") or n > 1:
        return 0
    _warn_of_empty_splits(job, packed, progress)
    with progress.act("release"):
        manifest = release(
            job, planned, packed, opened.credits,
            resolved(build.settings, job.recipe, asked.names if asked else {}),
            run_facts(list(build.argv), started, args.runner), build.target,
            replace=(build.work / RETRYING).exists(),
        )  # fmt: skip
    (build.work / RETRYING).unlink(missing_ok=True)
    build.keep_settings()
    sweep(job, names)
    summary(progress, build.target, manifest, time.monotonic() - clock)
    return 0


def _opened(build: Build) -> Sources:
    """The sources, and a work area fit for them."""
    args, progress = build.args, build.progress
    if args.imagery == "none" and getattr(build.recipe.start, "role", "") == "imagery":
        raise UsageError(
            f"--imagery none: recipe {build.recipe.card.name} starts from images, so that nothing "
            "could be counted; name some"
        )
    anew = args.overwrite and not args.plan  # a plan is a look and destroys nothing
    if args.slice == (0, 1):
        clean_parts(build.work)
    with progress.act("sources"):
        if anew:
            forget_searches(build.work)
        opened = open_sources(args, build.recipe, progress.say, build.work / SEARCHES)
        _overlap(args, opened)
    if anew:
        clear(build.work, build.target)
    for note in opened.notes:
        progress.say(f"note: {note}")
    return opened


def job_of(build: Build, opened: Sources, asked: models.Models | None) -> Job:
    """What the acts' workers must know."""
    args, found = build.args, build.recipe
    region = region_of(args.region)
    bbox = tuple(args.bbox) if args.bbox else None
    years = tuple(args.years) if args.years else None
    made_of = digest(
        found.card.name, step_settings([found.start, *found.plan]), opened.prints, args.seed, bbox,
        region, years, contents(found), args.limit, code_version(), step_settings(found.make),
        [(ext, step_settings([enc])) for ext, enc in found.pack.members.items()],
    )  # fmt: skip
    workers = args.workers or cores()
    job = Job(
        build.work, found, args.seed, made_of, opened.locations, bbox, region, years, args.limit,
        workers, args.slice, budget=args.error_budget, terms=opened.terms,
        prints=opened.prints,
    )  # fmt: skip
    if asked is None:
        return job
    return replace(job, recipe=asked.recipe, captioner=asked.captioner, models=asked.folders)


def _planned(build: Build, job: Job, opened: Sources) -> dict[str, Any]:
    """The plan, reported.

    Raises:
        UsageError: a slice comes before the plan.
        BuildError: it cannot become a release.
    """
    args, progress = build.args, build.progress
    if args.slice[1] > 1 and not (job.planned / "plan.json").exists():
        raise UsageError("--slice needs a finished plan: run --until plan once without it first")
    if args.slice[1] == 1:
        write_scenes(opened, job.planned)
    if job.workers > 1 and not args.limit and build.last != "plan":
        warm()
    with progress.act("plan"):
        planned = plan(job)
    plan_report(progress, job, planned, opened, args.imagery == "none")
    if texts := models.texts(args, build.recipe, planned["samples"]):
        progress.say(f"plan: {texts}")
    if problem := _too_little(planned):
        if not args.plan:
            raise BuildError(problem)
        if args.imagery != "none":
            progress.say(f"warning: {problem}")
    if not (args.plan or args.retry_failed):
        build.keep_settings()
    return planned


def _again(build: Build, job: Job, names: list[str]) -> bool:
    """Whether `--retry-failed` leaves anything to do; what may be mended is forgotten."""
    again = retry(job, names) + asking.retry(job, names)
    build.progress.say(f"retry: {counted(again, 'block')} with failures that may be mended")
    if again or tally(job, names)["blocks"] < len(names):  # a mended file has other blocks
        (build.work / RETRYING).touch()
        return True
    return False


def _annotated(build: Build, job: Job, planned: dict[str, Any]) -> None:
    names = [entry["id"] for entry in planned["blocks"]]
    with build.progress.act(
        "annotate", len(names), lambda: sum(1 for _ in job.annotated.glob("*.json")),
        lambda: asking.answers(job),
    ):  # fmt: skip
        asking.annotate(job, planned["blocks"])
    if said := asking.summary(job, names):
        build.progress.say(said)


def _warn_of_empty_splits(job: Job, packed: dict[str, Any], progress: Progress) -> None:
    why = "the area is too small or too uniform for three splits"
    if job.limit:
        why = f"--limit {job.limit} may leave too few samples for three splits, or {why}"
    for split, share in split_rule(job).shares.items():
        if share and not packed["splits"].get(split):
            progress.say(f"warning: empty split {split}: {why}")


def _overlap(args: argparse.Namespace, opened: Sources) -> None:
    """A bbox outside the imagery is found before anything is read.

    Raises:
        UsageError: with both boxes.
    """
    if not args.bbox or not opened.imagery.scenes:
        return
    west, south, east, north = args.bbox
    w, s, e, n = opened.imagery.bounds()
    apart = south > n or north < s or (west <= east and (west > e or east < w))
    if apart:
        raise UsageError(
            f"--bbox {west:g} {south:g} {east:g} {north:g}: lies outside the imagery, "
            f"which covers {w:.4f} {s:.4f} {e:.4f} {n:.4f}"
        )


def _too_little(planned: dict[str, Any]) -> str:
    """Why a plan cannot become a release, with the most frequent reasons; "" when it can."""
    top = sorted(planned["drops"], key=lambda d: -d[3])[:3]
    why = ", ".join(f"{code} {count:,}" for _, code, _, count in top) or "no object in the area"
    if not planned["samples"]:
        return f"the plan holds no sample ({why}); check area, years and imagery"
    if not planned["splits"].get("train"):
        return (
            f"empty split train: all {planned['samples']:,} samples lie in cells of other splits "
            f"({why}); for an area of one or two cells pass --set splits.val=0 --set splits.test=0, "
            "or another --seed"
        )
    return ""
