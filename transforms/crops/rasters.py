"""Parcels as pixels: which parcel a pixel belongs to, and how far it lies from that parcel's edge.

Label rasters are made on the chip's own grid and never resampled.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.windows import Grid
from transforms.crops.coverage import Cover
from transforms.crops.outlines import Shapes

Numbers = npt.NDArray[np.uint32]

RULES = ("centre", "all_touched", "coverage")
"""How a pixel is given to a parcel: by its centre, by any touch, or by at least half of its area."""


def ranks(areas: npt.NDArray[np.float64], keys: list[str]) -> npt.NDArray[np.int64]:
    """Parcels in the order in which they give way to each other, the last one keeps its pixels.

    The larger gives way to the smaller, of equals the one whose key comes later: a rule that knows
    nothing of the order in which parcels were read.

    Args:
        areas: of the parcels, any unit, `(n,)`.
        keys: unique names.
    """
    order = sorted(range(len(keys)), key=lambda i: keys[i], reverse=True)
    order.sort(key=lambda i: -float(areas[i]))  # stable: of equal areas the later key comes first
    return np.array(order, np.int64)


def painted(
    shapes: Shapes, order: npt.NDArray[np.int64], grid: Grid, all_touched: bool = False
) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """(number, shared): each pixel's parcel, 1 + its place in `shapes`, 0 for none; uint32 `(y, x)`.

    Pixels that several parcels claim go to the last of `order`; `shared` tells where that was so.

    Args:
        shapes: in the CRS of the grid, none empty.
        order: see `ranks`.
        grid: of the chip, north up.
        all_touched: whether a touch is enough; else the pixel's centre must lie within.
    """
    from affine import Affine
    from rasterio.enums import MergeAlg
    from rasterio.features import rasterize

    size = (grid.height, grid.width)
    if not len(shapes):
        return np.zeros(size, np.uint32), np.zeros(size, bool)
    place = {"out_shape": size, "transform": Affine(*grid.transform), "all_touched": all_touched}
    pairs = [(shapes[i], int(i) + 1) for i in order]
    numbers = rasterize(pairs, fill=0, dtype="uint32", **place)
    ones = ((shape, 1) for shape, _ in pairs)
    claims = rasterize(ones, fill=0, dtype="uint16", merge_alg=MergeAlg.add, **place)
    return np.asarray(numbers, np.uint32), np.asarray(claims > 1)


def covered(
    cover: Cover, order: npt.NDArray[np.int64], grid: Grid, least: float = 0.5
) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """As `painted`, by area: a parcel claims a pixel of which it covers at least the share `least`."""
    size = grid.height * grid.width
    claim = cover.share >= least - 1e-6  # shares come as 32-bit floats
    late = np.empty(len(order), np.int64)
    late[order] = np.arange(len(order))
    owner, pixel = cover.parcel[claim], cover.pixel[claim]
    sequence = np.argsort(late[owner], kind="stable")
    numbers = np.zeros(size, np.uint32)
    numbers[pixel[sequence]] = owner[sequence] + 1  # of several the last one stands
    claims = np.bincount(pixel, minlength=size)
    shape = (grid.height, grid.width)
    return numbers.reshape(shape), (claims > 1).reshape(shape)


def edge_distance(numbers: Numbers, most: int = 255) -> Numbers:
    """Pixels from the edge of the parcel, counted over sides and corners; uint32 `(y, x)`, 0 for none.

    1 beside another parcel or the background, 2 one pixel farther in, ... at most `most`. The chip's
    rim is no edge: what lies beyond it is taken for what lies on it.
    """
    inside: npt.NDArray[Any] = numbers > 0
    found = np.zeros(numbers.shape, np.uint32)
    around = np.pad(numbers, 1, mode="edge")
    height, width = numbers.shape
    core = inside.copy()
    for row in range(3):
        for column in range(3):
            core &= around[row : row + height, column : column + width] == numbers
    found[inside] = 1
    for distance in range(2, most + 1):
        if not core.any():
            break
        found[core] = distance
        core = _shrunk(core)
    return found


def _shrunk(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pixels all of whose eight neighbours are set too; beyond the rim all are."""
    padded = np.pad(mask, 1, constant_values=True)
    tall = padded[:-2] & padded[1:-1] & padded[2:]
    return np.asarray(tall[:, :-2] & tall[:, 1:-1] & tall[:, 2:])
