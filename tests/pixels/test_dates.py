"""Which dates of many are chosen: apart, one an interval, nearest to others."""

from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from series_world import START
from transforms.imagery.series import (
    Dated,
    intervals,
    nearest_dates,
    per_interval,
    spaced,
    span_of,
)

series = st.lists(
    st.tuples(st.integers(0, 364), st.one_of(st.none(), st.integers(0, 30))), max_size=12,
    unique_by=lambda pair: pair[0],
).map(
    lambda found: [
        (START + timedelta(days=day), None if cloud is None else float(cloud), f"s{i}")
        for i, (day, cloud) in enumerate(found)
    ]
)  # fmt: skip


def cost(chosen: Any) -> float:
    return sum(101.0 if cloud is None else cloud for _, cloud, _ in chosen)


@settings(deadline=None)
@given(series, st.integers(1, 4), st.sampled_from([0, 1, 30, 90]))
def test_spaced_against_every_combination(found: list[Dated], count: int, gap: int) -> None:
    """The clearest choice that keeps the gap, and none only where there is none."""
    chosen = spaced(found, count, gap)
    good = [
        c for c in combinations(sorted(found), count)
        if all(b[0] - a[0] >= timedelta(days=gap) for a, b in pairwise(c))
    ]  # fmt: skip
    if not good:
        assert chosen == []
        return
    assert len(chosen) == count and chosen == sorted(chosen)
    assert tuple(chosen) in good
    assert cost(chosen) == min(map(cost, good))


@given(series, st.sampled_from(["1mo", "2mo", "5mo", "10d", "100d"]))
def test_per_interval_against_counting(found: list[Dated], every: str) -> None:
    chosen = per_interval(found, every, 2022)
    assert chosen == sorted(chosen)
    slots = list(intervals(every, 2022))
    assert slots[0][0] == START and slots[-1][1] == START.replace(year=2023)
    assert all(a[1] == b[0] for a, b in pairwise(slots)), "they tile the year"
    filled = [s for s in slots if any(s[0] <= f[0] < s[1] for f in found)]
    assert len(chosen) == len(filled)
    for (start, end), one in zip(filled, chosen, strict=True):
        within = [f for f in found if start <= f[0] < end]
        assert one in within and cost([one]) == min(cost([f]) for f in within)


@given(series, st.lists(st.integers(0, 364), max_size=4, unique=True), st.booleans())
def test_nearest_dates_keep_their_promises(
    found: list[Dated], days: list[int], before: bool
) -> None:
    wanted = [START + timedelta(days=d) for d in days]
    chosen = nearest_dates(found, [(day, day) for day in wanted], 20, before)
    assert chosen == sorted(chosen) and len(set(chosen)) == len(chosen) <= len(wanted)
    if len(wanted) == 1:
        when = wanted[0]
        near = [f for f in found if abs(f[0] - when).days <= 20 and (not before or f[0] <= when)]
        assert bool(chosen) == bool(near)
        if near:
            assert abs(chosen[0][0] - when) == min(abs(f[0] - when) for f in near)


def test_a_date_without_a_time_is_the_whole_day() -> None:
    """In UTC: a scene of its evening is nearer than one of the evening before."""
    day = datetime(2022, 6, 1, tzinfo=UTC)
    eve, dusk = (day + timedelta(hours=h) for h in (-6, 18.5))
    both: list[Dated] = [(eve, 5.0, "eve"), (dusk, 5.0, "dusk")]
    span = span_of("2022-06-01")
    assert nearest_dates(both, [span], 30) == both[1:]
    assert nearest_dates(both[1:], [span], 30, before=True) == both[1:]
    assert nearest_dates(both[1:], [span], 0) == both[1:], "nothing lies between"
    assert nearest_dates(both[:1], [span], 0.25) == both[:1], "six hours, and no more"
    assert nearest_dates(both[:1], [span], 0.24) == []
    clear: list[Dated] = [(day, 30.0, "hazy"), (dusk, 1.0, "clear")]
    assert nearest_dates(clear, [span], 30) == clear[1:], "of one day the clearest"


def test_a_time_is_a_moment() -> None:
    noon = datetime(2022, 6, 1, 12, tzinfo=UTC)
    later: list[Dated] = [(noon + timedelta(hours=1), 5.0, "a")]
    for text in ("2022-06-01T12:00:00Z", "2022-06-01T14:00:00+02:00", "2022-06-01T12:00"):
        assert span_of(text) == (noon, noon)
        assert nearest_dates(later, [span_of(text)], 30, before=True) == []
        assert nearest_dates(later, [span_of(text)], 0) == []
    assert nearest_dates(later, [(noon, noon)], 1 / 24) == later, "the last moment counts"


def test_months_are_calendar_months() -> None:
    assert [start.month for start, _ in intervals("1mo", 2024)] == list(range(1, 13))
    assert len(list(intervals("10d", 2024))) == 37
    for wrong in ("", "1y", "0d", "d", "-1mo", "1.5d"):
        with pytest.raises(ValueError, match="every"):
            list(intervals(wrong, 2024))
