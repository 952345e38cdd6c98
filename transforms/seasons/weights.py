"""How often a place should be drawn, and whether it lies in mountains."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from schemas.errors import UsageError


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
