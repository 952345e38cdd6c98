"""What the layers of numbers have in common: one small raster per place, its item, its collection."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalogs.world import cog, stacfile
from catalogs.world.layout import Place
from catalogs.world.stacfile import Json


def item(
    place: Place,
    folder: Path,
    name: str,
    pixels: NDArray[np.generic],
    grid: cog.Grid,
    bands: tuple[str, ...],
    nodata: int,
    *,
    when: tuple[str, str],
    title: str,
    gsd: float,
    categorical: bool = False,
) -> Json:
    """Writes a raster (band, y, x) and returns its item.

    Args:
        when: First and last day, ISO, of what it shows.
    """
    made = cog.write(
        folder / name / "data.tif", pixels, grid, names=bands, nodata=nodata, block=256,
        overviews=False, categorical=categorical,
    )  # fmt: skip
    _, height, width = pixels.shape
    west, north = grid.affine.c, grid.affine.f
    bounds = (west, north + height * grid.affine.e, west + width * grid.affine.a, north)
    described = [{"name": band} for band in bands]
    properties: Json = {
        "datetime": f"{when[0]}T00:00:00Z",
        "start_datetime": f"{when[0]}T00:00:00Z",
        "end_datetime": f"{when[1]}T23:59:59Z",
        "title": f"{title}, {place.site.name}",
        "gsd": gsd,
        "proj:code": f"EPSG:{grid.epsg}",
        "platform": "generated",
        "license": "CC0-1.0",
    }
    where = stacfile.footprint(grid.epsg, bounds)
    data = stacfile.asset(made, described, title, gsd)
    return stacfile.item(name, where, properties, {"data": data}, ("file", "proj"))


def year(number: int) -> tuple[str, str]:
    """First and last day of a year, ISO."""
    return f"{number}-01-01", f"{number}-12-31"


def collection(name: str, title: str, about: str, items: Sequence[Json]) -> tuple[Json, Json]:
    """A layer's collection, and its facts."""
    return stacfile.collection(name, title, about, items), {"items": len(items)}
