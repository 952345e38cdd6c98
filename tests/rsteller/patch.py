"""Patches and map objects made by hand, for tests of what is told of them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from catalogs.sources.osm_table import COLUMNS
from schemas.samples import Sample
from schemas.scenes import Band, Scene
from schemas.windows import Grid, Window
from transforms.context import Context
from transforms.elements import Choose, Describe
from transforms.elements.frame import Frame
from transforms.telling import Captions, Prompts, Rewrites

WHEN = datetime(2022, 6, 1, tzinfo=UTC)
GRID = Grid("EPSG:32614", (0.6, 0.0, 600_000.0, 0.0, -0.6, 4_430_000.0), 448, 448)
"""A patch in Kansas, at 40 N."""


def sample(name: str = "9u_9r_naip_22", grid: Grid = GRID) -> Sample:
    """A patch without anything known of it yet."""
    scene = Scene("naip-1", "naip", WHEN, grid, "", (Band("red", "x.tif"),), "CC0-1.0", "x")
    window = Window(grid, 0.6)
    lon, lat = window.centre()
    return Sample(name, lon, lat, window, (scene,))


def lonlat(shape: Any, grid: Grid = GRID) -> Any:
    """A shape in shares of the patch as lon/lat."""
    return Frame.of(Window(grid, 0.6)).outside(shape)


def table(*objects: tuple[Any, dict[str, str]], grid: Grid = GRID, first: int = 1) -> pa.Table:
    """Map objects of (shape in shares of the patch, tags), ids rising; ways, areas where polygons.

    A tag `type` makes an object a relation.
    """
    rows: dict[str, list[Any]] = {name: [] for name in COLUMNS.names}
    for number, (shape, tags) in enumerate(objects, first):
        placed = lonlat(shape, grid)
        west, south, east, north = shapely.bounds(placed)
        values = (
            "relation" if "type" in tags else "way", number, 3, WHEN,
            ("point", "line", "area")[shapely.get_dimensions(shape)],
            json.dumps(tags, ensure_ascii=False), shapely.to_wkb(placed), west, south, east, north,
        )  # fmt: skip
        for name, value in zip(rows, values, strict=True):
            rows[name].append(value)
    return pa.table(rows, COLUMNS)


FILLER = tuple(
    (shapely.box(x, 0.01, x + 0.02, 0.03), {"building": "shed"}) for x in (0.1, 0.2, 0.3)
)
"""Small things, so that a patch has more than two elements."""


def by_rule(sample: Sample, ctx: Context) -> Sample:
    """The texts by rule as those that ship, as without a captioner."""
    facts = sample.facts
    facts.update(caption=facts["caption_template"], rewrite=facts["rewrite_template"],
                 annotator="template", rewrite_annotator="template")  # fmt: skip
    return sample


def told(
    *objects: tuple[Any, dict[str, str]],
    name: str = "9u_9r_naip_22",
    seed: int = 0,
    steps: Sequence[Any] = (Captions(), Prompts(), by_rule, Rewrites()),
) -> Sample:
    """A patch with these objects and `FILLER`, told of by the recipe's steps."""
    ctx = Context(seed=seed, features=lambda bounds: table(*objects, *FILLER))
    found = Choose().across([sample(name)], ctx)[0]
    for step in (Describe(), *steps):
        found = step(found, ctx)
    return found


def line(*points: tuple[float, float]) -> Any:
    """A line through points in shares of the patch."""
    return shapely.LineString(np.array(points))
