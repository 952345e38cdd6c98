"""Values of a raster at points: each stored block that holds any of them is read once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.rasters import open_raster, session
from schemas.errors import Fault, SourceError
from schemas.windows import from_lonlat

Floats = npt.NDArray[np.float64]


def values_at(
    href: str, lon: Floats, lat: Floats, index: int = 1
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """(values in the raster's dtype, whether there is one) of the pixels that hold points in degrees.

    Args:
        index: number of the band, from 1.

    Raises:
        SourceError: the file cannot be read, or has no CRS.
    """
    from rasterio.errors import RasterioError

    try:
        return _values(href, lon, lat, index)
    except (Fault, RasterioError) as error:
        said = error.message if isinstance(error, Fault) else f"{href}: {error}"
        raise SourceError(said) from error


def _values(
    href: str, lon: Floats, lat: Floats, index: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    from rasterio.windows import Window

    with session(), open_raster(href) as data:
        if data.crs is None:
            raise Fault("no_crs", f"{href}: has no CRS")
        found = np.zeros(len(lon), data.dtypes[index - 1])
        known = np.zeros(len(lon), bool)
        col, row = ~data.transform @ np.stack(from_lonlat(data.crs.to_string(), lon, lat))
        col, row = np.floor(col), np.floor(row)
        at = np.flatnonzero((col >= 0) & (col < data.width) & (row >= 0) & (row < data.height))
        x, y = col[at].astype(np.int64), row[at].astype(np.int64)
        tall, wide = data.block_shapes[index - 1]
        block = (y // tall) * -(-data.width // wide) + x // wide
        order = np.argsort(block, kind="stable")
        for some in np.split(order, np.flatnonzero(np.diff(block[order])) + 1):
            if not len(some):
                continue
            left, top = (x[some[0]] // wide) * wide, (y[some[0]] // tall) * tall
            part = Window(left, top, min(wide, data.width - left), min(tall, data.height - top))
            found[at[some]] = data.read(index, window=part)[y[some] - top, x[some] - left]
            known[at[some]] = True
        nodata = data.nodatavals[index - 1]
        if nodata is not None:
            known &= ~np.isclose(found.astype(float), nodata, equal_nan=True)
    return found, known
