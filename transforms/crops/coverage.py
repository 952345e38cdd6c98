"""How much of each pixel each parcel covers, and statistics of pixels by parcel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.windows import Grid
from transforms.crops.outlines import Shapes


@dataclass(frozen=True, slots=True)
class Cover:
    """Pixels of parcels, in the order of the parcels and then of the pixels.

    Attributes:
        parcel: place of the parcel, int64 `(n,)`, rising.
        pixel: place of the pixel in the flattened chip, int64 `(n,)`.
        share: share of the pixel that the parcel covers, above 0 to 1, float64 `(n,)`.
    """

    parcel: npt.NDArray[np.int64]
    pixel: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]


def exact(shapes: Shapes, grid: Grid) -> Cover:
    """The exact share of each pixel, by the areas of intersection (to 32-bit floats).

    Args:
        shapes: in the CRS of the grid; empty ones cover nothing.
        grid: of the chip, north up.
    """
    import shapely
    from exactextract import exact_extract
    from exactextract.feature import JSONFeatureSource
    from exactextract.raster import NumPyRasterSource

    bounds = grid.bounds()
    there = np.flatnonzero(
        shapely.intersects(shapely.box(*bounds), shapes) & ~shapely.is_empty(shapes)
    )
    if not len(there):
        return Cover(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    blank = NumPyRasterSource(np.zeros((grid.height, grid.width), np.uint8), *bounds)
    outlines = [
        {"type": "Feature", "properties": {}, "geometry": shape.__geo_interface__}
        for shape in shapes[there]
    ]
    found = exact_extract(blank, JSONFeatureSource(outlines), ["cell_id", "coverage"])
    cells = [np.asarray(one["properties"]["cell_id"], np.int64) for one in found]
    shares = [np.asarray(one["properties"]["coverage"], np.float64) for one in found]
    parcel = np.repeat(there, [len(c) for c in cells])
    pixel, share = np.concatenate(cells), np.concatenate(shares)
    order = np.lexsort((pixel, parcel))
    order = order[share[order] > 0]
    return Cover(parcel[order].astype(np.int64), pixel[order], share[order])


def whole(numbers: npt.NDArray[np.uint32]) -> Cover:
    """The pixels of a raster of numbers (1 + place of the parcel, 0 for none), each with share 1."""
    flat = numbers.ravel()
    pixel = np.flatnonzero(flat)
    order = np.argsort(flat[pixel], kind="stable")
    pixel = pixel[order].astype(np.int64)
    return Cover(flat[pixel].astype(np.int64) - 1, pixel, np.ones(len(pixel)))


def among(cover: Cover, there: npt.NDArray[np.bool_]) -> Cover:
    """Without the pixels that hold no data, bool `(y, x)`."""
    keep = there.ravel()[cover.pixel]
    return Cover(cover.parcel[keep], cover.pixel[keep], cover.share[keep])


def counts(cover: Cover, parcels: int) -> npt.NDArray[np.float64]:
    """Pixels of each parcel, parts of pixels added up, float64 `(parcels,)`."""
    return np.asarray(np.bincount(cover.parcel, weights=cover.share, minlength=parcels), np.float64)


def statistics(
    values: npt.NDArray[Any], cover: Cover, parcels: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(mean, standard deviation) of each parcel and layer, weighted by share; float64 `(parcels, layer)`.

    The standard deviation is that of the population (the weights' sum in the denominator). NaN where
    a parcel has no pixel.

    Args:
        values: `(layer, y, x)`.
        cover: see `Cover`; see `among` for pixels without data.
        parcels: how many there are.
    """
    mean = np.full((parcels, len(values)), np.nan)
    spread = mean.copy()
    if not len(cover.parcel):
        return mean, spread
    begins = np.flatnonzero(np.diff(cover.parcel, prepend=-1))
    here = cover.parcel[begins]
    weight = np.add.reduceat(cover.share, begins)
    length = np.diff(begins, append=len(cover.parcel))
    for layer, plane in enumerate(values):
        own = plane.ravel()[cover.pixel].astype(np.float64)
        middle = np.add.reduceat(own * cover.share, begins) / weight
        apart = own - np.repeat(middle, length)
        mean[here, layer] = middle
        spread[here, layer] = np.sqrt(np.add.reduceat(apart * apart * cover.share, begins) / weight)
    return mean, spread
