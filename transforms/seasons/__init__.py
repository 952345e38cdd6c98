"""Images by season: when plants grow at a place (`Phenology`), and a scene for each season (`Images`)."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from schemas.chance import unit
from schemas.errors import Reject
from schemas.phenology import Summary, summarise
from schemas.recipes import at_least, within
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.seasons import SEASONS
from schemas.sensors import known_sensor, level_of
from schemas.windows import box_around
from transforms.context import Context
from transforms.imagery.choice import of_sensor, one_zone, others, undated, usable
from transforms.seasons.choice import (
    OFFSETS,
    QUARTER_NAMES,
    SELECT,
    Shown,
    choose,
    facts_of,
    quarter_of,
    season_of,
)

__all__ = ["OFFSETS", "Images", "Phenology"]


@dataclass(frozen=True)
class Phenology:
    """When plants green up, ripen, fade and rest at each place: medians over the product years.

    Offsets are days from 1 January of the product year (the year in which the cycle peaks), not
    wrapped: below 0 in the year before, above 365 in the year after. Places without a usable cycle get
    that of the nearest pixel which has one (`pheno_source` = `nearest`, `pheno_fill_km` away).

    Attributes:
        max_km: how far that pixel may be; a place without one nearer has no phenology. 0: however far, but
            500 km on Earth Engine, which would be asked for thousands of boxes.
    """

    max_km: float = 0.0
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            **dict.fromkeys(OFFSETS, "float64"),
            "pheno_source": "string",
            "pheno_fill_km": "float64",
            "pheno_years_used": "int64",
            "pheno_years_left_out": "int64",
            "pheno_cycle": "int64",
            "pheno_n_cycles": "int64",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse a distance below nothing."""
        at_least("seasons.Phenology.max_km", self.max_km, 0)

    def across(self, samples: list[Sample], ctx: Context) -> list[Sample]:
        """All samples of a partition, each with its phenology.

        Raises:
            SourceError: the source holds no usable pixel at all (with `max_km` nobody looks that far, and
                each place is left out as `no_phenology`), or cannot be read.
        """
        if not samples:
            return samples
        source = ctx.sources["phenology"]
        lon, lat = (np.array([getattr(s, side) for s in samples]) for side in ("lon", "lat"))
        own = summarise(source.at(lon, lat))
        left_out, km = own.left_out.copy(), np.zeros(len(samples))
        gone = np.flatnonzero(~own.known)
        if len(gone):
            filled, km[gone] = source.nearest(lon[gone], lat[gone], self.max_km)
            own.put(gone, filled)
        missing = set(gone.tolist())
        for row, sample in enumerate(samples):
            sample.facts["pheno_years_left_out"] = int(left_out[row])
            if own.known[row]:
                sample.facts.update(_facts(own, row, row in missing, float(km[row])))
        return samples


def _facts(known: Summary, row: int, filled: bool, km: float) -> dict[str, Any]:
    return {
        **dict(zip(OFFSETS, known.offsets[row].tolist(), strict=True)),
        "pheno_source": "nearest" if filled else "direct",
        "pheno_fill_km": round(km, 6),
        "pheno_years_used": int(known.years[row]),
        "pheno_cycle": int(known.cycle[row]),
        "pheno_n_cycles": int(known.n_cycles[row]),
    }


