"""Files as a reader of pixels: datasets that stay open, windows, masks, and the bytes of tiles."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from catalogs.rasters import NOTED, is_remote, open_raster, unreadable
from catalogs.sources.remote import FAULTS, ahead
from schemas.errors import Fault
from schemas.scenes import Band, Box, Part, Scene

if TYPE_CHECKING:
    import numpy.typing as npt
    from rasterio.io import DatasetReader

MOST_HEADERS = 400
"""Files whose headers are fetched together; a scene has a dozen, a block a handful of scenes."""

SIDE = 512
"""Pixels along the longer side of a thumbnail, at most."""


class Shelf(threading.local):
    """Open datasets of one thread, the most recently used ones kept. Never pickled, never shared.

    It is a `catalogs.readers.Reader`.
    """

    def __init__(self, size: int = 32) -> None:
        self.size = size
        self.open: OrderedDict[str, DatasetReader] = OrderedDict()
        self.masks: dict[str, tuple[int, bool]] = {}
        self.grids: dict[str, tuple[float, ...]] = {}
        self.systems: dict[tuple[str, str], bool] = {}
        self.places: dict[tuple[str, int], dict[tuple[int, int], tuple[int, int] | None]] = {}

    def get(self, href: str) -> "DatasetReader":
        """The dataset of `href`, opened at most once while it stays on the shelf.

        Raises:
            Fault: as `open_raster`.
        """
        dataset = self.open.get(href)
        if dataset is None:
            dataset = self.open[href] = open_raster(href)
            if len(self.open) > self.size:
                self.drop(next(iter(self.open)))
        self.open.move_to_end(href)
        return dataset

    def dtype(self, band: Band) -> "np.dtype[Any]":
        """As `Reader`."""
        kind: np.dtype[Any] = np.dtype(self.get(band.href).dtypes[band.index - 1])
        return kind

    def nodata(self, band: Band) -> float | None:
        """As `Reader`."""
        found = self.get(band.href).nodatavals[band.index - 1]
        return None if found is None else float(found)

    def place(self, band: Band, scene: Scene) -> tuple[float, ...]:
        """As `Reader`."""
        dataset = self.get(band.href)
        if band.href not in self.grids:
            t = dataset.transform
            self.grids[band.href] = (dataset.width, dataset.height, *tuple(t)[:6])
        return self.grids[band.href]

    def in_crs(self, band: Band, crs: str) -> bool:
        """As `Reader`; a file without a CRS agrees with any."""
        from rasterio.crs import CRS

        key = (band.href, crs)
        if key not in self.systems:
            found = self.get(band.href).crs
            self.systems[key] = found is None or found == CRS.from_user_input(crs)
        return self.systems[key]

    def read(self, part: Part, out: "Sequence[npt.NDArray[Any]]") -> "npt.NDArray[np.bool_] | None":
        """As `Reader`.

        Raises:
            Fault: `raster_unreadable`, and as `open_raster`.
        """
        from rasterio.windows import Window

        box = Window(*part.box)
        with self._reading(part.href) as dataset:
            if len(out) == 1:
                dataset.read(part.bands[0].index, window=box, out=out[0])
            else:
                found = dataset.read([band.index for band in part.bands], window=box)
                for target, band in zip(out, found, strict=True):
                    target[...] = band
        return self._mask(part.href, part.scene, part.box)

    def thumbnail(
        self, bands: tuple[Band, ...], scene: Scene
    ) -> "tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]":
        """As `Reader`.

        Raises:
            Fault: `raster_unreadable`, and as `open_raster`.
        """
        href = bands[0].href
        with self._reading(href) as dataset:
            step = max(1, -(-max(dataset.width, dataset.height) // SIDE))
            shape = (max(1, dataset.height // step), max(1, dataset.width // step))
            indexes = [band.index for band in bands]
            small = np.asarray(dataset.read(indexes, out_shape=(len(bands), *shape)))
        return small, self._mask(href, scene, shape=shape)

    def prepare(self, bands: Iterable[Band]) -> None:
        """As `Reader`: headers of files on other hosts come together."""
        hrefs = dict.fromkeys(band.href for band in bands if is_remote(band.href))
        if len(hrefs) <= MOST_HEADERS:
            ahead().prepare(hrefs)

    def expect(self, parts: Iterable[Part]) -> Callable[[], None]:
        """As `Reader`, of files on other hosts."""
        chunks = ahead().want(dict.fromkeys(self._ranges(parts)))
        return lambda: ahead().forget(chunks)

    def drop(self, href: str) -> None:
        """Close a file and forget what was decoded of it."""
        self.masks.pop(href, None)
        self.grids.pop(href, None)
        self.places = {key: found for key, found in self.places.items() if key[0] != href}
        self.systems = {key: found for key, found in self.systems.items() if key[0] != href}
        dataset = self.open.pop(href, None)
        if dataset is not None:
            dataset.close()

    def clear(self) -> None:
        """Close everything this thread holds."""
        while self.open:
            self.drop(next(iter(self.open)))

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
            raise unreadable(href, error) from error
        finally:
            if NOTED.text:
                self.drop(href)
        if is_remote(href) and (fault := FAULTS.take(href)):
            raise fault
        if NOTED.text:
            raise Fault("raster_unreadable", f"{href}: {NOTED.text.strip()}", retryable=True)

    def _mask(
        self,
        href: str,
        scene: Scene,
        box: Box | None = None,
        shape: tuple[int, int] | None = None,
    ) -> "npt.NDArray[np.bool_] | None":
        """Where a file's mask and alpha band say "valid", `(y, x)`; None where it has neither.

        Args:
            scene: whose bands hold pixels, whatever colour the file gives them.
            box: of the window; the whole file when None.
            shape: `(y, x)` to decimate to.
        """
        from rasterio.windows import Window

        if href not in self.masks:
            self.masks[href] = masks_of(self.get(href))
        alpha, own = self.masks[href]
        veiled = alpha and alpha not in colours(scene, href)
        if not (own or veiled):
            return None
        how = {"window": Window(*box) if box else None, "out_shape": shape}
        parts = []
        with self._reading(href) as dataset:
            if own:
                parts.append(dataset.read_masks(1, **how) > 0)
            if veiled:
                parts.append(dataset.read(alpha, **how) > 0)
        return np.asarray(np.logical_and.reduce(parts))

    def _ranges(self, parts: Iterable[Part]) -> Iterator[tuple[str, int, int]]:
        """(url, start, stop) of the tiles of parts on other hosts; none of what cannot be opened."""
        for part in parts:
            if not is_remote(part.href):
                continue
            try:
                for band in part.bands:
                    for start, stop in self._tiles(part.href, band.index, part.box):
                        yield part.href, start, stop
            except Fault:  # the read itself will tell
                continue

    def _tiles(self, href: str, index: int, box: Box) -> list[tuple[int, int]]:
        """Bytes [start, stop) of the TIFF tiles that a box of a band lies in; none if unknown."""
        dataset = self.get(href)
        if dataset.driver != "GTiff":
            return []
        high, wide = dataset.block_shapes[index - 1]
        col, row, width, height = box
        known = self.places.setdefault((href, index), {})
        found = []
        for down in range(row // high, (row + height - 1) // high + 1):
            for right in range(col // wide, (col + width - 1) // wide + 1):
                if (right, down) not in known:
                    known[right, down] = _tile(dataset, index, right, down)
                if (place := known[right, down]) is not None:
                    found.append(place)
        return found


SHELF = Shelf()


def colours(scene: Scene, href: str) -> Collection[int]:
    """Numbers of a file's bands that hold pixels, whatever colour the file gives them."""
    return {b.index for b in scene.bands if b.href == href and not b.alpha}


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
