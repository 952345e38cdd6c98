"""Where chips are cut: around an object (`Around`), around a place (`Centred`), and not too close
together (`Thin`)."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.chance import unit
from schemas.errors import Reject
from schemas.recipes import at_least
from schemas.samples import Sample
from schemas.windows import Bounds, Grid, Window, from_lonlat, ground_gsd, unit_vectors
from transforms.context import Context
from transforms.neighbours import better_ranked_within


def pixel_box(grid: Grid, bounds: Bounds) -> tuple[int, int, int, int]:
    """(first column, first row, columns, rows) that cover a lon/lat box on `grid`."""
    west, south, east, north = bounds
    xs, ys = from_lonlat(
        grid.crs, np.array([west, east, west, east]), np.array([south, south, north, north])
    )
    a, _, c, _, e, f = grid.transform
    cols, rows = (xs - c) / a, (ys - f) / e
    col, row = math.floor(cols.min() + 1e-6), math.floor(rows.min() + 1e-6)
    return (
        col,
        row,
        math.ceil(cols.max() - 1e-6) - col or 1,
        math.ceil(rows.max() - 1e-6) - row or 1,
    )


def place(start: int, length: int, side: int, limit: int, share: float) -> int:
    """First pixel of a window of `side` that holds [start, start + length) and lies in [0, limit).

    `share` in [0, 1) picks the position within the free play.
    """
    low, high = max(0, start + length - side), min(start, limit - side)
    return low + math.floor(share * (high - low + 1))


@dataclass(frozen=True)
class Around:
    """A window on the scene's own grid that holds the object whole.

    The box of the object, enlarged by `margin` on every side, at least `min_px` and at most `max_px`
    a side (defaults of specs/skyscript.md, where the original is unpublished).

    Attributes:
        jitter: 0 centres the object, 1 puts it anywhere in the window.
    """

    min_px: int = 64
    max_px: int = 768
    margin: float = 0.25
    jitter: float = 0.5
    needs: tuple[str, ...] = field(default=("scenes", "_bounds"), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"window": "noun"}, init=False)

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be met."""
        if not 8 <= self.min_px <= self.max_px:
            raise ValueError(
                f"windows.Around: 8 <= min_px <= max_px, got {self.min_px}, {self.max_px}"
            )
        if not (0 <= self.jitter <= 1 and self.margin >= 0):
            raise ValueError(
                f"windows.Around: 0 <= jitter <= 1 and margin >= 0, got {self.jitter}, {self.margin}"
            )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its window.

        Raises:
            Reject: `too_large` for the largest window, `outside_imagery`, `scene_too_small`.
        """
        grid = sample.scenes[0].grid
        west, south, east, north = (float(v) for v in str(sample.facts["_bounds"]).split())
        col, row, width, height = pixel_box(grid, (west, south, east, north))
        if max(width, height) > self.max_px:
            raise Reject("too_large", f"{width} x {height} px, at most {self.max_px}")
        if col < 0 or row < 0 or col + width > grid.width or row + height > grid.height:
            raise Reject("outside_imagery", f"not wholly within {sample.scenes[0].id}")
        side_x, side_y = (
            self._side(n, full) for n, full in ((width, grid.width), (height, grid.height))
        )
        if min(side_x, side_y) < self.min_px:
            raise Reject("scene_too_small", f"{grid.width} x {grid.height} px")
        shares = (
            0.5 + self.jitter * (unit(ctx.seed, axis, sample.id) - 0.5) for axis in ("x", "y")
        )
        left = place(col, width, side_x, grid.width, next(shares))
        top = place(row, height, side_y, grid.height, next(shares))
        cut = grid.cut(left, top, side_x, side_y)
        min_x, min_y, max_x, max_y = cut.bounds()
        gsd = ground_gsd(grid, (min_x + max_x) / 2, (min_y + max_y) / 2)
        return replace(sample, window=Window(cut, gsd, left, top))

    def _side(self, length: int, limit: int) -> int:
        wanted = math.ceil(length * (1 + 2 * self.margin))
        return min(limit, self.max_px, max(self.min_px, wanted))


@dataclass(frozen=True)
class Centred:
    """A square on the scene's own grid with the sample's place in its middle.

    The place lies in the middle pixel where `px` is odd, and within half a pixel of the middle where it
    is even.

    Attributes:
        px: side in pixels of the scene's grid.
        odd: whether an even side is refused: it has no middle pixel.
    """

    px: int = 256
    odd: bool = False
    needs: tuple[str, ...] = field(default=("scenes",), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"window": "noun"}, init=False)

    def __post_init__(self) -> None:
        """Refuse a side of nothing, and one without a middle pixel where that is asked for."""
        at_least("windows.Centred.px", self.px, 1)
        if self.odd and self.px % 2 == 0:
            raise ValueError(
                f"windows.Centred.px={self.px}: must be odd, so that one pixel is in the middle"
            )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its window.

        Raises:
            Reject: `outside_imagery` where it leaves the scene.
        """
        scene = sample.scenes[0]
        grid = scene.grid
        xs, ys = from_lonlat(grid.crs, np.array([sample.lon]), np.array([sample.lat]))
        a, _, c, _, e, f = grid.transform
        half, shift = self.px // 2, 0.0 if self.px % 2 else 0.5
        col = math.floor((float(xs[0]) - c) / a + shift) - half
        row = math.floor((float(ys[0]) - f) / e + shift) - half
        if col < 0 or row < 0 or col + self.px > grid.width or row + self.px > grid.height:
            raise Reject("outside_imagery", f"{self.px} x {self.px} px around it leave {scene.id}")
        cut = grid.cut(col, row, self.px, self.px)
        west, south, east, north = cut.bounds()
        gsd = ground_gsd(cut, (west + east) / 2, (south + north) / 2)
        return replace(sample, window=Window(cut, gsd, col, row))


