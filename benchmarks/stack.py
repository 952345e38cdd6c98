"""The scene every contender reads: a seeded stack of local COGs of Sentinel-2 size, and its item.

The pixels are generated (smooth relief, fields, pixel noise), so nothing has to be downloaded. The
noise is set so that a 256 px chip of four bands deflates to about 0.74 of its raw size, as that of
Sentinel-2 surface reflectance over farmland does (0.72 on a sample from Upper Austria).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine, array_bounds
from rasterio.warp import transform_bounds

SIZE = 10980
TILE = 512
CHIP = 256
METRES = 10.0
EPSG = 32632
DATETIME = "2024-07-01T10:20:30Z"
TRANSFORM = Affine(METRES, 0.0, 600000.0, 0.0, -METRES, 5300040.0)

# Band name to (mean, relief, contrast between fields, pixel noise), in digital numbers.
BANDS: dict[str, tuple[float, float, float, float]] = {
    "B02": (620.0, 90.0, 110.0, 48.0),
    "B03": (840.0, 110.0, 150.0, 56.0),
    "B04": (780.0, 160.0, 240.0, 64.0),
    "B08": (2900.0, 380.0, 560.0, 160.0),
}


Grid = NDArray[np.float32]


class Spot(NamedTuple):
    """A chip's place: its key and its upper left pixel on the scene's own grid."""

    key: str
    col: int
    row: int

    @property
    def transform(self) -> Affine:
        """The chip's pixel to EPSG:32632 transform, in metres."""
        return TRANSFORM @ Affine.translation(self.col, self.row)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in metres."""
        west, north = self.transform.c, self.transform.f
        return west, north - CHIP * METRES, west + CHIP * METRES, north


def windows(n: int, seed: int = 0) -> list[Spot]:
    """Random chip places, pixel aligned but not tile aligned, in random order."""
    cols, rows = np.random.default_rng(seed).integers(0, SIZE - CHIP + 1, (2, n))
    return [
        Spot(f"{i:06d}", int(c), int(r)) for i, (c, r) in enumerate(zip(cols, rows, strict=True))
    ]


def tile_order(spots: list[Spot]) -> list[Spot]:
    """The places sorted by tile row, then tile column, so that each tile is decoded once."""
    return sorted(spots, key=lambda s: (s.row // TILE, s.col // TILE, s.row, s.col))


def sample(n: int) -> list[Spot]:
    """The first n of at least 2000 windows in tile order: the same density whatever n is."""
    return tile_order(windows(max(n, 2000)))[:n]


def make(cache: Path, tile: int = TILE) -> Path:
    """The path of the STAC item; scene and item are made on the first call and kept."""
    item = stored(cache, tile) / "item.json"
    if not item.exists():
        item.parent.mkdir(parents=True, exist_ok=True)
        for index, band in enumerate(BANDS):
            write(item.parent / f"{band}.tif", _pixels(index), METRES, tile)
        keep(item, describe("generated-scene", DATETIME, dict.fromkeys(BANDS, METRES)))
    return item


def stored(cache: Path, tile: int = TILE) -> Path:
    """The folder of the scene."""
    return cache / (f"stack-{SIZE}" if tile == TILE else f"stack-{SIZE}-{tile}")


def keep(path: Path, document: dict[str, Any]) -> None:
    """Write a document whole."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(document, indent=2))
    unfinished.rename(path)


def told(n: int) -> str:
    """What the chips are, for the head of a table."""
    return f"{n} chips of {CHIP} px, {len(BANDS)} bands of uint16, in tile order"


def placed(item: Path, folder: Path) -> Path:
    """A copy of the item (or items) as contenders shall read it: with links to files, or to URLs where
    BENCH_HTTP names a server of the cache."""
    place = item.parent
    home = f"{os.environ.get('BENCH_HTTP') or place.parent}/{place.name}"
    found = folder / item.name
    found.write_text(item.read_text().replace('"href": "./', f'"href": "{home}/'))
    return found


def paths(item: Path) -> dict[str, str]:
    """Band name to path or URL, in the order of BANDS, of a placed item."""
    assets = json.loads(item.read_text())["assets"]
    return {band: assets[band]["href"] for band in BANDS}


