"""Which cycles of a place are the same in different years, and which of them is its main one.

A product year numbers its cycles by time, so that a place's summer crop is cycle 2 of a year with a
winter crop and cycle 1 of one without. Taking the larger of each year would mix both, and the median
would be a date of neither.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

YEAR = 365
"""Days of a cycle of seasons."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def apart(one: Any, other: Any) -> Floats:
    """Days between two days of the year, on a circle: 0 to 182.5. NaN stays."""
    return np.asarray(np.abs((one - other + YEAR / 2) % YEAR - YEAR / 2))


def exchanged(summer: Floats, usable: Flags) -> Flags:
    """In which years the two cycles change places, so that each column holds one of the place: `(n, year)`.

    The pair to which the others are compared is that of the year with two cycles whose pair is nearest to
    those of all others, the first of equals. A year with two cycles is matched to it so that the sum of
    the distances is least, and the only cycle of a year goes to the nearer of the two. Where no year has
    two, all first cycles are one, and a second one belongs to them if it lies within a quarter of a year of
    the middle one of them.

    Args:
        summer: `(n, year, 2)`, middles of the cycles in days from 1 January of the product year.
        usable: `(n, year, 2)`, those that count.
    """
    found = np.zeros(usable.shape[:2], bool)
    rows = np.flatnonzero(usable[:, :, 1].any(axis=1))
    if not len(rows):
        return found
    some, good = summer[rows], usable[rows]
    both = np.asarray(good.all(axis=2))
    pair = _pairs(some, good, both)
    straight, across = _costs(some, pair)
    single = np.where(good, apart(some, pair[:, None, :1]) > apart(some, pair[:, None, 1:]), False)
    alone = good.sum(axis=2) == 1
    second = good[:, :, 1] & ~single[:, :, 1]  # numbered second, but the first of the pair
    first = good[:, :, 0] & single[:, :, 0] & np.asarray(both.any(axis=1))[:, None]
    found[rows] = np.where(both, across < straight, alone & (first | second))
    return found


def _costs(summer: Floats, pair: Floats) -> tuple[Floats, Floats]:
    """Days between the cycles of each year and a pair, as they are and exchanged: `(n, year)` each."""
    straight = apart(summer, pair[:, None]).sum(axis=2)
    return straight, apart(summer, pair[:, None, ::-1]).sum(axis=2)


def _pairs(summer: Floats, usable: Flags, both: Flags) -> Floats:
    """The pair that stands for each place, `(n, 2)`; see `exchanged`. NaN where there are no first cycles."""
    ones = np.where(usable[:, :, 0], summer[:, :, 0], np.nan)
    best = np.full(len(summer), np.inf)
    found = np.full((len(summer), 2), np.nan)
    for year in range(summer.shape[1]):
        pair = summer[:, year]
        total = np.where(both, np.minimum(*_costs(summer, pair)), 0).sum(axis=1)
        lone = np.nansum(apart(ones, ones[:, year : year + 1]), axis=1)
        middle = np.stack([ones[:, year], ones[:, year] + YEAR / 2], axis=1)
        two = np.asarray(both.any(axis=1))
        here = np.where(two, both[:, year], usable[:, year, 0])
        cost = np.where(here, np.where(two, total, lone), np.inf)
        nearer = cost < best
        best = np.where(nearer, cost, best)
        found = np.where(nearer[:, None], np.where(two[:, None], pair, middle), found)
    return found


def main_second(counts: Flags, amplitude: Floats) -> Flags:
    """Whether the second of two matched cycles is a place's main one, `(n,)`.

    The main one has the larger amplitude (`(n, 2)`; unknown or equal: the first) among those that
    count, `(n, year, 2)`, in at least half of the years in which any does.
    """
    years = counts.sum(axis=1)
    often = 2 * years >= np.asarray(counts.any(axis=2)).sum(axis=1)[:, None]
    often &= years > 0
    with np.errstate(invalid="ignore"):
        larger = amplitude[:, 1] > amplitude[:, 0]
    return np.asarray(often[:, 1] & (larger | ~often[:, 0]))
