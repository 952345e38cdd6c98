"""`verify`: every promise of a release recomputed from its files alone."""

import argparse
import sys
from pathlib import Path

from pipelines.commands.entry import guarded
from schemas.errors import UsageError
from schemas.text import counted, shown


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when nothing is wrong, 4 when something is."""
    p = argparse.ArgumentParser(prog="python -m pipelines.verify", description=__doc__)
    p.add_argument("release", help="OUT/NAME/vX.Y.Z; or OUT/NAME, or OUT, for the latest version")
    p.add_argument("--quiet", action="store_true", help="only findings")
    args = p.parse_args(argv)
    return guarded(lambda: _verify(located(Path(args.release)), args.quiet))


def located(path: Path) -> Path:
    """The release folder that `path` names, or whose pointer it or its only dataset holds.

    Raises:
        UsageError: there is none, or more than one dataset.
    """
    from catalogs.files import read_json

    if not path.is_dir():
        raise UsageError(f"{path}: no such release")
    if (path / "manifest.json").exists():
        return path
    pointers = [p for p in (path / "latest.json",) if p.exists()] or sorted(
        path.glob("*/latest.json")
    )
    if len(pointers) > 1:
        several = ", ".join(str(p.parent) for p in pointers)
        raise UsageError(f"{path}: holds several datasets; name one of {several}")
    if pointers:
        return pointers[0].parent / f"v{read_json(pointers[0])['version']}"
    if any(path.iterdir()) and not (path / "SHA256SUMS").exists():
        raise UsageError(f"{path}: is no release, it has neither manifest.json nor SHA256SUMS")
    return path


def _verify(release: Path, quiet: bool) -> int:
    from catalogs.rasters import guard_environment

    guard_environment()
    from catalogs.releases.verify import examine

    report = examine(release)
    if not quiet:
        for check, count in report.counts.items():
            print(f"{check:<14} {count:>10,} checked")
    for finding in report.findings:
        print(shown(str(finding)))
    if report.findings:
        print(f"{release}: {counted(len(report.findings), 'fault')} found", file=sys.stderr)
        return 4
    if not quiet:
        print(f"{release}: every promise holds")
    return 0
