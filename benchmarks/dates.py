"""Twelve dates of the scene as Sentinel-2 has them: a file for each of thirteen bands, at 10, 20 and 60 m.

The files are hard links to those of `stack.py` and to thinned ones, dealt out anew for each date: no
date is like another, and the year takes 0.3 GB more than the day.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile
from rasterio.windows import Window

from benchmarks import contender, stack
from benchmarks.stack import BANDS, CHIP, METRES, SIZE, TILE, Spot

DATES = tuple(f"2024-{month:02d}-15" for month in range(1, 13))
FINE = tuple(BANDS)
ALL = {
    **dict.fromkeys(FINE, 10.0),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 20.0),
    **dict.fromkeys(("B01", "B09", "B10"), 60.0),
}
"""Band name to the metres of its pixels."""


def make(cache: Path, tile: int = TILE) -> Path:
    """The path of a collection of items, `items.json`; made on the first call and kept."""
    scene = stack.make(cache, tile).parent
    items = scene.with_name(scene.name.replace("stack", "dates")) / "items.json"
    if not items.exists():
        thinned(scene, tile)
        for date in DATES:
            (items.parent / date).mkdir(parents=True, exist_ok=True)
            for band in ALL:
                link = items.parent / date / f"{band}.tif"
                link.unlink(missing_ok=True)
                link.hardlink_to(scene / source(band, date))
        features = [stack.describe(date, f"{date}T10:20:30Z", ALL, date) for date in DATES]
        stack.keep(items, {"type": "FeatureCollection", "features": features})
    return items


def thinned(scene: Path, tile: int) -> None:
    """Every second and every sixth pixel of the scene's bands, as files beside them."""
    for band in FINE:
        with rasterio.open(scene / f"{band}.tif") as whole:
            pixels = whole.read(1)
        for step in (2, 6):
            stack.write(scene / f"{band}-{step}.tif", pixels[::step, ::step], METRES * step, tile)


def source(band: str, date: str) -> str:
    """The file of the scene that stands for a band on a date."""
    dealt = list(itertools.permutations(FINE))[2 * DATES.index(date)]
    step = round(ALL[band] / METRES)
    name = dealt[list(ALL).index(band) % len(FINE)]
    return f"{name}.tif" if step == 1 else f"{name}-{step}.tif"


def places(n: int, scattered: bool, seed: int = 0) -> list[Spot]:
    """Chips anywhere in the scene, or around ten towns (standard deviation 2.5 km), in tile order."""
    if scattered:
        return stack.tile_order(stack.windows(n, seed))
    rng = np.random.default_rng(seed)
    towns = rng.integers(CHIP, SIZE - 2 * CHIP, (10, 2))
    at = towns[rng.integers(0, 10, n)] + rng.normal(0.0, 250.0, (n, 2)).astype(int)
    cols, rows = np.clip(at, 0, SIZE - CHIP).T
    return stack.tile_order(
        [Spot(f"{i:06d}", int(c), int(r)) for i, (c, r) in enumerate(zip(cols, rows, strict=True))]
    )


def arguments() -> argparse.ArgumentParser:
    """The options of a contender for dates."""
    parser = contender.arguments()
    parser.add_argument("--where", default="towns", help="`towns` or `anywhere`")
    parser.add_argument("--bands", type=int, default=4, help="4 or 13")
    parser.add_argument("--tile", type=int, default=TILE, help="pixels a side of the files' tiles")
    parser.add_argument("--merge", default="", help="how to make one picture of the dates")
    parser.add_argument("--block", type=int, default=500, help="windows of a block")
    return parser


def check(
    spots: list[Spot], options: argparse.Namespace, found: dict[str, tuple[Path, int, int]]
) -> None:
    """Raises unless every chip is there, and all bands of 10 m of some equal the dates' pixels."""
    if len(found) != len(spots):
        raise AssertionError(f"{len(found)} chips of {len(spots)}")
    by_key = {key.split("_")[0]: place for key, place in found.items()}
    scene = stack.stored(options.cache, options.tile)
    for spot in spots[:: max(1, len(spots) // 5)]:
        path, offset, size = by_key[spot.key]
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        with MemoryFile(data) as memory, memory.open() as chip:
            pixels = chip.read()
        window = Window(spot.col, spot.row, CHIP, CHIP)
        files = {}
        for band in FINE:
            with rasterio.open(scene / f"{band}.tif") as whole:
                files[f"{band}.tif"] = whole.read(1, window=window)
        for (t, date), (b, band) in itertools.product(enumerate(DATES), enumerate(FINE)):
            if not np.array_equal(pixels[t * options.bands + b], files[source(band, date)]):
                raise AssertionError(f"chip {spot.key}, {date}, {band} differs from the scene")
