"""The output work that every contender does for a chip: a GeoTIFF, a JPEG and a JSON, into tars."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from benchmarks.stack import BANDS, CHIP, DATETIME, EPSG, Spot

SAMPLES_PER_TAR = 500
GTIFF = {
    "driver": "GTiff",
    "width": CHIP,
    "height": CHIP,
    "dtype": "uint16",
    "crs": CRS.from_epsg(EPSG),
    "nodata": 0,
    "compress": "deflate",
    "predictor": 2,
}
# 16 bit reflectance to 8 bit: 0..3000 becomes 0..255.
TO_BYTE = (np.minimum(np.arange(1 << 16), 3000) * 255 // 3000).astype(np.uint8)


def geotiff(pixels: NDArray[np.uint16], spot: Spot, level: int = 6) -> bytes:
    """A deflate GeoTIFF with predictor 2 of the chip's (band, y, x) pixels.

    Level 0 stands for the engine's own encoder (ISA-L), so that a loop can do the very same work.
    """
    if level == 0:
        from schemas.windows import Grid
        from transforms.geotiff import encode

        grid = Grid(f"EPSG:{EPSG}", tuple(spot.transform)[:6], CHIP, CHIP)
        return encode(pixels, grid, 0, tuple(BANDS))
    with MemoryFile() as memory:
        with memory.open(transform=spot.transform, zlevel=level, count=len(pixels), **GTIFF) as out:
            out.write(pixels)
        return bytes(memory.getbuffer())


def jpeg(pixels: NDArray[np.uint16]) -> bytes:
    """An 8 bit red, green, blue JPEG of quality 90."""
    rgb = np.empty((CHIP, CHIP, 3), np.uint8)
    for channel, band in enumerate((2, 1, 0)):
        rgb[..., channel] = TO_BYTE.take(pixels[band])
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=90)
    return out.getvalue()


def facts(spot: Spot) -> bytes:
    """The chip's place and bands as flat JSON."""
    west, south, east, north = spot.bounds
    row = {
        "key": spot.key, "scene": "generated-scene", "datetime": DATETIME, "epsg": EPSG,
        "col": spot.col, "row": spot.row, "west": west, "south": south, "east": east,
        "north": north, "bands": ",".join(BANDS), "license": "CC0-1.0",
    }  # fmt: skip
    return json.dumps(row).encode()


def members(pixels: NDArray[np.uint16], spot: Spot, level: int = 6) -> dict[str, bytes]:
    """The chip's files by extension, from its (band, y, x) uint16 pixels."""
    return {"jpg": jpeg(pixels), "json": facts(spot), "tif": geotiff(pixels, spot, level)}


class Tars:
    """Writes chips into numbered USTAR files of 500 samples, and counts chips and bytes."""

    def __init__(self, folder: Path, prefix: str = "part", level: int = 6) -> None:
        """Files are named PREFIX-00000.tar and so on; level is that of the GeoTIFF's deflate."""
        self.folder, self.prefix, self.level = folder, prefix, level
        self.chips = self.bytes = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, pixels: NDArray[np.uint16], spot: Spot) -> None:
        """Encodes one chip of (band, y, x) uint16 pixels and appends its members."""
        for extension, data in members(pixels, spot, self.level).items():
            member = tarfile.TarInfo(f"{spot.key}.{extension}")
            member.size = len(data)
            self._current().addfile(member, io.BytesIO(data))
            self.bytes += len(data)
        self.chips += 1
        if self.chips % SAMPLES_PER_TAR == 0:
            self.close()

    def close(self) -> None:
        """Finishes the open tar, if any."""
        if self._tar:
            self._tar.close()
            self._tar = None

    def _current(self) -> tarfile.TarFile:
        """The open tar, or a new one; a copy buffer of 1 MiB halves the cost of large members."""
        if self._tar is None:
            path = self.folder / f"{self.prefix}-{self.chips // SAMPLES_PER_TAR:05d}.tar"
            self._tar = tarfile.TarFile(path, "w", format=tarfile.USTAR_FORMAT, copybufsize=1 << 20)
        return self._tar
