"""The ground that a sampler may put places on: land, what imagery covers, or everywhere."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.sources.land import Ground
from schemas.geo import inside
from transforms.context import Context
from transforms.imagery.choice import sharp

Floats = npt.NDArray[np.float64]

OVER = ("imagery", "land", "everywhere")


@dataclass(frozen=True)
class Shapes:
    """Ground made of shapes, e.g. the outlines of scenes.

    Attributes:
        pieces: prepared lon/lat shapes within -180 and 180.
    """

    pieces: npt.NDArray[Any]

    def holds(
        self, lon: Floats, lat: Floats, among: npt.NDArray[np.intp] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which points in degrees lie in any of the pieces, or in those `among` them.

        A point that one piece holds is not looked for in the others: a hundred dates of a tile cost
        little more than one.
        """
        import shapely

        pieces = self.pieces if among is None else self.pieces[among]
        found = np.zeros(len(lon), bool)
        left = np.arange(len(lon))
        for shape, (west, south, east, north) in zip(pieces, shapely.bounds(pieces), strict=True):
            x, y = lon[left], lat[left]
            near = left[(x >= west) & (x <= east) & (y >= south) & (y <= north)]
            if len(near):
                found[near] = shapely.intersects_xy(shape, lon[near], lat[near])
                left = left[~found[left]]
            if not len(left):
                break
        return found


def ground_of(over: str, ctx: Context, coarsest: float = 0.0) -> Ground:
    """The ground that a setting names, see `OVER`.

    Args:
        coarsest: metres; scenes with larger pixels do not count. 0: all count.
    """
    import shapely

    if over == "land":
        found: Ground = ctx.sources["land"]
        return found
    if over == "everywhere":
        pieces = np.array([shapely.box(-180, -90, 180, 90)], object)
    else:
        scenes = [s for s in ctx.sources["imagery"].scenes if sharp(s, coarsest)]
        outlines = dict.fromkeys(scene.footprint for scene in scenes)
        pieces = np.asarray(shapely.get_parts(shapely.from_wkt(list(outlines))))
    shapely.prepare(pieces)
    return Shapes(pieces)


def boxes_within(pieces: npt.NDArray[Any], ctx: Context) -> npt.NDArray[np.float64]:
    """Bounds of each piece in degrees, cut by the box and region asked for, shape (n, 4).

    A piece outside of them has bounds of NaN.
    """
    import shapely

    bounds = np.asarray(shapely.bounds(pieces), float).reshape(-1, 4)
    limits = []
    if ctx.bbox is not None:
        west, south, east, north = ctx.bbox
        limits.append((west, south, east, north) if west <= east else (-180, south, 180, north))
    if ctx.region is not None:
        limits.append(ctx.region.bounds)
    for west, south, east, north in limits:
        low = np.maximum(bounds[:, :2], (west, south))
        high = np.minimum(bounds[:, 2:], (east, north))
        bounds = np.concatenate([low, high], axis=1)
        bounds[(low > high).any(axis=1)] = np.nan
    return bounds


def asked_for(lon: Floats, lat: Floats, ctx: Context) -> npt.NDArray[np.bool_]:
    """Which points in degrees lie in the box and region of the build."""
    import shapely

    found = np.ones(len(lon), bool)
    if ctx.bbox is not None:
        found &= inside(np.stack([lon, lat], axis=1), ctx.bbox)
    if ctx.region is not None:
        found &= shapely.intersects_xy(ctx.region, lon, lat)
    return found
