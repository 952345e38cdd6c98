"""Writing a cloud-optimised GeoTIFF so that the same pixels give the same bytes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile


@dataclass(frozen=True)
class Grid:
    """Where an array lies: EPSG code and pixel-to-CRS affine."""

    epsg: int
    affine: Affine


@dataclass(frozen=True)
class Written:
    """What became of a raster.

    Attributes:
        href: File name.
        size: Bytes.
        sha256: Hex digest.
        shape: (rows, columns).
        affine: Pixel to CRS.
        epsg: EPSG code.
        dtype: NumPy name of the pixel type.
        nodata: Value that means no data, None without one.
    """

    href: str
    size: int
    sha256: str
    shape: tuple[int, int]
    affine: Affine
    epsg: int
    dtype: str
    nodata: int | None


def write(
    path: Path,
    pixels: NDArray[np.generic],
    grid: Grid,
    *,
    names: tuple[str, ...],
    nodata: int | None = 0,
    block: int = 512,
    level: int = 6,
    overviews: bool = True,
    categorical: bool = False,
) -> Written:
    """Writes (band, y, x) pixels with tiles and overviews; returns a description of the file.

    Args:
        path: Target; parent folders are made.
        pixels: Array (band, y, x).
        grid: Where it lies.
        names: Band descriptions.
        nodata: Value that means no data.
        block: Side of a tile in pixels.
        level: Effort of the compression, 1 to 9.
        overviews: Whether to add reduced copies.
        categorical: Overviews by nearest neighbour, not by averaging.
    """
    bands, height, width = pixels.shape
    profile = {
        "driver": "COG",
        "count": bands,
        "height": height,
        "width": width,
        "dtype": pixels.dtype.name,
        "crs": f"EPSG:{grid.epsg}",
        "transform": grid.affine,
        "nodata": nodata,
        "compress": "DEFLATE",
        "level": level,
        "predictor": "NO" if categorical else "YES",
        "blocksize": block,
        "overview_resampling": "NEAREST" if categorical else "AVERAGE",
        "overviews": "AUTO" if overviews else "NONE",
        "num_threads": 1,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(pixels)
            target.descriptions = names
            if names[:3] == ("red", "green", "blue"):
                rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
                target.colorinterp = (*rgb, *(ColorInterp.undefined for _ in names[3:]))
        data = bytes(memory.getbuffer())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    shape = (height, width)
    return Written(
        path.name, len(data), digest, shape, grid.affine, grid.epsg, pixels.dtype.name, nodata
    )


def read(path: Path) -> tuple[NDArray[np.generic], Affine, int]:
    """First band (y, x), affine and EPSG code of a raster."""
    with rasterio.open(path) as source:
        return source.read(1), source.transform, int(source.crs.to_epsg())
