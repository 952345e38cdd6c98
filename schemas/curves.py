"""Space-filling curves: one number for a place, so that near numbers are near places."""

from functools import cache

import numpy as np
import numpy.typing as npt

BITS = 26  # a quadtree this deep has cells of 0.6 m at the equator
FINE = 24  # bits an axis of a Hilbert code: cells of 2.4 m

Codes = npt.NDArray[np.uint64]


def morton(lon: npt.ArrayLike, lat: npt.ArrayLike, bits: int = BITS) -> Codes:
    """Morton code of lon/lat degrees, `bits` bits an axis, longitude in the even bits."""
    side = 1 << bits
    x = np.clip((np.asarray(lon) + 180) / 360 * side, 0, side - 1).astype(np.uint64)
    y = np.clip((np.asarray(lat) + 90) / 180 * side, 0, side - 1).astype(np.uint64)
    return _spread(x) | (_spread(y) << np.uint64(1))


def _spread(v: Codes) -> Codes:
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333), (1, 0x5555555555555555),
    ):  # fmt: skip
        v = (v | (v << np.uint64(shift))) & np.uint64(mask)
    return v


def hilbert(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Codes:
    """Place of lon/lat degrees on the Hilbert curve through `FINE` bits an axis.

    Consecutive numbers are neighbouring cells, so that any run of them has a small outline (D.
    Hilbert 1891, "Über die stetige Abbildung einer Linie auf ein Flächenstück").
    """
    code = morton(lon, lat, FINE)
    steps, turns = _table()
    state = np.zeros(code.shape, np.int64)
    found = np.zeros(code.shape, np.uint64)
    for shift in range(2 * FINE - 8, -1, -8):
        at = state | ((code >> np.uint64(shift)) & np.uint64(255)).astype(np.int64)
        found = (found << np.uint64(8)) | steps[at]
        state = turns[at]
    return found


_ORDER = ((0, 3, 1, 2), (0, 1, 3, 2), (2, 3, 1, 0), (2, 1, 3, 0))
"""Place of each quarter (west-south, east-south, west-north, east-north) on the curve of a cell, for
each of the four ways that the curve lies in a cell."""

_TURN = ((1, 2, 0, 0), (0, 1, 3, 1), (2, 0, 2, 3), (3, 3, 1, 2))
"""How the curve lies in each of these quarters."""


@cache
def _table() -> tuple[Codes, npt.NDArray[np.int64]]:
    """Four quarterings at a time: for state * 256 + Morton digits, the curve's digits and new state."""
    steps, turns = np.zeros(1024, np.uint64), np.zeros(1024, np.int64)
    for start in range(4):
        for digits in range(256):
            state, found = start, 0
            for shift in (6, 4, 2, 0):
                quarter = digits >> shift & 3
                found = found << 2 | _ORDER[state][quarter]
                state = _TURN[state][quarter]
            steps[start * 256 + digits] = found
            turns[start * 256 + digits] = state * 256
    return steps, turns
