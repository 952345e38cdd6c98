"""The engine's contender for stacks of twelve dates: `imagery.Find(every="1mo")`, `Read`, GeoTIFF."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile
from rasterio.windows import Window

from benchmarks import contender, dates, engine
from benchmarks.stack import CHIP, TILE, stored
from schemas.recipes import Card, Pack, Recipe
from transforms import composites, encode, imagery, splits


def arguments() -> argparse.ArgumentParser:
    """The options of a contender for dates."""
    parser = contender.arguments()
    parser.add_argument("--where", default="towns", help="`towns` or `anywhere`")
    parser.add_argument("--bands", type=int, default=4, help="4 or 13")
    parser.add_argument("--tile", type=int, default=TILE, help="pixels a side of the files' tiles")
    parser.add_argument("--merge", default="", help="how to make one picture of the dates")
    parser.add_argument("--block", type=int, default=500, help="windows of a block")
    return parser


def recipe(options: argparse.Namespace) -> Recipe:
    """The year of every place as a stack, or merged."""
    bands = tuple(dates.ALL)[: options.bands]
    merge = (composites.Merge(options.merge),) if options.merge else ()
    return Recipe(
        card=Card("bench", "1.0.0", "bench", "bench", ("image-to-text",)),
        start=engine.Spots(options.n, options.where),
        plan=(imagery.Find(every="1mo"), engine.Here(), splits.ByCell(val=0.0, test=0.0)),
        make=(imagery.Read(bands=bands), *merge),
        pack=Pack(members={"tif": encode.GeoTiff()}),
    )


def check(options: argparse.Namespace, found: dict[str, tuple[Path, int, int]]) -> None:
    """Raises unless every chip is there, and all bands of 10 m of some equal the dates' pixels."""
    spots = engine.places(options.where, options.n)
    if len(found) != len(spots):
        raise AssertionError(f"{len(found)} chips of {len(spots)}")
    by_key = {key.split("_")[0]: place for key, place in found.items()}
    scene = stored(options.cache, options.tile)
    for spot in spots[:: max(1, len(spots) // 5)]:
        path, offset, size = by_key[spot.key]
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        with MemoryFile(data) as memory, memory.open() as chip:
            pixels = chip.read()
        window = Window(spot.col, spot.row, CHIP, CHIP)
        files = {}
        for band in dates.FINE:
            with rasterio.open(scene / f"{band}.tif") as whole:
                files[f"{band}.tif"] = whole.read(1, window=window)
        for (t, date), (b, band) in itertools.product(
            enumerate(dates.DATES), enumerate(dates.FINE)
        ):
            if not np.array_equal(pixels[t * options.bands + b], files[dates.source(band, date)]):
                raise AssertionError(f"chip {spot.key}, {date}, {band} differs from the scene")


def main() -> None:
    """Plan, time the make act, check pixels, print one line of JSON."""
    options = arguments().parse_args()
    items = contender.start(options, dates.make(options.cache, options.tile))
    ran = engine.timed(recipe(options), items, options, block=options.block, solo=2)
    if not options.merge:
        check(options, engine.members(ran.made))
    contender.report(
        "earthloom make", "0.1.0", ran.done._replace(peak_mb=ran.worker_mb), ran.used,
        options.workers, f"{len(ran.made)} blocks", planes=len(dates.DATES) * options.bands,
    )  # fmt: skip


if __name__ == "__main__":  # by its name, so that worker processes can import the recipe's steps
    from benchmarks import series

    series.main()
