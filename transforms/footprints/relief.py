"""Slope of the ground from elevations."""

import math

import numpy as np
import numpy.typing as npt


def slope_degrees(
    height: npt.NDArray[np.float64], across: float, along: float, reach: int = 4
) -> float | None:
    """Slope of the plane that fits the elevations around the middle best, degrees.

    Nine by nine pixels of 10 m are the three by three of a 30 m elevation model that slopes are commonly
    taken from; over fewer, the rounding of whole metres would count as relief. Least squares on
    a symmetric grid: the gradient along x is sum(x h) / sum(x x), likewise along y.

    Args:
        height: metres `(y, x)`, NaN where there is none.
        across, along: metres of a pixel in x and y.
        reach: pixels to each side of the middle.

    Returns:
        None where any elevation there is missing.
    """
    row, column = (size // 2 for size in height.shape)
    if min(row, column) < reach:
        reach = min(row, column)
    near = height[row - reach : row + reach + 1, column - reach : column + reach + 1]
    if reach < 1 or near.shape != (2 * reach + 1,) * 2 or not np.isfinite(near).all():
        return None
    steps = np.arange(-reach, reach + 1, dtype=np.float64)
    spread = float((steps**2).sum()) * len(steps)
    east = float((near * steps).sum()) / spread / across
    south = float((near * steps[:, None]).sum()) / spread / along
    return math.degrees(math.atan(math.hypot(east, south)))
