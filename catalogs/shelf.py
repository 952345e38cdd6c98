"""Rasters that a thread holds open, what is known of each, and which versions were read of late."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalogs.rasters import NOTED, is_remote, open_raster, remote_of, unreadable
from catalogs.sources.chunks import Remote
from catalogs.sources.net.outcomes import CHANGED
from catalogs.sources.net.redact import bare
from catalogs.sources.remote import FAULTS
from schemas.errors import Fault
from schemas.sources import Version

if TYPE_CHECKING:
    import numpy.typing as npt
    from rasterio.io import DatasetReader


@dataclass(slots=True)
class Held:
    """An open raster, and what has been asked of it.

    Attributes:
        dataset: open for reading.
        remote: the version of a remote file that its bytes are of, None of one on disk.
        size: bytes of its file.
        grid: (width, height, six numbers of the affine).
        mask: 1-based number of its alpha band (0: none), and whether it has a mask of its own; None
            until asked for.
        tiles: by band, bytes [start, stop) of the TIFF tiles at (column, row).
    """

    dataset: "DatasetReader"
    remote: Remote | None
    size: int
    grid: tuple[float, ...]
    mask: tuple[int, bool] | None = None
    tiles: dict[int, dict[tuple[int, int], tuple[int, int] | None]] = field(default_factory=dict)


def opened(href: str) -> Held:
    """A raster opened.

    Raises:
        Fault: as `open_raster`.
    """
    remote = remote_of(href)
    dataset = open_raster(href, remote)
    size = Path(href).stat().st_size if remote is None else remote.size
    t = dataset.transform
    grid = (dataset.width, dataset.height, t.a, t.b, t.c, t.d, t.e, t.f)
    return Held(dataset, remote, size, grid)


class Shelf(threading.local):
    """Open rasters of one thread, the most recently used ones kept. Never pickled, never shared.

    Between two calls of `begin`, a remote file is read in one version only.
    """

    def __init__(self, size: int = 32) -> None:
        self.size = size
        self.open: OrderedDict[str, Held] = OrderedDict()
        self.seen: dict[str, Version] = {}

    def begin(self) -> None:
        """Forget which versions were read: what follows is another piece of work."""
        self.seen = {}

    def held(self, href: str) -> Held:
        """A raster, opened at most once while it stays on the shelf and its file stays the same.

        Raises:
            Fault: as `open_raster`; `changed_source` when another version of it was read since `begin`.
        """
        found = self.open.get(href)
        if found is not None and found.remote is not None and not found.remote.current:
            self.drop(href)
            found = None
        if found is None:
            found = self.open[href] = opened(href)
            if len(self.open) > self.size:
                self.drop(next(iter(self.open)))
        self.open.move_to_end(href)
        if found.remote is not None:
            version = found.remote.version
            before = self.seen.setdefault(href, version)
            if before is not version and not before.agrees(version):
                raise CHANGED.fault(bare(href))
        return found

    def get(self, href: str) -> "DatasetReader":
        """The dataset of a raster. Raises as `held`."""
        return self.held(href).dataset

    def version(self, href: str) -> Version | None:
        """The version of a remote file that is read, None of a file on disk. Raises as `held`."""
        remote = self.held(href).remote
        return None if remote is None else remote.version

    def tiles(self, href: str, index: int, box: tuple[int, int, int, int]) -> list[tuple[int, int]]:
        """Bytes [start, stop) of the TIFF tiles that a window of a band lies in; none if unknown.

        Args:
            index: 1-based band number.
            box: (column, row, width, height) of the window.
        """
        held = self.held(href)
        if held.dataset.driver != "GTiff":
            return []
        high, wide = held.dataset.block_shapes[index - 1]
        col, row, width, height = box
        known = held.tiles.setdefault(index, {})
        found = []
        for down in range(row // high, (row + height - 1) // high + 1):
            for right in range(col // wide, (col + width - 1) // wide + 1):
                if (right, down) not in known:
                    known[right, down] = _tile(held.dataset, index, right, down)
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
        NOTED.text = ""
        try:
            yield dataset
        except RasterioError as error:
            if is_remote(href):
                self.drop(href)  # what GDAL has half read of its directory is not to be built on
            raise unreadable(href, error) from error
        finally:
            if NOTED.text:
                self.drop(href)
        if is_remote(href) and (fault := FAULTS.take(href)):
            raise fault
        if NOTED.text:
            raise Fault("raster_unreadable", f"{href}: {NOTED.text.strip()}", retryable=True)

    def drop(self, href: str) -> None:
        """Close a file and forget what was decoded of it."""
        found = self.open.pop(href, None)
        if found is not None:
            found.dataset.close()

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

        held = self.held(href)
        alpha, own = held.mask = held.mask or masks_of(held.dataset)
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
        self.begin()


SHELF = Shelf()


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


def _tile(dataset: Any, index: int, right: int, down: int) -> tuple[int, int] | None:
    """Bytes [start, stop) of a tile; None where it is empty or beyond the image."""
    at = f"{right}_{down}"
    start = dataset.get_tag_item(f"BLOCK_OFFSET_{at}", "TIFF", bidx=index)
    size = dataset.get_tag_item(f"BLOCK_SIZE_{at}", "TIFF", bidx=index)
    return (int(start), int(start) + int(size)) if start and size else None
