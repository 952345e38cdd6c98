"""Earth Engine as a reader of pixels (`catalogs.readers.Reader`): all but the pixels is in the plan."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.sources.earth_engine.assets import own_grid, place_of
from catalogs.sources.earth_engine.joints import ahead, fetch
from catalogs.sources.earth_engine.session import connect
from schemas.errors import Fault
from schemas.scenes import Band, Part, Scene

SIDE = 512
"""Pixels along the longer side of a thumbnail, at most."""


class EarthEngine:
    """Bands of assets, whose metadata the scenes hold: only pixels are asked for."""

    def dtype(self, band: Band) -> np.dtype[Any]:
        """As `Reader`."""
        return np.dtype(band.dtype)

    def nodata(self, band: Band) -> float | None:
        """None: assets have masks instead."""
        return None

    def place(self, band: Band, scene: Scene) -> tuple[float, ...]:
        """As `Reader`."""
        return band.place or place_of(scene.grid)

    def in_crs(self, band: Band, crs: str) -> bool:
        """True: a scene with bands in several CRS is never made."""
        return True

    def version(self, band: Band) -> object:
        """As `Reader`: the service tells none."""
        return None

    def read(self, part: Part, out: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        """As `Reader`.

        Raises:
            Fault: as `pixels.read`; `band_mismatch` (numbers beyond the stated type).
            UsageError, SourceError: there is no access.
        """
        pixels, valid = ahead().read(part)
        for target, band, array in zip(out, part.bands, pixels, strict=True):
            target[...] = fitted(array, target.dtype, f"{part.href}: {band.name}")
        return valid

    def thumbnail(
        self, bands: tuple[Band, ...], scene: Scene
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """As `Reader`, from the asset's pyramid.

        Raises:
            Fault, UsageError, SourceError: as `read`.
        """
        own = own_grid(bands[0], scene)
        step = max(1, -(-max(own.width, own.height) // SIDE))
        a, b, c, d, e, f = own.transform
        small = replace(
            own, transform=(a * step, b, c, d, e * step, f),
            width=max(1, own.width // step), height=max(1, own.height // step),
        )  # fmt: skip
        placed = tuple(replace(band, place=place_of(small)) for band in bands)
        return fetch(Part(placed, scene, (0, 0, small.width, small.height)))

    def prepare(self, bands: Iterable[Band]) -> set[str]:
        """Connect.

        Raises:
            UsageError, SourceError: as `connect`.
        """
        connect()
        return set()

    def expect(self, parts: Iterable[Part]) -> Callable[[], None]:
        """As `Reader`."""
        process = ahead()
        joints = process.want(parts)
        return lambda: process.forget(joints)


def fitted(array: npt.NDArray[Any], kind: np.dtype[Any], where: str) -> npt.NDArray[Any]:
    """Numbers in another type.

    Raises:
        Fault: `band_mismatch`: not all of them can be.
    """
    if np.can_cast(array.dtype, kind):
        return array
    with np.errstate(all="ignore"):
        cast = array.astype(kind)
    if not np.array_equal(cast, array, equal_nan=kind.kind == "f" and array.dtype.kind == "f"):
        raise Fault(
            "band_mismatch", f"{where}: holds numbers that {kind} does not, as {array.dtype}"
        )
    return cast


EARTH_ENGINE = EarthEngine()
