"""Files as a reader of pixels: datasets that stay open, which versions were read, the bytes of tiles."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from catalogs.held import Held, masks_of, opened, same_file, tile_of
from catalogs.rasters import NOTED, is_remote, said, unreadable
from catalogs.sources.net.outcomes import CHANGED
from catalogs.sources.remote import FAULTS, ahead
from schemas.errors import Fault
from schemas.scenes import Band, Box, Part, Scene
from schemas.sources import Version

if TYPE_CHECKING:
    import numpy.typing as npt
    from rasterio.io import DatasetReader

MOST_HEADERS = 400
"""Files whose headers are fetched together, at most; those of later samples follow one by one."""

SIDE = 512
"""Pixels along the longer side of a thumbnail, at most."""


def room() -> int:
    """Files that one thread keeps open: a year of all bands has 156, a process may open that many."""
    try:
        import resource
    except ImportError:  # Windows
        return 128
    may, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 256 if may == resource.RLIM_INFINITY else max(32, min(256, may // 4))


class Shelf(threading.local):
    """Open rasters of one thread, the most recently used ones kept. Never pickled, never shared.

    It is a `catalogs.readers.Reader`. A dataset that is closed forgets its decoded tiles, so all that a
    chip is read from must stay open. Between two calls of `begin`, a remote file is read in one
    version only.
    """

    def __init__(self, size: int = 0) -> None:
        self.size = size or room()
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
                raise CHANGED.fault(said(href))
        return found

    def dtype(self, band: Band) -> "np.dtype[Any]":
        """As `Reader`."""
        kind: np.dtype[Any] = np.dtype(self.held(band.href).dataset.dtypes[band.index - 1])
        return kind

    def nodata(self, band: Band) -> float | None:
        """As `Reader`."""
        found = self.held(band.href).dataset.nodatavals[band.index - 1]
        return None if found is None else float(found)

    def place(self, band: Band, scene: Scene) -> tuple[float, ...]:
        """As `Reader`.

        Raises:
            Fault: as `held`, and as `same_file`.
        """
        held = self.held(band.href)
        same_file(band, held)
        return held.place

    def in_crs(self, band: Band, crs: str) -> bool:
        """As `Reader`; a file without a CRS agrees with any."""
        from rasterio.crs import CRS

        held = self.held(band.href)
        if crs not in held.systems:
            found = held.dataset.crs
            held.systems[crs] = found is None or found == CRS.from_user_input(crs)
        return held.systems[crs]

    def version(self, band: Band) -> Version | None:
        """As `Reader`; None of a file on disk."""
        remote = self.held(band.href).remote
        return None if remote is None else remote.version

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

    def prepare(self, bands: Iterable[Band]) -> set[str]:
        """As `Reader`: headers of files on other hosts come together."""
        hrefs = dict.fromkeys(band.href for band in bands if is_remote(band.href))
        return ahead().prepare(list(hrefs)[:MOST_HEADERS])

    def expect(self, parts: Iterable[Part]) -> Callable[[], None]:
        """As `Reader`, of files on other hosts."""
        chunks = ahead().want(dict.fromkeys(self._ranges(parts)))
        return lambda: ahead().forget(chunks)

    def drop(self, href: str) -> None:
        """Close a file and forget what was decoded of it."""
        found = self.open.pop(href, None)
        if found is not None:
            found.dataset.close()

    def clear(self) -> None:
        """Close everything this thread holds."""
        while self.open:
            self.drop(next(iter(self.open)))
        self.begin()

    @contextmanager
    def _reading(self, href: str) -> "Iterator[DatasetReader]":
        """The dataset, for one read.

        Raises:
            Fault: `raster_unreadable`, also where a decoder went on with spoilt data. The dataset is
                then closed, so that nothing is answered from what it has half read.
        """
        from rasterio.errors import RasterioError

        dataset = self.held(href).dataset
        NOTED.text = ""
        FAULTS.take(href)
        try:
            yield dataset
        except RasterioError as error:
            self.drop(href)
            raise unreadable(href, error) from error
        if fault := FAULTS.take(href):
            self.drop(href)
            raise fault
        if NOTED.text:
            self.drop(href)
            why = f"{said(href)}: {NOTED.text.strip()}"
            raise Fault("raster_unreadable", why, retryable=True)

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

        held = self.held(href)
        alpha, own = held.mask = held.mask or masks_of(held.dataset)
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
        """Bytes [start, stop) of the TIFF tiles that a box of a band lies in; none if unknown.

        Raises:
            Fault: the index of tiles cannot be read.
        """
        held = self.held(href)
        if held.dataset.driver != "GTiff":
            return []
        high, wide = held.dataset.block_shapes[index - 1]
        col, row, width, height = box
        known = held.tiles.setdefault(index, {})
        places = [
            (right, down)
            for down in range(row // high, (row + height - 1) // high + 1)
            for right in range(col // wide, (col + width - 1) // wide + 1)
        ]
        if missing := [place for place in places if place not in known]:
            with self._reading(href) as dataset:
                found = {place: tile_of(dataset, index, *place) for place in missing}
            known.update(found)  # not what a broken read has left
        return [tile for place in places if (tile := known[place]) is not None]


SHELF = Shelf()


def colours(scene: Scene, href: str) -> Collection[int]:
    """Numbers of a file's bands that hold pixels, whatever colour the file gives them."""
    return {b.index for b in scene.bands if b.href == href and not b.alpha}
