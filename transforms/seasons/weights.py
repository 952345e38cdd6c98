"""How often a place should be drawn in training, and whether it lies in mountains (`Weight`)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from schemas.errors import UsageError
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
class Outlines:
    """Polygons in degrees."""

    shapes: npt.NDArray[Any]

    @cached_property
    def _tree(self) -> Any:
        import shapely

        return shapely.STRtree(self.shapes)

    def holds(self, lon: float, lat: float) -> bool:
        """Whether a place lies in any of them."""
        import shapely

        return bool(len(self._tree.query(shapely.Point(lon, lat), predicate="intersects")))


def mountains_of(location: str) -> Outlines:
    """The polygons of a file.

    Raises:
        UsageError: no such file, or no polygon in it.
        SourceError: it cannot be read.
    """
    import numpy as np

    from catalogs.sources.vector import read_shapes

    if not Path(location).is_file():
        raise UsageError(f"--set seasons.mountains={location}: no such file")
    found = [batch.shapes for batch in read_shapes(Path(location), ())]
    shapes = np.concatenate(found) if found else np.array([], object)
    kept = [s for s in shapes if s is not None and s.geom_type.endswith("Polygon")]
    if not kept:
        raise UsageError(f"--set seasons.mountains={location}: holds no polygon")
    return Outlines(np.array(kept, object))


@dataclass(frozen=True)
class Weight:
    """How often a place should be drawn in training, beside others; nothing is filtered by it.

    1, a quarter of it where the mean NDVI is below `bare` on every date, and twice as much in mountains
    where a file of their outlines is given (such as GMBA's inventory).

    Attributes:
        bare: NDVI below which a date shows no plants.
        mountains: file of polygons in any CRS; "" for none.
    """

    bare: float = 0.1
    mountains: str = ""
    needs: tuple[str, ...] = field(default=("ndvi_means",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"sampling_weight": "float64", "mountain": "bool"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse what is no NDVI."""
        within("seasons.Weight.bare", self.bare, -1, 1)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its weight, and whether it lies in mountains (null without a file)."""
        inside = None
        if self.mountains:
            known = ctx.scratch.setdefault("mountains", {})
            if self.mountains not in known:
                known[self.mountains] = mountains_of(self.mountains)
            inside = known[self.mountains].holds(sample.lon, sample.lat)
        means = [float(text) for text in str(sample.facts["ndvi_means"]).split(",")]
        sample.facts["mountain"] = inside
        sample.facts["sampling_weight"] = weight_of(means, self.bare, bool(inside))
        return sample
