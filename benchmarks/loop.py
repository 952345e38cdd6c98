"""The hand-written loop: rasterio windows in tile order, encoded and written one by one.

This is the bar. One set of datasets per worker, opened once; windows sorted by tile row and column;
contiguous parts for two threads (--workers 2 --threads) or two processes (--workers 2).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from benchmarks import contender
from benchmarks.encoding import Tars
from benchmarks.stack import BANDS, CHIP, Spot, paths


def work(spots: list[Spot], item: Path, tars: Tars) -> None:
    """Reads four bands a window, and writes GeoTIFF, JPEG and JSON of each chip."""
    with rasterio.Env():
        bands = [rasterio.open(path) for path in paths(item).values()]
        for spot in spots:
            pixels = np.empty((len(BANDS), CHIP, CHIP), np.uint16)
            window = Window(spot.col, spot.row, CHIP, CHIP)
            for band, out in zip(bands, pixels, strict=True):
                band.read(1, window=window, out=out)
            tars.add(pixels, spot)
        for band in bands:
            band.close()


if __name__ == "__main__":
    contender.main("rasterio loop", rasterio.__version__, work)
