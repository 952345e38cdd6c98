"""Who reads the pixels of a band: files, or a service that computes them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from catalogs.rasters import is_remote
from catalogs.shelf import SHELF
from catalogs.sources.earth_engine.assets import SCHEME
from catalogs.sources.earth_engine.reader import EARTH_ENGINE
from schemas.scenes import Band, Part, Scene

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Reader(Protocol):
    """Pixels as they are stored, on the grid on which they are stored.

    Bands that are passed together share `href` and `place`.
    """

    def dtype(self, band: Band) -> "np.dtype[Any]":
        """The stored type."""
        ...

    def nodata(self, band: Band) -> float | None:
        """The stored value for "no data" that the source itself names; None without one."""
        ...

    def place(self, band: Band, scene: Scene) -> tuple[float, ...]:
        """(width, height, six numbers of the affine), as the source itself says."""
        ...

    def in_crs(self, band: Band, crs: str) -> bool:
        """Whether the band is in a CRS, as far as the source says."""
        ...

    def version(self, band: Band) -> object:
        """What tells one state of the source from another; the same for the same state."""
        ...

    def read(self, part: Part, out: "Sequence[npt.NDArray[Any]]") -> "npt.NDArray[np.bool_] | None":
        """Read a part into one array `(y, x)` for each band; all of them are of one type.

        Returns:
            `(y, x)`: where the source says, besides any nodata value, that all bands are valid;
            None where it says nothing.

        Raises:
            Fault: the part cannot be read.
            SourceError: nothing can be read from this source any more.
        """
        ...

    def thumbnail(
        self, bands: tuple[Band, ...], scene: Scene
    ) -> "tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]":
        """The whole bands in at most 512 pixels a side, `(band, y, x)`, and as `read` what is valid.

        Raises:
            Fault, SourceError: as `read`.
        """
        ...

    def prepare(self, bands: Iterable[Band]) -> set[str]:
        """Open what will be read together, where opening takes time; returns hrefs that fail."""
        ...

    def expect(self, parts: Iterable[Part]) -> Callable[[], None]:
        """Begin to fetch parts, given in the order of need; the result lets go of what was not read.

        It changes when bytes travel, never what `read` gives.
        """
        ...


def reader_of(band: Band) -> Reader:
    """Who reads a band. The scheme of its href decides, here and nowhere else."""
    return EARTH_ENGINE if band.href.startswith(SCHEME) else SHELF


def is_far(band: Band) -> bool:
    """Whether a band is read over the network, so that fetching ahead is worth while."""
    return band.href.startswith(SCHEME) or is_remote(band.href)


def together(bands: Sequence[Band]) -> Iterator[tuple[tuple[Band, ...], list[int]]]:
    """(bands of one location and grid, their places among all), in the order of first appearance."""
    places: dict[tuple[str, tuple[float, ...]], list[int]] = {}
    for number, band in enumerate(bands):
        places.setdefault((band.href, band.place), []).append(number)
    for found in places.values():
        yield tuple(bands[number] for number in found), found
