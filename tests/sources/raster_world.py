"""Small GeoTIFFs and STAC items for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.windows import Window
from transforms.context import Context
from transforms.imagery import Read

PLACE = Affine(0.5, 0, 500_000, 0, -0.5, 5_200_000)
SIDE = 64


def noise(count: int = 3, kind: str = "uint8") -> npt.NDArray[Any]:
    """Pixels (band, y, x) between 1 and 250."""
    return np.random.default_rng(7).integers(1, 250, (count, SIDE, SIDE)).astype(kind)


def half() -> npt.NDArray[np.bool_]:
    """A mask (y, x) whose upper 20 of 64 rows are invalid."""
    return np.arange(SIDE)[:, None].repeat(SIDE, axis=1) >= 20


def write(
    path: Path,
    pixels: npt.NDArray[Any],
    *,
    colours: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    mask: npt.NDArray[np.bool_] | None = None,
    inside: bool = True,
    crs: str = "EPSG:32632",
    transform: Affine = PLACE,
    **more: Any,
) -> Path:
    """A GeoTIFF of `pixels`, with a mask inside or beside it where one is given."""
    count, height, width = pixels.shape
    profile = {
        "driver": "GTiff", "count": count, "height": height, "width": width,
        "dtype": pixels.dtype.name, "crs": crs, "transform": transform, "photometric": "minisblack",
    }  # fmt: skip
    options = {"GDAL_TIFF_INTERNAL_MASK": inside}
    with rasterio.Env(**options), rasterio.open(path, "w", **{**profile, **more}) as target:
        if colours:
            target.colorinterp = [ColorInterp[name] for name in colours]
        for index, name in enumerate(names, start=1):
            target.set_band_description(index, name)
        target.write(pixels)
        if mask is not None:
            target.write_mask(mask)
    return path


def read(scene: Scene, *bands: str) -> Sample:
    """The whole scene as one chip."""
    window = Window(scene.grid, 0.5)
    sample = Sample("w1", 9.0, 47.0, window, (scene,))
    return Read(bands)(sample, Context(seed=0)) if bands else Read()(sample, Context(seed=0))


def item(name: str, href: str, **more: Any) -> dict[str, Any]:
    """A STAC item with one GeoTIFF asset; `properties`, `asset` and other fields can be given."""
    asset = {"href": href, "type": "image/tiff; application=geotiff", **more.pop("asset", {})}
    properties = {"datetime": "2023-05-06T10:00:00Z", "license": "CC0-1.0"}
    ring = [[9, 46.9], [9.1, 46.9], [9.1, 47], [9, 47], [9, 46.9]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "bbox": [9, 46.9, 9.1, 47],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "links": [],
        "properties": {**properties, **more.pop("properties", {})}, "assets": {"image": asset}, **more,
    }  # fmt: skip
