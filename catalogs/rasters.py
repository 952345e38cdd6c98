"""The one place that opens rasters: drivers by content, sizes before reading, no outside access."""

import logging
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalogs.sources.remote import FAULTS, ahead, opened
from schemas.errors import Fault

if TYPE_CHECKING:
    import numpy.typing as npt
    import rasterio
    from rasterio.io import DatasetReader

MAGIC = {
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
    b"\x00\x00\x00\x0cjP": "JP2OpenJPEG",
    b"\xff\x4f\xff\x51": "JP2OpenJPEG",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
}
"""First bytes -> the only driver that may open such a file. Anything else is refused."""

EXPANSION = 2000
"""Largest believable ratio of declared to stored bytes; deflate itself ends at 1,032 (RFC 1951)."""

SUSPECT = 1 << 28
"""Declared bytes from which `EXPANSION` is held against a file."""

READ_LIMIT = 1 << 30
"""Largest single read in bytes."""

ENVIRONMENT = {
    "GDAL_SKIP": "VRT,WMS,WCS,WMTS,GTI,HTTP,PLMOSAIC,STACIT,STACTA,DAAS,EEDAI,PDF",
    "GDAL_NUM_THREADS": "1",
    "GDAL_CACHEMAX": "512",  # MB for each process: two rows of tiles of a four-band scene need 100
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "GDAL_PAM_ENABLED": "YES",
    "PROJ_NETWORK": "OFF",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # grey stripes are no pixels
    "CPL_LOG": os.devnull,
}
"""Set before GDAL is loaded; some of these have no effect afterwards."""


def guard_environment() -> None:
    """Export `ENVIRONMENT` to this process and its children, keeping what the user has set."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def driver_of(href: str) -> str:
    """The GDAL driver that the file's first bytes call for.

    Raises:
        Fault: `raster_missing`, `driver_not_allowed` for a VRT and other indirections,
            `not_a_raster` for the rest; of remote files also those of `net.client`.
    """
    if is_remote(href):
        head = ahead().read(href, 0, 64)
    elif (
        "://" in href
        or href.startswith("/vsi")
        or (":" in href and href.split(":", 1)[0].isupper())
    ):
        raise Fault("driver_not_allowed", f"{href}: only plain raster files are opened")
    else:
        try:
            with Path(href).open("rb") as stream:
                head = stream.read(64)
        except OSError as error:
            raise Fault("raster_missing", f"{href}: {error.strerror}", retryable=True) from error
    for magic, driver in MAGIC.items():
        if head.startswith(magic):
            return driver
    if head.lstrip()[:1] == b"<":
        raise Fault(
            "driver_not_allowed", f"{href}: is XML (a VRT or service description), not pixels"
        )
    raise Fault("not_a_raster", f"{href}: not a GeoTIFF, JPEG 2000, PNG or JPEG file")


def open_raster(href: str) -> "DatasetReader":
    """Open a raster for reading, with the one driver its content calls for.

    Raises:
        Fault: as `driver_of`, and `raster_unreadable`, `too_large`.
    """
    guard_environment()
    import rasterio
    from rasterio.errors import RasterioError

    _listen()
    driver = driver_of(href)
    remote = {"opener": opened(href)} if is_remote(href) else {}
    try:
        dataset = rasterio.open(href, driver=driver, **remote)
    except RasterioError as error:
        raise unreadable(href, error) from error
    itemsize = max(_itemsize(t) for t in dataset.dtypes)
    declared = dataset.width * dataset.height * dataset.count * itemsize
    stored = ahead().remote(href).size if remote else max(Path(href).stat().st_size, 1)
    if declared > SUSPECT and declared / stored > EXPANSION:
        dataset.close()
        raise Fault(
            "too_large",
            f"{href}: declares {declared / 1e9:,.1f} GB of pixels in a file of {stored / 1e6:,.1f} MB",
        )
    return dataset


def is_remote(href: str) -> bool:
    """Whether it is read over the network."""
    return href.startswith(("https://", "http://", "s3://", "gs://"))


def unreadable(href: str, error: Exception) -> Fault:
    """Why a raster could not be read: the network's reason where there is one, else GDAL's."""
    cause = error.__cause__ or error
    found = FAULTS.take(href) if is_remote(href) else None
    return found or Fault("raster_unreadable", f"{href}: {cause}", retryable=True)


@cache
def _listen() -> None:
    """Silence rasterio's warning of files without a place: the fault `no_crs` names them; hear the
    warnings of decoders, which go on with grey where the file is spoilt."""
    from rasterio.errors import NotGeoreferencedWarning

    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    logging.getLogger("rasterio").addHandler(_Spoilt(logging.WARNING))


class _Noted(threading.local):
    """The latest complaint of a decoder in this thread."""

    text = ""


_NOTED = _Noted()


class _Spoilt(logging.Handler):
    """Notes what libjpeg says of spoilt data: in a TIFF it cannot be made an error by a setting."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of such a warning."""
        text = record.getMessage()
        if "JPEGLib:" in text or "libjpeg:" in text:
            _NOTED.text = text.split(":", 1)[-1]


