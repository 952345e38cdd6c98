"""Which dates a series is made of: of each interval, near given days, or some that lie apart."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from schemas.samples import Sample
from schemas.scenes import Scene

Dated = tuple[datetime, float | None, str]
"""(acquisition, percent of cloud or None, id) of a scene, all that a choice by date looks at."""

Span = tuple[datetime, datetime]
"""(first, last) moment of a time that is wanted, both within it: a day, or one moment twice."""

UNKNOWN_CLOUD = 101.0
"""Stands for cloud that nobody has counted: after all that is known."""


def dated(scenes: Iterable[Scene]) -> dict[str, tuple[Dated, Scene]]:
    """Scenes that have a date, by id, as the choices below see them."""
    return {s.id: ((s.datetime, s.cloud, s.id), s) for s in scenes if s.datetime is not None}


def clarity(scene: Dated) -> tuple[float, float, str]:
    """Sorts the clearest first; ties go to the newest, then to the lower id."""
    when, cloud, name = scene
    return (UNKNOWN_CLOUD if cloud is None else cloud, -when.timestamp(), name)


EVERY = re.compile(r"([1-9]\d*)(d|mo)")
"""`10d`, `1mo`: days from the first of January, calendar months."""


def intervals(every: str, year: int) -> Iterator[tuple[datetime, datetime]]:
    """(start, end) of the intervals of a year, UTC, end excluded; the last one may be shorter.

    Raises:
        ValueError: `every` is neither days nor months.
    """
    found = EVERY.fullmatch(every)
    if found is None:
        raise ValueError(f"every={every!r}: days or months, like '10d' or '1mo'")
    step, end = int(found[1]), datetime(year + 1, 1, 1, tzinfo=UTC)
    start = datetime(year, 1, 1, tzinfo=UTC)
    while start < end:
        if found[2] == "d":
            after = min(end, start + timedelta(days=step))
        else:
            after = start.replace(month=start.month + step) if start.month + step <= 12 else end
        yield start, after
        start = after


def per_interval(found: Sequence[Dated], every: str, year: int) -> list[Dated]:
    """The clearest of each interval of a year, in time order; an interval without any gives none."""
    chosen = []
    for start, end in intervals(every, year):
        within = [scene for scene in found if start <= scene[0] < end]
        if within:
            chosen.append(min(within, key=clarity))
    return chosen


def nearest_dates(
    found: Sequence[Dated], wanted: Sequence[Span], max_days: float, before: bool = False
) -> list[Dated]:
    """The nearest to each wanted time, at most `max_days` away, in time order; none is taken twice.

    Of scenes within a wanted day the clearest is taken: none of them is nearer than another.

    Args:
        found: what there is.
        wanted: times; each chooses in turn, the earliest first. One that finds nothing gives none.
        max_days: how far a scene may be from its wanted time.
        before: whether a scene must not be later than the end of its wanted time.
    """
    left = sorted(found, key=clarity)
    chosen = []
    for span in sorted(wanted):
        near = [
            scene
            for scene in left
            if _apart(scene[0], span) <= timedelta(days=max_days)
            and (not before or scene[0] <= span[1])
        ]
        if near:
            best = min(near, key=lambda scene: _apart(scene[0], span))
            left.remove(best)
            chosen.append(best)
    return sorted(chosen)


def _apart(when: datetime, span: Span) -> timedelta:
    """How long before or after a span a moment is; nothing within it."""
    return max(span[0] - when, when - span[1], timedelta(0))


def spaced(found: Sequence[Dated], count: int, min_gap_days: float) -> list[Dated]:
    """`count` scenes at least `min_gap_days` apart with the least cloud together, in time order.

    Exact, by dynamic programming over the scenes in time order; ties go to the earlier ones. Empty
    when there are not so many.
    """
    order = sorted(found, key=lambda scene: (scene[0], clarity(scene)))
    times = [scene[0] for scene in order]
    gap = timedelta(days=min_gap_days)
    # best[i]: (cloud in all, places) of the best choice of k scenes among the first i
    best: list[tuple[float, tuple[int, ...]] | None] = [(0.0, ())] * (len(order) + 1)
    for _ in range(count):
        after: list[tuple[float, tuple[int, ...]] | None] = [None] * (len(order) + 1)
        for i in range(1, len(order) + 1):
            limit = bisect_right(times, times[i - 1] - gap) if gap else i - 1
            earlier, without = best[min(limit, i - 1)], after[i - 1]
            cost = clarity(order[i - 1])[0]
            taken = None if earlier is None else (earlier[0] + cost, (*earlier[1], i - 1))
            better = taken is not None and (without is None or taken[0] < without[0])
            after[i] = taken if better else without
        best = after
    return [order[i] for i in best[-1][1]] if best[-1] else []


def utc(text: str) -> datetime:
    """An ISO date or time as aware UTC.

    Raises:
        ValueError: it is none.
    """
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def span_of(text: str) -> Span:
    """What an ISO text means: the whole day (UTC) of a date without a time, else the moment.

    Raises:
        ValueError: it is neither.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return utc(text), utc(text)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return start, start + timedelta(days=1, microseconds=-1)


def wanted(text: str, sample: Sample) -> Span | None:
    """The time that an ISO text means, or `@NAME` for a fact of a sample; None where it is unknown."""
    if not text.startswith("@"):
        return span_of(text)
    value = sample.facts[text[1:]]
    if isinstance(value, datetime):
        return value, value
    return None if value is None else span_of(str(value))
