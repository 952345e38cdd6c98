"""Rasters, the metadata that Earth Engine would state of them, and a clock that nobody waits for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine

from catalogs.sources.earth_engine.calls import POLICY, Service
from catalogs.sources.earth_engine.limits import Limits
from catalogs.sources.net import clock as net
from earth_engine_server import World
from schemas.windows import transformer

PROJECT = "a-test-project"
S2 = "COPERNICUS/S2_SR_HARMONIZED"
TEN = Affine(10, 0, 500_000, 0, -10, 5_200_000)
SHIFTED = Affine(0.2, 0, 400_003.07, 0, -0.2, 5_800_001.13)
"""A grid whose origin is no multiple of its pixel."""


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.time, self.slept = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def service(
        self, limits: Limits | None = None, sleep: Any = None, jitter: float = 0.5, **policy: Any
    ) -> Service:
        """Dealings by this clock; every backoff is `jitter` of its longest."""
        told = net.Clock(
            now=lambda: self.time, utc=lambda: self.time, sleep=sleep or self.sleep,
            jitter=lambda: jitter,
        )  # fmt: skip
        return Service(limits, replace(POLICY, **policy), told)


def raster(
    path: Path, names: str, transform: Affine, crs: str, kind: str = "uint8", size: int = 96
) -> Path:
    """A GeoTIFF of noise without zeros, its bands described by the words of `names`."""
    bands = names.split()
    most = {"uint8": 255, "uint16": 60_000, "float32": 1}[kind]
    seed = np.random.default_rng(len(path.stem))
    pixels = (seed.random((len(bands), size, size + 16)) * (most - 1) + 1).astype(kind)
    return written(path, pixels, names, transform, crs)


def written(
    path: Path, pixels: Any, names: str, transform: Affine, crs: str, nodata: float | None = None,
    valid: Any = None,
) -> Path:  # fmt: skip
    """A GeoTIFF of pixels (band, y, x), masked where `valid` (y, x) is False or bands are nodata."""
    count, height, width = pixels.shape
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, nodata=nodata,
        dtype=pixels.dtype, crs=crs, transform=transform, photometric="minisblack",
    ) as target:  # fmt: skip
        target.write(pixels)
        for index, name in enumerate(names.split(), start=1):
            target.set_band_description(index, name)
        if valid is not None:
            target.write_mask(valid)
    return path


def affine(transform: Affine) -> dict[str, float]:
    """As the service writes one: what is zero is left out."""
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    return {name: v for name, v in zip(names, tuple(transform)[:6], strict=True) if v}


def band(name: str, kind: str, transform: Affine, crs: str, width: int, height: int) -> Any:
    types = {
        "uint8": {"precision": "INT", "range": {"max": 255}},
        "uint16": {"precision": "INT", "range": {"max": 65535}},
        "float32": {"precision": "FLOAT"},
    }
    place = {"dimensions": {"width": width, "height": height}, "affineTransform": affine(transform)}
    return {"id": name, "dataType": types[kind], "grid": {"crsCode": crs, **place}}


def asset(world: World, name: str, path: Path, start: str, **properties: Any) -> dict[str, Any]:
    """Put an image into the world; its metadata, as the service would state them."""
    with rasterio.open(path) as dataset:
        crs, size = dataset.crs.to_string(), (dataset.width, dataset.height)
        bands = [
            band(text, kind, dataset.transform, crs, *size)
            for text, kind in zip(dataset.descriptions, dataset.dtypes, strict=True)
        ]
        box = transformer(crs, "OGC:CRS84").transform_bounds(*dataset.bounds)
    stated = {
        "type": "IMAGE",
        "name": f"projects/earthengine-public/assets/{name}",
        "id": name,
        "startTime": start,
        "updateTime": "2024-05-03T00:00:00Z",
        "geometry": shapely.geometry.mapping(shapely.box(*box)),
        "bands": bands,
        "properties": properties,
        "sizeBytes": str(path.stat().st_size),
    }
    world.assets[name] = stated
    world.rasters[name] = path
    return stated


def collection(world: World, name: str) -> None:
    world.assets[name] = {"type": "IMAGE_COLLECTION", "id": name}


def whole_graph(name: str, bands: list[str]) -> Any:
    """What must be asked of an asset: its bands, and where none of them is masked."""
    chosen = ("Image.select", {"input": ("Image.load", {"id": name}), "bandSelectors": bands})
    masks = ("Image.mask", {"image": chosen})
    least = ("Image.reduce", {"image": masks, "reducer": ("Reducer.min", {})})
    valid = ("Image.gt", {"image1": least, "image2": ("Image.constant", {"value": 0})})
    renamed = ("Image.rename", {"input": valid, "names": ["valid_in_all_bands"]})
    return "Image.addBands", {"dstImg": chosen, "srcImg": renamed}
