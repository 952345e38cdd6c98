"""`Context`: what a step may ask for besides its sample."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas.windows import Bounds


@dataclass
class Context:
    """Seed, sources by role, and the build's place and years.

    Attributes:
        sources: opened sources by role, e.g. `imagery` -> `catalogs.sources.imagery.Imagery`.
        locations: where the sources lie, by role, for a step that opens one itself.
        bbox: (west, south, east, north) in degrees, or None for everywhere.
        region: shapely geometry in lon/lat that anchors must lie in, or None.
        years: first and last year of acquisition, inclusive, or None.
        start_rows: rows of the recipe's start whose own box meets a lon/lat box; set while a partition
            is planned.
        features: objects of the map whose own box meets a lon/lat box, with the columns of
            `catalogs.sources.osm_table.COLUMNS`; None where the recipe has no map.
        scratch: per-process memory of steps (caches); never pickled with meaning.
    """

    seed: int = 0
    sources: dict[str, Any] = field(default_factory=dict)
    locations: dict[str, str] = field(default_factory=dict)
    bbox: Bounds | None = None
    region: Any = None
    years: tuple[int, int] | None = None
    start_rows: Callable[[Bounds], pa.Table] | None = None
    features: Callable[[Bounds], pa.Table] | None = None
    scratch: dict[str, Any] = field(default_factory=dict)
