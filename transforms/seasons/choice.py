"""Which scene shows which season of a place, by its phenology or by the calendar."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.scenes import Scene
from schemas.seasons import SEASONS, cycle_of, edges, moment
from transforms.imagery.series import UNKNOWN_CLOUD

QUARTERS = ((3, 20), (6, 21), (9, 22), (12, 21))
"""(month, day) of SSL4EO-S12's four dates."""

QUARTER_NAMES = ("march", "june", "september", "december")
"""What they are called here: in the south they are other seasons than in the north."""

OFFSETS = ("pheno_greenup", "pheno_maturity", "pheno_senescence", "pheno_dormancy")
"""Facts that bound the seasons."""

SELECT = ("min_cloud", "mid_season")


@dataclass(frozen=True, slots=True)
class Span:
    """A season of one year.

    Attributes:
        name: `spring`, ..., or `march`, ...
        start, end: first moment, and the first after it.
        target: its middle, or the calendar's date.
    """

    name: str
    start: datetime
    end: datetime
    target: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A scene that shows a season."""

    span: Span
    scene: Scene

    @property
    def when(self) -> datetime:
        """Acquisition."""
        assert self.scene.datetime is not None
        return self.scene.datetime

    @property
    def days_off(self) -> float:
        """Days from the target to the scene, below 0 when it is earlier."""
        return (self.when - self.span.target) / timedelta(days=1)

    @property
    def cloud(self) -> float:
        """Percent over the whole scene, `UNKNOWN_CLOUD` where nobody has counted it."""
        return UNKNOWN_CLOUD if self.scene.cloud is None else self.scene.cloud


def season_of(when: datetime, offsets: Sequence[float]) -> Span | None:
    """The season that a time lies in, None for a leap cycle's last day.

    Args:
        offsets: greenup, maturity, senescence and dormancy, days from 1 January of a product year.
    """
    found = cycle_of(when, offsets[0])
    if found is None:
        return None
    year, offset = found
    sides = edges(offsets).tolist()
    place = max(k for k in range(len(SEASONS)) if sides[k] <= offset)
    start, end = sides[place], sides[place + 1]
    return Span(
        SEASONS[place], moment(year, start), moment(year, end), moment(year, (start + end) / 2)
    )


def quarter_of(when: datetime, days: float, shift: int = 0) -> Span | None:
    """The quarter date that a time lies within `days` of, None where it is farther from all.

    Args:
        shift: days by which all four dates are earlier, as SSL4EO-S12 moves them for each place.
    """
    reach = timedelta(days=days)
    for year in (when.year, when.year - 1, when.year + 1, when.year + 2):
        for name, (month, day) in zip(QUARTER_NAMES, QUARTERS, strict=True):
            target = datetime(year, month, day, tzinfo=UTC) - timedelta(days=shift)
            if target - reach <= when < target + reach:
                return Span(name, target - reach, target + reach, target)
    return None


def order(shown: Shown, select: str) -> tuple[bool, float, float, str]:
    """Sorts the best image of a season first; those whose cloud nobody has counted come last.

    `min_cloud`: the clearest, ties to the nearest to its target; `mid_season`: the other way about.
    """
    away = abs(shown.days_off)
    first, second = (shown.cloud, away) if select == "min_cloud" else (away, shown.cloud)
    return shown.scene.cloud is None, first, second, shown.scene.id


def choose(candidates: Iterable[Shown], select: str, years: float = 0) -> list[Shown]:
    """The best image of each season, in time order.

    Args:
        candidates: images that may be taken, of any year.
        select: as `order`.
        years: most years between the first and the last of them; 0: however far apart. Then as many
            seasons as can be had so are shown, and of these choices the best is taken: the least sums
            of what `order` looks at, one after the other, then the earliest.
    """
    known = sorted(candidates, key=lambda shown: (shown.when, shown.scene.id))
    if not years:
        return _best(known, select)
    reach = timedelta(days=365.25 * years)
    found: list[Shown] = []
    rank: tuple[float, ...] = (math.inf,)
    for place, first in enumerate(known):
        group = _best([s for s in known[place:] if s.when - first.when <= reach], select)
        keys = [order(shown, select) for shown in group]
        sums = (sum(k[0] for k in keys), sum(k[1] for k in keys), sum(k[2] for k in keys))
        score = (-len(group), *sums)
        if score < rank:
            found, rank = group, score
    return found


def _best(known: Sequence[Shown], select: str) -> list[Shown]:
    seasons: dict[str, Shown] = {}
    for shown in sorted(known, key=lambda shown: order(shown, select)):
        seasons.setdefault(shown.span.name, shown)
    return sorted(seasons.values(), key=lambda shown: shown.when)


def facts_of(chosen: Sequence[Shown]) -> dict[str, Any]:
    """What is told of the images of a place, in time order; see `seasons.Images.gives`."""
    first, last = chosen[0].when, chosen[-1].when
    scenes = [shown.scene for shown in chosen]
    lists = {
        "datetimes": [s.when.isoformat() for s in chosen],
        "seasons": [s.span.name for s in chosen],
        "season_starts": [s.span.start.isoformat() for s in chosen],
        "season_ends": [s.span.end.isoformat() for s in chosen],
        "target_dates": [s.span.target.isoformat() for s in chosen],
        "date_offset_days": [f"{s.days_off:.3f}" for s in chosen],
        "clouds": ["" if s.scene.cloud is None else repr(s.cloud) for s in chosen],
        "_platforms": [scene.platform for scene in scenes],
        "_baselines": [scene.baseline for scene in scenes],
    }
    return {
        "collection": scenes[0].collection,
        "datetime": first,
        "cloud_scene": None if "" in lists["clouds"] else max(s.cloud for s in chosen),
        "processing_baseline": ",".join(dict.fromkeys(scene.baseline for scene in scenes)),
        "n_images": len(chosen),
        "year_span_days": round((last - first).total_seconds() / 86_400, 6),
        **{name: ",".join(values) for name, values in lists.items()},
    }
