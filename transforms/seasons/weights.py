"""How often a place should be drawn in training, and whether it lies in mountains (`Weight`)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.recipes import within
from schemas.samples import Sample
from transforms.context import Context


def weight_of(means: Sequence[float], bare: float, mountain: bool) -> float:
    """1; / 4 where every date's mean NDVI is known and below `bare`; x 2 in mountains.

    SSL4Eco, supplement: 17 % of its places are bare, 16 % lie in mountains.
    """
    known = [mean for mean in means if not math.isnan(mean)]
    plain = bool(known) and max(known) < bare
    return (0.25 if plain else 1.0) * (2.0 if mountain else 1.0)


@dataclass(frozen=True)
class Weight:
    """How often a place should be drawn in training, beside others; nothing is filtered by it.

    1, a quarter of it where the mean NDVI is below `bare` on every date, and twice as much in mountains
    where the role `mountains` is filled (outlines such as GMBA's inventory).

    Attributes:
        bare: NDVI below which a date shows no plants.
    """

    bare: float = 0.1
    roles: tuple[str, ...] = field(default=("mountains",), init=False)
    needs: tuple[str, ...] = field(default=("ndvi_means",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"sampling_weight": "float64", "mountain": "string"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse what is no NDVI."""
        within("seasons.Weight.bare", self.bare, -1, 1)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its weight, and whether it lies in mountains ("" without that role)."""
        inside, told = False, ""
        if "mountains" in ctx.sources:
            place = np.array([sample.lon]), np.array([sample.lat])
            inside = bool(ctx.sources["mountains"].holds(*place)[0])
            told = "yes" if inside else "no"
        means = [float(text) for text in str(sample.facts["ndvi_means"]).split(",")]
        sample.facts["mountain"] = told
        sample.facts["sampling_weight"] = weight_of(means, self.bare, inside)
        return sample
