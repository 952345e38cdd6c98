"""The one scene nearest in time to what was measured on the ground."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from schemas.errors import Reject
from schemas.recipes import at_least, within
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.sensors import known_sensor
from schemas.windows import box_around
from transforms.context import Context
from transforms.imagery.choice import of_sensor, one_pass, others, undated, usable
from transforms.imagery.series import UNKNOWN_CLOUD, Span, wanted


@dataclass(frozen=True)
class Nearest:
    """One scene for each sample: the nearest in time to a date that the sample has.

    Of the scenes of that pass (neighbouring tiles, two zones, two levels) one that holds the square
    around the sample comes first, then one with reflectance of the ground, then one in the zone of the
    place, then that with less cloud, then the lower id. The original's matcher takes the first hit.

    Attributes:
        date: name of the fact that holds the date or time.
        before: whether a scene must not be later than it.
        max_days: how far a scene may be from it.
        max_cloud: percent of cloud over the whole scene above which it is not used.
        sensor: family of the scenes; "" for any.
        collection: id of the only collection that is used; "" for any.
        reach_m: half the side of the square around the place that the scene should hold whole.
    """

    date: str = "_sensed"
    before: bool = True
    max_days: float = 180.0
    max_cloud: float = 100.0
    sensor: str = ""
    collection: str = ""
    reach_m: float = 0.0
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "scenes": "noun",
            "collection": "string",
            "datetime": "timestamp",
            "year": "int64",
            "cloud_scene": "float64",
            "processing_baseline": "string",
            "day_gap": "float64",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse distances and clouds that there are not."""
        at_least("imagery.Nearest.max_days", self.max_days, 0)
        within("imagery.Nearest.max_cloud", self.max_cloud, 0, 100)
        at_least("imagery.Nearest.reach_m", self.reach_m, 0)
        known_sensor("imagery.Nearest.sensor", self.sensor)

    @property
    def needs(self) -> tuple[str, ...]:
        """The date."""
        return (self.date,)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its scene, and `day_gap`: days from the scene to the date, below 0 when later.

        Raises:
            Reject: `undated`, `no_imagery`, `no_imagery_in_years`, `cloudy`, `experimental_baseline`,
                `no_scene_in_time`.
        """
        span = wanted(f"@{self.date}", sample)
        if span is None:
            raise Reject("undated", f"{self.date} is not known")
        there = ctx.sources["imagery"].over(sample.lon, sample.lat)
        over = of_sensor(there, self.sensor, self.collection)
        found, reason = usable(over, ctx.years, self.max_cloud)
        if not found:
            place = f"{sample.lon:.5f} {sample.lat:.5f}"
            more = f"{undated(over)}{others(there, over, 'imagery')}"
            raise Reject(reason, f"{len(over)} scenes over {place}{more}")
        near = in_time(found, span, self.before, self.max_days)
        if not near:
            side = "before" if self.before else "around"
            raise Reject(
                "no_scene_in_time",
                f"none of {len(found)} scenes within {self.max_days:g} days {side} {span[0]:%Y-%m-%d}"
                + undated(found),
            )
        bounds = " ".join(map(repr, box_around(sample.lon, sample.lat, self.reach_m)))
        scene = one_pass(near, sample.lon, sample.lat, bounds)
        assert scene.datetime is not None
        facts = {
            **sample.facts,
            "collection": scene.collection,
            "datetime": scene.datetime,
            "year": scene.datetime.year,
            "cloud_scene": scene.cloud,
            "processing_baseline": scene.baseline,
            "day_gap": round((span[0] - scene.datetime).total_seconds() / 86_400, 6),
        }
        return replace(sample, scenes=(scene,), facts=facts)


def in_time(scenes: Sequence[Scene], span: Span, before: bool, max_days: float) -> list[Scene]:
    """Scenes within `max_days` of a time, the nearest first; ties by cloud, then id.

    Args:
        before: whether a scene must not be later than the end of the span.
    """
    limit = timedelta(days=max_days)
    keyed = []
    for scene in scenes:
        if scene.datetime is None or (before and scene.datetime > span[1]):
            continue
        apart = max(span[0] - scene.datetime, scene.datetime - span[1], timedelta(0))
        if apart <= limit:
            cloud = UNKNOWN_CLOUD if scene.cloud is None else scene.cloud
            keyed.append(((apart, cloud, scene.id), scene))
    return [scene for _, scene in sorted(keyed, key=lambda pair: pair[0])]
