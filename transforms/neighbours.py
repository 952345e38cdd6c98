"""Local rules: what a row loses because of rows near it. Pure functions on unit vectors."""

import numpy as np
import numpy.typing as npt

from schemas.spacing import gap
from schemas.windows import chords

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def better_ranked_within(
    xyz: Floats, rank: Ints, group: Ints, distance_m: Floats
) -> npt.NDArray[np.bool_]:
    """Whether a row of the same group with a lower rank lies nearer than the row's own distance.

    Args:
        xyz: unit vectors, shape (n, 3).
        rank: distinct numbers, shape (n,).
        group: group codes, shape (n,).
        distance_m: reach of each row, metres, shape (n,).
    """
    from scipy.spatial import cKDTree

    beaten = np.zeros(len(xyz), bool)
    reach = chords(distance_m)
    for code in np.unique(group):
        rows = np.flatnonzero(group == code)
        pairs = cKDTree(xyz[rows]).query_pairs(float(reach[rows].max()), output_type="ndarray")
        if not len(pairs):
            continue
        a, b = rows[pairs[:, 0]], rows[pairs[:, 1]]
        apart = np.linalg.norm(xyz[a] - xyz[b], axis=1)
        beaten[a[(apart < reach[a]) & (rank[b] < rank[a])]] = True
        beaten[b[(apart < reach[b]) & (rank[a] < rank[b])]] = True
    return beaten


def within_buffer(xyz: Floats, radius_m: Floats, lower: Ints, upper: Ints, buffer_m: float) -> Ints:
    """Those of `lower` whose circle is nearer than `buffer_m` to the circle of any of `upper`.

    The same measure as `schemas.spacing.gap`, with which `verify` proves the promise.
    """
    from scipy.spatial import cKDTree

    if not len(lower) or not len(upper):
        return np.empty(0, np.int64)
    tree = cKDTree(xyz[upper])
    reach = chords(buffer_m + radius_m[lower] + radius_m[upper].max() + 1e-3)
    nearest, _ = tree.query(xyz[lower], distance_upper_bound=float(reach.max()) * (1 + 1e-9))
    lost = []
    for row, far in zip(lower[nearest <= reach], reach[nearest <= reach], strict=True):
        near = upper[np.asarray(tree.query_ball_point(xyz[row], far), np.int64)]
        if (gap(xyz, radius_m, np.full(len(near), row), near) < buffer_m).any():
            lost.append(row)
    return np.asarray(lost, np.int64)
