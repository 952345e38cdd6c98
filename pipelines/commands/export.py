"""`export`: a release as folders of pictures and caption CSVs, for open_clip and the like."""

import argparse
from pathlib import Path

from pipelines.commands.entry import guarded
from pipelines.commands.verify import located
from schemas.text import counted


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    p = argparse.ArgumentParser(prog="python -m pipelines.export", description=__doc__)
    p.add_argument("release", help="OUT/NAME/vX.Y.Z; or OUT/NAME, or OUT, for the latest version")
    p.add_argument("target", type=Path, help="a new folder")
    args = p.parse_args(argv)
    return guarded(lambda: _export(located(Path(args.release)), args.target))


def _export(release: Path, target: Path) -> int:
    from catalogs.releases.export import export

    for split, count in export(release, target).items():
        if (target / f"{split}.h5").exists():
            print(f"{target / split}.parquet, {split}.h5: {counted(count, 'footprint')}")
        else:
            print(f"{target / split}.csv: {counted(count, 'image-text pair')}")
    return 0
