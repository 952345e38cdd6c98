"""Raster layers beside the imagery: elevation, radar mosaics, canopy height, land cover."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import Fault, Reject
from schemas.recipes import at_least
from schemas.samples import Image, Sample
from schemas.scenes import Band, Part, Scene
from schemas.windows import Grid
from transforms.context import Context
from transforms.imagery.choice import choose_bands
from transforms.imagery.missing import nodata_of, stated_nodata, writable
from transforms.imagery.pixels import parts, read_pixels
from transforms.resampling import REACH

LATEST = 9999.0
"""Stands for the year of a scene without a date: after all that have one."""


@dataclass(frozen=True)
class Find:
    """The scene of a layer over the anchor: of the image's year, or the newest.

    Attributes:
        role: `palsar`, `dem`, `canopy` or `landcover`.
        year: `image`: the year nearest to that of the sample's image, of two the earlier; "": the
            newest scene.
        max_years: how far that year may be from the image's.
    """

    role: str = "dem"
    year: str = ""
    max_years: int = 100

    def __post_init__(self) -> None:
        """Refuse years that nobody knows."""
        if self.year not in ("", "image"):
            raise ValueError(f"layers.Find.year={self.year!r}: 'image', or '' for the newest")
        at_least("layers.Find.max_years", self.max_years, 0)

    @property
    def needs(self) -> tuple[str, ...]:
        """The image whose year counts."""
        return ("scenes",) if self.year else ()

    @property
    def gives(self) -> dict[str, str]:
        """The layer's scene."""
        return {f"layer_{self.role}": "noun"}

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its layer.

        Raises:
            Reject: `no_ROLE` where none covers the anchor, `no_ROLE_year` where none is near in time.
        """
        over = ctx.sources[self.role].over(sample.lon, sample.lat)
        if not over:
            place = f"{sample.lon:.5f} {sample.lat:.5f}"
            raise Reject(f"no_{self.role}", f"no scene of the role {self.role} over {place}")
        when = sample.scenes[0].datetime if self.year else None
        if when is None:
            best = max(over, key=lambda s: (_year(s), s.key))
        else:
            best = min(over, key=lambda s: (abs(_year(s) - when.year), _year(s), s.key))
            if best.datetime and abs(best.datetime.year - when.year) > self.max_years:
                raise Reject(
                    f"no_{self.role}_year",
                    f"the nearest is {best.id} of {best.datetime.year}, the image is of {when.year}",
                )
        return replace(sample, layers={**sample.layers, self.role: best})


def _year(scene: Scene) -> float:
    return scene.datetime.year if scene.datetime else LATEST


@dataclass(frozen=True)
class Read:
    """A layer's pixels on the grid of the chip, as image of the role's name.

    Bands on the chip's own grid are never resampled; from another grid or CRS they are brought onto
    it. Classes (role `landcover`) are only ever taken by `nearest`.

    Attributes:
        role: as `Find` has it.
        bands: own or common names in the order of the image; () for all bands of the finest. Where a
            scene's bands have no names of their own, or it has but one, as many as are named are
            taken in their order.
        resampling: `nearest`, `bilinear`, `cubic` or `average`; nodata is never averaged.
        fill: what stands for "no data" in the image, whatever the source writes for it; None: as the
            source does.
        dtype: type of the image, numbers rounded and kept within it; "": as the source stores them.
    """

    role: str = "dem"
    bands: tuple[str, ...] = ()
    resampling: str = "bilinear"
    fill: float | None = None
    dtype: str = ""

    def __post_init__(self) -> None:
        """Refuse a method that there is not, classes between classes, and a fill beyond the type."""
        if self.resampling not in REACH:
            raise ValueError(
                f"layers.Read.resampling={self.resampling!r}: one of {', '.join(REACH)}"
            )
        if self.role == "landcover" and self.resampling != "nearest":
            raise ValueError(
                f"layers.Read.resampling={self.resampling!r}: classes have nothing between them; nearest"
            )
        if self.dtype and not writable(self.fill, np.dtype(self.dtype)):
            raise ValueError(f"layers.Read.fill={self.fill}: {self.dtype} cannot hold it")

    @property
    def needs(self) -> tuple[str, ...]:
        """The layer, and the chip whose grid counts."""
        return (f"layer_{self.role}", "image")

    @property
    def gives(self) -> dict[str, str]:
        """The image by the role's name, and what was done to its pixels."""
        return {self.role: "noun", f"{self.role}_resampled": "string"}

    def reads(self, sample: Sample) -> Iterator[Band]:
        """The bands that a sample will be read from."""
        yield from choose_bands(sample.layers[self.role], self.bands)

    def _bands(self, sample: Sample) -> tuple[Band, ...]:
        """The bands of the sample's layer that are meant.

        Raises:
            Fault: `band_mismatch`: the scene is of something else.
        """
        scene = sample.layers[self.role]
        found = choose_bands(scene, self.bands)
        if not self.bands:
            return found
        named = [{band.name.lower(), band.common.lower()} for band in found]
        if len(found) == len(self.bands) and (
            len(found) == 1
            or all(band.assumed for band in found)
            or all(w.lower() in names for w, names in zip(self.bands, named, strict=True))
        ):
            return found
        has = ", ".join(band.name for band in scene.bands[:6])
        raise Fault(
            "band_mismatch",
            f"--{self.role}: {scene.id} has the bands {has}; {', '.join(self.bands)} are wanted",
        )

    def parts(self, sample: Sample) -> Iterator[Part]:
        """What a sample will be read from.

        Raises:
            Fault: as the read itself.
        """
        assert sample.window is not None
        scene = sample.layers[self.role]
        yield from parts(self._bands(sample), sample.window.grid, scene, self.resampling)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with `images[role]`, `(band, y, x)` in the layer's type.

        Raises:
            Fault: as `read_pixels`.
        """
        scene, bands = sample.layers[self.role], self._bands(sample)
        grid: Grid = sample.images["image"].grid
        found = read_pixels(bands, grid, scene, self.resampling)
        names = tuple(band.common or band.name for band in bands)
        array, nodata = found.array, nodata_of(bands)
        if self.fill is not None:
            gone = _gone(array, [stated_nodata(band) for band in bands]) | ~found.there
            array, nodata = recoded(array, gone, self.fill, self.dtype), self.fill
            valid = np.asarray(~gone.any(axis=0))
        else:
            valid = found.valid
        sample.images[self.role] = Image(array, names, grid, nodata, valid)
        sample.facts[f"{self.role}_resampled"] = ",".join(found.resampled)
        return sample


def _gone(array: npt.NDArray[Any], nodata: list[float | None]) -> npt.NDArray[np.bool_]:
    """Where each band of `(band, y, x)` holds no data by its own value, or is no number."""
    gone = ~np.isfinite(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    for place, value in enumerate(nodata):
        if value is not None:
            gone[place] |= array[place] == value
    return gone


def recoded(
    array: npt.NDArray[Any], gone: npt.NDArray[np.bool_], fill: float, dtype: str = ""
) -> npt.NDArray[Any]:
    """`array` `(band, y, x)` in another type, `fill` where it is gone and nowhere else.

    Numbers are rounded for whole types, kept within the type, and moved by one where they look like
    `fill`.
    """
    kind = np.dtype(dtype) if dtype else array.dtype
    if kind.kind == "f":
        return np.where(gone, kind.type(fill), array.astype(kind))
    limits = np.iinfo(kind.name)
    real = np.where(gone, 0.0, array.astype(np.float64))
    whole = np.clip(np.rint(real), limits.min, limits.max)
    beside = fill + 1 if fill < limits.max else fill - 1
    return np.where(gone, fill, np.where(whole == fill, beside, whole)).astype(kind)