def masks_of(dataset: "DatasetReader") -> tuple[int, bool]:
    """The 1-based number of a file's alpha band (0: none), and whether it has a mask of its own.

    A mask lies inside a GeoTIFF or beside it (`.msk`); one that GDAL derives from nodata or alpha
    is not counted.
    """
    kinds = [kind.name for kind in dataset.colorinterp]
    flags = [{flag.name for flag in band} for band in dataset.mask_flag_enums]
    derived = {"all_valid", "nodata", "alpha"}
    alpha = kinds.index("alpha") + 1 if "alpha" in kinds else 0
    return alpha, any(not band & derived for band in flags)


def _itemsize(dtype: str) -> int:
    return np.dtype(dtype).itemsize if dtype != "complex_int16" else 4


def _tile(dataset: Any, index: int, right: int, down: int) -> tuple[int, int] | None:
    """Bytes [start, stop) of a tile; None where it is empty or beyond the image."""
    at = f"{right}_{down}"
    start = dataset.get_tag_item(f"BLOCK_OFFSET_{at}", "TIFF", bidx=index)
    size = dataset.get_tag_item(f"BLOCK_SIZE_{at}", "TIFF", bidx=index)
    return (int(start), int(start) + int(size)) if start and size else None


def session() -> "rasterio.Env":
    """A context in which many reads share one GDAL environment; each read sets one up otherwise."""
    guard_environment()
    import rasterio

    return rasterio.Env()


