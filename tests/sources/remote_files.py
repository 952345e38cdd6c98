"""Files in memory behind URLs, and what was asked of them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import rasterio

from catalogs.sources import remote
from catalogs.sources.net.outcomes import CHANGED
from catalogs.sources.remote import Ahead
from schemas.errors import Fault
from schemas.sources import Version

URL = "https://example.org/a.tif"


class Memory:
    """Files in memory, with a count of what was asked of them."""

    def __init__(self, **files: bytes) -> None:
        self.files, self.asked = files, list[tuple[int, int]]()
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Lock()
        self.busy = self.most = 0

    def version(self, url: str) -> Version:
        data = self.files[Path(url).stem]
        return Version(len(data), f'"{crc32(data)}"')

    def opening(self, url: str, most: int) -> tuple[bytes, Version]:
        return self.get_range(url, 0, most), self.version(url)

    def get_range(self, url: str, start: int, stop: int, like: Version | None = None) -> bytes:
        with self.lock:
            self.asked.append((start, stop))
            self.busy += 1
            self.most = max(self.most, self.busy)
        self.gate.wait(20)
        with self.lock:
            self.busy -= 1
        if self.broken:
            raise Fault("http_503", f"{url}: busy", retryable=True)
        if like is not None and like != self.version(url):
            raise CHANGED.fault(url)
        return self.files[Path(url).stem][start:stop]


def noise(length: int) -> bytes:
    """So many bytes, the same whenever asked for."""
    return np.random.default_rng(length).bytes(length)


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, **files: bytes) -> Iterator[Memory]:
    """Files behind URLs, for `open_raster`."""
    memory = Memory(**files)
    ahead = Ahead(memory)
    monkeypatch.setattr(remote, "ahead", lambda: ahead)
    monkeypatch.setattr("catalogs.rasters.ahead", lambda: ahead)
    yield memory
    ahead.close()


def cog(path: Path, seed: int = 5, **more: Any) -> bytes:
    """A tiled file of noise, 3 x 600 x 600."""
    pixels = np.random.default_rng(seed).integers(0, 4000, (3, 600, 600)).astype("uint16")
    profile = {"driver": "COG", "count": 3, "width": 600, "height": 600, "dtype": "uint16",
               "crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
               "compress": "deflate", "blocksize": 128, **more}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels)
    return path.read_bytes()
