"""`Tiles`: the scenes' own tile grids cut into patches; their scenes and windows: `patch.py`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.mgrs import tile_of
from schemas.recipes import at_least
from schemas.samples import Drop
from schemas.scenes import Scene
from schemas.windows import Grid as Pixels
from schemas.windows import to_lonlat
from transforms.context import Context
from transforms.imagery.choice import sharp
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
        finest: metres; scenes with smaller pixels have no tiles.
    """

    px: int = 366
    coarsest: float = 0.0
    finest: float = 0.0
    role: str = field(default="imagery", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "patch_tile": "string",
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
        at_least("samplers.Tiles.finest", self.finest, 0)

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat` of the patch's middle, its place), a tile and year at a time."""
        scenes = [s for s in ctx.sources["imagery"].scenes if self._meant(s)]
        for (name, year), grid in _tiles(scenes, ctx.years, on_drop).items():
            yield from self._patches(name, year, grid, ctx, on_drop)

    def _meant(self, scene: Scene) -> bool:
        finer = self.finest and sharp(scene, self.finest * 0.98)  # `sharp` allows for 1 %
        return sharp(scene, self.coarsest) and not finer

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
            text = _text(grid, self.px)
            yield pa.table(
                {
                    "key": pa.array([names[i] for i in kept], pa.string(), from_pandas=False),
                    "lon": lon[kept],
                    "lat": lat[kept],
                    "patch_tile": pa.array([tile] * len(kept), pa.string(), from_pandas=False),
                    "patch_row": row[kept],
                    "patch_col": col[kept],
                    "year": np.full(len(kept), year),
                    "_bounds": pa.array([bounds[i] for i in kept], pa.string(), from_pandas=False),
                    "_grid": pa.array([text] * len(kept), pa.string(), from_pandas=False),
                }
            )


def _tiles(
    scenes: list[Scene], years: tuple[int, int] | None, on_drop: Callable[[Drop], None]
) -> dict[tuple[str, int], Pixels]:
    """The grid of each (tile, year), sorted; of grids with one corner the largest."""
    own: dict[Pixels, tuple[str, set[int]]] = {}  # the lowest scene's id, years with scenes
    for number, scene in enumerate(scenes):
        if scene.datetime is None or scene.grid.rotated:
            code = "undated" if scene.datetime is None else "rotated_grid"
            on_drop(Drop(f"scene-{number}", "samplers.Tiles", code, scene.key))
        elif years is None or years[0] <= scene.datetime.year <= years[1]:
            first, seen = own.setdefault(replace(scene.grid, tile=0), (scene.id, set()))
            seen.add(scene.datetime.year)
            if scene.id < first:
                own[replace(scene.grid, tile=0)] = scene.id, seen
    named: dict[tuple[str, int], list[Pixels]] = {}
    for grid, (scene_id, seen) in own.items():
        tile = tile_of(grid, scene_id) or _corner_name(grid)
        for year in seen:
            named.setdefault((tile, year), []).append(grid)
    grids: dict[tuple[str, int], Pixels] = {}
    for (tile, year), some in named.items():
        finest = min(grid.transform[0] for grid in some)
        for grid in sorted(some, key=lambda g: (g.width * g.height, g.transform)):
            side = grid.transform[0]
            name = tile if side < 1.01 * finest else f"{tile}-{side:g}".replace(".", "_")
            grids[name, year] = grid
    return dict(sorted(grids.items()))


def _corner_name(grid: Pixels) -> str:
    """`32632-600000-5300040`: CRS and upper-left corner in whole units, of degrees in 1e-6."""
    scale = 1 if abs(grid.transform[0]) > 0.01 else 1_000_000
    crs = grid.crs.removeprefix("EPSG:") if grid.crs.startswith("EPSG:") else "local"
    corner = (round(grid.transform[2] * scale), round(grid.transform[5] * scale))
    return "-".join([crs, *(f"m{-v}" if v < 0 else f"{v}" for v in corner)])


def _text(grid: Pixels, px: int) -> str:
    a, _, c, _, e, f = grid.transform
    return "|".join([*map(repr, (a, c, e, f, px)), grid.crs])


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
