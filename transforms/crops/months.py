"""Twelve months out of a year's dates: medians of clear pixels, and straight lines across the gaps."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.uint8]

MONTHS = 12


def month_of(when: datetime, year: int) -> int | None:
    """Number of the month, 0 to 11, in which a moment lies (UTC); None outside the year.

    A month begins with the first moment of its first day, so 1 January belongs to January.
    """
    if when.tzinfo is not None:
        when = when.astimezone(UTC)
    return when.month - 1 if when.year == year else None


def starts(year: int) -> npt.NDArray[np.float64]:
    """Day of the year on which each month begins, `(12,)`, 0 for January: the time axis of the gaps."""
    first = date(year, 1, 1)
    return np.array([(date(year, m + 1, 1) - first).days for m in range(MONTHS)], np.float64)


def groups(times: Sequence[datetime | None], year: int) -> Iterator[tuple[int, list[int]]]:
    """(month, places of the dates in it) of every month of the year that has a date, in order."""
    known = [None if when is None else month_of(when, year) for when in times]
    for month in range(MONTHS):
        places = [place for place, found in enumerate(known) if found == month]
        if places:
            yield month, places


def clear_median(stack: Array, clear: Valid) -> tuple[Array, Counts]:
    """(median, count) over the clear dates of one band.

    Whole numbers are rounded to even. Where no date is clear the median is 0 and the count 0. It sorts
    the dates of a pixel, so it needs no more memory than the stack twice.

    Args:
        stack: `(time, y, x)`.
        clear: bool `(time, y, x)`.
    """
    count = clear.sum(axis=0)
    whole = stack.dtype.kind in "ui"
    last = np.iinfo(stack.dtype.name).max if whole else np.inf
    order = np.sort(np.where(clear, stack, np.asarray(last, stack.dtype)), axis=0)
    low, high = (np.maximum(count - 1, 0) // 2)[None], np.minimum(count // 2, len(stack) - 1)[None]
    two = [np.take_along_axis(order, place, axis=0)[0].astype(np.float64) for place in (low, high)]
    middle = np.where(count > 0, (two[0] + two[1]) / 2, 0.0)
    if whole:
        middle = np.rint(middle)
    return middle.astype(stack.dtype), np.minimum(count, 255).astype(np.uint8)


def fill_gaps(
    months: Array, count: Counts, days: npt.NDArray[np.float64], least: float, most: float
) -> Array:
    """Months without an observation on the straight line through two that have one, in time.

    Between two observed months the line joins them; before the first and after the last it goes on as
    it ran through the two nearest. With a single observed month that one stands for all; a pixel
    without any keeps what it has. Results are clipped to `[least, most]`, whole numbers rounded to even.

    Args:
        months: `(12, y, x)` of one band.
        count: clear observations, uint8 `(12, y, x)`; 0 is a gap.
        days: of the months, `(12,)`, rising.
    """
    seen = count > 0
    if seen.all():
        return months
    filled = months.copy()
    before, after = _neighbours(seen)
    for month in range(len(months)):
        gap = ~seen[month] & (seen.sum(axis=0) > 0)
        if not gap.any():
            continue
        one, two = before[month][gap], after[month][gap]
        one, two = _ends(one, two, before, after, gap)
        rows, columns = np.nonzero(gap)
        first = months[one, rows, columns].astype(np.float64)
        second = months[two, rows, columns].astype(np.float64)
        span = days[two] - days[one]
        share = np.where(span > 0, (days[month] - days[one]) / np.where(span > 0, span, 1.0), 0.0)
        line = np.clip(first + (second - first) * share, least, most)
        filled[month][gap] = (np.rint(line) if months.dtype.kind in "ui" else line).astype(
            months.dtype
        )
    return filled


def _neighbours(seen: Valid) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """The last observed month before each and the first after it, int8 `(12, y, x)`; -1 without one."""
    before, after = (np.full(seen.shape, -1, np.int8) for _ in range(2))
    for month in range(1, len(seen)):
        before[month] = np.where(seen[month - 1], month - 1, before[month - 1])
    for month in range(len(seen) - 2, -1, -1):
        after[month] = np.where(seen[month + 1], month + 1, after[month + 1])
    return before, after


def _ends(
    one: Array, two: Array, before: Array, after: Array, gap: Valid
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The two observed months that the line of each gap runs through; twice the same where one is all."""
    rows, columns = np.nonzero(gap)
    early, late = one < 0, two < 0
    first, second = one.astype(np.intp), two.astype(np.intp)
    first[early] = two[early]
    second[early] = after[two[early], rows[early], columns[early]]
    second[late] = one[late]
    first[late] = before[one[late], rows[late], columns[late]]
    first, second = np.where(first < 0, second, first), np.where(second < 0, first, second)
    return first, second
