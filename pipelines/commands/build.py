"""`build`: from recipe and sources to a verified release, resuming whatever is done already."""

import argparse
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.commands.entry import guarded, leave_on_signals, readable
from pipelines.commands.options import ACTS, parse
from pipelines.progress import Progress
from pipelines.registry import names, recipe
from schemas.errors import BuildError, UsageError
from schemas.recipes import Recipe, active, check, override
from schemas.text import counted

if TYPE_CHECKING:
    from pipelines.job import Job
    from pipelines.models import Models
    from pipelines.sources import Sources


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = sys.argv[1:] if argv is None else argv
    return guarded(lambda: _main(given))


def _main(argv: list[str]) -> int:
    readable(argv)
    args, beam = parse(argv)
    if args.list:
        return _list()
    if not args.dataset:
        raise UsageError("--dataset NAME is missing; --list names the recipes")
    mode = "quiet" if args.quiet else "json" if args.json_progress else ""
    return build(args, beam, argv, Progress(mode))


def _list() -> int:
    for name in names():
        card = recipe(name).card
        print(f"{name:<14} {card.version:<8} {card.title}")
    return 0


def build(args: argparse.Namespace, beam: list[str], argv: list[str], progress: Progress) -> int:
    """Build as the options say.

    Raises:
        LoomError: with one sentence and its exit code.
    """
    from catalogs.rasters import guard_environment
    from catalogs.sources.net.redact import guard_logging
    from pipelines import models
    from pipelines.runners import check_runner
    from pipelines.workdir import Lock, check_settings, finished, preflight

    check_runner(args.runner, beam)
    guard_environment()
    guard_logging()
    found = active(override(recipe(args.dataset), args.changes))
    check(found)
    models.check(args, found)
    home = Path(args.out) / found.card.name
    if "://" in args.out:
        raise UsageError(f"--out {args.out}: object stores are not supported yet; give a folder")
    preflight(home)
    work, target = home / ".work", home / f"v{found.card.version}"
    with ExitStack() as stack:
        k, n = args.slice
        name, peers = ("lock", "") if n == 1 else (f"lock-{k}-of-{n}", f"-of-{n}")
        lock = stack.enter_context(Lock(work / name, peers))
        leave_on_signals(lambda: lock.path.unlink(missing_ok=True))
        if lock.note:
            progress.say(f"warning: {lock.note}")
        if args.overwrite and args.slice[1] > 1:
            raise UsageError("--overwrite with --slice would throw away the other slices' work")
        if (
            target.exists()
            and not (target / "manifest.json").exists()
            and not (args.plan or args.overwrite)
        ):
            raise BuildError(
                f"{target} exists already and is no release; move it away, or --overwrite"
            )
        settings = _settings(args, found)
        mended = ["files"] if args.retry_failed else []  # the retry is for files that were mended
        if not any((work / "annotate").glob("*.json")) and not target.exists():
            mended.append("captioner")  # nobody has been asked for a text yet
        if not (args.overwrite or args.plan):
            check_settings(work / "settings.json", settings, ignore=tuple(mended))
        done = not args.overwrite and finished(target, work)
        if done and not (work / "settings.json").exists():
            raise UsageError(
                f"{target} stands, but its work area {work} is gone, so nobody can say whether these "
                "settings made it; use another --out, or --overwrite to build anew"
            )
        if done and not (args.plan or args.retry_failed):
            progress.event("done", f"up to date: {target}", release=str(target))
            return 0
        return _acts(args, argv, found, work, target, settings, progress)


def _settings(args: argparse.Namespace, found: Recipe) -> dict[str, Any]:
    """Everything asked for that shapes the output."""
    from pipelines.models import wish
    from pipelines.sources import stamp

    return {
        "dataset": found.card.name,
        "version": found.card.version,
        "seed": args.seed,
        "imagery": _absolute(args.imagery),
        "osm": _absolute(args.osm),
        "bbox": args.bbox,
        "region": _absolute(args.region) if args.region else None,
        "years": args.years,
        "limit": args.limit,
        "set": dict(sorted(args.changes.items())),
        "license": sorted(args.license),
        "attribution": sorted(args.attribution),
        "datetime": sorted(args.datetime),
        "captioner": wish(args),
        "files": stamp(args, found),
    }


def _absolute(text: str) -> str:
    from catalogs.sources.catalogues import remote

    return text if text in ("world", "none") or remote(text) else str(Path(text).resolve())


def _job(
    args: argparse.Namespace, found: Recipe, work: Path, opened: "Sources", asked: "Models | None"
) -> "Job":
    from pipelines.job import Job, cores
    from pipelines.sources import contents, region_of
    from schemas.chance import digest
    from transforms.planning.blocks import code_version, step_settings

    region = region_of(args.region)
    bbox = tuple(args.bbox) if args.bbox else None
    years = tuple(args.years) if args.years else None
    plan = digest(
        found.card.name, step_settings([found.start, *found.plan]), opened.prints, args.seed, bbox,
        region, years, contents(found), args.limit, code_version(), step_settings(found.make),
        [(ext, step_settings([enc])) for ext, enc in found.pack.members.items()],
    )  # fmt: skip
    workers = args.workers or cores()
    job = Job(
        work, found, args.seed, plan, opened.locations, bbox, region, years, args.limit, workers,
        args.slice, budget=args.error_budget,
    )  # fmt: skip
    if asked is None:
        return job
    return replace(job, recipe=asked.recipe, captioner=asked.captioner, models=asked.folders)


