"""The engine's contender for stacks of twelve dates: `imagery.Find(every="1mo")`, `Read`, GeoTIFF."""

from __future__ import annotations

import argparse

from benchmarks import contender, dates, engine
from schemas.recipes import Card, Pack, Recipe
from transforms import composites, encode, imagery, splits


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


def main() -> None:
    """Plan, time the make act, check pixels, print one line of JSON."""
    options = dates.arguments().parse_args()
    items = contender.start(options, dates.make(options.cache, options.tile))
    ran = engine.timed(recipe(options), items, options, block=options.block, solo=2)
    if not options.merge:
        spots = engine.places(options.where, options.n)
        dates.check(spots, options, engine.members(ran.made))
    contender.report(
        "earthloom make", "0.1.0", ran.done._replace(peak_mb=ran.worker_mb), ran.used,
        options.workers, f"{len(ran.made)} blocks", planes=len(dates.DATES) * options.bands,
    )  # fmt: skip


if __name__ == "__main__":  # by its name, so that worker processes can import the recipe's steps
    from benchmarks import series

    series.main()