def room() -> int:
    """Files that one thread keeps open: a year of all bands has 156, a process may open that many."""
    try:
        import resource
    except ImportError:  # Windows
        return 128
    may, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 256 if may == resource.RLIM_INFINITY else max(32, min(256, may // 4))


class Shelf(threading.local):
    """Open datasets of one thread, the most recently used ones kept. Never pickled, never shared.

    A dataset that is closed forgets its decoded tiles, so all that a chip is read from must stay open.
    """

    def __init__(self, size: int = 0) -> None:
        self.size = size or room()
        self.open: OrderedDict[str, DatasetReader] = OrderedDict()
        self.masks: dict[str, tuple[int, bool]] = {}
        self.grids: dict[str, tuple[float, ...]] = {}
        self.places: dict[tuple[str, int], dict[tuple[int, int], tuple[int, int] | None]] = {}

    def get(self, href: str) -> "DatasetReader":
        """The dataset of `href`, opened at most once while it stays on the shelf."""
        dataset = self.open.get(href)
        if dataset is None:
            dataset = self.open[href] = open_raster(href)
            if len(self.open) > self.size:
                self.drop(next(iter(self.open)))
        self.open.move_to_end(href)
        return dataset

    def grid(self, href: str) -> tuple[float, ...]:
        """(width, height, six numbers of the affine) of a file."""
        dataset = self.get(href)
        if href not in self.grids:
            t = dataset.transform
            self.grids[href] = (dataset.width, dataset.height, t.a, t.b, t.c, t.d, t.e, t.f)
        return self.grids[href]

    def tiles(self, href: str, index: int, box: tuple[int, int, int, int]) -> list[tuple[int, int]]:
        """Bytes [start, stop) of the TIFF tiles that a window of a band lies in; none if unknown.

        Args:
            index: 1-based band number.
            box: (column, row, width, height) of the window.
        """
        dataset = self.get(href)
        if dataset.driver != "GTiff":
            return []
        high, wide = dataset.block_shapes[index - 1]
        col, row, width, height = box
        key = (href, index)
        known = self.places.setdefault(key, {})
        found = []
        for down in range(row // high, (row + height - 1) // high + 1):
            for right in range(col // wide, (col + width - 1) // wide + 1):
                if (right, down) not in known:
                    known[right, down] = _tile(dataset, index, right, down)
                if (place := known[right, down]) is not None:
                    found.append(place)
        return found

    def read(
        self, href: str, indexes: list[int], col: int, row: int, out: "list[npt.NDArray[Any]]"
    ) -> None:
        """Read the window at (col, row) of 1-based bands into arrays of one shape and dtype.

        Raises:
            Fault: `raster_unreadable`.
        """
        from rasterio.windows import Window

        height, width = out[0].shape
        box = Window(col, row, width, height)
        with self._reading(href) as dataset:
            if len(indexes) == 1:
                dataset.read(indexes[0], window=box, out=out[0])
                return
            found = dataset.read(indexes, window=box)
        for target, band in zip(out, found, strict=True):
            target[...] = band

    @contextmanager
    def _reading(self, href: str) -> "Iterator[DatasetReader]":
        """The dataset, for one read.

        Raises:
            Fault: `raster_unreadable`, also where a decoder went on with spoilt data. The dataset is
                then closed, so that nothing of it is answered from decoded tiles.
        """
        from rasterio.errors import RasterioError

        dataset = self.get(href)
        _NOTED.text = ""
        try:
            yield dataset
        except RasterioError as error:
            raise unreadable(href, error) from error
        finally:
            if _NOTED.text:
                self.drop(href)
        if is_remote(href) and (fault := FAULTS.take(href)):
            raise fault
        if _NOTED.text:
            raise Fault("raster_unreadable", f"{href}: {_NOTED.text.strip()}", retryable=True)

    def drop(self, href: str) -> None:
        """Close a file and forget what was decoded of it."""
        self.masks.pop(href, None)
        self.grids.pop(href, None)
        for key in [key for key in self.places if key[0] == href]:
            del self.places[key]
        dataset = self.open.pop(href, None)
        if dataset is not None:
            dataset.close()

    def mask(
        self,
        href: str,
        colours: Collection[int],
        box: tuple[int, int, int, int] | None = None,
        shape: tuple[int, int] | None = None,
    ) -> "npt.NDArray[np.bool_] | None":
        """Where a file's mask and alpha band say "valid", (y, x); None where it has neither.

        Args:
            colours: 1-based numbers of bands that hold pixels whatever colour the file gives them.
            box: (column, row, width, height) of the window; the whole file when None.
            shape: (y, x) to decimate to.

        Raises:
            Fault: `raster_unreadable`.
        """
        from rasterio.windows import Window

        if href not in self.masks:
            self.masks[href] = masks_of(self.get(href))
        alpha, own = self.masks[href]
        how = {"window": Window(*box) if box else None, "out_shape": shape}
        parts = []
        if own or (alpha and alpha not in colours):
            with self._reading(href) as dataset:
                if own:
                    parts.append(dataset.read_masks(1, **how) > 0)
                if alpha and alpha not in colours:
                    parts.append(dataset.read(alpha, **how) > 0)
        return np.logical_and.reduce(parts) if parts else None

    def thumbnail(self, href: str, index: int, side: int = 512) -> "npt.NDArray[Any]":
        """A decimated band, at most `side` pixels a side.

        Raises:
            Fault: `raster_unreadable`.
        """
        with self._reading(href) as dataset:
            step = max(1, -(-max(dataset.width, dataset.height) // side))
            shape = (max(1, dataset.height // step), max(1, dataset.width // step))
            return np.asarray(dataset.read(index, out_shape=shape))

    def clear(self) -> None:
        """Close everything this thread holds."""
        while self.open:
            self.drop(next(iter(self.open)))


SHELF = Shelf()
