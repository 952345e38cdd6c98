"""Patches: squares of one size on a grid of places, chosen before anybody looks what is there."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from schemas.chance import rank
from schemas.errors import Reject
from schemas.recipes import at_least, within
from schemas.samples import Drop, Sample
from schemas.windows import Grid as Pixels
from schemas.windows import Window, box_around, from_lonlat, ground_gsd, ground_sides
from transforms import samplers
from transforms.context import Context
from transforms.resampling import offset

NESTED = 0.0015
"""Share by which pixels may miss a whole multiple of the scene's and still be made of them."""


@dataclass(frozen=True)
class Grid:
    """`samplers.Grid` over imagery, its spacing said in sides of a patch, with the patch's box.

    Neighbouring patches of a row, and rows, lie `step` sides apart, however many scenes overlap.

    Attributes:
        side_m: side of a patch, metres on the ground.
        step: distance of neighbouring places, in sides.
        drop: share of the places that is left out.
        coarsest: metres; scenes with larger pixels do not count. 0: all count.
    """

    side_m: float = 268.8
    step: float = 2.0
    drop: float = 0.0
    coarsest: float = 0.6
    role: str = field(default="imagery", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"_bounds": "string"}, init=False)

    def __post_init__(self) -> None:
        """Refuse a grid without a step, and shares that are none."""
        at_least("patches.Grid.side_m", self.side_m, 1)
        at_least("patches.Grid.step", self.step, 0.1)
        within("patches.Grid.drop", self.drop, 0, 1)
        at_least("patches.Grid.coarsest", self.coarsest, 0)

    @property
    def km(self) -> float:
        """Spacing of the grid."""
        return self.step * self.side_m / 1000

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat` of the middle, `_bounds`), some rows of the grid at a time."""
        places = samplers.Grid(self.km, "imagery", self.drop, 90.0, self.coarsest)
        for rows in places.scan(ctx, on_drop):
            found = rows.select(["key", "lon", "lat"])
            yield found.append_column("_bounds", self._bounds(found))

    def _bounds(self, rows: pa.Table) -> pa.Array:
        places = zip(rows["lon"].to_pylist(), rows["lat"].to_pylist(), strict=True)
        boxes = [box_around(lon, lat, self.side_m / 2) for lon, lat in places]
        return pa.array([" ".join(map(repr, box)) for box in boxes], pa.string(), from_pandas=False)


@dataclass(frozen=True)
class Square:
    """A square of pixels of one size with the place in its middle, north up in the scene's CRS.

    Where the scene's own pixels are of that size (to 0.15 %) the square lies on the scene's grid and
    nothing is resampled. Where whole multiples of them are, it is made of whole pixels. Else it is a
    grid of its own in the scene's CRS; `imagery.Read(planned=True)` brings the pixels onto it.

    Also gives `patch_id`, a number from the sample's key (of a million samples two share one with a
    chance of 1 in 20,000; the key itself is unique), and `image_name`, the id of the scene.

    Attributes:
        px: side in pixels.
        gsd: metres on the ground for a pixel, in both directions.
    """

    px: int = 448
    gsd: float = 0.6
    needs: tuple[str, ...] = field(default=("scenes",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"window": "noun", "patch_id": "int64", "image_name": "string"},
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse squares without a size."""
        at_least("patches.Square.px", self.px, 8)
        at_least("patches.Square.gsd", self.gsd, 0.001)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its window.

        Raises:
            Reject: `outside_imagery` where the scene does not hold the square whole.
        """
        scene = sample.scenes[0]
        grid = square(scene.grid, sample.lon, sample.lat, self.px, self.gsd)
        west, south, east, north = grid.bounds()
        w, s, e, n = scene.grid.bounds()
        slack = 1e-6 * abs(scene.grid.transform[0])
        if w - west > slack or s - south > slack or east - e > slack or north - n > slack:
            raise Reject("outside_imagery", f"not wholly within {scene.id}")
        metres = ground_gsd(grid, (west + east) / 2, (south + north) / 2)
        col, row = (math.floor(first + 1e-6) for first in offset(scene.grid, grid))
        window = Window(grid, metres, col, row)
        facts = {**sample.facts, "patch_id": rank(0, sample.id) >> 10, "image_name": scene.id}
        return replace(sample, window=window, facts=facts)


def square(scene: Pixels, lon: float, lat: float, px: int, gsd: float) -> Pixels:
    """The grid of `px` x `px` pixels of `gsd` metres around a place in degrees, see `Square`."""
    xs, ys = from_lonlat(scene.crs, np.array([lon]), np.array([lat]))
    x, y = float(xs[0]), float(ys[0])
    across, along = ground_sides(scene, x, y)
    a, _, c, _, e, f = scene.transform
    left, wide = _span(x, c, a, gsd / across, px)
    top, tall = _span(-y, -f, -e, gsd / along, px)
    return Pixels(scene.crs, (wide, 0.0, left, 0.0, -tall, -top), px, px, scene.tile)


def _span(middle: float, start: float, side: float, ratio: float, px: int) -> tuple[float, float]:
    """(first edge, side) of `px` pixels along an axis, around a position in CRS units.

    Args:
        start, side: first edge and side of the scene's pixels; a negative side runs the other way.
        ratio: wanted side in sides of the scene's pixels.
    """
    whole = round(ratio)
    if side > 0 and whole >= 1 and abs(ratio - whole) <= NESTED * ratio:
        return start + round((middle - start) / side - px * whole / 2) * side, side * whole
    wanted = abs(side) * ratio
    return middle - px * wanted / 2, wanted
