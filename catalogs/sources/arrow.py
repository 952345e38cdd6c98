"""Arrow arrays from and to buffers: `pa.array` and `to_numpy` import pandas, a second per process."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def numbers(
    kind: pa.DataType, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """A numeric Arrow array of type `kind`; null where `valid` is False."""
    mask = None
    if valid is not None and not valid.all():
        mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [mask, data])


def values(array: pa.Array, dtype: Any) -> npt.NDArray[Any]:
    """What a numeric Arrow array without nulls holds."""
    found: npt.NDArray[Any] = np.frombuffer(array.buffers()[1], dtype)
    return found[array.offset : array.offset + len(array)]


def blobs(kind: pa.DataType, parts: Sequence[bytes]) -> pa.Array:
    """A string or binary Arrow array."""
    sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    return varied(kind, np.cumsum(sizes), b"".join(parts))


def varied(kind: pa.DataType, ends: npt.NDArray[np.int64], data: Any) -> pa.Array:
    """A string or binary Arrow array of the bytes `data`; `ends` is where each value ends."""
    if len(ends) and ends[-1] > np.iinfo(np.int32).max:
        raise OverflowError(f"{ends[-1]} bytes in one batch: use fewer rows in a batch")
    places = np.zeros(len(ends) + 1, np.int32)
    places[1:] = ends
    return pa.Array.from_buffers(kind, len(ends), [None, pa.py_buffer(places), pa.py_buffer(data)])


def words(names: Sequence[str], codes: npt.NDArray[np.int8]) -> pa.Array:
    """A string Arrow array of `names[code]`."""
    known = blobs(pa.string(), [name.encode() for name in names])
    return known.take(numbers(pa.int8(), codes))
