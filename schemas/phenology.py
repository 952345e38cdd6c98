"""Phenology as numbers: dates of MCD12Q2 v6.1, offsets from 1 January, medians over years.

A date is a count of days since 1970-01-01. A product year holds the cycles that peak in it, so that
greenup may lie in the year before (offset below 0) and dormancy in the year after (offset above 365).
Offsets stay real numbers on that unwrapped axis: a median of days of the year, wrapped at New Year,
would be wrong.

Facts of the product: MCD12Q2 v6.1 user guide (Gray, Sulla-Menashe and Friedl), valid range
11138..32766, fill 32767, QA_Overall 0 best, 1 good, 2 fair, 3 poor.
"""

from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from schemas.cycles import YEAR, exchanged, main_second

TRANSITIONS = ("Greenup", "Maturity", "Senescence", "Dormancy")
"""The four dates of a cycle that bound its seasons."""

VALID, FILL = (11138, 32766), 32767
"""Range of a date that is one, and what stands for none."""

CYCLES, POOR = 2, 3
"""Cycles that a product year may hold; QA_Overall of poor ones."""

NONE = -1
"""Stands for a day, a quality or a count that the source does not tell."""

PER_PLACE = ("days", "amplitude", "quality", "cycles")

EPOCH = date(1970, 1, 1)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[Any]


def date_of(day: int) -> date:
    """The date of a count of days since 1970-01-01."""
    return EPOCH + timedelta(days=int(day))


