"""The mask that comes with a scene, within a chip."""

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import UsageError, nearest
from schemas.masks import BANDS, LEGENDS, Legend, legend_of
from schemas.scenes import Band, Scene
from schemas.windows import Grid
from transforms.imagery.pixels import read_pixels


def mask_band(scene: Scene, name: str = "", legend: str = "") -> tuple[Band, Legend] | None:
    """The scene's mask and how it is read; None when it has none that we know.

    Args:
        scene: where to look.
        name: own name of the mask's band; "": the best that the sensor has.
        legend: name of a legend in `schemas.masks`; "": by collection and band.

    Raises:
        UsageError: no such legend.
    """
    if legend and legend not in LEGENDS:
        raise UsageError(f"no legend of masks {legend!r}; {nearest(legend, LEGENDS)}")
    rank = {band: place for place, (band, _, _) in reversed(list(enumerate(BANDS)))}
    known = sorted(
        (
            b
            for b in scene.bands
            if (b.name == name if name else legend_of(scene.collection, b.name))
        ),
        key=lambda band: rank.get(band.name.lower(), len(rank)),
    )
    for band in known:
        found = LEGENDS[legend] if legend else legend_of(scene.collection, band.name)
        if found is not None:
            return band, found
    return None


def read_mask(
    scene: Scene, band: Band, legend: Legend, chip: Grid
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """A mask on the grid of a chip by its nearest pixel: numbers `(y, x)`, and where it has any.

    Raises:
        Fault: as `read_pixels`.
    """
    found = read_pixels((band,), chip, scene, "nearest")
    return found.array[0], found.there
