"""Months of a hand-made cube: what is seen, what is a line between what is seen, and what says so."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from transforms.composites import median
from transforms.crops.months import clear_median, fill_gaps, groups, month_of, starts

DAYS = starts(2021)


def test_the_first_of_january_is_kept() -> None:
    """The first moment of the year lies in its first month; the last one before it in none."""
    assert month_of(datetime(2021, 1, 1, tzinfo=UTC), 2021) == 0
    assert month_of(datetime(2021, 1, 31, 23, 59, tzinfo=UTC), 2021) == 0
    assert month_of(datetime(2021, 2, 1, tzinfo=UTC), 2021) == 1
    assert month_of(datetime(2021, 12, 31, 23, 59, tzinfo=UTC), 2021) == 11
    assert month_of(datetime(2020, 12, 31, 23, 59, tzinfo=UTC), 2021) is None


def test_months_are_those_of_utc() -> None:
    """Half past midnight in Berlin on 1 January is still the old year."""
    berlin = timezone(timedelta(hours=1))
    assert month_of(datetime(2021, 1, 1, 0, 30, tzinfo=berlin), 2021) is None


def test_groups_are_in_order() -> None:
    """Whatever the order of the dates; unknown dates and other years belong to no month."""
    times = [datetime(2021, 6, 3, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC), None,
             datetime(2020, 6, 3, tzinfo=UTC), datetime(2021, 6, 1, tzinfo=UTC)]  # fmt: skip
    assert list(groups(times, 2021)) == [(0, [1]), (5, [0, 4])]


def test_medians_of_a_hand_made_month() -> None:
    """Odd and even counts, rounding to even, clouds left out, and a pixel that is never clear."""
    stack = np.array([[[10, 5, 9, 9]], [[30, 8, 100, 9]], [[20, 2, 200, 9]]], np.uint16)
    clear = np.array([[[1, 1, 1, 0]], [[1, 1, 0, 0]], [[1, 0, 0, 0]]], bool)
    found, count = clear_median(stack, clear)
    assert found.tolist() == [[20, 6, 9, 0]]  # 6.5 to even
    assert count.tolist() == [[3, 2, 1, 0]]
    assert (found.dtype, count.dtype) == (np.uint16, np.uint8)


@settings(max_examples=50, deadline=None)
@given(some.integers(1, 9), some.integers(0, 2**32 - 1), some.sampled_from(["u2", "i2", "f4"]))
def test_medians_are_those_of_numpy(dates: int, seed: int, kind: str) -> None:
    """And those of the engine's other median, which goes another way."""
    rng = np.random.default_rng(seed)
    stack = rng.integers(0, 12_000, (dates, 3, 4)).astype(kind)
    clear = rng.random(stack.shape) < 0.6
    found, count = clear_median(stack, clear)
    expected, source = median(stack[:, None], clear, 0)
    assert np.array_equal(found, expected[0])
    assert np.array_equal(count, clear.sum(axis=0))
    assert np.array_equal(count > 0, source >= 0)


def cube(
    values: dict[int, float], kind: str = "u2"
) -> tuple[NDArray[np.generic], NDArray[np.uint8]]:
    """One pixel that was seen in some months only."""
    months, count = np.zeros((12, 1, 1, 1), kind), np.zeros((12, 1, 1), np.uint8)
    for month, value in values.items():
        months[month], count[month] = value, 1
    return months, count


def lined(values: dict[int, float], kind: str = "u2") -> list[float]:
    """What `fill_gaps` makes of such a pixel."""
    return [float(v) for v in fill_gaps(*cube(values, kind), DAYS, 1, 60_000).ravel()]


def test_gaps_lie_on_a_line_in_time() -> None:
    """In days, not in numbers of months: February is short."""
    values = {0: 1000.0, 3: 1900.0, 11: 100.0}
    found = lined(values)
    expected = np.rint(np.interp(DAYS, DAYS[list(values)], list(values.values())))
    assert found == expected.tolist()
    assert found[1] == 1310  # 31 of 90 days, not a third


def test_lines_go_on_beyond_the_ends() -> None:
    """As they ran through the two nearest months, and never out of the range of the numbers."""
    found = lined({4: 2000.0, 5: 1690.0}, "f8")
    slope = (1690 - 2000) / (DAYS[5] - DAYS[4])
    expected = np.clip(2000 + slope * (DAYS - DAYS[4]), 1, 60_000)
    assert np.allclose(found, expected, rtol=1e-12)
    assert lined({4: 2000.0, 5: 100.0})[6:] == [1] * 6


def test_one_month_stands_for_all_and_none_for_none() -> None:
    """A line needs two points."""
    assert lined({7: 321.0}) == [321] * 12
    assert lined({}) == [0] * 12


def test_what_was_seen_is_not_touched() -> None:
    """Each pixel has gaps of its own; what has a count is what it was."""
    rng = np.random.default_rng(3)
    months = rng.integers(500, 9000, (12, 2, 20, 30)).astype(np.uint16)
    count = (rng.random((12, 20, 30)) < 0.4).astype(np.uint8)
    found = fill_gaps(months, count, DAYS, 1, 65_535)
    for band in range(2):
        assert np.array_equal(found[:, band][count > 0], months[:, band][count > 0])
    for row, column in ((0, 0), (7, 13), (19, 29)):
        known = np.flatnonzero(count[:, row, column])
        inner = slice(known[0], known[-1] + 1)
        line = np.interp(DAYS, DAYS[known], months[known, 1, row, column])
        assert np.array_equal(found[inner, 1, row, column], np.rint(line)[inner])


@pytest.mark.parametrize("year", [2020, 2021])
def test_month_starts(year: int) -> None:
    """Leap years have a longer February."""
    assert starts(year)[0] == 0
    assert starts(year)[2] == (60 if year == 2020 else 59)
    assert np.all(np.diff(starts(year)) >= 28)
