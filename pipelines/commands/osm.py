"""`osm`: OpenStreetMap extracts as feature tables, sorted in space and quick to ask by window."""

import argparse
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipelines.commands.entry import guarded, leave_on_signals, readable
from pipelines.commands.options import Parser
from pipelines.progress import Progress
from schemas.errors import SourceError, UsageError, nearest

if TYPE_CHECKING:
    from catalogs.sources.feature_table import FeatureTable


KINDS = ".osm.pbf, .osm, .osm.bz2 or .osm.gz"


def parser() -> argparse.ArgumentParser:
    """Options of `osm`."""
    p = Parser(
        prog="python -m pipelines.osm",
        description="Make feature tables (GeoParquet, sorted in space) of OpenStreetMap extracts, once "
        "each; --osm of pipelines.build takes one of them. Objects that cannot be rows are listed with "
        "reasons in TABLE.drops.parquet.",
        epilog="Exit codes: 0 done, 1 an extract could not be read, 2 usage, 130/143 interrupted.",
        allow_abbrev=False,
    )
    p.add_argument("extracts", nargs="+", type=Path, metavar="EXTRACT",
                   help=KINDS)  # fmt: skip
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
    args = _parsed(argv)
    _check(args)
    leave_on_signals(lambda: None)
    from catalogs.sources.osm_means import budget, processes, warmed
    from pipelines.job import cores

    workers = args.workers or processes(args.extracts, cores(), args.memory)
    budget(args.memory, workers)
    warmed(workers)
    from catalogs.sources.osm_features import CREDIT, LICENCE
    from pipelines.acts.tables import Tables, megabytes, tables

    progress = Progress("quiet" if args.quiet else "json" if args.json_progress else "")
    terms = _licence(args.license or LICENCE)
    keys = None if args.keys is None else tuple(sorted(set(args.keys)))
    total = sum(path.stat().st_size for path in args.extracts) // 1_000_000
    before = _standing(args.out)
    with TemporaryDirectory(prefix="osm-records-") as folder:
        records = Path(folder)
        work = Tables(
            args.out, records, args.md5, keys, args.memory, workers, terms,
            args.attribution or CREDIT,
        )  # fmt: skip
        with progress.act("osm", total, lambda: megabytes(records)):
            made = tables(args.extracts, work)
    _report(progress, args.extracts, made, before)
    return 0


def _parsed(argv: list[str]) -> argparse.Namespace:
    try:
        return parser().parse_args(argv)
    except UsageError as error:
        if "required: EXTRACT" in str(error) and any(arg.startswith("--keys") for arg in argv):
            raise UsageError(f"{error}; put EXTRACT before --keys") from error
        raise


def _check(args: argparse.Namespace) -> None:
    """Raise what can be told before anything is read.

    Raises:
        UsageError, SourceError: naming the option, or the file that is missing.
    """
    from catalogs.sources.osm_tags import public_key

    if args.workers < 0:
        raise UsageError(f"--workers {args.workers}: must not be negative")
    if args.md5 and not re.fullmatch("[0-9a-fA-F]{32}", args.md5):
        raise UsageError(
            f"--md5 {args.md5!r}: not 32 hexadecimal digits; copy the checksum from where the file "
            "came from"
        )
    if len(args.extracts) > 1 and args.md5:
        raise UsageError("--md5 is for one extract; write NAME.md5 beside each of several")
    _check_out(args.out, len(args.extracts))
    for key in args.keys or ():
        if Path(key).suffix and Path(key).is_file():
            raise UsageError(f"--keys {key}: is a file; put EXTRACT before --keys")
        if public_key(key) != key:
            raise UsageError(f"--keys {key}: such tags never leave the reader, or it is no key")
    for path in args.extracts:
        if path.is_dir():
            raise UsageError(f"{path} is a folder: name the extracts in it, {KINDS}")
        if not path.is_file():
            raise SourceError(f"OSM file {path} does not exist: check the path")


