"""`groundable`: more rows for the table of visible tags, learnt from those that it has."""

import argparse
import csv
import json
from pathlib import Path

from pipelines.commands.entry import guarded, readable
from schemas.errors import UsageError
from schemas.text import counted


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    p = argparse.ArgumentParser(prog="python -m pipelines.groundable", description=__doc__)
    p.add_argument("tags", type=Path, help="CSV file with columns key and value: tags to be judged")
    p.add_argument("target", type=Path, help="a new file, for --set osm.visible=FILE")
    p.add_argument(
        "--encoder", required=True, help="text model: folder, or ORGANISATION/NAME@COMMIT"
    )
    p.add_argument("--labels", type=Path, help="further labelled rows: key,value,gsd_m,role")
    p.add_argument("--seed", type=int, default=0, help="decides the folds (default: 0)")
    args = p.parse_args(argv)

    def run() -> int:
        readable([str(args.tags), str(args.target), args.encoder])
        return _learn(args)

    return guarded(run)


def _learn(args: argparse.Namespace) -> int:
    from catalogs.files import atomic
    from catalogs.sources.models import find, require
    from schemas.visible import load
    from transforms.groundability import label, train, written
    from transforms.models.encoder import Encoder

    if args.target.exists():
        raise UsageError(f"{args.target}: exists already; give a new file")
    tags = _tags(args.tags)
    known = load(args.labels).rows
    require()
    model = find(args.encoder)
    encode = Encoder(model.folder, model.identity).texts
    trained = train(known, encode, model.identity, args.seed)
    found = label(trained, tags, known, encode)
    with atomic(args.target) as stream:
        stream.write(written(found, trained.origin).encode())
    shown = sum(row.gsd_m > 0 for row in found)
    print(f"{args.target}: {counted(len(found), 'tag')}, {shown:,} of them visible")
    print(json.dumps(trained.origin["cross_validation"]))
    return 0


def _tags(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if not {"key", "value"} <= set(reader.fieldnames or ()):
                raise UsageError(f"{path}: the header must have key and value")
            return [((r["key"] or "").strip(), (r["value"] or "").strip()) for r in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
