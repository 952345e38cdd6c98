"""`Context`: what a step may ask for besides its sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
        captioner: who writes texts (`transforms.texts.Captioner`), None for templates.
        models: folders of the models that steps name, by that name.
        device: where networks run: `cpu`, `cuda:0`, ...; "" is the GPU if there is one.
        threads: cores that a network may use where it runs on the CPU.
        journal: questions put to services while a block is annotated, for its provenance.
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
    captioner: Any = None
    models: Mapping[str, Path] = field(default_factory=dict)
    device: str = ""
    threads: int = 1
    journal: list[dict[str, Any]] = field(default_factory=list)
