"""Phenology files of known content, in the layouts in which MCD12Q2 is passed on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

from catalogs.sources.phenology import Phenology, open_phenology
from catalogs.sources.terms import Override
from schemas.phenology import TRANSITIONS, new_year
from schemas.windows import EARTH_M, to_lonlat

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
CELL = 463.312716528
NAMES = (
    "Greenup", "MidGreenup", "Maturity", "Peak", "Senescence", "MidGreendown", "Dormancy",
)  # fmt: skip
CORNER = Affine(CELL, 0, 833_000.0, 0, -CELL, 5_338_000.0)
"""At about 48 N, 11.2 E."""

BASE = np.array([109.0, 175, 252, 318])
"""Days of the four transitions from New Year."""


def year_of_layers(
    year: int, offsets: npt.NDArray[Any], shape: tuple[int, int], cycle: int = 1
) -> dict[str, npt.NDArray[np.int16]]:
    """Layers of one cycle, `(y, x)` int16, from offsets `(y, x, 4)`; NaN is the fill."""
    start = int(new_year(year))
    found = {f"{name}_{cycle}": np.full(shape, 32767, np.int16) for name in NAMES}
    for at, name in enumerate(TRANSITIONS):
        days = start + offsets[..., at]
        found[f"{name}_{cycle}"] = np.where(np.isnan(days), 32767, days).astype(np.int16)
    return found


def write(
    path: Path,
    layers: Mapping[str, npt.NDArray[Any]],
    crs: str = SINUSOIDAL,
    transform: Affine = CORNER,
) -> Path:
    """A GeoTIFF with a described band for each layer."""
    first = next(iter(layers.values()))
    with rasterio.open(
        path, "w", driver="GTiff", count=len(layers), height=first.shape[0], width=first.shape[1],
        dtype=first.dtype, crs=crs, transform=transform, nodata=32767, compress="deflate",
        tiled=True, blockxsize=256, blockysize=256,
    ) as file:  # fmt: skip
        for index, (name, array) in enumerate(layers.items(), start=1):
            file.write(array, index)
            file.set_band_description(index, name)
    return path


def middles(
    shape: tuple[int, int], crs: str = SINUSOIDAL, transform: Affine = CORNER
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lon/lat of the pixels' middles, row after row."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    xs = transform.c + transform.a * (cols.ravel() + 0.5)
    ys = transform.f + transform.e * (rows.ravel() + 0.5)
    return to_lonlat(crs, xs, ys)


def opened(path: Path) -> Phenology:
    """Phenology with the terms of its own."""
    return open_phenology(path, Override())


def field(shape: tuple[int, int], seed: int = 1) -> Any:
    """Offsets `(y, x, 4)` in order, other in every pixel."""
    rng = np.random.default_rng(seed)
    return BASE + rng.integers(-30, 30, (*shape, 1)) + rng.integers(0, 5, (*shape, 4)).cumsum(-1)


def kilometres(lon1: Any, lat1: Any, lon2: Any, lat2: Any) -> Any:
    """Great-circle distance by the haversine formula."""
    a, b, c, d = map(np.radians, (lon1, lat1, lon2, lat2))
    h = np.sin((d - b) / 2) ** 2 + np.cos(b) * np.cos(d) * np.sin((c - a) / 2) ** 2
    return 2 * EARTH_M / 1000 * np.arcsin(np.sqrt(h))


def one_valid(folder: Path, places: list[tuple[int, int]]) -> Phenology:
    """A raster of 3 x 3 pixels with few that are usable."""
    offsets = np.full((3, 3, 4), np.nan)
    for row, col in places:
        offsets[row, col] = BASE + row * 3 + col
    write(folder / "tiny_2021.tif", year_of_layers(2021, offsets, (3, 3)))
    return opened(folder)
