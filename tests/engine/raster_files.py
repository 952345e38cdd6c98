"""GeoTIFFs of noise, and why a raster is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from catalogs.rasters import open_raster
from catalogs.sources.headers import describe
from schemas.errors import Fault

NORTH_UP = Affine(0.6, 0, 500_000, 0, -0.6, 5_200_000)


def write(path: Path, crs: Any = "EPSG:32632", transform: Affine = NORTH_UP, **more: Any) -> Path:
    """A GeoTIFF of noise, 512 x 512, tiled, its directory at the front."""
    pixels = np.random.default_rng(1).integers(1, 255, (3, 512, 512)).astype("uint8")
    profile = {
        "driver": "COG", "count": 3, "width": 512, "height": 512, "dtype": "uint8", "crs": crs,
        "transform": transform, "compress": "deflate", "blocksize": 128, "overviews": "none",
    }  # fmt: skip
    with rasterio.open(path, "w", **{**profile, **more}) as target:
        target.write(pixels)
    return path


def code_of(path: Path | str) -> str:
    """Why a file or a href is not opened."""
    with pytest.raises(Fault) as caught:
        describe(Path(path)) if isinstance(path, Path) else open_raster(path)
    return caught.value.code
