"""Position along a Hilbert curve over the globe: near numbers are near places."""

import numpy as np
import numpy.typing as npt

ORDER = 20  # bits an axis: cells of about 38 m at the equator


def index(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Hilbert numbers in [0, 4**ORDER) of lon/lat degrees (plate carree square), shape (n,).

    Source of the curve: Skilling, "Programming the Hilbert curve", AIP Conf. Proc. 707 (2004).
    """
    top = (1 << ORDER) - 1
    x = np.clip((lon + 180) / 360 * (top + 1), 0, top).astype(np.int64)
    y = np.clip((lat + 90) / 180 * (top + 1), 0, top).astype(np.int64)
    found = np.zeros(len(x), np.int64)
    for bit in range(ORDER - 1, -1, -1):
        side = np.int64(1) << bit
        right, upper = (x & side) > 0, (y & side) > 0
        found += side * side * ((3 * right) ^ upper)
        turn, flip = ~upper, ~upper & right
        x, y = (
            np.where(flip, side - 1 - (x & (side - 1)), x & (side - 1)),
            np.where(flip, side - 1 - (y & (side - 1)), y & (side - 1)),
        )
        x, y = np.where(turn, y, x), np.where(turn, x, y)
    return found
