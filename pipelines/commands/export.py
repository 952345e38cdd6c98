"""`export`: a release as folders of pictures and caption CSVs, for open_clip and the like."""

import argparse
import sys
from pathlib import Path

from pipelines.commands.verify import located
from schemas.errors import LoomError


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    p = argparse.ArgumentParser(prog="python -m pipelines.export", description=__doc__)
    p.add_argument("release", help="OUT/NAME/vX.Y.Z, or OUT/NAME for its latest version")
    p.add_argument("target", type=Path, help="a new folder")
    args = p.parse_args(argv)
    try:
        from catalogs.releases.export import export

        counts = export(located(Path(args.release)), args.target)
    except LoomError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for split, count in counts.items():
        print(f"{args.target / split}.csv: {count:,} image-text pairs")
    return 0
