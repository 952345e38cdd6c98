"""`verify`: every promise of a release recomputed from its files alone."""

import argparse
import sys
from pathlib import Path

from schemas.errors import LoomError, UsageError


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when nothing is wrong, 4 when something is."""
    p = argparse.ArgumentParser(prog="python -m pipelines.verify", description=__doc__)
    p.add_argument("release", help="OUT/NAME/vX.Y.Z, or OUT/NAME for its latest version")
    p.add_argument("--quiet", action="store_true", help="only findings")
    args = p.parse_args(argv)
    try:
        return _verify(located(Path(args.release)), args.quiet)
    except LoomError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def located(path: Path) -> Path:
    """The release folder that `path` names.

    Raises:
        UsageError: there is none.
    """
    from catalogs.files import read_json

    if (path / "latest.json").exists():
        return path / f"v{read_json(path / 'latest.json')['version']}"
    if not path.is_dir():
        raise UsageError(f"{path}: no such release")
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
        print(f"{finding.check}: {finding.path}: {finding.message}")
    if report.findings:
        print(f"{release}: {len(report.findings)} faults found", file=sys.stderr)
        return 4
    if not quiet:
        print(f"{release}: every promise holds")
    return 0
