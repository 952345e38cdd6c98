"""`build`: from recipe and sources to a verified release, resuming whatever is done already."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipelines.commands.entry import guarded, leave_on_signals, readable
from pipelines.commands.options import fill_roles, parse
from pipelines.progress import Progress
from pipelines.registry import names, recipe
from schemas.errors import BuildError, UsageError
from schemas.recipes import Recipe, active, check
from schemas.settings import override


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
    fill_roles(args, found)
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
        if done and args.requests == "refresh" and not args.plan:
            raise UsageError(
                f"--requests refresh: {target} stands; --overwrite builds it anew from fresh answers, "
                "another --out beside it"
            )
        if done and not (args.plan or args.retry_failed):
            progress.event("done", f"up to date: {target}", release=str(target))
            return 0
        from pipelines.sequence import Build, run_acts

        return run_acts(Build(args, tuple(argv), found, work, target, settings, progress))


def _settings(args: argparse.Namespace, found: Recipe) -> dict[str, Any]:
    """Everything asked for that shapes the output."""
    from pipelines.models import wish
    from pipelines.sources import stamp

    return {
        "dataset": found.card.name,
        "version": found.card.version,
        "seed": args.seed,
        **{role: _absolute(getattr(args, role)) for role in found.roles},
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
    from catalogs.sources.roles import SERVICES

    return (
        text
        if text in ("", "world", "none", *SERVICES) or remote(text)
        else str(Path(text).resolve())
    )
