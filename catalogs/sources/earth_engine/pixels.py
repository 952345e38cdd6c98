"""Pixels of Earth Engine assets, on exactly the grid asked for."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.rasters import READ_LIMIT
from catalogs.sources.earth_engine.assets import SCHEME
from catalogs.sources.earth_engine.calls import call
from catalogs.sources.earth_engine.limits import Limits, Patience
from catalogs.sources.earth_engine.session import connect
from schemas.errors import Fault, LoomError, SourceError
from schemas.scenes import Band, Scene
from schemas.windows import Grid, Window


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

    Bands are divided last, then columns, then rows; parts are of nearly equal size.
    """
    bands = math.ceil(count / math.ceil(count / limits.bands))
    pixels = max(1, limits.request_bytes // (bands * itemsize))
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


def read(
    asset: str,
    bands: Sequence[str],
    grid: Grid,
    *,
    itemsize: int = 8,
    limits: Limits | None = None,
    patience: Patience | None = None,
) -> npt.NDArray[Any]:
    """Pixels of an asset, shape (band, y, x), in the stored type; 0 where they are masked.

    On the asset's own grid, or a part of it, nothing is resampled. Other grids get the nearest pixel.

    Args:
        asset: its id.
        bands: band ids, in the order of the result.
        itemsize: bytes of one number of the widest band, for the size of requests.

    Raises:
        Fault: as `call`; `too_large`.
    """
    limits = limits or Limits.of()
    if grid.height * grid.width * len(bands) * itemsize > READ_LIMIT:
        raise Fault(
            "too_large", f"{asset}: a window of {grid.width} x {grid.height} x {len(bands)}"
        )
    try:
        connect(patience=patience)
    except LoomError as error:
        again = isinstance(error, SourceError)
        code = "ee_timeout" if again else "ee_refused"
        raise Fault(code, str(error), retryable=again) from error
    parts = pieces(grid, len(bands), itemsize, limits)

    def fetch(part: Piece) -> npt.NDArray[Any]:
        chosen = bands[part.first : part.first + part.count]
        box = grid.cut(part.col, part.row, part.width, part.height)
        return _compute(asset, chosen, box, limits, patience)

    if len(parts) == 1:
        return fetch(parts[0])
    pool = ThreadPoolExecutor(min(len(parts), limits.requests), "earth-engine")
    try:
        found = list(pool.map(fetch, parts))
    finally:
        pool.shutdown(cancel_futures=True)
    kind = np.result_type(*(array.dtype for array in found))
    out = np.empty((len(bands), grid.height, grid.width), kind)
    for part, array in zip(parts, found, strict=True):
        rows, cols = slice(part.row, part.row + part.height), slice(part.col, part.col + part.width)
        out[part.first : part.first + part.count, rows, cols] = array
    return out


def _compute(
    asset: str, bands: Sequence[str], grid: Grid, limits: Limits, patience: Patience | None
) -> npt.NDArray[Any]:
    """One request: the bands' pixels, shape (band, y, x).

    Raises:
        Fault: as `call`; `ee_invalid` for pixels of another shape than asked for.
    """
    import ee
    from google.auth.exceptions import GoogleAuthError

    asked = {
        "expression": ee.Image(asset).select(list(bands)),
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
    array = call(request, what, limits, patience)
    if array.shape != (grid.height, grid.width) or array.dtype.names is None:
        raise Fault("ee_invalid", f"earth-engine: {what}: came as {array.shape} {array.dtype}")
    return np.stack([array[name] for name in bands])


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


def read_bands(
    bands: tuple[Band, ...],
    grid: Grid,
    *,
    limits: Limits | None = None,
    patience: Patience | None = None,
) -> npt.NDArray[Any]:
    """Stored numbers of bands of one asset on a grid, shape (band, y, x), as `read` has them.

    Raises:
        Fault: as `read`; `blocked_href` for bands that are not of one Earth Engine asset.
    """
    hrefs = {band.href for band in bands}
    href = hrefs.pop()
    if hrefs or not href.startswith(SCHEME):
        raise Fault("blocked_href", f"{href}: not bands of one Earth Engine asset")
    itemsize = max(np.dtype(band.dtype).itemsize for band in bands)
    names = [band.name for band in bands]
    asset = href.removeprefix(SCHEME)
    return read(asset, names, grid, itemsize=itemsize, limits=limits, patience=patience)


def read_window(
    bands: tuple[Band, ...],
    window: Window,
    scene: Scene,
    *,
    limits: Limits | None = None,
    patience: Patience | None = None,
) -> npt.NDArray[Any]:
    """Stored numbers of `bands` within `window` of the scene's grid, (band, y, x), never resampled.

    Raises:
        Fault: as `read_bands`; `band_mismatch` (stored on another grid than the scene's).
    """
    for band in bands:
        if band.place:
            finest = min(own.gsd for own in scene.bands)
            raise Fault(
                "band_mismatch",
                f"{scene.id}: {band.name} has pixels of {band.gsd:.3g} m, the scene {finest:.3g} m",
            )
    return read_bands(bands, window.grid, limits=limits, patience=patience)


def thumbnail(bands: tuple[Band, ...], scene: Scene, side: int = 512) -> npt.NDArray[Any]:
    """The whole scene in few pixels, (band, y, x), at most `side` a side; from the asset's pyramid.

    Raises:
        Fault: as `read`.
    """
    grid = scene.grid
    step = max(1, math.ceil(max(grid.width, grid.height) / side))
    a, b, c, d, e, f = grid.transform
    small = Grid(
        grid.crs, (a * step, b, c, d, e * step, f),
        max(1, grid.width // step), max(1, grid.height // step),
    )  # fmt: skip
    return read_bands(bands, small)
