"""`build`: from recipe and sources to a verified release, resuming whatever is done already."""

import argparse
import os
import shutil
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.commands.options import ACTS, parse
from pipelines.progress import Progress
from pipelines.registry import names, recipe
from schemas.errors import BuildError, LoomError, UsageError
from schemas.recipes import Recipe, override

if TYPE_CHECKING:
    from pipelines.job import Job
    from pipelines.sources import Sources


RETRYING = "retrying"
"""Marks, in the work area, a release whose failures are being retried: it is not up to date."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        args, beam = parse(argv)
        if args.list:
            return _list()
        if not args.dataset:
            raise UsageError("--dataset NAME is missing; --list names the recipes")
        mode = "quiet" if args.quiet else "json" if args.json_progress else ""
        return build(args, beam, argv, Progress(mode))
    except LoomError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


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
    from pipelines.runners import check_runner
    from pipelines.workdir import Lock, check_settings, preflight

    check_runner(args.runner, beam)
    guard_environment()
    found = override(recipe(args.dataset), args.changes)
    home = Path(args.out) / found.card.name
    if "://" in args.out:
        raise UsageError(f"--out {args.out}: object stores are not supported yet; give a folder")
    preflight(home)
    work, target = home / ".work", home / f"v{found.card.version}"
    with ExitStack() as stack:
        k, n = args.slice
        name = "lock" if n == 1 else f"lock-{k}-of-{n}"
        lock = stack.enter_context(Lock(work / name))
        _leave_on_signals(lock.path)
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
        mended = ("files",) if args.retry_failed else ()  # the retry is for files that were mended
        if not (args.overwrite or args.plan):
            check_settings(work / "settings.json", settings, ignore=mended)
        done = not args.overwrite and _finished(target, work)
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
        "files": stamp(args, found),
    }


def _absolute(text: str) -> str:
    return text if text in ("world", "none") or "://" in text else str(Path(text).resolve())


def _finished(target: Path, work: Path) -> bool:
    """Whether the release stands whole; a pointer that a crash left unwritten is written now."""
    from catalogs.files import read_json
    from catalogs.releases.manifest import point

    if not (target / "manifest.json").exists() or (work / RETRYING).exists():
        return False
    for entry in read_json(target / "manifest.json")["files"]:
        path = target / entry["path"]
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            raise BuildError(
                f"{path} is missing or cut, so {target} is damaged; "
                "--overwrite builds it anew, pipelines.verify names every fault"
            )
    pointer = target.parent / "latest.json"
    if not pointer.exists() or read_json(pointer).get("version") != target.name.removeprefix("v"):
        point(target.parent, target.name.removeprefix("v"))
    return True


def _clear(work: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    (target.parent / "latest.json").unlink(missing_ok=True)
    for entry in work.iterdir():
        if not entry.name.startswith("lock"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _leave_on_signals(lock: Path) -> None:
    """SIGTERM and Ctrl-C end the process at once: every file is whole or absent, the rest resumes."""
    import signal

    def leave(number: int, _: Any) -> None:
        lock.unlink(missing_ok=True)
        print(f"interrupted ({signal.Signals(number).name}); run again to resume", file=sys.stderr)
        sys.stderr.flush()
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def _job(args: argparse.Namespace, found: Recipe, work: Path, opened: "Sources") -> "Job":
    from pipelines.job import Job
    from schemas.chance import digest

    region = _region(args.region)
    bbox = tuple(args.bbox) if args.bbox else None
    years = tuple(args.years) if args.years else None
    from pipelines.sources import contents
    from transforms.planning.blocks import code_version, step_settings

    plan = digest(
        found.card.name, step_settings([found.start, *found.plan]), opened.prints, args.seed, bbox,
        region, years, contents(found), args.limit, code_version(), step_settings(found.make),
        [(ext, step_settings([enc])) for ext, enc in found.pack.members.items()],
    )  # fmt: skip
    workers = args.workers or os.cpu_count() or 1
    return Job(
        work, found, args.seed, plan, opened.locations, bbox, region, years, args.limit, workers,
        args.slice, budget=args.error_budget,
    )  # fmt: skip


def _region(path: str | None) -> str:
    if not path:
        return ""
    import json

    import shapely
    from shapely.errors import ShapelyError

    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        entries = document.get("features", [document])
        shapes = [shapely.geometry.shape(e.get("geometry", e)) for e in entries]
        merged = shapely.union_all(shapely.make_valid(shapes))
    except (OSError, ValueError, KeyError, AttributeError, TypeError, ShapelyError) as error:
        raise UsageError(f"--region {path}: not a GeoJSON file with polygons ({error})") from error
    if merged.is_empty or merged.area == 0:
        raise UsageError(f"--region {path}: holds no polygon")
    return str(shapely.to_wkt(merged, rounding_precision=9))


def _acts(
    args: argparse.Namespace, argv: list[str], found: Recipe, work: Path, target: Path,
    settings: dict[str, Any], progress: Progress,
) -> int:  # fmt: skip
    from catalogs.files import clean_parts, write_json
    from pipelines.acts.annotate import annotate
    from pipelines.acts.make import make, retry
    from pipelines.acts.pack import pack
    from pipelines.acts.plan import plan
    from pipelines.acts.release import release
    from pipelines.report import plan_report, summary
    from pipelines.sources import open_sources, write_scenes

    started = datetime.now(UTC)
    clock = time.monotonic()
    last = "plan" if args.plan else args.until
    if args.slice == (0, 1):
        clean_parts(work)
    with progress.act("sources"):
        opened = open_sources(args)
        _overlap(args, opened)
    if args.overwrite and not args.plan:  # a plan is a look and destroys nothing
        _clear(work, target)
    for note in opened.notes:
        progress.say(f"note: {note}")
    job = _job(args, found, work, opened)
    if args.slice[1] > 1 and not (job.planned / "plan.json").exists():
        raise UsageError("--slice needs a finished plan: run --until plan once without it first")
    if args.slice[1] == 1:
        write_scenes(opened.imagery, job.planned)
    with progress.act("plan"):
        planned = plan(job)
    plan_report(progress, job, planned, opened, args.imagery == "none")
    _enough(planned, args)
    if not args.plan:
        write_json(work / "settings.json", settings)
    if last == "plan":
        return 0
    names = [entry["id"] for entry in planned["blocks"]]
    if args.retry_failed:
        again = retry(job, names)
        progress.say(f"retry: {again} blocks with failures that may be mended")
        if again:
            (work / RETRYING).touch()
        elif _finished(target, work):
            progress.event("done", f"up to date: {target}", release=str(target))
            return 0
    with progress.act("make", len(names), lambda: sum(1 for _ in job.made.glob("*.json"))):
        make(job, planned["blocks"])
    if ACTS.index(last) < ACTS.index("annotate"):
        return 0
    annotate(job)
    if ACTS.index(last) < ACTS.index("pack"):
        return 0
    with progress.act("pack"):
        packed = pack(job, planned["blocks"])
    if ACTS.index(last) < ACTS.index("release") or args.slice[1] > 1:
        return 0
    for split in ("val", "test"):
        if not packed["splits"].get(split):
            progress.say(
                f"warning: empty split {split}: the area is too small or too uniform for three splits"
            )
    run = _run_facts(argv, started, args)
    with progress.act("release"):
        manifest = release(
            job, planned, packed, opened.credits, _resolved(settings, found), run, target,
            replace=(work / RETRYING).exists(),
        )  # fmt: skip
    (work / RETRYING).unlink(missing_ok=True)
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


def _enough(planned: dict[str, Any], args: argparse.Namespace) -> None:
    """A plan without samples stops the build with the most frequent reasons.

    Raises:
        BuildError: no samples, or none in train.
    """
    if args.plan:
        return
    top = sorted(planned["drops"], key=lambda d: -d[3])[:3]
    why = ", ".join(f"{code} {count:,}" for _, code, _, count in top) or "no object in the area"
    if not planned["samples"]:
        raise BuildError(f"the plan holds no sample ({why}); check area, years and imagery")
    if not planned["splits"].get("train"):
        raise BuildError(
            f"empty split train: all {planned['samples']} samples lie in cells of other splits ({why}); "
            "for an area of one or two cells pass --set splits.val=0 --set splits.test=0, or another --seed"
        )


def _resolved(settings: dict[str, Any], found: Recipe) -> dict[str, Any]:
    from schemas.recipes import settings as steps

    plain = {k: v for k, v in settings.items() if k not in ("files", "imagery", "osm", "region")}
    return {**plain, "steps": {k: v for k, v in steps(found).items() if not k.endswith(".needs")}}


def _run_facts(argv: list[str], started: datetime, args: argparse.Namespace) -> dict[str, Any]:
    import platform

    try:
        own = version("earthloom")
    except PackageNotFoundError:
        own = "0"
    return {
        "pipeline": "earthloom",
        "version": own,
        "git_sha": _git_sha(),
        "volatile": {
            "arguments": argv,
            "runner": args.runner,
            "python": platform.python_version(),
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }


def _git_sha() -> str:
    """The commit of the code, where it runs from a checkout."""
    head = Path(__file__).resolve().parents[2] / ".git" / "HEAD"
    try:
        text = head.read_text().strip()
        return text if " " not in text else (head.parent / text.split()[1]).read_text().strip()
    except OSError:
        return ""
