"""`Scenes`: places drawn from scenes, as S2-100K does it, and with the cure for its bias; `Drawn`.

Method: microsoft/satclip, scripts/download_s2.py; the cure is proposed in its issue 11.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.chance import units
from schemas.errors import Reject
from schemas.recipes import at_least, within
from schemas.samples import Drop, Sample
from schemas.scenes import Scene
from schemas.windows import EARTH_M, to_lonlat
from transforms.context import Context
from transforms.imagery.choice import usable
from transforms.samplers.ground import asked_for

Floats = npt.NDArray[np.float64]

BATCH = 4_096
"""Scenes whose places are drawn together."""


@dataclass(frozen=True)
class Scenes:
    """About `count` places, each in a scene drawn by chance, anywhere in it.

    Every scene is as likely as any other, as in S2-100K: so a place is as likely as it is often seen
    clearly, and the poles, where orbits meet, have most of them. Where `weighted`, every tile grid is as
    likely as its area, and its scenes share that: a place is then as likely as its neighbour wherever
    a tile's scenes all reach. A place beyond its scene's outline is dropped as `outside_footprint`.

    Attributes:
        count: places, before drops, and but for the chance of each scene's fraction.
        px: side of the window that shall lie in the scene, in pixels.
        weighted: by the tile's area and the number of its scenes.
        max_cloud: percent of cloud over the whole scene above which it is not drawn.
    """

    count: int = 100_000
    px: int = 256
    weighted: bool = False
    max_cloud: float = 20.0
    role: str = field(default="imagery", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"_scene": "string"}, init=False)

    def __post_init__(self) -> None:
        """Refuse numbers and clouds that there are not."""
        at_least("samplers.Scenes.count", self.count, 1)
        at_least("samplers.Scenes.px", self.px, 1)
        within("samplers.Scenes.max_cloud", self.max_cloud, 0, 100)

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat`, the scene that was drawn), some scenes at a time."""
        found, _ = usable(ctx.sources["imagery"].scenes, ctx.years, self.max_cloud)
        large = [
            s for s in found if min(s.grid.width, s.grid.height) >= self.px and not s.grid.rotated
        ]
        fit = {scene.key for scene in large}
        for number, scene in enumerate(s for s in found if s.key not in fit):
            on_drop(Drop(f"scene-{number}", "samplers.Scenes", "scene_too_small", scene.key))
        scenes = sorted(large, key=lambda scene: scene.key)
        if not scenes:
            return
        mean = self.count * shares(scenes, self.weighted)
        keys = [scene.key for scene in scenes]
        extra = units(ctx.seed, "scenes", keys)[:, 0] < mean - np.floor(mean)
        counts = np.floor(mean).astype(np.int64) + extra
        drawn = np.flatnonzero(counts)
        for first in range(0, len(drawn), BATCH):
            some = drawn[first : first + BATCH]
            yield from self._places([scenes[i] for i in some], counts[some], ctx, on_drop)

    def _places(
        self,
        scenes: list[Scene],
        counts: npt.NDArray[np.int64],
        ctx: Context,
        on_drop: Callable[[Drop], None],
    ) -> Iterator[pa.Table]:
        import shapely

        owner = np.repeat(np.arange(len(scenes)), counts)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        names = [
            f"{scenes[i].key}\x1f{n}" for i, n in zip(owner.tolist(), number.tolist(), strict=True)
        ]
        lon, lat = _within(scenes, owner, units(ctx.seed, "within", names)[:, :2], self.px)
        outlines = np.asarray(shapely.from_wkt([scene.footprint for scene in scenes]))
        shapely.prepare(outlines)
        on = shapely.intersects_xy(outlines[owner], lon, lat)
        asked = asked_for(lon, lat, ctx)
        stems = [hashlib.sha256(scene.key.encode()).hexdigest()[:16] for scene in scenes]
        keys = [
            f"scene-{stems[i]}-{n}" for i, n in zip(owner.tolist(), number.tolist(), strict=True)
        ]
        for i in np.flatnonzero(asked & ~on).tolist():
            said = f"beyond the outline of {scenes[owner[i]].key}"
            on_drop(Drop(keys[i], "samplers.Scenes", "outside_footprint", said))
        kept = np.flatnonzero(asked & on)
        if len(kept):
            drawn = [scenes[i].key for i in owner[kept]]
            yield pa.table(
                {
                    "key": pa.array([keys[i] for i in kept], pa.string(), from_pandas=False),
                    "lon": lon[kept],
                    "lat": lat[kept],
                    "_scene": pa.array(drawn, pa.string(), from_pandas=False),
                }
            )


