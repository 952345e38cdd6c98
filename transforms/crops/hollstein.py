"""Clouds on Sentinel-2 Level-1C by the decision tree of Hollstein et al., for products without a mask.

Hollstein, Segl, Guanter, Brell, Enesco (2016), Ready-to-use methods for the detection of clouds,
cirrus, snow, shadow, water and clear sky pixels in Sentinel-2 MSI images, Remote Sensing 8, 666. The
thresholds are those listed in specs/sen4agrinet.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CLEAR, CLOUD, CIRRUS, SHADOW, SNOW = range(5)
"""Classes of `classify`; clear means that no rule fits, so water is clear too."""

BANDS = ("B01", "B02", "B03", "B05", "B06", "B07", "B8A", "B09", "B10", "B11")
"""Bands that the tree looks at."""


def ratio(upper: Array, lower: Array) -> Array:
    """`upper / lower` as float64; where the lower one is 0 or less, infinity (nothing is 0 or less)."""
    above, below = np.asarray(upper, np.float64), np.asarray(lower, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(below > 0, above / below, np.inf))


def classify(bands: Mapping[str, Array]) -> npt.NDArray[np.uint8]:
    """The class of each pixel, uint8 of the bands' shape: 0 clear, 1 cloud, 2 cirrus, 3 shadow, 4 snow.

    Args:
        bands: top-of-atmosphere reflectance (0 to 1, not stored numbers) by name, `BANDS` at least,
            all of one shape.

    Raises:
        KeyError: a band of `BANDS` is missing.
    """
    b01, b02, b03, b05, b06, b07, b8a, b09, b10, b11 = (np.asarray(bands[n]) for n in BANDS)
    bright = b03 >= 0.319
    cold = ratio(b05, b11) >= 4.33  # snow and shadow on snow: dark in the shortwave infrared
    high = b11 - b10 < 0.255
    falling = b06 - b07 < -0.016
    cloud = bright & ~cold & ((high & falling) | (~high & (b01 >= 0.3)))
    veiled = (ratio(b02, b10) < 14.689) & (ratio(b02, b09) >= 0.788)
    cirrus = (~bright & (b8a >= 0.166) & veiled) | (bright & ~cold & high & ~falling)
    blue = b03 - b07 < 0.027
    dark = (blue & (b09 - b11 >= -0.097)) | (~blue & (b09 - b11 >= 0.021))
    on_snow = bright & cold & (b03 < 0.525) & (ratio(b01, b05) >= 1.184)
    shadow = (~bright & (b8a < 0.166) & dark) | on_snow
    snow = (b03 >= 0.525) & cold
    found = np.full(b03.shape, CLEAR, np.uint8)
    for kind, where in ((CLOUD, cloud), (CIRRUS, cirrus), (SHADOW, shadow), (SNOW, snow)):
        found[where] = kind
    return found