def _acts(
    args: argparse.Namespace, argv: list[str], found: Recipe, work: Path, target: Path,
    settings: dict[str, Any], progress: Progress,
) -> int:  # fmt: skip
    from catalogs.files import clean_parts, write_json
    from pipelines import models
    from pipelines.acts import annotate as asking
    from pipelines.acts.blocks import retry, sweep, tally
    from pipelines.acts.crew import warm
    from pipelines.acts.make import make
    from pipelines.acts.pack import pack, waits_for
    from pipelines.acts.plan import plan
    from pipelines.acts.release import release, split_rule
    from pipelines.origin import resolved, run_facts
    from pipelines.report import plan_report, summary
    from pipelines.sources import open_sources, write_scenes
    from pipelines.workdir import RETRYING, SEARCHES, clear, finished, forget_searches

    started = datetime.now(UTC)
    clock = time.monotonic()
    last = "plan" if args.plan else args.until
    if args.slice == (0, 1):
        clean_parts(work)
    with progress.act("sources"):
        if args.overwrite and not args.plan:
            forget_searches(work)
        opened = open_sources(args, progress.say, work / SEARCHES)
        _overlap(args, opened)
    if args.overwrite and not args.plan:  # a plan is a look and destroys nothing
        clear(work, target)
    for note in opened.notes:
        progress.say(f"note: {note}")
    asked = None
    if ACTS.index(last) >= ACTS.index("annotate") and found.annotate:
        asked = models.resolve(args, found, target.parent, progress.say)
    job = _job(args, found, work, opened, asked)
    if args.slice[1] > 1 and not (job.planned / "plan.json").exists():
        raise UsageError("--slice needs a finished plan: run --until plan once without it first")
    if args.slice[1] == 1:
        write_scenes(opened.imagery, job.planned)
    if job.workers > 1 and not args.limit and last != "plan":
        warm()
    with progress.act("plan"):
        planned = plan(job)
    plan_report(progress, job, planned, opened, args.imagery == "none")
    if problem := _too_little(planned):
        if not args.plan:
            raise BuildError(problem)
        if args.imagery != "none":
            progress.say(f"warning: {problem}")
    if not (args.plan or args.retry_failed):
        write_json(work / "settings.json", settings)
    if last == "plan":
        return 0
    names = [entry["id"] for entry in planned["blocks"]]
    if args.retry_failed:
        again = retry(job, names) + asking.retry(job, names)
        progress.say(f"retry: {counted(again, 'block')} with failures that may be mended")
        if again or tally(job, names)["blocks"] < len(names):  # a mended file has other blocks
            (work / RETRYING).touch()
        elif finished(target, work):
            write_json(work / "settings.json", settings)
            progress.event("done", f"up to date: {target}", release=str(target))
            return 0
    with progress.act("make", len(names), lambda: sum(1 for _ in job.made.glob("*.json"))):
        make(job, planned["blocks"], progress.say)
    if ACTS.index(last) < ACTS.index("annotate"):
        return 0
    if job.recipe.annotate:
        with progress.act(
            "annotate", len(names), lambda: sum(1 for _ in job.annotated.glob("*.json")),
            asking.answers,
        ):  # fmt: skip
            asking.annotate(job, planned["blocks"])
        if said := asking.summary(job, names):
            progress.say(said)
    if ACTS.index(last) < ACTS.index("pack"):
        return 0
    if last == "release" and args.slice[1] > 1 and (missing := waits_for(job, names)):
        progress.say(
            f"slice {args.slice[0]}/{args.slice[1]}: done so far; pack waits for {missing}"
        )
        return 0
    with progress.act("pack"):
        packed = pack(job, planned["blocks"])
    if args.slice[1] > 1:
        progress.say(
            "slice done; run once without --slice when all are, to pack the rest and release"
        )
    if ACTS.index(last) < ACTS.index("release") or args.slice[1] > 1:
        return 0
    for split, share in split_rule(job).shares.items():
        if share and not packed["splits"].get(split):
            progress.say(
                f"warning: empty split {split}: the area is too small or too uniform for three splits"
            )
    with progress.act("release"):
        manifest = release(
            job, planned, packed, opened.credits,
            resolved(settings, job.recipe, asked.names if asked else {}),
            run_facts(argv, started, args.runner), target, replace=(work / RETRYING).exists(),
        )  # fmt: skip
    (work / RETRYING).unlink(missing_ok=True)
    write_json(work / "settings.json", settings)
    if args.slice == (0, 1):
        sweep(job, names)
    summary(progress, target, manifest, time.monotonic() - clock)
    return 0


def _overlap(args: argparse.Namespace, opened: "Sources") -> None:
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
