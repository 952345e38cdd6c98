"""Pixels of one grid on another: exact by index for `nearest`, by GDAL's kernels for the others.

Conventions: grids run along their axes (`Grid.rotated` is refused where scenes are read); a pixel's
number stands for its whole area, its place is its centre. What is missing is never averaged into data.
"""

import math

import numpy as np
import numpy.typing as npt

from schemas.windows import Grid, transformer

REACH = {"nearest": 0.0, "bilinear": 1.0, "cubic": 2.0, "average": 0.5}
"""Half the width of each method's kernel, in pixels of the coarser of the two grids."""

TOLERANCE = 0.01
"""Share of a pixel by which grids that belong together may differ."""

SIZE = 1e-4
"""Share by which the sides of their pixels may."""


def same_size(one: Grid, two: Grid) -> bool:
    """Whether the pixels of two grids are of one size, to a tenth of a pixel in a thousand."""
    a, e, b, f = one.transform[0], one.transform[4], two.transform[0], two.transform[4]
    return abs(a - b) <= SIZE * abs(b) and abs(e - f) <= SIZE * abs(f)


def offset(grid: Grid, chip: Grid) -> tuple[float, float]:
    """(column, row) on `grid` of the first corner of `chip`; both in one CRS."""
    a, _, c, _, e, f = grid.transform
    return (chip.transform[2] - c) / a, (chip.transform[5] - f) / e


def whole(value: float) -> int | None:
    """The whole number that a value is, to a hundredth; None when it is none."""
    near = round(value)
    return near if abs(value - near) <= TOLERANCE else None


def nests(coarse: Grid, fine: Grid) -> bool:
    """Whether every pixel of `coarse` is made of whole pixels of `fine`."""
    factors = [whole(coarse.transform[i] / fine.transform[i]) for i in (0, 4)]
    return None not in (*factors, *map(whole, offset(fine, coarse)))


def centres(source: Grid, target: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(columns, rows) on `source` of the centres of `target`'s pixels.

    Shapes `(1, x)` and `(y, 1)` where both share a CRS, else `(y, x)` each.
    """
    a, _, c, _, e, f = target.transform
    xs = (c + a * (np.arange(target.width) + 0.5))[None, :]
    ys = (f + e * (np.arange(target.height) + 0.5))[:, None]
    if source.crs != target.crs:
        grid_x, grid_y = np.broadcast_arrays(xs, ys)
        xs, ys = transformer(target.crs, source.crs).transform(grid_x, grid_y)
    a, _, c, _, e, f = source.transform
    return np.asarray((xs - c) / a, np.float64), np.asarray((ys - f) / e, np.float64)


def cover(source: Grid, target: Grid, method: str = "nearest") -> tuple[int, int, int, int] | None:
    """(column, row, width, height) of the part of `source` that `target` needs; None when apart."""
    cols, rows = centres(source, target)
    found = []
    for places, size, count in (
        (cols, source.width, cols.shape[1]),
        (rows, source.height, rows.shape[0]),
    ):
        low, high = float(places.min()), float(places.max())
        reach = REACH[method] * max(1.0, (high - low) / max(count - 1, 1)) + 1
        first = max(0, math.floor(low - reach)) if REACH[method] else max(0, math.floor(low + 1e-9))
        last = (
            min(size - 1, math.floor(high + reach))
            if REACH[method]
            else min(size - 1, math.floor(high + 1e-9))
        )
        if not (first <= last and math.isfinite(low + high)):
            return None
        found.append((first, last - first + 1))
    return found[0][0], found[1][0], found[0][1], found[1][1]


def nearest(
    array: npt.NDArray[np.generic], source: Grid, target: Grid
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
    """The pixel of `array` `(..., y, x)` that each centre of `target` lies in, and where there is one.

    Where both grids nest this repeats whole pixels. A centre on an edge belongs to the pixel after it.

    Returns:
        Values `(..., y, x)` of the same type (0 outside), and bool `(y, x)`.
    """
    cols, rows = centres(source, target)
    col, row = (np.floor(places + 1e-9).astype(np.int64) for places in (cols, rows))
    inside = (col >= 0) & (col < source.width) & (row >= 0) & (row < source.height)
    col, row = np.clip(col, 0, source.width - 1), np.clip(row, 0, source.height - 1)
    found = array[..., row, col]
    if not inside.all():
        found = np.where(inside, found, np.zeros((), array.dtype))
    return found, inside


def onto(
    array: npt.NDArray[np.generic],
    source: Grid,
    target: Grid,
    method: str,
    missing: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
    """`array` `(band, y, x)` of `source` on `target`, and where it is missing there, `(band, y, x)`.

    Kernels weigh only pixels that are there; a pixel is missing where the nearest one is (with
    `average`: where all that it covers are). Whole numbers are rounded and kept within their type.

    Args:
        array: pixels on `source`.
        source: their grid.
        target: the wanted one.
        method: `nearest`, `bilinear`, `cubic` or `average`.
        missing: bool `(band, y, x)`, True where a pixel holds no data.
    """
    values, inside = nearest(array, source, target)
    gone = nearest(missing, source, target)[0].astype(bool) | ~inside
    if method == "nearest":
        return values, gone
    data = np.where(missing, np.nan, array.astype(np.float64))
    if missing.any():  # NaN in one band would be missing in all that are warped together
        smooth = np.concatenate([_kernel(band[None], source, target, method) for band in data])
    else:
        smooth = _kernel(data, source, target, method)
    gone = ~np.isfinite(smooth) | (gone if method != "average" else ~inside)
    if array.dtype.kind in "ui":
        limits = np.iinfo(array.dtype.name)
        smooth = np.clip(np.rint(smooth), limits.min, limits.max)
    return np.where(gone, values, np.nan_to_num(smooth).astype(array.dtype)), gone


def _kernel(
    data: npt.NDArray[np.float64], source: Grid, target: Grid, method: str
) -> npt.NDArray[np.float64]:
    """Bands `(band, y, x)` on `target` by GDAL's warper, in one call; NaN is missing."""
    from catalogs.rasters import guard_environment

    guard_environment()
    from affine import Affine
    from rasterio.warp import Resampling, reproject

    out = np.full((len(data), target.height, target.width), np.nan)
    reproject(
        data, out, src_transform=Affine(*source.transform), src_crs=source.crs, src_nodata=np.nan,
        dst_transform=Affine(*target.transform), dst_crs=target.crs, dst_nodata=np.nan,
        resampling=Resampling[method], num_threads=1,
    )  # fmt: skip
    return out
