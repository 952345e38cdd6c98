"""Near-duplicate pictures across splits, by perceptual hash or vector, and place: not all pairs are tried."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from schemas.windows import EARTH_M, chords

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

CHUNK = 1 << 21  # candidate pairs looked at together
LEAST_CELL_M = 500.0  # keeps a cell number within 48 bits
TILE = 2048  # rows and columns of vectors multiplied together
STEPS = 1e6  # a vector's numbers hold six decimals
SLACK = 1e-3  # more than single precision loses in a product of unit vectors


def parse(texts: list[str | None]) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """Hashes of 16 hex digits as uint64, and which are usable ("" or None: picture too flat)."""
    valid = np.array([bool(text) for text in texts], dtype=bool)
    hashes = np.array([int(text, 16) if text else 0 for text in texts], dtype=np.uint64)
    return hashes, valid


def cross_split_pairs(
    phash: Hashes,
    valid: npt.NDArray[np.bool_],
    splits: Ints,
    xyz: npt.NDArray[np.float64],
    max_bits: int = 4,
    radius_m: float = 25_000,
) -> Ints:
    """Row pairs of different splits that look alike and lie near, shape (m, 2), sorted.

    Two hashes that differ in at most `max_bits` bits agree fully in at least one of `max_bits + 1`
    bands; a band and a cell of space together make the join key, so work grows with the pairs that
    are both near and alike in a band.

    Args:
        phash: 64-bit perceptual hashes, shape (n,).
        valid: False where the picture is too flat to compare, shape (n,).
        splits: split codes, shape (n,); negative codes are left out.
        xyz: footprint centres as unit vectors, shape (n, 3).
        max_bits: greatest Hamming distance.
        radius_m: greatest distance of the centres, metres.
    """
    rows = np.flatnonzero(valid & (splits >= 0))
    reach = float(chords(radius_m))
    side = max(2 * reach, 2 * LEAST_CELL_M / EARTH_M)
    found = [np.empty((0, 2), np.int64)]
    if len(np.unique(splits[rows])) > 1:
        homes = _cells(np.floor((xyz[rows] + 1) / side), side)
        guests, cells = _visits(xyz[rows], splits[rows], homes, side, reach)
        for shift, mask in _bands(max_bits + 1):
            band = ((phash[rows] >> np.uint64(shift)) & np.uint64(mask)).astype(np.int64)
            width = int(mask) + 1
            for left, right in _join(homes * width + band, cells * width + band[guests]):
                a, b = rows[left], rows[guests[right]]
                keep = (a < b) & (splits[a] != splits[b])
                a, b = a[keep], b[keep]
                alike = np.bitwise_count(phash[a] ^ phash[b]) <= max_bits
                a, b = a[alike], b[alike]
                near = np.linalg.norm(xyz[a] - xyz[b], axis=1) <= reach
                found.append(np.stack([a[near], b[near]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def alike_pairs(
    vectors: npt.NDArray[np.float32],
    splits: Ints,
    xyz: npt.NDArray[np.float64],
    cosine: float,
    radius_m: float = 25_000,
) -> Ints:
    """Row pairs of different splits whose vectors are alike and that lie near, shape (m, 2), sorted.

    Candidates come from products in single precision. They are decided in whole numbers (the six
    decimals that a vector holds), which add up to the same on every machine.

    Args:
        vectors: shape (n, d), of any length but 0 (a row of zeros is like nothing).
        splits: split codes, shape (n,); negative codes are left out.
        xyz: footprint centres as unit vectors, shape (n, 3).
        cosine: least cosine of the angle between two vectors.
        radius_m: greatest distance of the centres, metres.
    """
    rows = np.flatnonzero(splits >= 0)
    found = [np.empty((0, 2), np.int64)]
    if len(np.unique(splits[rows])) < 2:
        return found[0]
    reach = float(chords(radius_m))
    side = max(2 * reach, 2 * LEAST_CELL_M / EARTH_M)
    homes = _cells(np.floor((xyz[rows] + 1) / side), side)
    guests, visited = _visits(xyz[rows], splits[rows], homes, side, reach)
    for cell in np.unique(visited).tolist():
        home, guest = rows[homes == cell], rows[guests[visited == cell]]
        for first in range(0, len(home), TILE):
            for second in range(0, len(guest), TILE):
                a, b = home[first : first + TILE], guest[second : second + TILE]
                left, right = np.nonzero(_unit(vectors[a]) @ _unit(vectors[b]).T >= cosine - SLACK)
                a, b = a[left], b[right]
                keep = (a < b) & (splits[a] != splits[b])
                a, b = a[keep], b[keep]
                near = np.linalg.norm(xyz[a] - xyz[b], axis=1) <= reach
                a, b = a[near], b[near]
                keep = cosines(vectors[a], vectors[b]) >= cosine
                found.append(np.stack([a[keep], b[keep]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def cosines(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Cosines between the rows of two arrays (n, d), the same on every machine; 0 beside zeros."""
    a, b = (np.rint(one.astype(np.float64) * STEPS).astype(np.int64) for one in (left, right))
    size = np.sqrt((a * a).sum(axis=1).astype(float) * (b * b).sum(axis=1).astype(float))
    return np.asarray((a * b).sum(axis=1) / np.where(size > 0, size, 1.0))


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(size > 0, size, 1.0), np.float32)


def _bands(count: int) -> list[tuple[int, int]]:
    """(shift, mask) that cut 64 bits into `count` bands of nearly one width."""
    edges = [64 * i // count for i in range(count + 1)]
    return [(low, (1 << (high - low)) - 1) for low, high in pairwise(edges)]


def _cells(cubes: npt.NDArray[np.float64], side: float) -> Ints:
    """One number for each cube, given by its place along the three axes, shape (n, 3)."""
    across = int(np.ceil(2 / side)) + 3
    x, y, z = cubes.astype(np.int64).T + 1
    return np.asarray((x * across + y) * across + z, dtype=np.int64)


def _visits(
    xyz: npt.NDArray[np.float64], splits: Ints, homes: Ints, side: float, reach: float
) -> tuple[Ints, Ints]:
    """(row, cell) of each cube within `reach` of a point that is home to a row of another split."""
    order = np.argsort(homes, kind="stable")
    cells, first = np.unique(homes[order], return_index=True)
    least = np.minimum.reduceat(splits[order], first)
    most = np.maximum.reduceat(splits[order], first)
    low, high = np.floor((xyz + 1 - reach) / side), np.floor((xyz + 1 + reach) / side)
    rows, visited = [], []
    for corner in np.ndindex(2, 2, 2):
        upper = np.array(corner, bool)
        there = np.flatnonzero(((high > low) | ~upper).all(axis=1))
        cell = _cells(np.where(upper, high[there], low[there]), side)
        place = np.minimum(np.searchsorted(cells, cell), len(cells) - 1)
        own = splits[there]
        foreign = (cells[place] == cell) & ((least[place] != own) | (most[place] != own))
        rows.append(there[foreign])
        visited.append(cell[foreign])
    return np.concatenate(rows), np.concatenate(visited)


def _join(left: Ints, right: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Index pairs (i, j) with `left[i] == right[j]`, about `CHUNK` at a time."""
    order = np.argsort(left, kind="stable")
    keys = left[order]
    low = np.searchsorted(keys, right, "left")
    counts = np.searchsorted(keys, right, "right") - low
    ends = np.cumsum(counts)
    start = 0
    while start < len(ends):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + CHUNK, "right")))
        some = counts[start:stop]
        within = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        yield (
            order[np.repeat(low[start:stop], some) + within],
            np.repeat(np.arange(start, stop), some),
        )
        start = stop
