"""Seasons between the dates of a cycle: their bounds as offsets, as times, and the season of a time.

An offset is a number of days from 1 January, 0:00 UTC, of a product year; see `schemas.phenology`.
"""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from schemas.cycles import YEAR
from schemas.phenology import Floats

SEASONS = ("spring", "summer", "autumn", "winter")
"""[greenup, maturity), [maturity, senescence), [senescence, dormancy), [dormancy, next greenup)."""


def edges(offsets: npt.ArrayLike) -> Floats:
    """Offsets at which the seasons begin, and the end of the last: `(..., 4)` -> `(..., 5)`."""
    known = np.asarray(offsets, float)
    return np.concatenate([known, known[..., :1] + YEAR], axis=-1)


def middles(offsets: npt.ArrayLike) -> Floats:
    """Offsets of the middle of each season, `(..., 4)`."""
    known = edges(offsets)
    return np.asarray((known[..., :-1] + known[..., 1:]) / 2)


def day_of_year(offset: npt.ArrayLike) -> Floats:
    """Offsets wrapped into 0 <= day < 365, counted from 0: for calendar dates only."""
    return np.asarray(np.asarray(offset, float) % YEAR)


def moment(year: int, offset: float) -> datetime:
    """The time that an offset means in a product year: 1 January, 0:00 UTC, and so many days of 24 h.

    The same offset is one calendar day earlier after February of a leap year; an offset of a leap
    year is told in that year's own days, so both ways agree.
    """
    return datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=offset)


def offset_of(when: datetime, year: int) -> float:
    """Days from 1 January, 0:00 UTC, of a year to a time; below 0 before it. Inverse of `moment`."""
    return (when - datetime(year, 1, 1, tzinfo=UTC)) / timedelta(days=1)


def cycle_of(when: datetime, greenup: float) -> tuple[int, float] | None:
    """(product year, offset) of the cycle that a time lies in, greenup <= offset < greenup + 365.

    From one greenup to the next there are 366 days where a leap day lies between: the last of them
    belongs to no season, and None comes back.
    """
    guess = when.year - math.floor(greenup / YEAR)
    for year in (guess, guess - 1, guess + 1, guess - 2):
        offset = offset_of(when, year)
        if greenup <= offset < greenup + YEAR:
            return year, offset
    return None
