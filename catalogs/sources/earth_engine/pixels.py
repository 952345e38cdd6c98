"""Pixels of Earth Engine assets, on exactly the grid asked for, and where they are masked."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.rasters import READ_LIMIT
from catalogs.sources.earth_engine.calls import Service, service
from catalogs.sources.earth_engine.limits import Limits
from catalogs.sources.earth_engine.session import connect
from schemas.errors import Fault
from schemas.windows import Grid

VALID = "valid_in_all_bands"
"""Name of the band that is computed beside those of the asset: 1 where none of them is masked."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a read that fits one request: a box of pixels, and a run of bands."""

    col: int
    row: int
    width: int
    height: int
    first: int
    count: int


def pieces(grid: Grid, count: int, itemsize: int, limits: Limits) -> list[Piece]:
    """The requests that together read `count` bands of a grid, none beyond the limits.

    Each has a byte a pixel more, for `VALID`. Bands are divided last, then columns, then rows; parts
    are of nearly equal size.
    """
    bands = math.ceil(count / math.ceil(count / max(1, limits.bands - 1)))
    pixels = max(1, limits.request_bytes // (bands * itemsize + 1))
    width = _even(grid.width, min(limits.side, pixels))
    height = _even(grid.height, min(limits.side, max(1, pixels // width)))
    return [
        Piece(
            col, row, min(width, grid.width - col), min(height, grid.height - row),
            first, min(bands, count - first),
        )
        for first in range(0, count, bands)
        for row in range(0, grid.height, height)
        for col in range(0, grid.width, width)
    ]  # fmt: skip


def _even(length: int, most: int) -> int:
    """The length of parts, at most `most`, that a length is divided into as evenly as possible."""
    return math.ceil(length / math.ceil(length / most))


Pixels = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]
"""Stored numbers `(band, y, x)`, and where all of the bands are valid `(y, x)`."""


def read(
    asset: str, bands: Sequence[str], grid: Grid, *, itemsize: int = 8, by: Service | None = None
) -> Pixels:
    """Pixels of an asset in the stored type, and where they are valid.

    Where a band is masked its number is 0, which may also be a number like any other: only the mask
    tells. On the asset's own grid, or a part of it, nothing is resampled; other grids get the nearest
    pixel. Beyond the asset everything is masked.

    Args:
        asset: its id.
        bands: band ids, in the order of the result.
        itemsize: bytes of one number of the widest band, for the size of requests.
        by: does the requests.

    Raises:
        Fault: as `Service.call`; `too_large`.
        UsageError, SourceError: as `connect`.
    """
    by = by or service()
    if grid.height * grid.width * len(bands) * itemsize > READ_LIMIT:
        raise Fault(
            "too_large", f"{asset}: a window of {grid.width} x {grid.height} x {len(bands)}"
        )
    connect(by=by)
    parts = pieces(grid, len(bands), itemsize, by.limits)

    def fetch(part: Piece) -> Pixels:
        chosen = bands[part.first : part.first + part.count]
        return _compute(asset, chosen, grid.cut(part.col, part.row, part.width, part.height), by)

    if len(parts) == 1:
        return fetch(parts[0])
    pool = ThreadPoolExecutor(min(len(parts), by.limits.requests), "earth-engine")
    try:
        found = list(pool.map(fetch, parts))
    finally:
        pool.shutdown(cancel_futures=True)
    kind = np.result_type(*(array.dtype for array, _ in found))
    out = np.empty((len(bands), grid.height, grid.width), kind)
    valid = np.ones((grid.height, grid.width), bool)
    for part, (array, there) in zip(parts, found, strict=True):
        rows, cols = slice(part.row, part.row + part.height), slice(part.col, part.col + part.width)
        out[part.first : part.first + part.count, rows, cols] = array
        valid[rows, cols] &= there
    return out, valid


def _compute(asset: str, bands: Sequence[str], grid: Grid, by: Service) -> Pixels:
    """One request.

    Raises:
        Fault: as `Service.call`; `ee_invalid` for pixels of another shape than asked for.
    """
    import ee
    from google.auth.exceptions import GoogleAuthError

    asked = {
        "expression": expression(asset, bands),
        "fileFormat": "NUMPY_NDARRAY",
        "grid": grid_request(grid),
    }

    def request() -> npt.NDArray[Any]:
        try:
            return np.asarray(ee.data.computePixels(asked))
        except GoogleAuthError:  # some of these are a ValueError too
            raise
        except (ValueError, EOFError) as error:
            raise ConnectionError(f"the answer is no array: {error}") from error

    _, _, x, _, _, y = grid.transform
    what = f"{asset} at {x:.10g} {y:.10g}"
    array = by.call(request, what)
    names = (*bands, VALID)
    if array.shape != (grid.height, grid.width) or set(array.dtype.names or ()) != set(names):
        raise Fault("ee_invalid", f"earth-engine: {what}: came as {array.shape} {array.dtype}")
    return np.stack([array[name] for name in bands]), array[VALID] > 0


def expression(asset: str, bands: Sequence[str]) -> Any:
    """The image that is asked for: bands as they are stored, and `VALID`.

    Every band has a mask of its own, from 0 to 1; the least of them counts.
    """
    import ee

    image = ee.Image(asset).select(list(bands))
    return image.addBands(image.mask().reduce(ee.Reducer.min()).gt(0).rename([VALID]))


def grid_request(grid: Grid) -> dict[str, Any]:
    """A grid as the service wants it (`PixelGrid`)."""
    a, b, c, d, e, f = grid.transform
    return {
        "dimensions": {"width": grid.width, "height": grid.height},
        "affineTransform": {
            "scaleX": a, "shearX": b, "translateX": c, "shearY": d, "scaleY": e, "translateY": f,
        },
        "crsCode" if grid.crs.startswith("EPSG:") else "crsWkt": grid.crs,
    }  # fmt: skip
