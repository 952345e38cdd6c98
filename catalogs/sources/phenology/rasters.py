"""MCD12Q2 as GeoTIFFs: one file a product year with named bands, or one file a layer and year."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from catalogs.rasters import open_raster
from catalogs.sources.phenology.layers import (
    OTHER,
    Layer,
    dates_of,
    lacking,
    of_band,
    of_file,
    years_of,
)
from schemas.errors import Fault, SourceError
from schemas.phenology import Dates
from schemas.scenes import Box
from schemas.windows import Grid

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

FILES = (".tif", ".tiff")

Place = tuple[str, int]
"""(file, band from 1)."""


@dataclass(frozen=True)
class Rasters:
    """Layers on one grid.

    Attributes:
        layers: where each lies.
    """

    grid: Grid
    layers: Mapping[Layer, Place]

    @cached_property
    def years(self) -> tuple[int, ...]:
        """Product years."""
        return tuple(sorted({layer.year for layer in self.layers}))

    def read(self, box: Box) -> Dates:
        """As `Cube`; only the box is read.

        Raises:
            SourceError: a file cannot be read any more.
        """
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        count = box[2] * box[3]
        files: dict[str, list[tuple[Layer, int]]] = {}
        for layer, (path, band) in sorted(self.layers.items()):
            files.setdefault(path, []).append((layer, band))
        values: dict[Layer, npt.NDArray[Any]] = {}
        for path, wanted in files.items():
            try:
                with open_raster(path) as file:
                    stack = file.read([band for _, band in wanted], window=Window(*box))
            except (Fault, RasterioError) as error:
                raise SourceError(f"--phenology {path}: cannot be read ({error})") from error
            for (layer, _), array in zip(wanted, stack, strict=True):
                values[layer] = array.reshape(count)
        return dates_of(self.years, values, count)


def open_rasters(paths: Iterable[Path]) -> list[Rasters]:
    """The files' layers, those of one grid together; grids in the order of their first file.

    Raises:
        SourceError: a file that is no such raster, without year or CRS, a layer that is there twice,
            or a year without one of the four dates.
    """
    found: dict[Grid, dict[Layer, Place]] = {}
    for path in sorted(paths):
        if OTHER.search(path.stem):
            continue
        try:
            with open_raster(str(path)) as file:
                layers = _layers(path, file)
                own = found.setdefault(_grid(path, file), {})
        except Fault as fault:
            raise SourceError(f"--phenology {fault.message} ({fault.code})") from fault
        for layer, band in layers.items():
            if layer in own:
                raise SourceError(
                    f"--phenology {path}: {layer.name}_{layer.cycle + 1} of {layer.year} is in "
                    f"{Path(own[layer][0]).name} too; leave one of them out"
                )
            own[layer] = (str(path), band)
    for grid_layers in found.values():
        if missing := lacking(grid_layers):
            where = Path(next(iter(grid_layers.values()))[0])
            raise SourceError(
                f"--phenology {where.parent}: {', '.join(missing[:4])} missing beside {where.name}; "
                "all four dates of a year are needed"
            )
    return [Rasters(grid, layers) for grid, layers in found.items()]


def _layers(path: Path, file: "DatasetReader") -> dict[Layer, int]:
    """The layers of a file, by its name or by its bands' descriptions.

    Raises:
        SourceError: there are none, or no year is told.
    """
    one = of_file(path.stem)
    if one is not None:
        return {one: 1}
    years = years_of(path.stem)
    named = [of_band(text or "", years[0] if years else 0) for text in file.descriptions]
    found = {layer: at for at, layer in enumerate(named, start=1) if layer is not None}
    if not found:
        raise SourceError(
            f"--phenology {path}: no band is called as a layer of MCD12Q2 (Greenup_1, Maturity_1, "
            "...), and the file's name tells none"
        )
    if len(years) != 1:
        raise SourceError(
            f"--phenology {path}: its name must hold the product year, once "
            f"(found {', '.join(map(str, years)) or 'none'})"
        )
    return found


def _grid(path: Path, file: "DatasetReader") -> Grid:
    """The file's grid, without tiles: files of one grid may be tiled otherwise.

    Raises:
        SourceError: no CRS, or rows that do not run east-west.
    """
    if file.crs is None:
        raise SourceError(f"--phenology {path}: has no CRS")
    code = file.crs.to_epsg()
    affine = tuple(float(np.round(value, 9)) for value in tuple(file.transform)[:6])
    a, b, c, d, e, f = affine
    grid = Grid(
        f"EPSG:{code}" if code else file.crs.to_wkt(), (a, b, c, d, e, f), file.width, file.height
    )
    if grid.rotated:
        raise SourceError(f"--phenology {path}: its rows do not run east-west")
    return grid
