"""Twelve months out of a year's dates: medians of clear pixels, and straight lines across the gaps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    if len(stack) == 1:
        return np.where(clear[0], stack[0], stack.dtype.type(0)), clear[0].astype(np.uint8)
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


@dataclass(frozen=True, slots=True)
class Line:
    """The pixels of one month that were not seen in it, and the two months that their lines run through.

    Attributes:
        month: 0 to 11.
        pixel: places in the flattened image, int64 `(n,)`.
        first, second: months of the two ends, int64 `(n,)`; equal where one month is all that was seen.
        share: of the way from the first to the second, float64 `(n,)`; below 0 and above 1 beyond them.
    """

    month: int
    pixel: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]


def lines(count: Counts, days: npt.NDArray[np.float64]) -> Iterator[Line]:
    """The lines across the gaps, month by month; none for pixels that were never seen.

    Args:
        count: clear observations, uint8 `(12, y, x)`; 0 is a gap.
        days: of the months, `(12,)`, rising.
    """
    seen = count.reshape(len(count), -1) > 0
    before, after = _neighbours(seen)
    ever = seen.any(axis=0)
    for month in range(len(seen)):
        pixel = np.flatnonzero(~seen[month] & ever)
        if not len(pixel):
            continue
        first, second = (near[month, pixel].astype(np.int64) for near in (before, after))
        early, late = first < 0, second < 0
        first[early], second[late] = second[early], first[late]
        second[early] = after[second[early], pixel[early]]
        first[late] = before[first[late], pixel[late]]
        first, second = np.where(first < 0, second, first), np.where(second < 0, first, second)
        span = days[second] - days[first]
        share = np.where(span > 0, (days[month] - days[first]) / np.where(span > 0, span, 1.0), 0.0)
        yield Line(month, pixel, first, second, share)


def fill_gaps(
    months: Array, count: Counts, days: npt.NDArray[np.float64], least: float, most: float
) -> Array:
    """Months without an observation on the straight line through two that have one, in time.

    Between two observed months the line joins them; before the first and after the last it goes on as
    it ran through the two nearest. With a single observed month that one stands for all; a pixel
    without any keeps what it has. Results are clipped to `[least, most]`, whole numbers rounded to even.

    Args:
        months: `(12, band, y, x)`.
        count: clear observations, uint8 `(12, y, x)`; 0 is a gap.
        days: of the months, `(12,)`, rising.
        least, most: bounds of what is made.
    """
    filled = months.copy()
    known = months.reshape(*months.shape[:2], -1)
    flat = filled.reshape(known.shape)
    for line in lines(count, days):
        for band in range(known.shape[1]):
            first = known[line.first, band, line.pixel].astype(np.float64)
            second = known[line.second, band, line.pixel]
            made = np.clip(first + (second - first) * line.share, least, most)
            flat[line.month, band, line.pixel] = (
                np.rint(made) if months.dtype.kind in "ui" else made
            )
    return filled


def _neighbours(seen: Valid) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """The last observed month before each and the first after it, int8 `(12, pixel)`; -1 without one."""
    before, after = (np.full(seen.shape, -1, np.int8) for _ in range(2))
    for month in range(1, len(seen)):
        before[month] = np.where(seen[month - 1], month - 1, before[month - 1])
    for month in range(len(seen) - 2, -1, -1):
        after[month] = np.where(seen[month + 1], month + 1, after[month + 1])
    return before, after
