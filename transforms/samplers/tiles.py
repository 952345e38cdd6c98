"""`Tiles`: the scenes' own tile grids cut into patches; `Acquisitions` and `Patch` go with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.errors import Reject
from schemas.mgrs import tile_of
from schemas.recipes import at_least, within
from schemas.samples import Drop, Fact, Sample
from schemas.scenes import Scene
from schemas.windows import Grid as Pixels
from schemas.windows import Window, ground_gsd, to_lonlat
from transforms.context import Context
from transforms.imagery.choice import sharp, usable
from transforms.imagery.grids import aligned
from transforms.imagery.series import dated
from transforms.resampling import offset
from transforms.samplers.ground import asked_for

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tiles:
    """Patches of `px` x `px` pixels, by row and column of each tile grid that scenes lie on.

    One for each distinct grid and each year with scenes on it: `2020_31tcg_patch_14_14`. Rows and
    columns count from the upper-left corner; a patch that the tile does not hold whole is dropped as
    `partial_patch`. A tile of 10,980 pixels has 900 patches of 366.

    Attributes:
        px: side of a patch, in pixels of the scene's grid.
        coarsest: metres; scenes with larger pixels have no tiles. 0: all have.
    """

    px: int = 366
    coarsest: float = 0.0
    role: str = field(default="imagery", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "tile": "string",
            "patch_row": "int64",
            "patch_col": "int64",
            "year": "int64",
            "_bounds": "string",
            "_grid": "string",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse patches without a size."""
        at_least("samplers.Tiles.px", self.px, 8)
        at_least("samplers.Tiles.coarsest", self.coarsest, 0)

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat` of the patch's middle, its place), a tile and year at a time."""
        scenes = [s for s in ctx.sources["imagery"].scenes if sharp(s, self.coarsest)]
        for (name, year), grid in _tiles(scenes, ctx.years, on_drop).items():
            yield from self._patches(name, year, grid, ctx, on_drop)

    def _patches(
        self, tile: str, year: int, grid: Pixels, ctx: Context, on_drop: Callable[[Drop], None]
    ) -> Iterator[pa.Table]:
        high, wide = -(-grid.height // self.px), -(-grid.width // self.px)
        row, col = (n.ravel() for n in np.mgrid[:high, :wide])
        lon, lat, bounds = _places(grid, row, col, self.px)
        asked = asked_for(lon, lat, ctx)
        whole = ((row + 1) * self.px <= grid.height) & ((col + 1) * self.px <= grid.width)
        names = [
            f"{year}_{tile.lower()}_patch_{r}_{c}"
            for r, c in zip(row.tolist(), col.tolist(), strict=True)
        ]
        for i in np.flatnonzero(asked & ~whole).tolist():
            size = f"{grid.width} x {grid.height} px"
            on_drop(Drop(names[i], "samplers.Tiles", "partial_patch", f"the tile ends: {size}"))
        kept = np.flatnonzero(asked & whole)
        if len(kept):
            text = _text(grid)
            yield pa.table(
                {
                    "key": pa.array([names[i] for i in kept], pa.string(), from_pandas=False),
                    "lon": lon[kept],
                    "lat": lat[kept],
                    "tile": pa.array([tile] * len(kept), pa.string(), from_pandas=False),
                    "patch_row": row[kept],
                    "patch_col": col[kept],
                    "year": np.full(len(kept), year),
                    "_bounds": pa.array([bounds[i] for i in kept], pa.string(), from_pandas=False),
                    "_grid": pa.array([text] * len(kept), pa.string(), from_pandas=False),
                }
            )


@dataclass(frozen=True)
class Acquisitions:
    """All scenes of the sample's own tile grid and year that show its middle, in time order.

    Cloudy ones too, unless `max_cloud` says otherwise: months are made of them later.

    Attributes:
        max_cloud: percent of cloud over the whole scene above which it is not used.
        collection: the one that is meant where a tile has several; "": the one with most dates.
        least: fewest dates.
    """

    max_cloud: float = 100.0
    collection: str = ""
    least: int = 1
    needs: tuple[str, ...] = field(default=("_grid", "year"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "scenes": "noun",
            "collection": "string",
            "datetime": "timestamp",
            "datetimes": "string",
            "cloud_scene": "float64",
            "processing_baseline": "string",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse clouds and counts that there are not."""
        within("samplers.Acquisitions.max_cloud", self.max_cloud, 0, 100)
        at_least("samplers.Acquisitions.least", self.least, 1)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its scenes; `cloud_scene` is that of the cloudiest.

        Raises:
            Reject: `no_imagery`, `cloudy`, `experimental_baseline`, `too_few_dates`.
        """
        year = int(str(sample.facts["year"]))
        corner = grid_in(sample, 1)
        over = ctx.sources["imagery"].over(sample.lon, sample.lat)
        own = [s for s in over if _same_tile(s.grid, corner)]
        found, reason = usable(own, (year, year), self.max_cloud)
        groups: dict[str, list[Scene]] = {}
        for scene in found:
            if scene.collection == (self.collection or scene.collection):
                groups.setdefault(scene.collection, []).append(scene)
        if not groups:
            code = "no_imagery" if found else reason
            raise Reject(code, f"{len(own)} scenes of its tile over {sample.id}")
        collection = min(groups, key=lambda name: (-len(groups[name]), name))
        known = sorted(dated(groups[collection]).values(), key=lambda one: (one[0][0], one[0][2]))
        scenes = tuple(scene for _, scene in known)
        if len(scenes) < self.least:
            raise Reject("too_few_dates", f"{len(scenes)} dates, {self.least} are needed")
        return replace(sample, scenes=scenes, facts={**sample.facts, **facts_of(scenes)})


@dataclass(frozen=True)
class Patch:
    """The window of the sample's row and column on its tile grid; scenes of other grids are let go.

    Attributes:
        px: side of a patch in pixels, as `samplers.Tiles.px`.
    """

    px: int = 366
    needs: tuple[str, ...] = field(
        default=("scenes", "patch_row", "patch_col", "_grid"), init=False
    )
    gives: dict[str, str] = field(default_factory=lambda: {"window": "noun"}, init=False)

    def __post_init__(self) -> None:
        """Refuse patches without a size."""
        at_least("samplers.Patch.px", self.px, 8)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its window, on the pixels of every scene that is left.

        Raises:
            Reject: `outside_imagery` where no scene has these pixels.
        """
        row, col = (int(str(sample.facts[name])) for name in ("patch_row", "patch_col"))
        grid = grid_in(sample, self.px, row * self.px, col * self.px)
        scenes = tuple(scene for scene in sample.scenes if _holds(scene.grid, grid))
        if not scenes:
            raise Reject("outside_imagery", f"none of {len(sample.scenes)} scenes has its pixels")
        x, y = (round(first) for first in offset(scenes[0].grid, grid))
        west, south, east, north = grid.bounds()
        metres = ground_gsd(grid, (west + east) / 2, (south + north) / 2)
        facts = dict(sample.facts)
        if len(scenes) < len(sample.scenes):
            facts.update({k: v for k, v in facts_of(scenes).items() if k in facts})
        grid = replace(grid, tile=scenes[0].grid.tile)
        return replace(sample, window=Window(grid, metres, x, y), scenes=scenes, facts=facts)


def facts_of(scenes: tuple[Scene, ...]) -> dict[str, Fact]:
    """What is known of a series of one collection, as `Acquisitions` gives it."""
    cloud = [scene.cloud for scene in scenes]
    known = [value for value in cloud if value is not None]
    times = [scene.datetime.isoformat() for scene in scenes if scene.datetime]
    return {
        "collection": scenes[0].collection,
        "datetime": scenes[0].datetime,
        "datetimes": ",".join(times),
        "cloud_scene": max(known) if len(known) == len(cloud) else None,
        "processing_baseline": ",".join(dict.fromkeys(scene.baseline for scene in scenes)),
    }


def _tiles(
    scenes: list[Scene], years: tuple[int, int] | None, on_drop: Callable[[Drop], None]
) -> dict[tuple[str, int], Pixels]:
    """The grid of each (tile, year), sorted; of grids with one corner the largest."""
    found: dict[tuple[str, int], list[Scene]] = {}
    for number, scene in enumerate(scenes):
        if scene.datetime is None or scene.grid.rotated:
            code = "undated" if scene.datetime is None else "rotated_grid"
            on_drop(Drop(f"scene-{number}", "samplers.Tiles", code, scene.key))
        elif years is None or years[0] <= scene.datetime.year <= years[1]:
            tile = tile_of(scene.grid, scene.id) or _corner_name(scene.grid)
            found.setdefault((tile, scene.datetime.year), []).append(scene)
    grids: dict[tuple[str, int], Pixels] = {}
    for (tile, year), own in sorted(found.items()):
        finest = min(scene.grid.transform[0] for scene in own)
        for scene in sorted(own, key=lambda s: (s.grid.width * s.grid.height, s.key)):
            side = scene.grid.transform[0]
            name = tile if side < 1.01 * finest else f"{tile}-{side:g}".replace(".", "_")
            grids[name, year] = scene.grid
    return dict(sorted(grids.items()))


def _corner_name(grid: Pixels) -> str:
    """`32632-600000-5300040`: CRS and upper-left corner in whole units, of degrees in 1e-6."""
    scale = 1 if abs(grid.transform[0]) > 0.01 else 1_000_000
    crs = grid.crs.removeprefix("EPSG:") if grid.crs.startswith("EPSG:") else "local"
    corner = (round(grid.transform[2] * scale), round(grid.transform[5] * scale))
    return "-".join([crs, *(f"m{-v}" if v < 0 else f"{v}" for v in corner)])


def _text(grid: Pixels) -> str:
    a, _, c, _, e, f = grid.transform
    return "|".join([*map(repr, (a, c, e, f)), grid.crs])


def grid_in(sample: Sample, px: int, row: int = 0, col: int = 0) -> Pixels:
    """`px` x `px` pixels of the tile grid of a sample that `Tiles` gave, from a row and column on."""
    a, c, e, f, crs = str(sample.facts["_grid"]).split("|", 4)
    own = Pixels(crs, (float(a), 0.0, float(c), 0.0, float(e), float(f)), px, px)
    return own.cut(col, row, px, px)


def _same_tile(grid: Pixels, corner: Pixels) -> bool:
    return (grid.crs, grid.transform) == (corner.crs, corner.transform)


def _holds(scene: Pixels, grid: Pixels) -> bool:
    """Whether a scene has exactly the pixels of a grid."""
    if scene.crs != grid.crs or not aligned(scene, grid):
        return False
    col, row = (round(first) for first in offset(scene, grid))
    right, bottom = col + grid.width, row + grid.height
    return col >= 0 and row >= 0 and right <= scene.width and bottom <= scene.height


def _places(
    grid: Pixels, row: npt.NDArray[np.int64], col: npt.NDArray[np.int64], px: int
) -> tuple[Floats, Floats, list[str]]:
    """(lon, lat) of the patches' middles, and "west south east north" of each; west > east across 180."""
    a, _, c, _, e, f = grid.transform
    across = np.array([0, 0.5, 1, 1, 1, 0.5, 0, 0, 0.5])
    down = np.array([0, 0, 0, 0.5, 1, 1, 1, 0.5, 0.5])
    x = c + a * px * (col[:, None] + across)
    y = f + e * px * (row[:, None] + down)
    lon, lat = (v.reshape(x.shape) for v in to_lonlat(grid.crs, x.ravel(), y.ravel()))
    middle = lon[:, 8].copy()
    lon = lon + 360 * np.round((middle[:, None] - lon) / 360)
    west, east = lon.min(axis=1), lon.max(axis=1)
    west, east = (np.where(v > 180, v - 360, np.where(v < -180, v + 360, v)) for v in (west, east))
    sides = np.stack([west, lat.min(axis=1), east, lat.max(axis=1)], axis=1)
    return middle, lat[:, 8], [" ".join(map(repr, box)) for box in sides.tolist()]
