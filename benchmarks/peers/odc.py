"""odc-stac: windows in groups of 16, one load of the group's common box, chips cut out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import odc.stac
import pystac
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.transform import Affine

from benchmarks import contender
from benchmarks.encoding import Tars
from benchmarks.stack import BANDS, CHIP, EPSG, TRANSFORM, Spot

GROUP = 16


def work(spots: list[Spot], item: Path, tars: Tars) -> None:
    """Loads each group of neighbours on the scene's own grid, then encodes its chips."""
    scene = pystac.Item.from_file(str(item))
    for first in range(0, len(spots), GROUP):
        group = spots[first : first + GROUP]
        left, top = min(s.col for s in group), min(s.row for s in group)
        width = max(s.col for s in group) + CHIP - left
        height = max(s.row for s in group) + CHIP - top
        box = GeoBox(
            (height, width), TRANSFORM @ Affine.translation(left, top), CRS.from_epsg(EPSG)
        )
        loaded = odc.stac.load([scene], bands=list(BANDS), geobox=box, fail_on_error=True)
        pixels = np.stack([loaded[band].values[0] for band in BANDS])
        for spot in group:
            y, x = spot.row - top, spot.col - left
            tars.add(pixels[:, y : y + CHIP, x : x + CHIP], spot)


if __name__ == "__main__":
    contender.main("odc-stac", odc.stac.__version__, work, f"groups of {GROUP} windows")
