"""Dates, offsets, medians and seasons: the spec's vectors, and what must hold for any numbers."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.phenology import FILL, NONE, Dates, date_of, in_order, medians, new_year, summarise
from schemas.seasons import cycle_of, day_of_year, edges, middles, moment, offset_of

YEARS = (2019, 2020, 2021)


def dates_with(rows: list[list[list[float] | None]], years: tuple[int, ...] = YEARS) -> Dates:
    """One place; for each year its cycles as offsets, None for a cycle that there is not."""
    found = Dates.blank(1, years)
    for year, cycles in enumerate(rows):
        for cycle, offsets in enumerate(cycles):
            if offsets is not None:
                found.days[0, year, cycle] = new_year(years[year]) + np.array(offsets, int)
    return found


@pytest.mark.parametrize(
    ("day", "told"),
    [(18006, "2019-04-20"), (18072, "2019-06-25"), (18149, "2019-09-10"), (18215, "2019-11-15"),
     (17897, "2019-01-01")],
)  # fmt: skip
def test_days_since_1970(day: int, told: str) -> None:
    """Vectors of the spec, check 1."""
    assert date_of(day).isoformat() == told
    assert int(new_year(2019)) == 17897
    assert (date.fromisoformat(told) - date(1970, 1, 1)).days == day


def test_middles_of_the_seasons() -> None:
    """Check 1: winter runs on past New Year, its middle is 1 February of a year of 365 days."""
    found = middles([109, 175, 252, 318])
    assert found.tolist() == [142, 213.5, 285, 396]
    assert day_of_year(found[3]) == 31
    assert moment(2018, 396).date() == date(2019, 2, 1)


def test_medians_are_of_offsets_not_of_days_of_the_year() -> None:
    """Check 2: a day of the year that wraps at New Year would give 9."""
    found = summarise(dates_with([[[x, 60, 120, 200]] for x in (-5, 3, 8)]))
    assert found.offsets[0, 0] == 3
    assert np.median(np.array([-5, 3, 8]) % 365) == 8  # the mistake, 0-based
    assert np.median([360, 4, 9]) == 9  # and as the spec has it


def test_southern_winter() -> None:
    """Check 2: a cycle that begins in the year before."""
    assert edges([-110, -40, 60, 150]).tolist() == [-110, -40, 60, 150, 255]
    summary = summarise(dates_with([[[-110, -40, 60, 150]]] * 3))
    assert summary.offsets.tolist() == [[-110, -40, 60, 150]] and summary.years[0] == 3


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-200, 200), *(st.integers(-5, 150) for _ in range(3))),
        min_size=3, max_size=3,
    )
)  # fmt: skip
def test_every_summary_is_in_order_and_tiles_the_year(each: list[tuple[int, ...]]) -> None:
    """Check 3, whatever the dates of three years are."""
    rows = [[[float(v) for v in np.cumsum(offsets)]] for offsets in each]
    found = summarise(dates_with(rows))
    good = [row[0] for row in rows if row[0] == sorted(row[0]) and row[0][3] < row[0][0] + 365]
    assert found.years[0] == len(good)
    assert found.left_out[0] == 3 - len(good)
    if not good:
        assert not found.known[0]
        return
    summers = [(row[1] + row[2]) / 2 for row in good]
    if max(summers) - min(summers) <= 182.5:
        np.testing.assert_array_equal(found.offsets[0], np.median(good, axis=0))
    assert in_order(found.offsets)[0]
    sides = edges(found.offsets[0])
    assert (np.diff(sides) >= 0).all() and np.diff(sides).sum() == 365


def test_medians_equal_numpys() -> None:
    rng = np.random.default_rng(3)
    values = np.where(rng.random((500, 7, 4)) < 0.4, np.nan, rng.normal(size=(500, 7, 4)))
    values[:5] = np.nan
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        expected = np.nanmedian(values, axis=1)
    np.testing.assert_array_equal(medians(values), expected)


def test_a_peak_at_new_year_has_no_false_median() -> None:
    """Cycles that peak in December of one year and in January of others are nearly the same date."""
    late, early = [265.0, 320, 360, 510], [-96.0, -43, -2, 148]
    assert (
        np.median([265, -96, -100]) == -96 and np.median([265, -96, 262, -100]) == 83
    )  # the mistake
    years = (2018, 2019, 2020, 2021)
    rows = [[late], [early], [[v + 3 for v in late]], [[v - 4 for v in early]]]
    found = summarise(dates_with(rows, years))
    assert found.offsets[0].tolist() == [266.5, 321.0, 361.5, 511.5]
    assert day_of_year(found.offsets[0, 0]) == 266.5 and found.years[0] == 4
    mostly = summarise(dates_with([[early], [early], [late], [early]], years))
    assert mostly.offsets[0].tolist() == early
    np.testing.assert_array_equal(  # half a year apart or less is left alone
        summarise(dates_with([[[10, 50, 60, 100]], [[180, 220, 230, 270]]], (2020, 2021))).offsets,
        [[95, 135, 145, 185]],
    )


def test_the_second_cycle_counts_where_it_is_larger() -> None:
    one, two = [10.0, 40, 80, 120], [150.0, 180, 220, 260]
    dates = dates_with([[one, two]] * 3)
    dates.amplitude[0] = [[2000, 3000], [2000, 3000], [3000, 2000]]
    dates.cycles[0] = [2, 3, 2]
    found = summarise(dates)
    assert found.offsets[0].tolist() == two
    assert (found.cycle[0], found.n_cycles[0], found.years[0]) == (2, 2, 3)
    dates.amplitude[0] = [[3000, 2000]] * 3
    assert summarise(dates).offsets[0].tolist() == one
    dates.amplitude[0] = np.nan  # nothing is known of amplitudes
    assert summarise(dates).cycle[0] == 1


def test_a_larger_cycle_without_all_its_dates_does_not_count() -> None:
    dates = dates_with([[[10, 40, 80, 120], [150, 180, 220, 260]]] * 3)
    dates.amplitude[0] = [[2000, 3000]] * 3
    dates.days[0, :, 1, 3] = FILL
    assert summarise(dates).cycle[0] == 1
    dates.days[0, :, 0, 0] = 11137  # just outside of the valid range
    found = summarise(dates)
    assert not found.known[0] and found.cycle[0] == 0 and found.left_out[0] == 3


def test_poor_years_count_only_where_nothing_else_is_left() -> None:
    dates = dates_with([[[100, 150, 200, 300]], [[110, 160, 210, 310]], [[300, 310, 320, 330]]])
    dates.quality[0, :, 0] = [0, 2, 3]
    found = summarise(dates)
    assert found.offsets[0].tolist() == [105, 155, 205, 305]
    assert (found.years[0], found.left_out[0]) == (2, 1)
    dates.quality[0, :, 0] = 3
    found = summarise(dates)
    assert found.offsets[0, 0] == 110 and found.years[0] == 3


WINTER, SUMMER = [40.0, 80, 120, 160], [200.0, 240, 280, 320]
"""Two crops of a year."""


def test_two_crops_of_like_amplitude_are_not_mixed() -> None:
    """The larger of each year in turn would have its medians on 120, 160, 200 and 240: between both."""
    years = (2018, 2019, 2020, 2021)
    dates = dates_with([[WINTER, SUMMER]] * 4, years)
    dates.amplitude[0] = [[3010, 3000], [3000, 3010]] * 2
    found = summarise(dates)
    assert found.offsets[0].tolist() == WINTER
    assert (found.years[0], found.left_out[0], found.cycle[0]) == (4, 0, 1)
    dates.amplitude[0, :, 1] += 100
    assert summarise(dates).offsets[0].tolist() == SUMMER


def test_the_same_crop_is_known_by_its_season_not_by_its_number() -> None:
    """The summer crop is cycle 1 of a year without a winter crop; a year without it is left out."""
    years = (2017, 2018, 2019, 2020, 2021)
    late = [v + 4 for v in SUMMER]
    dates = dates_with([[WINTER, SUMMER], [late], [WINTER], [WINTER, late], [late]], years)
    dates.amplitude[0] = [
        [2000, 3000],
        [3000, np.nan],
        [2000, np.nan],
        [2000, 3000],
        [3000, np.nan],
    ]
    found = summarise(dates)
    assert found.offsets[0].tolist() == late
    assert (found.years[0], found.left_out[0], found.cycle[0]) == (4, 1, 1)


def test_pairs_on_both_sides_of_new_year_are_matched() -> None:
    """One year begins with the cycle with which the year before ended."""
    early, middle, end = [-60.0, -10, 10, 60], [120.0, 160, 200, 240], [305.0, 355, 372, 425]
    dates = dates_with([[early, middle], [middle, end], [early, middle]])
    dates.amplitude[0] = [[2000, 3000], [3000, 2000], [2000, 3000]]
    found = summarise(dates)
    assert found.offsets[0].tolist() == middle and found.years[0] == 3
    assert found.cycle[0] == 2


def test_a_poor_cycle_does_not_hide_a_good_one_of_its_year() -> None:
    one, two = [100.0, 150, 250, 300], [305.0, 310, 320, 340]
    dates = dates_with([[one, two]] * 3)
    dates.amplitude[0] = [[3000, 3500]] * 3
    dates.quality[0] = [[0, 3], [0, 3], [0, 0]]
    found = summarise(dates)
    assert found.offsets[0].tolist() == one
    assert (found.years[0], found.left_out[0], found.cycle[0]) == (3, 0, 1)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["w", "s", "ws"]), st.integers(-20, 20), st.integers(-20, 20)),
        min_size=1, max_size=8,
    ),
    st.booleans(),
)  # fmt: skip
def test_medians_are_of_one_crop_whatever_the_years_hold(
    each: list[tuple[str, int, int]], summer: bool
) -> None:
    """Where some year has both, each date lies within the spread of one crop's."""
    rows: list[list[list[float] | None]] = [
        [[v + shift for v in crop] for name, crop, shift in
         (("w", WINTER, a), ("s", SUMMER, b)) if name in kind]
        for kind, a, b in each
    ]  # fmt: skip
    years = tuple(range(2001, 2001 + len(rows)))
    dates = dates_with(rows, years)
    sizes = {"w": 2000.0 + 100 * (not summer), "s": 2000.0 + 100 * summer}
    for year, (kind, _, _) in enumerate(each):
        dates.amplitude[0, year, : len(kind)] = [sizes[name] for name in kind]
    if not any(kind == "ws" for kind, _, _ in each):
        return
    found = summarise(dates)
    counts = {n: sum(n in kind for kind, _, _ in each) for n in "ws"}
    better = "s" if summer else "w"
    main = better if 2 * counts[better] >= len(each) else "ws".replace(better, "")
    middle = np.array(WINTER if main == "w" else SUMMER)
    assert np.abs(found.offsets[0] - middle).max() <= 20
    assert found.years[0] == counts[main] and found.left_out[0] == len(each) - counts[main]


@pytest.mark.parametrize("greenup", [-110.0, -5.0, 0.0, 109.5, 300.0, 364.75])
def test_every_moment_has_one_cycle_but_a_leap_cycles_last_day(greenup: float) -> None:
    """Half-open intervals of 365 days from greenup to greenup; a leap day adds one that has none."""
    start = datetime(2016, 1, 1, 12, tzinfo=UTC)
    without = 0
    for day in range(4 * 1461):
        when = start + timedelta(hours=6 * day)
        found = cycle_of(when, greenup)
        if found is None:
            without += 1
            continue
        year, offset = found
        assert greenup <= offset < greenup + 365
        assert abs(moment(year, offset) - when) < timedelta(milliseconds=1)
        assert offset_of(when, year) == offset
    assert without == 4  # of 1,461 days: four steps of six hours


def test_nothing_is_told_by_its_own_number() -> None:
    empty = Dates.blank(2, YEARS)
    assert (empty.cycles == NONE).all() and not empty.valid.any()
    found = summarise(empty)
    assert not found.known.any() and not found.years.any() and not found.left_out.any()
