"""Smooth noise, periodic patterns and tree crowns as float32 arrays without any library routine.

Only additions, multiplications and look-ups: the same numbers on every machine.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Spots = NDArray[np.float64]


def smooth(rng: np.random.Generator, size: int, cell: int) -> Floats:
    """Smooth noise (size, size) in -1..1 that changes over about `cell` pixels."""
    count = size // cell + 2
    knots = (rng.random((count, count), dtype=np.float32) * 2 - 1).astype(np.float32)
    at = np.arange(size, dtype=np.float32) / np.float32(cell)
    low = at.astype(np.intp)
    part = at - low.astype(np.float32)
    part = part * part * (3 - 2 * part)
    rows = knots[low] + (knots[low + 1] - knots[low]) * part[:, None]
    left = np.take(rows, low, axis=1)
    right = np.take(rows, low + 1, axis=1)
    return np.asarray(left + (right - left) * part[None, :], dtype=np.float32)


def wave(at: Floats, period: float) -> Floats:
    """A triangle wave of `at` in 0..1 with the given period; 0 at multiples of the period."""
    turn = at / np.float32(period)
    turn -= np.floor(turn)
    return np.asarray(1 - np.abs(2 * turn - 1), dtype=np.float32)


def dice(a: NDArray[np.int64], b: NDArray[np.int64], salt: int) -> Floats:
    """A number in 0..1 for every pair of whole numbers: a small integer hash."""
    mixed = (a * 73_856_093) ^ (b * 19_349_663) ^ (salt * 83_492_791)
    mixed = (mixed ^ (mixed >> 13)) * 1_274_126_177
    return ((mixed ^ (mixed >> 16)) & 0xFFFF).astype(np.float32) / np.float32(65_536)


@cache
def crowns(radius: int, size: int = 512) -> Floats:
    """A tile (size, size) of closed tree canopy from above, 0.3 in dark gaps to 1.2 on lit tops.

    Repeats without a seam in both directions; crowns have about `radius` pixels.
    """
    rng = np.random.default_rng(radius)
    canopy = np.full((size, size), 0.36, dtype=np.float32)
    reach = radius + 3
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    rows, cols = np.arange(-reach, reach + 1), np.arange(-reach, reach + 1)
    for _ in range(size * size // (radius * radius * 2)):
        y, x = (int(v) for v in rng.integers(0, size, 2))
        r = radius * (0.65 + 0.6 * float(rng.random()))
        top = 0.9 + 0.25 * float(rng.random())
        square = (dx * dx + dy * dy) / np.float32(r * r)
        lit = top * (1 - 0.28 * square + 0.05 * (dx + dy) / np.float32(r))
        at = np.ix_((rows + y) % size, (cols + x) % size)
        canopy[at] = np.where(square < 1, np.maximum(lit, canopy[at] * 0.72), canopy[at])
    return canopy


def field(lon: Spots, lat: Spots, step: float, salt: int) -> Spots:
    """Smooth noise in -1..1 at points anywhere, of any shape, that changes over `step` degrees."""
    x, y = np.asarray(lon, np.float64) / step, np.asarray(lat, np.float64) / step
    i, j = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    corner = [[dice(i + a, j + b, salt).astype(np.float64) for a in (0, 1)] for b in (0, 1)]
    low = corner[0][0] + (corner[0][1] - corner[0][0]) * u
    high = corner[1][0] + (corner[1][1] - corner[1][0]) * u
    return np.asarray((low + (high - low) * v) * 2 - 1)