def _check_out(out: Path, extracts: int) -> None:
    """Raise where no table can be.

    Raises:
        UsageError: `out` is or would be something else, or one file for several extracts.
    """
    if out.is_dir():
        return
    if out.exists() and out.suffix != ".parquet":
        raise UsageError(f"--out {out}: is no table; name a .parquet file or a folder")
    if out.suffix not in ("", ".parquet"):
        raise UsageError(
            f"--out {out}: {out.suffix} is no table's ending; name a .parquet file or a folder"
        )
    for folder in out.parents:
        if folder.is_file():
            raise UsageError(f"--out {out}: {folder} is a file, not a folder; name another")
    if extracts > 1 and out.suffix == ".parquet":
        raise UsageError(f"--out {out}: one file for several extracts; name a folder")


def _licence(text: str) -> str:
    """SPDX id of known terms that allow copies.

    Raises:
        UsageError: naming the option.
    """
    from schemas.licences import LICENCES, licence

    if text.lower() not in map(str.lower, LICENCES):
        raise UsageError(f"--license {text}: unknown licence; {nearest(text, LICENCES)}")
    return licence(text, "--license").id


def _standing(out: Path) -> dict[Path, tuple[int, dict[str, Any]]]:
    """Tables that are there before: inode, and of the one file `out` also what it was made of."""
    from catalogs.sources.feature_table import about_of

    if out.is_dir():
        return {path: (path.stat().st_ino, {}) for path in out.glob("*.parquet")}
    if not out.is_file():
        return {}
    try:
        return {out: (out.stat().st_ino, about_of(out) or {})}
    except SourceError:  # told when the table is made
        return {}


def _report(
    progress: Progress, extracts: list[Path], made: list[Path],
    before: dict[Path, tuple[int, dict[str, Any]]],
) -> None:  # fmt: skip
    """The tables, and what a reader may not expect of them."""
    from catalogs.sources.feature_table import FeatureTable

    rows = []
    for extract, path in zip(extracts, made, strict=True):
        table = FeatureTable(path)
        about = table.about
        lost = ", ".join(f"{code} {count:,}" for code, count in about["drops"].items())
        size = path.stat().st_size // 1_000_000
        inode, old = before.get(path, (-1, {}))
        state = "there already" if inode == path.stat().st_ino else "made"
        rows.append((extract.name, state, about["rows"], lost or "none", size, str(path)))
        if old and old["address"] != about["address"]:
            progress.say(f"note: {path} replaced: it was made {_otherwise(old, about)}")
        for key, hint in _lacking(table):
            progress.say(f"warning: no object of {extract} has the key {key}" + hint)
        if not about["extract"]["verified"]:
            progress.say(f"note: {extract} could not be verified: no {extract.name}.md5 beside it")
    progress.table("tables", ("extract", "state", "rows", "drops", "MB", "table"), rows)


def _otherwise(old: dict[str, Any], new: dict[str, Any]) -> str:
    """How the making of two tables differs."""
    found = []
    if old["extract"]["sha256"] != new["extract"]["sha256"]:
        found.append("of another extract")
    if old["keys"] != new["keys"]:
        found.append("of other keys")
    if any(old[name] != new[name] for name in ("licence", "attribution")):
        found.append("under other terms")
    return " and ".join(found) or "by another version, or of an extract named or verified otherwise"


def _lacking(table: "FeatureTable") -> list[tuple[str, str]]:
    """Keys asked for that no object has, with a hint.

    Asked of every key where the table is empty, else of those alone that look misspelt.
    """
    from schemas.visible import load

    known = {row.key for row in load().rows}
    empty = not table.about["rows"] and not any(table.about["drops"].values())
    found = []
    for key in table.about["keys"] or ():
        hint = "" if key in known else nearest(key, known)
        hint = hint if hint.startswith("did you mean") else ""
        if empty or (hint and not _has(table, key)):
            found.append((key, f"; {hint}" if hint else ""))
    return found


def _has(table: "FeatureTable", key: str) -> bool:
    """Whether any object, row or drop, has a key."""
    dropped: list[object] = []
    rows = any(len(batch) for batch in table.features([key], None, 1, on_drop=dropped.append))
    return rows or bool(dropped)
