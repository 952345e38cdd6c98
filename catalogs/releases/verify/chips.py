"""Pictures decode to the size that their row states, rasters lie on the grid that it states."""

import io
from functools import lru_cache
from typing import Any

import numpy as np

from catalogs.releases.verify.findings import UNREADABLE, Report
from schemas.text import counted


def check_image(where: str, name: str, body: bytes, row: dict[str, Any], report: Report) -> None:
    """A JPEG or PNG decodes to width x height."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(body)) as picture:
            picture.load()
            size = picture.size
    except UNREADABLE as error:
        report.fault("pixels", where, f"{name} does not decode: {error}")
        return
    stated = row["width"], row["height"]
    report.expect(size == stated, "pixels", where, f"{name} is {size}, its row says {stated}")


def check_raster(
    where: str, name: str, body: bytes, row: dict[str, Any], bands: list[str], report: Report
) -> None:
    """A GeoTIFF decodes, and has the CRS, transform, shape and band count of its row."""
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    try:
        with MemoryFile(body) as memory, memory.open(driver="GTiff") as chip:
            chip.read()
            shape = chip.width, chip.height
            affine, crs, count = list(chip.transform)[:6], chip.crs, chip.count
    except (*UNREADABLE, RasterioError) as error:
        report.fault("pixels", where, f"{name} does not decode: {error}")
        return
    stated = row["width"], row["height"]
    report.expect(shape == stated, "pixels", where, f"{name} is {shape}, its row says {stated}")
    near = np.allclose(affine, row["transform"], rtol=1e-9, atol=1e-9)
    report.expect(
        near, "grid", where, f"{name}: transform {affine}, its row says {row['transform']}"
    )
    same = crs == _crs(row["crs"])
    report.expect(same, "grid", where, f"{name}: CRS {crs}, its row says {row['crs']}")
    if bands:
        said = f"{name} has {counted(count, 'band')}, the manifest says {len(bands)}"
        report.expect(count == len(bands), "pixels", where, said)


@lru_cache(maxsize=256)
def _crs(text: str) -> Any:
    from rasterio.crs import CRS

    return CRS.from_string(text)
