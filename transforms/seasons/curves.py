"""Transition dates of a real series of greenness, by the thresholds of MCD12Q2.

User guide of MCD12Q2 v6.1 (Gray, Sulla-Menashe and Friedl): between the minima on both sides of a peak,
greenup, mid-greenup and maturity are the first days on which the curve crosses 15, 50 and 90 % of the
rise, and senescence, mid-greendown and dormancy the last ones on which it crosses 90, 50 and 15 % of the
fall. The product smooths its series with splines of its own; here a penalised least-squares line is
used (Whittaker 1923, Eilers 2003), so dates agree only as far as the smoothing does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SHARES = (0.15, 0.5, 0.9)
"""Of the rise and of the fall, as in MCD12Q2."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A rise and a fall of greenness.

    Attributes:
        rising: days of the first crossing of each share on the way up.
        peak: day of the largest value.
        falling: days of the last crossing of each share on the way down, shares from the top down.
        amplitude: of the rise.
    """

    rising: tuple[float, ...]
    peak: float
    falling: tuple[float, ...]
    amplitude: float

    @property
    def transitions(self) -> tuple[float, float, float, float]:
        """Greenup, maturity, senescence, dormancy."""
        return self.rising[0], self.rising[-1], self.falling[0], self.falling[-1]


def despiked(values: npt.ArrayLike, drop: float = 0.2) -> Floats:
    """The values without those that lie at least `drop` below both neighbours that are there: haze and
    missed clouds only ever darken. NaN stands for what is left out."""
    found = np.array(values, float)
    kept = np.flatnonzero(np.isfinite(found))
    line = found[kept]
    fallen = np.minimum(line[:-2], line[2:]) - line[1:-1] >= drop
    found[kept[1:-1][fallen]] = np.nan
    return found


def smooth(days: npt.ArrayLike, values: npt.ArrayLike, stiffness: float = 3e4) -> tuple[Any, Any]:
    """(every day from the first to the last, a smooth line through the values at them).

    Minimises the squared distance to the values plus `stiffness` times that of second differences, on a
    grid of days; days without a value have no weight. Values that are NaN are left out.

    Raises:
        ValueError: fewer than three values.
    """
    from scipy.sparse import diags_array, eye_array
    from scipy.sparse.linalg import spsolve

    day, value = np.asarray(days, float), np.asarray(values, float)
    kept = np.isfinite(value)
    day, value = np.round(day[kept]).astype(int), value[kept]
    if len(np.unique(day)) < 3:
        raise ValueError(f"{len(day)} values are no curve")
    grid = np.arange(day.min(), day.max() + 1)
    weight = np.bincount(day - grid[0], minlength=len(grid)).astype(float)
    total = np.bincount(day - grid[0], weights=value, minlength=len(grid))
    second = eye_array(len(grid), format="csr")
    for _ in range(2):
        second = second[1:] - second[:-1]
    system = (diags_array(weight) + stiffness * (second.T @ second)).tocsc()
    return grid.astype(float), np.asarray(spsolve(system, total))


def cycle(
    days: Floats, curve: Floats, low: float, high: float, shares: tuple[float, ...] = SHARES
) -> Cycle | None:
    """The cycle whose peak is the largest value from day `low` to `high`; None at a border.

    Its minima are the lowest values within a year's half before and after the peak, within the series.

    Args:
        days, curve: as `smooth` gives them.
    """
    within = np.flatnonzero((days >= low) & (days < high))
    if not len(within):
        return None
    peak = int(within[np.argmax(curve[within])])
    left = np.flatnonzero((days >= days[peak] - 183) & (days <= days[peak]))
    right = np.flatnonzero((days >= days[peak]) & (days <= days[peak] + 183))
    begin, end = int(left[np.argmin(curve[left])]), int(right[np.argmin(curve[right])])
    if begin == peak or end == peak:
        return None
    rise, fall = curve[begin : peak + 1], curve[peak : end + 1]
    up = [_first(days[begin : peak + 1], rise, rise[0] + s * np.ptp(rise)) for s in shares]
    turned = fall[::-1]
    down = [
        _first(-days[peak : end + 1][::-1], turned, turned[0] + s * np.ptp(fall)) for s in shares
    ]
    return Cycle(tuple(up), float(days[peak]), tuple(-d for d in down[::-1]), float(np.ptp(rise)))


def _first(days: Floats, curve: Floats, level: float) -> float:
    """The first day on which a curve reaches a level, between its days by a straight line."""
    after = int(np.argmax(curve >= level - 1e-12))
    if after == 0:
        return float(days[0])
    low, high = curve[after - 1], curve[after]
    return float(days[after - 1] + (level - low) / (high - low) * (days[after] - days[after - 1]))
