"""How far apart footprints lie: one measure, shared by the split rule and by its proof.

A footprint is held in its circumscribed circle, so every gap is a lower bound of the distance.
Distances are arcs on the sphere of `EARTH_M`, within 0.6 % of the ellipsoid's; unit vectors need no
special case at the pole or the date line.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from schemas.windows import arcs, chords, to_lonlat, unit_vectors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def circles(
    crs: Sequence[str], transform: Floats, width: npt.ArrayLike, height: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Circumscribed circles of chips: centres as unit vectors (n, 3) and radii in metres (n,).

    Args:
        crs: "EPSG:n" or WKT of each chip.
        transform: row-major affines, shape (n, 6), CRS units for a pixel.
        width, height: pixels.
    """
    names, group = np.unique(np.asarray(crs, dtype=object).astype(str), return_inverse=True)
    transform = np.asarray(transform, float).reshape(-1, 6)
    wide, high = np.asarray(width, float), np.asarray(height, float)
    xyz, radius = np.empty((len(transform), 3)), np.empty(len(transform))
    for index, name in enumerate(names):
        rows = np.flatnonzero(group == index)
        a, b, c, d, e, f = transform[rows].T
        cols = wide[rows] * np.array([[0.5], [0], [1], [1], [0]])
        lines = high[rows] * np.array([[0.5], [0], [0], [1], [1]])
        xs, ys = a * cols + b * lines + c, d * cols + e * lines + f
        lon, lat = to_lonlat(str(name), xs.ravel(), ys.ravel())
        points = unit_vectors(lon, lat).reshape(5, -1, 3)
        xyz[rows] = points[0]
        radius[rows] = arcs(np.linalg.norm(points[1:] - points[0], axis=2).max(axis=0))
    return xyz, radius


def gap(xyz: Floats, radius_m: Floats, left: Ints, right: Ints) -> Floats:
    """Least distance in metres between circles `left` and `right` (negative where they overlap)."""
    apart = arcs(np.linalg.norm(xyz[left] - xyz[right], axis=1))
    return apart - radius_m[left] - radius_m[right]


def breaches(xyz: Floats, radius_m: Floats, splits: Ints, buffer_m: float) -> tuple[Ints, Floats]:
    """Pairs of samples of different splits that are nearer than `buffer_m`, nearest first.

    Each sample that is too near to another split is in at least one pair: the one with its nearest
    sample of that split. So dropping one split's members of all pairs mends the breach, and a
    spoilt release gives no more pairs than samples.

    Args:
        xyz: centres as unit vectors, shape (n, 3).
        radius_m: circumscribed radii, shape (n,).
        splits: split code of each sample, shape (n,); negative codes are left out.
        buffer_m: least gap allowed, metres.

    Returns:
        pairs (lower row first), shape (m, 2), and their gaps in metres, shape (m,).
    """
    pairs = [np.empty((0, 2), np.int64)]
    for left, right in _sides(splits):
        for own, other in ((left, right), (right, left)):
            apart, partner = closest(xyz, radius_m, own, other, buffer_m)
            near = apart < buffer_m
            pairs.append(np.stack([own[near], partner[near]], axis=1))
    both = np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)
    gaps = gap(xyz, radius_m, both[:, 0], both[:, 1])
    order = np.lexsort((both[:, 1], both[:, 0], gaps))
    return both[order], gaps[order]


def nearest(xyz: Floats, radius_m: Floats, splits: Ints) -> dict[tuple[int, int], float]:
    """Least gap in metres between every two splits, by their codes (lower code first)."""
    found = {}
    for left, right in _sides(splits):
        some = left[:: max(1, len(left) // 500)]
        bound = float(closest(xyz, radius_m, some, right)[0].min())
        # the bound from some rows lets the search pass over most of the others
        bound = min(bound, float(closest(xyz, radius_m, left, right, bound)[0].min()))
        found[int(splits[left[0]]), int(splits[right[0]])] = bound
    return found


def closest(
    xyz: Floats, radius_m: Floats, left: Ints, right: Ints, within_m: float = np.inf
) -> tuple[Floats, Ints]:
    """Least gap of each row of `left` to the rows of `right`, and the row that it is to.

    The nearest centre has the least gap unless a wider circle lies a little farther; only where
    that can be are more centres looked at.

    Args:
        within_m: gaps of this and more may come back as infinity (partner -1).

    Returns:
        gaps in metres and rows, both of shape (len(left),).
    """
    from scipy.spatial import cKDTree

    tree, widest = cKDTree(xyz[right]), float(radius_m[right].max())
    most = chords(within_m + radius_m[left].max() + widest)
    lengths, hits = tree.query(xyz[left], distance_upper_bound=float(most) * (1 + 1e-9) + 1e-12)
    apart, partner = np.full(len(left), np.inf), np.full(len(left), -1, np.int64)
    found = np.flatnonzero(np.isfinite(lengths))
    partner[found] = right[np.asarray(hits)[found]]
    apart[found] = gap(xyz, radius_m, left[found], partner[found])
    least = arcs(np.asarray(lengths)[found]) - radius_m[left[found]] - widest
    for row in found[(apart[found] > least + 1e-6) & (least < within_m)]:
        reach = min(apart[row], within_m) + radius_m[left[row]] + widest
        ball = tree.query_ball_point(xyz[left[row]], float(chords(reach)) + 1e-12)
        rivals = np.sort(right[np.asarray(ball, np.int64)])
        gaps = gap(xyz, radius_m, np.full(len(rivals), left[row]), rivals)
        if len(rivals) and gaps.min() < apart[row]:
            apart[row], partner[row] = gaps.min(), rivals[gaps.argmin()]
    return apart, partner


def _sides(splits: Ints) -> list[tuple[Ints, Ints]]:
    codes = [code for code in np.unique(splits) if code >= 0]
    return list(combinations([np.flatnonzero(splits == code) for code in codes], 2))