@dataclass(frozen=True)
class Drawn:
    """The scene that `Scenes` drew for the sample; its key stays as it is."""

    needs: tuple[str, ...] = field(default=("_scene",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "scenes": "noun",
            "collection": "string",
            "datetime": "timestamp",
            "year": "int64",
            "cloud_scene": "float64",
            "processing_baseline": "string",
        },
        init=False,
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its scene.

        Raises:
            Reject: `no_imagery` where the scene is not there any more.
        """
        known: dict[str, Any] = ctx.scratch.setdefault("samplers.Drawn", {})
        if not known:
            known.update({scene.key: scene for scene in ctx.sources["imagery"].scenes})
        scene = known.get(str(sample.facts["_scene"]))
        if scene is None:
            raise Reject("no_imagery", f"{sample.facts['_scene']} is not among the scenes")
        facts = {
            **sample.facts,
            "collection": scene.collection,
            "datetime": scene.datetime,
            "year": scene.datetime.year if scene.datetime else None,
            "cloud_scene": scene.cloud,
            "processing_baseline": scene.baseline,
        }
        return replace(sample, scenes=(scene,), facts=facts)


def shares(scenes: list[Scene], weighted: bool) -> Floats:
    """The share of all places that each scene is to have; they sum to 1.

    Args:
        weighted: by the area of its tile grid, divided by the number of scenes on it; else all equal.
    """
    if not weighted:
        return np.full(len(scenes), 1 / len(scenes))
    tiles = [(s.grid.crs, s.grid.transform, s.grid.width, s.grid.height) for s in scenes]
    counts, widest = Counter(tiles), dict[Any, float]()
    for tile, area in zip(tiles, areas(scenes).tolist(), strict=True):
        widest[tile] = max(widest.get(tile, 0.0), area)
    weight = np.array([widest[tile] / counts[tile] for tile in tiles])
    return np.asarray(weight / weight.sum())


def areas(scenes: list[Scene]) -> Floats:
    """Square kilometres of the scenes' outlines, on the sphere."""
    import shapely

    flat = shapely.transform(
        shapely.segmentize(shapely.from_wkt([scene.footprint for scene in scenes]), 0.5),
        lambda xy: np.stack([np.radians(xy[:, 0]), np.sin(np.radians(xy[:, 1]))], axis=1),
    )
    return np.asarray(shapely.area(flat) * (EARTH_M / 1000) ** 2, float)


def _within(
    scenes: list[Scene], owner: npt.NDArray[np.int64], chance: Floats, px: int
) -> tuple[Floats, Floats]:
    """(lon, lat) of the middles of windows that lie wholly in their scenes' grids."""
    grids = [scene.grid for scene in scenes]
    size = np.array([[g.width, g.height] for g in grids])[owner]
    affine = np.array([[g.transform[i] for i in (0, 2, 4, 5)] for g in grids])[owner]
    pixel = px / 2 + chance * (size - px)
    x, y = affine[:, 1] + affine[:, 0] * pixel[:, 0], affine[:, 3] + affine[:, 2] * pixel[:, 1]
    lon, lat = np.empty(len(owner)), np.empty(len(owner))
    crs = np.array([g.crs for g in grids], object)[owner]
    for name in dict.fromkeys(crs.tolist()):
        rows = crs == name
        lon[rows], lat[rows] = to_lonlat(name, x[rows], y[rows])
    return lon, lat
