"""HDF5 of strangers: only plain numbers that lie in the file itself are read, in bounded pieces.

An external link, a virtual dataset or external storage would read any file of this machine; a filter
that HDF5 does not bring along would load a library.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import SourceError

FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset"}
"""What HDF5 itself brings along, by id."""

LINKS = 8
"""Most soft links one after the other."""

CHUNK_BYTES = 256 << 20
"""Largest chunk that is decompressed; those of GEDI hold a few megabytes."""

CACHE_BYTES = 16 << 20
"""Decompressed chunks kept for each dataset while it is read."""


class GediError(SourceError):
    """A granule that cannot be used.

    Attributes:
        code: reason code, `gedi:...`, for a row of losses.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = f"gedi:{code}"


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, `h5py.File`, for reading.

    Raises:
        GediError: `unreadable`.
    """
    import h5py

    try:
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=CACHE_BYTES)
    except OSError as error:
        raise GediError(
            "unreadable", f"{path}: is no HDF5 file, or is cut short; fetch it again ({error})"
        ) from error
    with file:
        yield file


BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises where the bytes of a file make no sense."""


@contextmanager
def reading(file: Any, path: str) -> Iterator[None]:
    """What h5py stumbles over becomes a `GediError`; nothing but its calls belongs in here.

    Raises:
        GediError: `unreadable`.
    """
    try:
        yield
    except GediError:
        raise
    except BROKEN as error:
        raise GediError(
            "unreadable", f"{file.filename}: {path} cannot be read; fetch it again ({error})"
        ) from error


def find(file: Any, path: str, depth: int = 0) -> Any:
    """The group or dataset at `path` from the file's root; None when there is none.

    Raises:
        GediError: `external_link`, `link_loop`, `virtual_dataset`, `external_storage`, `user_filter`,
            `chunk_too_large` or `unreadable`.
    """
    with reading(file, path):
        return _found(file, path, depth)


def _found(file: Any, path: str, depth: int) -> Any:
    import h5py

    if depth > LINKS:
        raise GediError("link_loop", f"{file.filename}: {path} leads from link to link without end")
    parts = [part for part in path.split("/") if part]
    node: Any = file
    for place, part in enumerate(parts):
        if not isinstance(node, h5py.Group):
            return None
        link = node.get(part, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise GediError(
                "external_link",
                f"{file.filename}: {'/'.join(parts[: place + 1])} is a link into another file "
                f"({link.filename}); links out of a granule are not followed",
            )
        if isinstance(link, h5py.SoftLink):
            start = "" if link.path.startswith("/") else "/".join(parts[:place])
            rest = "/".join(parts[place + 1 :])
            return _found(file, f"{start}/{link.path}/{rest}", depth + 1)
        node = node[part]
    if isinstance(node, h5py.Dataset):
        _plain(file, path, node)
    return node


def _plain(file: Any, path: str, dataset: Any) -> None:
    """Refuse a dataset whose values come from elsewhere or through foreign code."""
    where = f"{file.filename}: {path}"
    if dataset.is_virtual:
        raise GediError("virtual_dataset", f"{where} is a virtual dataset made of other files")
    if dataset.external:
        raise GediError("external_storage", f"{where} keeps its values in another file")
    settings = dataset.id.get_create_plist()
    for number in range(settings.get_nfilters()):
        code = settings.get_filter(number)[0]
        if code not in FILTERS:
            raise GediError(
                "user_filter",
                f"{where} is compressed by filter {code}, which is not HDF5's own; "
                "repack it with gzip (h5repack -f GZIP=4)",
            )
    chunk = int(np.prod(dataset.chunks or (0,), dtype=object)) * dataset.dtype.itemsize
    if chunk > CHUNK_BYTES:
        raise GediError("chunk_too_large", f"{where} has chunks of {chunk:,} bytes")


def numbers(file: Any, path: str, length: int | None = None) -> Any:
    """The dataset of numbers at `path`, its first axis of `length`; None when there is none.

    Raises:
        GediError: as `find`; `not_numbers`, `wrong_shape`.
    """
    import h5py

    found = find(file, path)
    if found is None:
        return None
    with reading(file, path):
        kind = getattr(found, "dtype", np.dtype(object)).kind
    if not isinstance(found, h5py.Dataset) or kind not in "iuf":
        raise GediError("not_numbers", f"{file.filename}: {path} holds no numbers")
    if not found.shape or (length is not None and found.shape[0] != length):
        raise GediError(
            "wrong_shape",
            f"{file.filename}: {path} has shape {found.shape}, expected {length} rows",
        )
    return found


def fill_of(dataset: Any) -> float | int | None:
    """The value that stands for "none": attribute `_FillValue`, else -9999 (floats) or 255 (bytes)."""
    with reading(dataset.file, dataset.name):
        value = np.asarray(dataset.attrs.get("_FillValue", ""))
    if value.size == 1 and value.dtype.kind in "iuf":
        found: float | int = value.reshape(-1)[0].item()
        return found
    if dataset.dtype.kind == "f":
        return -9999.0
    return 255 if dataset.dtype == np.uint8 else None


Runs = list[tuple[int, int]]
GAP = 2048
"""Rows that are read along rather than asked for apart."""


def runs_of(rows: npt.NDArray[np.int64]) -> Runs:
    """[start, end) of the stretches in which sorted `rows` lie."""
    if not len(rows):
        return []
    cuts = np.flatnonzero(np.diff(rows) > GAP)
    starts = [int(rows[0]), *rows[cuts + 1].tolist()]
    ends = [*(rows[cuts] + 1).tolist(), int(rows[-1]) + 1]
    return list(zip(starts, ends, strict=True))


def taken(
    file: Any, dataset: Any, rows: npt.NDArray[np.int64], column: int | None = None
) -> npt.NDArray[Any]:
    """Values of sorted `rows`, 1-D in the stored type; only the stretches around them are read.

    Args:
        column: of a dataset of two axes.

    Raises:
        GediError: `unreadable`, `wrong_shape`.
    """
    flat = column is None
    if (flat and dataset.ndim != 1) or (
        not flat and (dataset.ndim != 2 or column >= dataset.shape[1])
    ):
        raise GediError("wrong_shape", f"{file.filename}: {dataset.name} has shape {dataset.shape}")
    out = np.empty(len(rows), dataset.dtype)
    place = 0
    with reading(file, dataset.name):
        for low, high in runs_of(rows):
            count = int(np.searchsorted(rows[place:], high))
            piece = dataset[low:high] if flat else dataset[low:high, column]
            out[place : place + count] = piece[rows[place : place + count] - low]
            place += count
    return out
