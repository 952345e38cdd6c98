"""Map geometry within a patch: x from its west side and y from its south side, both 0 to 1.

The patch's own grid is the local projection: what is left of the middle in the picture has x < 0.5.
Metres follow from the size of the patch on the ground, measured on the ellipsoid in its middle; over
a few hundred metres that is exact to a hundredth of a percent, at any latitude and in any CRS.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from schemas.geo import all_beside
from schemas.windows import Grid, Window, from_lonlat, ground_sides, to_lonlat

MARGIN = 0.5
"""Sides of the patch by which geometry is cut before it is projected, so that cheap boxes suffice."""


@dataclass(frozen=True)
class Frame:
    """A patch as a place to describe things in.

    Attributes:
        grid: of its pixels, north up.
        width_m, height_m: of the patch on the ground.
    """

    grid: Grid
    width_m: float
    height_m: float

    @classmethod
    def of(cls, window: Window) -> "Frame":
        """The frame of a window."""
        grid = window.grid
        west, south, east, north = grid.bounds()
        across, along = ground_sides(grid, (west + east) / 2, (south + north) / 2)
        return cls(grid, grid.width * across, grid.height * along)

    def inside(self, shapes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The parts of lon/lat shapes that lie in the patch, in its own coordinates.

        Lines stay lines and areas areas; what lies outside, or only touches the border, is empty.
        """
        west, south, east, north = self._reach()
        near = shapely.clip_by_rect(all_beside(shapes, (west + east) / 2), west, south, east, north)
        broken = ~shapely.is_valid(near)
        near[broken] = shapely.make_valid(near[broken])
        placed = shapely.transform(near, self._placed)
        square = shapely.box(0, 0, 1, 1)
        try:
            cut = shapely.intersection(placed, square)
        except shapely.GEOSException:
            cut = shapely.intersection(shapely.make_valid(placed), square)
        wanted = shapely.get_dimensions(shapes)
        odd = (shapely.get_type_id(cut) != 2 * wanted - 1) & ~shapely.is_empty(cut)
        for row in np.flatnonzero(odd):
            cut[row] = _alike(cut[row], wanted[row])
        return np.asarray(cut, object)

    def outside(self, shape: Any) -> Any:
        """A shape in the patch's coordinates as lon/lat."""
        return shapely.transform(shape, self._lonlat)

    def metres(self, shape: Any) -> Any:
        """A shape, or an array of them, in metres from the patch's south-west corner."""
        return shapely.transform(shape, lambda xy: xy * (self.width_m, self.height_m))

    @property
    def side_m(self) -> float:
        """Mean side of the patch."""
        return (self.width_m + self.height_m) / 2

    def _reach(self) -> tuple[float, float, float, float]:
        """Lon/lat box of the patch with a margin."""
        ring = Window(self.grid, 0.0).outline()
        (west, south), (east, north) = ring.min(axis=0), ring.max(axis=0)
        wide, tall = MARGIN * (east - west), MARGIN * (north - south)
        return west - wide, south - tall, east + wide, north + tall

    def _placed(self, lonlat: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        xs, ys = from_lonlat(self.grid.crs, lonlat[:, 0], lonlat[:, 1])
        west, south, east, north = self.grid.bounds()
        return np.stack([(xs - west) / (east - west), (ys - south) / (north - south)], axis=1)

    def _lonlat(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        west, south, east, north = self.grid.bounds()
        lon, lat = to_lonlat(
            self.grid.crs, west + xy[:, 0] * (east - west), south + xy[:, 1] * (north - south)
        )
        return np.stack([lon, lat], axis=1)


def _alike(cut: Any, dimension: int) -> Any:
    """The parts of a shape that have this dimension; lines that meet are joined."""
    parts = shapely.get_parts(shapely.get_parts(cut))
    parts = parts[shapely.get_dimensions(parts) == dimension]
    joined = (
        shapely.multipolygons(parts)
        if dimension == 2
        else shapely.line_merge(shapely.multilinestrings(parts))
    )
    whole = shapely.get_parts(joined)
    return whole[0] if len(whole) == 1 else joined