def new_year(years: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Days from 1970-01-01 to 1 January of each year, shape as given."""
    start = np.asarray(years, np.int64) - 1970
    return start.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)


@dataclass(frozen=True, slots=True)
class Dates:
    """What a source holds of n places, product years and cycles.

    Attributes:
        years: product years, ascending, `(year,)`.
        days: int32 `(n, year, cycle, 4)`, days since 1970-01-01 of `TRANSITIONS`; outside of `VALID`
            where there is none.
        amplitude: float64 `(n, year, cycle)`, of EVI2 in any unit; NaN where not told.
        quality: int16 `(n, year, cycle)`, QA_Overall; `NONE` where not told.
        cycles: int16 `(n, year)`, NumCycles; `NONE` where not told.
    """

    years: npt.NDArray[np.int64]
    days: npt.NDArray[np.int32]
    amplitude: Floats
    quality: npt.NDArray[np.int16]
    cycles: npt.NDArray[np.int16]

    @classmethod
    def blank(cls, count: int, years: npt.ArrayLike) -> Self:
        """Nothing of `count` places."""
        known = np.asarray(years, np.int64)
        shape = (count, len(known), CYCLES)
        return cls(
            known,
            np.full((*shape, len(TRANSITIONS)), NONE, np.int32),
            np.full(shape, np.nan),
            np.full(shape, NONE, np.int16),
            np.full(shape[:2], NONE, np.int16),
        )

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Where `days` holds a date."""
        return np.asarray((self.days >= VALID[0]) & (self.days <= VALID[1]))

    def take(self, rows: Ints) -> "Dates":
        """Some of the places."""
        parts = (getattr(self, name)[rows] for name in PER_PLACE)
        return Dates(self.years, *parts)

    def of_years(self, kept: npt.NDArray[np.bool_]) -> "Dates":
        """Some of the product years, `kept` of `(year,)`."""
        if kept.all():
            return self
        return Dates(self.years[kept], *(getattr(self, name)[:, kept] for name in PER_PLACE))

    def small(self) -> "Dates":
        """The same in half of the memory: days as int16, which holds all of the valid range."""
        days, amplitude = self.days.astype(np.int16), self.amplitude.astype(np.float32)
        return Dates(self.years, days, amplitude, self.quality, self.cycles)  # type: ignore[arg-type]

    def put(self, rows: Ints, other: "Dates", picked: Ints) -> None:
        """Set places `rows` to places `picked` of another answer, whose years are some of these."""
        at = np.ix_(rows, np.searchsorted(self.years, other.years))
        for name in PER_PLACE:
            getattr(self, name)[at] = getattr(other, name)[picked]


@dataclass(frozen=True, slots=True)
class Summary:
    """The phenology of n places over all years.

    Attributes:
        offsets: float64 `(n, 4)`, median offsets of `TRANSITIONS` from 1 January of the product year
            in days, NaN where there is no usable cycle. Always G <= M <= S <= D < G + 365.
        years: int64 `(n,)`, years that the medians are of.
        left_out: int64 `(n,)`, further years with some date: incomplete, out of order, poor, or only of
            another cycle than the main one.
        cycle: int64 `(n,)`, the cycle used in most years (1 or 2), 0 without any.
        n_cycles: int64 `(n,)`, cycles a year, the most frequent count in the years used.
    """

    offsets: Floats
    years: npt.NDArray[np.int64]
    left_out: npt.NDArray[np.int64]
    cycle: npt.NDArray[np.int64]
    n_cycles: npt.NDArray[np.int64]

    @classmethod
    def blank(cls, count: int) -> Self:
        """Nothing of `count` places."""
        return cls(
            np.full((count, len(TRANSITIONS)), np.nan),
            *(np.zeros(count, np.int64) for _ in range(4)),
        )

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which places have a usable cycle, `(n,)`."""
        return np.asarray(np.isfinite(self.offsets[:, 0]))

    def take(self, rows: Ints) -> "Summary":
        """Some of the places."""
        return Summary(*(getattr(self, item.name)[rows] for item in fields(self)))

    def put(self, rows: Ints, other: "Summary") -> None:
        """Set places `rows` to another summary."""
        for item in fields(self):
            getattr(self, item.name)[rows] = getattr(other, item.name)


def in_order(offsets: Floats) -> npt.NDArray[np.bool_]:
    """Whether G <= M <= S <= D < G + 365, over `(..., 4)`; NaN is in no order."""
    rising = (np.diff(offsets, axis=-1) >= 0).all(axis=-1)
    return np.asarray(rising & (offsets[..., 3] < offsets[..., 0] + YEAR))


def usable_cycles(dates: Dates) -> npt.NDArray[np.bool_]:
    """Which cycles have their four dates, in order: `(n, year, cycle)`. Cheaper than a summary."""
    days = dates.days
    found = (days[..., 0] >= VALID[0]) & (days[..., 3] <= VALID[1])
    for first in range(3):  # a date that is none lies below the valid range, or above it
        found &= days[..., first] <= days[..., first + 1]
    return np.asarray(found & (days[..., 3] - days[..., 0] < YEAR))


def summarise(dates: Dates) -> Summary:
    """Medians over the years of each place's main cycle.

    1. A cycle is usable if its four dates are there and in order. It counts if it is not of poor
       quality, unless the place has only poor ones.
    2. Cycles of different years that are the same one are brought together (`cycles.exchanged`): by their
       place in the year, not by their number.
    3. The main cycle of a place has the larger median amplitude, of those that count in at least
       half of the years in which any does (`cycles.main_second`). Years in which only the other one counts
       are left out, so that no median mixes two.
    4. Each of the four medians is of the same years, so they are in the order that every year's dates are
       in. Years whose cycle peaks on the other side of New Year are brought beside the rest (`together`).
    """
    offsets = np.asarray(dates.days - new_year(dates.years)[:, None, None], np.float64)
    usable = usable_cycles(dates)
    fine = usable & (dates.quality < POOR)
    counts = np.where(np.asarray(fine.any(axis=(1, 2)))[:, None, None], fine, usable)
    swap = exchanged((offsets[..., 1] + offsets[..., 2]) / 2, usable)
    counts, amplitude = (
        np.where(swap[..., None], each[..., ::-1], each)
        for each in (counts, np.asarray(dates.amplitude, np.float64))
    )
    second = main_second(counts, medians(np.where(counts, amplitude, np.nan)))[:, None]
    used = np.where(second, counts[..., 1], counts[..., 0])
    number = second ^ swap  # whether the main cycle is the year's second
    own = np.where(number[..., None], offsets[:, :, 1], offsets[:, :, 0])
    own = together(np.where(used[..., None], own, np.nan))
    seconds, total = (used & number).sum(axis=1), used.sum(axis=1)
    return Summary(
        medians(own),
        total,
        (dates.valid.any(axis=(2, 3)) & ~used).sum(axis=1),
        np.where(total == 0, 0, np.where(2 * seconds > total, 2, 1)),
        _most_frequent(_counted(dates.cycles, usable), used),
    )


def _counted(told: Ints, usable: npt.NDArray[np.bool_]) -> Ints:
    """Cycles of each year: as told, else those that count."""
    return np.asarray(np.where(told >= 0, told, usable.sum(axis=-1)))


def _most_frequent(values: Ints, used: npt.NDArray[np.bool_], most: int = 8) -> Ints:
    """The most frequent value of each row `(n, year)` among those used, the lower of equals."""
    each = [((values == value) & used).sum(axis=1) for value in range(most)]
    return np.asarray(np.stack(each, axis=1).argmax(axis=1), np.int64)


def together(offsets: Floats) -> Floats:
    """Cycles `(n, year, 4)`, each moved by whole years of 365 days to beside the others of its place.

    Where plants peak at about New Year, as in the south, one year's cycle is told from its own
    1 January and the next one's from the January after: 265 and -95 are nearly the same date, and
    their median is none of the two. Beside the cycle whose summer is nearest to those of all others, the
    first of equals; where all lie within half a year of each other nothing moves. NaN stays.
    """
    summer = (offsets[..., 1] + offsets[..., 2]) / 2
    low, high = (np.where(np.isnan(summer), worst, summer) for worst in (np.inf, -np.inf))
    with np.errstate(invalid="ignore"):
        apart = np.flatnonzero(high.max(axis=1) - low.min(axis=1) > YEAR / 2)
    if not len(apart):
        return offsets
    some = summer[apart]
    gaps = np.abs((some[:, :, None] - some[:, None, :] + YEAR / 2) % YEAR - YEAR / 2)
    total = np.where(np.isnan(some), np.inf, np.nansum(gaps, axis=2))
    middle = np.take_along_axis(some, total.argmin(axis=1)[:, None], axis=1)
    found = offsets.copy()
    found[apart] += (np.round((middle - some) / YEAR) * YEAR)[..., None]
    return found


def medians(values: Floats) -> Floats:
    """Medians of `(n, year, k)` over the years, NaN left out; NaN where nothing is left.

    Of an even number the mean of the middle two. (`np.nanmedian` is many times slower on short axes.)
    """
    order = np.sort(values, axis=1)  # NaN comes last
    count = np.isfinite(values).sum(axis=1)
    low, high = (np.maximum(at, 0)[:, None] for at in ((count - 1) // 2, count // 2))
    found = [np.take_along_axis(order, at, axis=1)[:, 0] for at in (low, high)]
    return np.asarray((found[0] + found[1]) / 2)
