"""Scenes of a few small files whose every number is known."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from schemas.errors import Fault
from schemas.samples import Sample
from schemas.scenes import Band, Scene
from schemas.windows import Grid, Window, from_lonlat
from schemas.zones import crs_for
from transforms.clouds import Fractions
from transforms.context import Context
from transforms.imagery import Read

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
REAL = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository"),
]
"""Marks of tests of real files."""

WEST, NORTH = 399_960.0, 5_300_040.0
"""A corner as Sentinel-2 tiles have it: a multiple of 60 m."""

WHEN = datetime(2022, 6, 1, 10, tzinfo=UTC)


def grid(side: float, px: int, rows: int = 0, crs: str = "EPSG:32633") -> Grid:
    """A grid at the corner."""
    return Grid(crs, (side, 0.0, WEST, 0.0, -side, NORTH), px, rows or px)


def grid_at(lon: float, lat: float, side: float, px: int) -> Grid:
    """A grid of `px` pixels a side around a point, in the zone of that point, corners on multiples."""
    crs = crs_for(lon, lat)
    xs, ys = from_lonlat(crs, np.array([lon]), np.array([lat]))
    left, top = round(float(xs[0]) / side - px / 2), round(float(ys[0]) / side + px / 2)
    return Grid(crs, (side, 0.0, left * side, 0.0, -side, top * side), px, px)


def noise(side: int, kind: str = "uint16") -> Any:
    """Numbers from 1 to 3999, `(side, side)`, the same whenever asked for."""
    return np.random.default_rng((side, len(kind))).integers(1, 4000, (side, side)).astype(kind)


def repeat(array: Any, factor: int) -> Any:
    """Each pixel of `(y, x)` as a square of them."""
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def write(path: Path, array: Any, place: Grid, nodata: float | None = None, **more: Any) -> str:
    """A GeoTIFF (or JPEG 2000) of `(band, y, x)`; returns its path."""
    array = np.asarray(array)
    array = array[None] if array.ndim == 2 else array
    profile = {
        "driver": "GTiff", "count": len(array), "height": array.shape[1], "width": array.shape[2],
        "dtype": array.dtype.name, "crs": place.crs, "transform": Affine(*place.transform),
        "nodata": nodata,
    }  # fmt: skip
    with rasterio.open(path, "w", **{**profile, **more}) as target:
        target.write(array)
    return str(path)


def band(name: str, href: str, side: float = 10.0, common: str = "", **more: Any) -> Band:
    """A band of 16 bits."""
    return Band(name, href, **{"dtype": "uint16", "gsd": side, "common": common or name, **more})


def scene(bands: tuple[Band, ...], place: Grid, **more: Any) -> Scene:
    """A scene of these bands, by default a Sentinel-2 one before baseline 04.00."""
    known: dict[str, Any] = {
        "id": "a", "collection": "sentinel-2-l2a", "datetime": WHEN, "grid": place,
        "footprint": "POLYGON ((0 0, 1 0, 1 1, 0 0))", "bands": bands, "licence": "CC0-1.0",
        "attribution": "", "baseline": "02.14", "display": (0.0, 3000.0),
    }  # fmt: skip
    return Scene(**{**known, **more})


def chip(*scenes: Scene, window: Window | None = None, **settings: Any) -> Sample:
    """The whole of the first scene, or a window of it, as `Read` makes it."""
    window = window or Window(scenes[0].grid, 10.0)
    sample = Sample("w1", 15.0, 47.8, window, scenes)
    settings.setdefault("bands", tuple(b.name for b in scenes[0].bands))
    return Read(**settings)(sample, Context(seed=0))


def cut(place: Grid, col: int, row: int, width: int, height: int) -> Window:
    """A window on a grid."""
    return Window(place.cut(col, row, width, height), abs(place.transform[0]), col, row)


def code(*scenes: Scene, **settings: Any) -> str:
    """Why a chip cannot be made."""
    with pytest.raises(Fault) as caught:
        chip(*scenes, **settings)
    return caught.value.code


def measured(told: Sample, **settings: Any) -> dict[str, Any]:
    """Facts of a chip with its shares of cloud and the like."""
    return Fractions(**settings)(told, Context(seed=0)).facts