def _pixels(index: int) -> NDArray[np.uint16]:
    """(y, x) uint16 reflectance of one band, never 0; relief and fields are shared by all bands."""
    mean, relief, contrast, noise = list(BANDS.values())[index]
    shared, own = np.random.default_rng(20240701), np.random.default_rng((20240701, index))
    coarse = shared.standard_normal((SIZE // 200 + 3, SIZE // 200 + 3), dtype=np.float32)
    fields = _fields(shared, SIZE // 12 + 2)
    response = own.normal(0.0, contrast, 64).astype(np.float32)
    at = (np.arange(SIZE) / 200).astype(np.float32)
    out = np.empty((SIZE, SIZE), np.uint16)
    for top in range(0, SIZE, TILE):
        rows = np.arange(top, min(top + TILE, SIZE))
        band = _bilinear(coarse, at[rows], at) * relief + mean
        band += response[fields[np.ix_(rows // 12, np.arange(SIZE) // 12)]]
        band += own.standard_normal(band.shape, dtype=np.float32) * noise
        out[rows] = np.clip(band, 1, 10000)
    return out


def _fields(rng: np.random.Generator, size: int) -> NDArray[np.intp]:
    """(y, x) crop number 0..63 of each 120 m cell: rectangles laid over one another."""
    crops = np.zeros((size, size), np.intp)
    for _ in range(size * size // 12):
        y, x = rng.integers(0, size, 2)
        height, width = rng.integers(2, 9, 2)
        crops[y : y + height, x : x + width] = rng.integers(64)
    return crops


def _bilinear(grid: Grid, y: Grid, x: Grid) -> Grid:
    """The coarse (y, x) grid sampled at fractional rows and columns."""
    j, i = y.astype(np.int32), x.astype(np.int32)
    v, u = np.modf(y)[0][:, None], np.modf(x)[0][None, :]
    rows = grid[j] + (grid[j + 1] - grid[j]) * v
    sampled: Grid = rows[:, i] + (rows[:, i + 1] - rows[:, i]) * u
    return sampled


def write(path: Path, pixels: NDArray[np.uint16], metres: float, tile: int) -> None:
    """One cloud optimised GeoTIFF with overviews, deflate with predictor 2."""
    options = {
        "compress": "deflate",
        "predictor": 2,
        "blocksize": tile,
        "num_threads": os.cpu_count(),
    }
    height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="COG", width=width, height=height, count=1, dtype="uint16",
        crs=CRS.from_epsg(EPSG), transform=_affine(metres), nodata=0, **options,
    ) as out:  # fmt: skip
        out.write(pixels, 1)


def _affine(metres: float) -> Affine:
    return TRANSFORM @ Affine.scale(metres / METRES)


def describe(name: str, when: str, bands: dict[str, float], below: str = ".") -> dict[str, Any]:
    """The STAC item of bands and the metres of their pixels, with links relative to its own folder."""
    native = array_bounds(SIZE, SIZE, TRANSFORM)
    west, south, east, north = transform_bounds(EPSG, 4326, *native)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    raster = {"data_type": "uint16", "nodata": 0}
    assets = {
        band: {
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "href": f"./{below}/{band}.tif".replace("/./", "/"),
            "bands": [{"name": band}],
            "raster:bands": [raster],
            "gsd": metres,
            **raster,
            **_projection(metres),
        }
        for band, metres in bands.items()
    }
    extensions = ["projection/v2.0.0", "raster/v1.1.0"]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            f"https://stac-extensions.github.io/{e}/schema.json" for e in extensions
        ],
        "id": name,
        "collection": "generated-sentinel-2-like",
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": when,
            "gsd": METRES,
            "license": "CC0-1.0",
            **_projection(METRES),
        },
        "links": [],
        "assets": assets,
    }


def _projection(metres: float) -> dict[str, Any]:
    side = round(SIZE * METRES / metres)
    return {
        "proj:code": f"EPSG:{EPSG}",
        "proj:epsg": EPSG,
        "proj:shape": [side, side],
        "proj:transform": list(_affine(metres))[:6],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    begun = time.perf_counter()
    print(make(parser.parse_args().cache), f"{time.perf_counter() - begun:.1f} s")
