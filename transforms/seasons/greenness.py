"""NDVI of a chip, from the numbers that are stored: functions, and the step (`Ndvi`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import Fault
from schemas.samples import Image, Sample
from transforms.context import Context


def ndvi(
    red: npt.NDArray[Any], nir: npt.NDArray[Any], valid: npt.NDArray[np.bool_], shift: float = 0.0
) -> npt.NDArray[np.float32]:
    """(nir - red) / (nir + red) as float32 of the same shape; NaN where invalid, and for 0 / 0.

    Args:
        red, nir: stored numbers of any type.
        valid: where both bands hold data.
        shift: added to both first: their offset in stored numbers.
    """
    low, high = red.astype(np.float64) + shift, nir.astype(np.float64) + shift
    whole = low + high
    there = valid & (whole != 0)
    found = np.full(red.shape, np.nan, np.float32)
    np.divide(high - low, whole, out=found, where=there, casting="same_kind")
    return found


def greenness(image: Image, red: str, nir: str, facts: Mapping[str, Any]) -> Image:
    """NDVI of a chip or of each of its dates, one band.

    Args:
        facts: `offset` and `scale` of the stored numbers; unknown ones are none.

    Raises:
        Fault: `band_mismatch`.
    """
    lacking = [name for name in (red, nir) if name not in image.bands]
    if lacking:
        raise Fault("band_mismatch", f"NDVI needs {', '.join(lacking)}; there is {image.bands}")
    bands = np.moveaxis(image.array, -3, 0)
    low, high = (bands[image.bands.index(name)] for name in (red, nir))
    there = np.ones(low.shape, bool)
    if image.nodata is not None and not np.isnan(image.nodata):
        there = (low != image.nodata) & (high != image.nodata)
    elif image.nodata is None:
        there = image.valid
    offset, scale = facts.get("offset") or 0.0, facts.get("scale") or 1.0
    values = ndvi(low, high, there, offset / scale)
    valid = np.isfinite(values)
    array = np.expand_dims(values, -3)
    return Image(array, ("ndvi",), image.grid, float("nan"), valid, (-0.2, 1.0), image.times)


def mean_greenness(image: Image) -> list[float]:
    """Mean of each date over its valid pixels, NaN without any."""
    dates = image.array if image.stacked else image.array[None]
    return [float(date[np.isfinite(date)].mean()) if np.isfinite(date).any() else float("nan")
            for date in dates.astype(np.float64)]  # fmt: skip


@dataclass(frozen=True)
class Ndvi:
    """Greenness of every date as an image of its own: (B8 - B4) / (B8 + B4), float32, NaN for none.

    It is made from the chip's stored numbers after the offset has been taken off, so anybody can make it
    again from the bands that are shipped. It stands apart from them because they are 16-bit whole
    numbers: a ratio among them would be rounded, under a scale that a GeoTIFF of theirs does not tell.
    Nodata where either band has none, and where both are 0.

    Attributes:
        red, nir: names of the bands.
    """

    red: str = "red"
    nir: str = "nir"
    needs: tuple[str, ...] = field(default=("image", "offset", "scale"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"ndvi": "noun", "ndvi_means": "string"}, init=False
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with `images["ndvi"]`, and the mean of each date (`nan` where nothing is valid).

        Raises:
            Fault: `band_mismatch` where the image lacks one of the bands.
        """
        made = greenness(sample.images["image"], self.red, self.nir, sample.facts)
        sample.images["ndvi"] = made
        sample.facts["ndvi_means"] = ",".join(f"{mean:.4f}" for mean in mean_greenness(made))
        return sample
