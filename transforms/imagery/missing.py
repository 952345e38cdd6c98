"""Which pixels hold no data: by a stored value, by NaN, by what its source says of it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.readers import reader_of
from schemas.scenes import Band


def missing_values(array: npt.NDArray[Any], nodata: list[float | None]) -> npt.NDArray[np.bool_]:
    """Where each band of (band, y, x) is missing by its own nodata value, NaN or infinity.

    In 8-bit pictures a pixel is missing when all of its bands are (one dark band is a colour).
    """
    gone = np.zeros(array.shape, bool)
    for place, value in enumerate(nodata):
        if value is not None:
            gone[place] = array[place] == value
    if array.dtype == np.uint8:
        gone[:] = gone.all(axis=0)
    if array.dtype.kind == "f":
        gone |= ~np.isfinite(array)
    return gone


def valid_pixels(array: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Where (band, y, x) holds data, shape (y, x).

    In 8-bit pictures a pixel is missing when all of its bands are `nodata` (one dark band is a
    colour); in physical data when any band is. NaN is never valid.
    """
    valid = np.ones(array.shape[-2:], bool)
    real = np.issubdtype(array.dtype, np.floating)  # a NaN hides the least and greatest number
    there = nodata is not None and not np.isnan(nodata)
    if there and (real or array.min() <= nodata <= array.max()):
        missing = array == nodata
        valid &= ~(missing.all(axis=0) if array.dtype == np.uint8 else missing.any(axis=0))
    if real:
        valid &= np.isfinite(array).all(axis=0)
    return valid


def stated_nodata(band: Band) -> float | None:
    """A band's stored value for "no data": as the catalogue states it, else as its source does."""
    return band.nodata if band.nodata is not None else reader_of(band).nodata(band)


def nodata_of(bands: tuple[Band, ...]) -> float | None:
    """The stored value that means "no data" in an image of these bands: that of the first one.

    None where any band has none: its numbers are all data, and what the others miss is told by a mask.
    """
    own = [stated_nodata(band) for band in bands]
    return None if None in own else own[0]


def writable(nodata: float | None, dtype: np.dtype[Any]) -> bool:
    """Whether a nodata value can be written into pixels of a type."""
    if nodata is None:
        return False
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype.name)
    return float(nodata).is_integer() and limits.min <= nodata <= limits.max


def mark(array: npt.NDArray[Any], gone: npt.NDArray[np.bool_], nodata: float) -> npt.NDArray[Any]:
    """`array` with `nodata` where pixels are gone, and nowhere else.

    Whole numbers that are there and look like `nodata` move by one: a kernel made them so, or another
    value stood for "no data" before. In 8-bit pictures `(band, y, x)` only those that are so in all
    bands (one dark band is a colour).
    """
    fill = np.asarray(nodata).astype(array.dtype)
    if array.dtype.kind in "ui":
        alike = (array == fill) & ~gone
        if array.dtype == np.uint8 and array.ndim > 2:
            alike &= (array == fill).all(axis=-3, keepdims=True)
        beside = fill + 1 if nodata < np.iinfo(array.dtype.name).max else fill - 1
        array = np.where(alike, beside.astype(array.dtype), array)
    return np.where(gone, fill, array)