@dataclass(frozen=True)
class Images:
    """One scene for each season of a place, of whatever year.

    Seasons are [greenup, maturity), [maturity, senescence), [senescence, dormancy) and [dormancy, the
    next greenup). A scene is a candidate with less cloud than `max_cloud`; one whose cloud nobody has
    counted is taken only for a season that no other shows. All scenes of a place are of one collection,
    that which shows most seasons (of equals: reflectance of the ground first), and in one CRS, that of
    the place where there is one.

    With `calendar`, the control set: seasons are windows around SSL4EO-S12's four quarter dates, called
    by their months, and everything else is the same.

    Attributes:
        select: `min_cloud` (ties: nearest to the middle of the season) or `mid_season` (nearest to the
            middle, ties: least cloud).
        calendar: seasons of the calendar in place of the plants'.
        first, last: years of acquisition, both included.
        max_cloud: percent over the whole scene, not reached.
        max_year_span: most years between a place's images; 0: however many.
        least: fewest images of a place.
        window_days: of the calendar, before and after its dates.
        shift_days: of the calendar: all dates of a place are earlier by a random number of days below
            this one (SSL4EO-S12 itself: 365); 0: none is.
        sensor: family of the scenes; "" for any.
        collection: id of the only collection that is used; "" for any.
        reach_m: half the side of the square around the place that scenes should hold whole.
    """

    select: str = "min_cloud"
    calendar: bool = False
    first: int = 2017
    last: int = 2024
    max_cloud: float = 20.0
    max_year_span: float = 0.0
    least: int = 2
    window_days: float = 15.0
    shift_days: int = 0
    sensor: str = "sentinel-2"
    collection: str = ""
    reach_m: float = 1280.0
    needs: tuple[str, ...] = field(default=OFFSETS, init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "scenes": "noun",
            "collection": "string",
            "datetime": "timestamp",
            "cloud_scene": "float64",
            "processing_baseline": "string",
            "n_images": "int64",
            "year_span_days": "float64",
            **dict.fromkeys(
                ("datetimes", "seasons", "season_starts", "season_ends", "target_dates",
                 "date_offset_days", "clouds", "_platforms", "_baselines"), "string"
            ),
        },
        init=False,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse choices that cannot be met."""
        if self.select not in SELECT:
            raise ValueError(f"seasons.Images.select={self.select!r}: one of {', '.join(SELECT)}")
        known_sensor("seasons.Images.sensor", self.sensor)
        within("seasons.Images.max_cloud", self.max_cloud, 0, 101)
        within("seasons.Images.least", self.least, 1, 4)
        within("seasons.Images.window_days", self.window_days, 0.5, 44)
        within("seasons.Images.shift_days", self.shift_days, 0, 365)
        for name in ("max_year_span", "reach_m"):
            at_least(f"seasons.Images.{name}", getattr(self, name), 0)
        at_least("seasons.Images.last", self.last, self.first)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its scenes in time order; comma-separated facts have one entry each.

        Raises:
            Reject: `no_phenology`, `no_imagery`, `no_imagery_in_years`, `experimental_baseline`,
                `cloudy`, `too_few_seasons`.
        """
        if sample.facts.get(OFFSETS[0]) is None:
            raise Reject("no_phenology", "no pixel with a usable cycle is near enough")
        chosen, shown = self._best(sample, self._scenes(sample, ctx), ctx.seed)
        if len(chosen) < self.least:
            count = Counter(s.span.name for s in shown)
            names = QUARTER_NAMES if self.calendar else SEASONS
            told = ", ".join(f"{name} {count[name]}" for name in names)
            near = f" within {self.max_year_span:g} years" if self.max_year_span else ""
            raise Reject(
                "too_few_seasons",
                f"{len(chosen)} of 4 seasons{near}, at least {self.least}; scenes: {told}",
            )
        return replace(
            sample,
            scenes=tuple(s.scene for s in chosen),
            facts={**sample.facts, **facts_of(chosen)},
        )

    def _scenes(self, sample: Sample, ctx: Context) -> list[Scene]:
        """Scenes over the place that are clear enough and of these years."""
        there = ctx.sources["imagery"].over(sample.lon, sample.lat)
        over = of_sensor(there, self.sensor, self.collection)
        low, high = ctx.years or (self.first, self.last)
        years = max(low, self.first), min(high, self.last)
        found, reason = usable(over, years, 101.0)
        if not found:
            place = f"{sample.lon:.5f} {sample.lat:.5f}"
            more = f"{undated(over)}{others(there, over, 'seasons')}"
            raise Reject(reason, f"{len(over)} scenes over {place}{more}")
        clear = [s for s in found if s.cloud is None or s.cloud < self.max_cloud]
        if not clear:
            raise Reject("cloudy", f"none of {len(found)} scenes is below {self.max_cloud:g} %")
        return clear

    def _best(
        self, sample: Sample, scenes: list[Scene], seed: int
    ) -> tuple[list[Shown], list[Shown]]:
        """(images, candidates) of the collection that shows most seasons.

        Of equals one with reflectance of the ground comes before one as seen from space, then the first
        by name.
        """
        bounds = " ".join(map(repr, box_around(sample.lon, sample.lat, self.reach_m)))
        found: tuple[list[Shown], list[Shown]] = [], []
        names = {scene.collection for scene in scenes}
        for collection in sorted(names, key=lambda name: (level_of(name) == "l1c", name)):
            own = [scene for scene in scenes if scene.collection == collection]
            shown = self._shown(sample, one_zone(own, sample.lon, sample.lat, bounds), seed)
            chosen = choose(shown, self.select, self.max_year_span)
            if len(chosen) > len(found[0]) or not found[1]:
                found = chosen, shown
        return found

    def _shown(self, sample: Sample, scenes: list[Scene], seed: int) -> list[Shown]:
        if self.calendar:
            shift = int(unit(seed, "calendar", sample.id) * self.shift_days)
            span_of = partial(quarter_of, days=self.window_days, shift=shift)
        else:
            span_of = partial(season_of, offsets=[float(str(sample.facts[n])) for n in OFFSETS])
        dated = [(scene, span_of(scene.datetime)) for scene in scenes if scene.datetime]
        return [Shown(span, scene) for scene, span in dated if span is not None]
