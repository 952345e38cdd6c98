"""Points spread over where people live, and labels that are ranks among them (after GeoLLM)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.chance import rank
from schemas.windows import unit_vectors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def window_sums(population: npt.NDArray[np.floating], px: int = 25, wraps: bool = True) -> Floats:
    """Population of the window of `px` x `px` pixels about every pixel.

    Args:
        population: people for a pixel, shape (y, x), rows from north to south; NaN and values below
            zero are no data and count as nobody.
        px: odd side of the window.
        wraps: whether the first column follows on the last one (a raster around the globe).

    Raises:
        ValueError: an even `px`.
    """
    if px % 2 != 1:
        raise ValueError(f"px={px}: must be odd")
    half = px // 2
    people = np.nan_to_num(np.asarray(population, float), nan=0.0)
    people[people < 0] = 0.0
    padded = np.pad(people, ((half, half), (0, 0)))
    padded = np.pad(padded, ((0, 0), (half, half)), mode="wrap" if wraps else "constant")
    sums = np.pad(padded, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return np.asarray(sums[px:, px:] - sums[:-px, px:] - sums[px:, :-px] + sums[:-px, :-px])


def spread(
    keys: Sequence[str], lon: Floats, lat: Floats, population: Floats, count: int,
    seed: int = 0, candidates: int = 1000,
) -> Ints:  # fmt: skip
    """Rows of `count` points: crowded places first, and far from each other.

    Points are sorted by population. In round r of `count` the first r / count of them are eligible;
    of up to `candidates` of these, drawn by hash, the one farthest from all chosen points is kept.
    Distances are chords of the sphere, so the date line is no edge and a degree of longitude counts
    as what it is. The order of the input does not matter.

    Args:
        keys: a name for each point, unique, shape (n,).
        lon, lat: degrees, shape (n,).
        population: people, shape (n,); points without people are never chosen.

    Returns:
        rows in the order of choice, shape (at most count,).

    Raises:
        ValueError: two points have one key, or a count below 1.
    """
    if count < 1 or candidates < 1:
        raise ValueError(f"count={count}, candidates={candidates}: must be at least 1")
    if len(set(keys)) != len(keys):
        raise ValueError("two points have the same key; name each one")
    inhabited = [i for i in range(len(keys)) if population[i] > 0]
    order = np.array(sorted(inhabited, key=lambda i: (-population[i], keys[i])), np.int64)
    hashes = np.array([rank(seed, "spread", keys[i]) for i in order], np.uint64)
    xyz = unit_vectors(np.asarray(lon, float)[order], np.asarray(lat, float)[order])
    nearest = np.full(len(order), np.inf)
    free = np.ones(len(order), bool)
    chosen: list[int] = []
    for turn in range(min(count, len(order))):
        pool = np.flatnonzero(free[: max(-(-len(order) * (turn + 1) // count), turn + 1)])
        drawn = _mixed(hashes[pool], turn)
        if len(pool) > candidates:
            pool = pool[np.argpartition(drawn, candidates)[:candidates]]
            drawn = _mixed(hashes[pool], turn)
        best = int(pool[np.lexsort((drawn, -nearest[pool]))[0]])
        chosen.append(best)
        free[best] = False
        nearest = np.minimum(nearest, np.linalg.norm(xyz - xyz[best], axis=1))
    return order[np.array(chosen, np.int64)]


def _mixed(hashes: npt.NDArray[np.uint64], turn: int) -> npt.NDArray[np.uint64]:
    """Another hash of each for each turn (the finishing steps of SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = hashes + GOLDEN * np.uint64(turn + 1)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def labels(values: Sequence[float | None]) -> list[float | None]:
    """Ranks from 0.0 to 9.9: ten times the fractional rank (ties averaged), cut to one decimal.

    The highest value gets 9.9; what is not known (None, NaN) stays None and does not count.
    """
    from scipy.stats import rankdata

    known = [i for i, value in enumerate(values) if value is not None and value == value]
    found: list[float | None] = [None] * len(values)
    doubled = np.rint(2 * rankdata([values[i] for i in known])).astype(np.int64)
    for i, twice in zip(known, doubled.tolist(), strict=True):
        found[i] = min(99, twice * 100 // (2 * len(known))) / 10
    return found
