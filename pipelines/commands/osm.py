"""`osm`: OpenStreetMap extracts as feature tables, sorted in space and quick to ask by window."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.commands.entry import guarded, leave_on_signals, readable
from pipelines.commands.options import Parser
from pipelines.progress import Progress
from schemas.errors import SourceError, UsageError


def parser() -> argparse.ArgumentParser:
    """Options of `osm`."""
    p = Parser(
        prog="python -m pipelines.osm",
        description="Make feature tables (GeoParquet, sorted in space) of OpenStreetMap extracts, once "
        "each; --osm of pipelines.build takes them. Objects that cannot be rows are listed with "
        "reasons in TABLE.drops.parquet.",
        epilog="Exit codes: 0 done, 1 an extract could not be read, 2 usage, 130/143 interrupted.",
        allow_abbrev=False,
    )
    p.add_argument("extracts", nargs="+", type=Path, metavar="EXTRACT",
                   help=".osm.pbf, .osm, .osm.bz2 or .osm.gz")  # fmt: skip
    p.add_argument("--out", type=Path, required=True, metavar="TABLE.parquet|DIR",
                   help="a file for one extract; or a folder, where names end in a part of the "
                   "table's address: the hash of extract, keys and code")  # fmt: skip
    p.add_argument("--keys", nargs="+", metavar="KEY",
                   help="only objects with one of these keys (default: everything tagged)")  # fmt: skip
    p.add_argument("--memory", type=int, default=700, metavar="MB",
                   help="what all processes together may take (default: 700)")  # fmt: skip
    p.add_argument("--workers", type=int, default=0, metavar="N",
                   help="default: one for each core, fewer for small extracts or little memory")  # fmt: skip
    p.add_argument("--md5", default="", help="expected checksum of the one extract")
    p.add_argument("--license", default="", metavar="SPDX", help="default: ODbL-1.0")
    p.add_argument("--attribution", default="", metavar="TEXT",
                   help="default: © OpenStreetMap contributors")  # fmt: skip
    p.add_argument("--json-progress", action="store_true", help="JSON lines instead of text")
    p.add_argument("--quiet", action="store_true", help="only errors")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = sys.argv[1:] if argv is None else argv
    return guarded(lambda: _main(given))


def _main(argv: list[str]) -> int:
    readable(argv)
    args = parser().parse_args(argv)
    _check(args)
    leave_on_signals(lambda: None)
    from catalogs.sources.osm_means import budget, processes, warmed
    from pipelines.job import cores
    from schemas.licences import licence

    workers = args.workers or processes(args.extracts, cores(), args.memory)
    budget(args.memory, workers)
    warmed(workers)
    from catalogs.sources.osm_features import CREDIT, LICENCE
    from pipelines.acts.tables import Tables, megabytes, tables

    progress = Progress("quiet" if args.quiet else "json" if args.json_progress else "")
    terms = licence(args.license or LICENCE, "osm").id
    keys = None if args.keys is None else tuple(sorted(set(args.keys)))
    total = sum(path.stat().st_size for path in args.extracts) // 1_000_000
    with TemporaryDirectory(prefix="osm-records-") as folder:
        records = Path(folder)
        work = Tables(
            args.out, records, args.md5, keys, args.memory, workers, terms,
            args.attribution or CREDIT,
        )  # fmt: skip
        with progress.act("osm", total, lambda: megabytes(records)):
            made = tables(args.extracts, work)
    _report(progress, args.extracts, made)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise what can be told before anything is read.

    Raises:
        UsageError, SourceError: naming the option, or the file that is missing.
    """
    from catalogs.sources.osm_tags import public_key

    if args.workers < 0:
        raise UsageError("--workers must not be negative")
    if len(args.extracts) > 1 and args.md5:
        raise UsageError("--md5 is for one extract; write NAME.md5 beside each of several")
    if len(args.extracts) > 1 and args.out.suffix == ".parquet":
        raise UsageError(f"--out {args.out}: one file for several extracts; name a folder")
    for key in args.keys or ():
        if public_key(key) != key:
            raise UsageError(f"--keys {key}: such tags never leave the reader, or it is no key")
    for path in args.extracts:
        if not path.is_file():
            raise SourceError(f"OSM file {path} does not exist: check the path")


def _report(progress: Progress, extracts: list[Path], made: list[Path]) -> None:
    from catalogs.sources.feature_table import FeatureTable

    rows = []
    for extract, path in zip(extracts, made, strict=True):
        about = FeatureTable(path).about
        lost = ", ".join(f"{code} {count:,}" for code, count in about["drops"].items())
        size = path.stat().st_size // 1_000_000
        rows.append((extract.name, about["rows"], lost or "none", size, str(path)))
        if not about["extract"]["verified"]:
            progress.say(f"note: {extract} could not be verified: no {extract.name}.md5 beside it")
    progress.table("tables", ("extract", "rows", "drops", "MB", "table"), rows)
