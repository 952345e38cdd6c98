"""One picture out of many: composites of a stack `(time, band, y, x)` with valid `(time, y, x)`.

Each function returns `(array, source)`: the composite `(band, y, x)` in the type of the stack, and
which date each pixel comes from, int16 `(y, x)`, -1 where no date is valid (there the array is `fill`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import Fault
from schemas.samples import Sample
from transforms.context import Context
from transforms.imagery.missing import valid_pixels

Array = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]
Source = npt.NDArray[np.int16]


def _taken(stack: Array, source: Source, fill: float) -> Array:
    """The pixels of the dates that `source` names."""
    place = np.maximum(source, 0).astype(np.intp)[None, None]
    found = np.take_along_axis(stack, place, axis=0)[0]
    return np.where(source >= 0, found, np.asarray(fill).astype(stack.dtype))


def first_valid(stack: Array, valid: Valid, fill: float = 0) -> tuple[Array, Source]:
    """Every pixel from the first date on which it is valid."""
    source = np.where(valid.any(axis=0), valid.argmax(axis=0), -1).astype(np.int16)
    return _taken(stack, source, fill), source


def least_cloudy(
    stack: Array, valid: Valid, cloud: npt.ArrayLike, fill: float = 0
) -> tuple[Array, Source]:
    """Every pixel from the clearest date on which it is valid; of equals the first.

    Args:
        stack: see above.
        valid: see above.
        cloud: of each date, `(time,)`, in any unit; NaN (unknown) comes last.
        fill: value where no date is valid.
    """
    order = np.argsort(np.asarray(cloud, float), kind="stable")
    _, place = first_valid(stack[order], valid[order])
    source = np.where(place >= 0, order[np.maximum(place, 0)], -1).astype(np.int16)
    return _taken(stack, source, fill), source


def median(stack: Array, valid: Valid, fill: float = 0) -> tuple[Array, Source]:
    """The median of each band over the valid dates (whole numbers are rounded to even).

    A median of bands is no observation of its own: `source` names the date nearest to it (least sum
    of absolute differences, of equals the first).
    """
    some = valid.any(axis=0)
    data = np.where(valid[:, None] & np.isfinite(stack), stack.astype(np.float64), np.nan)
    data[:, :, ~some] = 0.0
    middle = np.nanmedian(data, axis=0)
    apart = np.nansum(np.abs(data - middle), axis=1)
    source = np.where(some, np.where(valid, apart, np.inf).argmin(axis=0), -1).astype(np.int16)
    if stack.dtype.kind in "ui":
        middle = np.rint(middle)
    found = np.where(some, middle, fill)
    return np.asarray(found.astype(stack.dtype)), source


def medoid(stack: Array, valid: Valid, fill: float = 0) -> tuple[Array, Source]:
    """Every pixel from the date whose spectrum is nearest to all others; of equals the first.

    The least sum of Euclidean distances to the other valid dates (Flood 2013, Seasonal composite
    Landsat TM/ETM+ images using the medoid, Remote Sensing 5, 6481-6500).
    """
    data = np.where(valid[:, None], stack, 0).astype(np.float64)
    total = np.zeros(valid.shape)
    for one in range(len(data)):
        for two in range(one):
            apart = np.sqrt(((data[one] - data[two]) ** 2).sum(axis=0))
            apart = np.where(valid[one] & valid[two], apart, 0.0)
            total[one] += apart
            total[two] += apart
    best = np.where(valid, total, np.inf).argmin(axis=0)
    source = np.where(valid.any(axis=0), best, -1).astype(np.int16)
    return _taken(stack, source, fill), source


def told_from_nodata(array: Array, source: Source, nodata: float) -> tuple[Array, Source]:
    """A composite none of whose made-up numbers reads as "no data" (a median of -3 and 3 is 0).

    Whole numbers are moved by one where `valid_pixels` would take the pixel for missing; a pixel of
    another type, whose numbers cannot be told from nodata, comes from no date (-1).
    """
    taken = (source >= 0) & ~valid_pixels(array, nodata)
    if not taken.any():
        return array, source
    if array.dtype.kind not in "ui":
        return array, np.where(taken, np.int16(-1), source)
    beside = nodata + 1 if nodata < np.iinfo(array.dtype.name).max else nodata - 1
    moved = np.where(taken & (array == nodata), np.asarray(beside, array.dtype), array)
    return moved, source


METHODS: dict[str, Callable[[Array, Valid], tuple[Array, Source]]] = {
    "first": first_valid,
    "median": median,
    "medoid": medoid,
}


@dataclass(frozen=True)
class Merge:
    """One image out of a stack; which date each pixel comes from is kept as image `source`.

    Attributes:
        method: `first`, `clearest` (least cloud over the whole scene first), `median` or `medoid`.
    """

    method: str = "median"
    needs: tuple[str, ...] = field(default=("image",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"source": "noun", "nodata_share": "float64"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse a method that there is not."""
        if self.method not in (*METHODS, "clearest"):
            known = ", ".join((*METHODS, "clearest"))
            raise ValueError(f"composites.Merge.method={self.method!r}: one of {known}")

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with `(band, y, x)` in place of its stack, and the `nodata_share` of that.

        Raises:
            Fault: `no_stack` when the image has a single date.
        """
        image = sample.images["image"]
        if not image.stacked:
            raise Fault("no_stack", f"{sample.id}: one date only; let imagery.Find choose several")
        fill = 0.0 if image.nodata is None else image.nodata
        if self.method == "clearest":
            cloud = [np.nan if s.cloud is None else s.cloud for s in sample.scenes]
            array, source = least_cloudy(image.array, image.valid, cloud, fill)
        else:
            array, source = METHODS[self.method](image.array, image.valid, fill)  # type: ignore[call-arg]
        if image.nodata is not None:
            array, source = told_from_nodata(array, source, image.nodata)
        valid = source >= 0
        sample.facts["nodata_share"] = 1.0 - float(np.count_nonzero(valid)) / valid.size
        merged = replace(image, array=array, valid=valid, times=())
        sample.images["image"] = merged
        sample.images["source"] = replace(
            merged,
            array=source[None],
            bands=("source",),
            nodata=-1.0,
            display=(0.0, len(image.array)),
        )
        return sample