@dataclass(frozen=True)
class Thin:
    """Keep a window only if no better-ranked one of its collection and year lies within `px` pixels.

    Rank is the hash of seed and id, so the rule needs neither order nor a global view.

    Attributes:
        px: distance between window centres, in pixels of the window's own GSD; 0 keeps all.
    """

    px: int = 64
    needs: tuple[str, ...] = field(default=("window", "collection"), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)
    reads: tuple[str, ...] = field(default=("collection", "year"), init=False)

    def __post_init__(self) -> None:
        """Refuse a distance below nothing."""
        at_least("windows.Thin.px", self.px, 0)

    def halo_m(self, part: pa.Table) -> float:
        """How far beyond a partition its decision may look, metres."""
        return self.px * float(np.max(part["gsd_m"].to_numpy(), initial=0.0))

    def settle(self, part: pa.Table, near: pa.Table, ctx: Context) -> dict[int, tuple[str, str]]:
        """Row numbers of `part` to drop -> (code, message), given the rows around it (`near`)."""
        if self.px <= 0 or not len(part):
            return {}
        both = pa.concat_tables([part.select(near.column_names), near])
        kinds = [
            f"{c}|{y}"
            for c, y in zip(both["collection"].to_pylist(), both["year"].to_pylist(), strict=True)
        ]
        crowded = better_ranked_within(
            centres(both),
            both["rank"].to_numpy(),
            np.unique(kinds, return_inverse=True)[1],
            both["gsd_m"].to_numpy() * self.px,
        )
        message = f"a better-ranked window lies within {self.px} px"
        return {int(i): ("thinned", message) for i in np.flatnonzero(crowded[: len(part)])}


def centres(table: pa.Table) -> npt.NDArray[np.float64]:
    """Window centres as unit vectors, shape (n, 3)."""
    return unit_vectors(table["centre_lon"].to_numpy(), table["centre_lat"].to_numpy())
