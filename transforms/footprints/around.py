"""Gates on the pixels around a footprint."""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.errors import Reject
from schemas.recipes import within
from schemas.samples import Image, Sample
from schemas.windows import Grid, near_metres, to_lonlat
from transforms.context import Context
from transforms.footprints.relief import slope_degrees

VEGETATION = 4
"""Class of the Sentinel-2 scene classification (ESA product specification 14.9)."""


def enough(count: int, size: int, share: float) -> bool:
    """Whether `count` of `size` pixels are at least a share of them."""
    return count >= math.ceil(share * size - 1e-9)


def middle(size: int) -> int:
    """The place of the middle of an odd number of pixels, or just after that of an even one."""
    return size // 2


@dataclass(frozen=True)
class Vegetated:
    """Keep patches whose middle pixel, and enough others, are vegetation by the scene classification.

    Bare, burnt, built-up and water footprints never pass, so that the low end of the biomass is scarce:
    switch it off with `centre=False` and `share=0`. Gives `s2_vegetation_score`, whole percent.

    Attributes:
        centre: whether the middle pixel must be vegetation.
        share: least share of the pixels.
    """

    centre: bool = True
    share: float = 0.2
    needs: tuple[str, ...] = field(default=("mask",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"s2_vegetation_score": "int64", "scl_centre": "int64"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        within("footprints.Vegetated.share", self.share, 0, 1)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its score and the class of its middle pixel.

        Raises:
            Reject: `no_scl`, `centre_not_vegetation`, `little_vegetation`.
        """
        image = sample.images.get("mask")
        if image is None:
            raise Reject("no_scl", "the scene has no scene classification")
        classes = image.array[0]
        height, width = classes.shape
        found = int(classes[middle(height), middle(width)])
        if self.centre and found != VEGETATION:
            raise Reject("centre_not_vegetation", f"the middle pixel is of class {found}")
        count = int((classes == VEGETATION).sum())
        if not enough(count, classes.size, self.share):
            raise Reject(
                "little_vegetation",
                f"{count} of {classes.size} pixels are vegetation, at least {self.share:.0%} must be",
            )
        sample.facts.update(s2_vegetation_score=100 * count // classes.size, scl_centre=found)
        return sample


@dataclass(frozen=True)
class CanopyKnown:
    """Keep patches whose middle pixel, and enough others, have a canopy height.

    Gives `canopy_share`, share of pixels with one.

    Attributes:
        centre: whether the middle pixel must have one.
        share: least share of the pixels.
    """

    centre: bool = True
    share: float = 0.2
    needs: tuple[str, ...] = field(default=("canopy",), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"canopy_share": "float64"}, init=False)

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        within("footprints.CanopyKnown.share", self.share, 0, 1)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its share.

        Raises:
            Reject: `centre_no_canopy`, `little_canopy`.
        """
        valid = known(sample.images["canopy"])
        height, width = valid.shape
        if self.centre and not valid[middle(height), middle(width)]:
            raise Reject("centre_no_canopy", "the middle pixel has no canopy height")
        count = int(valid.sum())
        if not enough(count, valid.size, self.share):
            raise Reject(
                "little_canopy",
                f"{count} of {valid.size} pixels have a canopy height, at least {self.share:.0%} must",
            )
        sample.facts["canopy_share"] = count / valid.size
        return sample


def known(image: Image, place: int = 0) -> npt.NDArray[np.bool_]:
    """Where a band holds data, `(y, x)`."""
    band = image.array[place]
    if image.nodata is None:
        return image.valid
    return np.asarray(np.isfinite(band) if np.isnan(image.nodata) else band != image.nodata)


def plane(image: Image, place: int = 0) -> npt.NDArray[np.float64]:
    """A band as numbers `(y, x)`, NaN where it holds no data."""
    return np.where(known(image, place), image.array[place].astype(np.float64), np.nan)


def pixel_metres(grid: Grid) -> tuple[float, float]:
    """Metres on the ground that the middle pixel is wide and tall, in any CRS."""
    x, y = grid.width / 2, grid.height / 2
    cols, rows = np.array([x - 0.5, x + 0.5, x, x]), np.array([y, y, y - 0.5, y + 0.5])
    a, _, c, _, e, f = grid.transform
    lon, lat = to_lonlat(grid.crs, c + a * cols, f + e * rows)
    return (
        near_metres(float(lon[0]), float(lat[0]), float(lon[1]), float(lat[1])),
        near_metres(float(lon[2]), float(lat[2]), float(lon[3]), float(lat[3])),
    )


@dataclass(frozen=True)
class Slope:
    """The ground's slope at the middle pixel, degrees, from the elevation around it.

    Gives `slope`, null where the elevation is not known. Steep ground spoils lidar heights.

    Attributes:
        most: degrees above which a sample is rejected, 90: any.
    """

    most: float = 90.0
    needs: tuple[str, ...] = field(default=("dem",), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"slope": "float64"}, init=False)

    def __post_init__(self) -> None:
        """Refuse a slope that there is not."""
        within("footprints.Slope.most", self.most, 0, 90)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its slope.

        Raises:
            Reject: `steep`, or `no_slope` where a limit is asked for and nobody knows the elevation.
        """
        image = sample.images["dem"]
        found = slope_degrees(plane(image), *pixel_metres(image.grid))
        if self.most < 90:
            if found is None:
                raise Reject("no_slope", "no elevation around the middle pixel")
            if found > self.most:
                raise Reject("steep", f"slope {found:.1f} degrees, at most {self.most:g}")
        sample.facts["slope"] = found
        return sample
