"""Clouds and their shadows by a network, for scenes that bring no mask of them (`Clouds`)."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from schemas.masks import NO_DATA, UNASKED
from schemas.recipes import within
from schemas.samples import Image, Sample
from schemas.scenes import Scene
from schemas.sensors import convention, level_of
from transforms.cloud_network import Classes, Floats, Network, network
from transforms.context import Context
from transforms.imagery import mask_band
from transforms.imagery.radiometry import common_scaling

FOUR = ("blue", "green", "red", "nir")
SIX = (*FOUR, "swir16", "swir22")
"""Common names of what the networks read."""

LIKE = {"nir": "nir08"}
"""Narrow near infrared stands in for the broad one where there is no other."""


@dataclass(frozen=True)
class Clouds:
    """A mask of cloud and shadow by the networks of ukis-csmask, where a scene has none of its own.

    `clouds.Fractions` and `clouds.Hide` after it read this mask as they read that of a scene. The
    networks (Wieland, Li and Martinis, Multi-sensor cloud and cloud shadow segmentation with a
    convolutional neural network, Remote Sensing of Environment 230, 2019) read reflectance of four or
    six bands, best at pixels of about 30 m: finer ones are averaged in squares first. They see
    nothing outside the chip and do not tell snow. A date stays without a mask where bands are
    missing, or where nobody says what its numbers mean or whether the atmosphere is taken out.

    Attributes:
        level: `l1c` as seen from space, `l2a` of the ground; "": by collection.
        metres: finer pixels are averaged to about this; 0: none are.
        every: whether it also stands in for the mask that a scene brings.
    """

    level: str = ""
    metres: float = 30.0
    every: bool = False
    needs: tuple[str, ...] = field(default=("image", "scenes"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"segmented": "noun", "cloud_network": "string"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse a level that there is no network for."""
        within("segmenting.Clouds.metres", self.metres, 0, 1000)
        if self.level not in ("", "l1c", "l2a"):
            raise ValueError(f"segmenting.Clouds.level={self.level!r}: must be l1c, l2a or empty")

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with image `segmented`: numbers of `schemas.masks.UKIS_CSMASK`, one band.

        Raises:
            UsageError: ukis-csmask is not installed.
        """
        image = sample.images["image"]
        found = np.full((len(sample.scenes), 1, *image.array.shape[-2:]), UNASKED, np.uint8)
        used: dict[str, None] = {}
        for place, scene in enumerate(sample.scenes):
            chosen = self._network(scene, image.bands)
            date = image.date(place) if image.stacked else image
            physical = None if chosen is None else reflectance(date, chosen.bands, scene)
            if chosen is None or physical is None:
                continue
            found[place, 0] = averaged(physical, date.valid, self._factor(sample), chosen)
            used[chosen.name] = None
        array = found if image.stacked else found[0]
        sample.images["segmented"] = replace(
            image, array=array, bands=("segmented",), nodata=None, display=(0.0, 2.0)
        )
        sample.facts["cloud_network"] = ",".join(used)
        return sample

    def _factor(self, sample: Sample) -> int:
        assert sample.window is not None
        return max(1, round(self.metres / sample.window.gsd))

    def _network(self, scene: Scene, bands: tuple[str, ...]) -> Network | None:
        """The network for a scene; None where its own mask is taken, or where there is none."""
        own = mask_band(scene)
        if own is not None and own[1].cloud is not None and not self.every:
            return None
        level = self.level or level_of(scene.collection)
        there = {*bands, *(name for name, other in LIKE.items() if other in bands)}
        count = next((len(wanted) for wanted in (SIX, FOUR) if there.issuperset(wanted)), 0)
        return network(level, count) if level and count else None


def reflectance(date: Image, bands: tuple[str, ...], scene: Scene) -> Floats | None:
    """The bands `(band, y, x)` as reflectance; 0 where there is no data, as the networks were taught.

    None where the scene does not say what its numbers mean: whole numbers with a scale of 1.
    """
    names = [name if name in date.bands else LIKE[name] for name in bands]
    known = {band.common or band.name: band for band in reversed(scene.bands)}
    rule = convention(scene.collection, scene.baseline, scene.offset_applied, scene.provider)
    scale, offset = common_scaling(rule, tuple(known[name] for name in names))
    whole = date.array.dtype.kind in "ui"
    if scale is None or offset is None or (whole and scale == 1):
        return None
    numbers = date.array[[date.bands.index(name) for name in names]].astype(np.float32)
    return np.where(date.valid, numbers * np.float32(scale) + np.float32(offset), np.float32(0))


def averaged(
    physical: Floats, valid: npt.NDArray[np.bool_], factor: int, chosen: Network
) -> Classes:
    """Classes `(y, x)` of the network on squares of `factor` pixels; `NO_DATA` where there is none.

    A square is the mean of its pixels with data; what is left at the lower and right edge is filled
    with its last rows and columns.
    """
    height, width = valid.shape
    short = ((0, -height % factor), (0, -width % factor))
    weight = _squares(np.pad(valid.astype(np.float32), short, mode="edge"), factor)
    filled = np.pad(np.where(valid, physical, 0), ((0, 0), *short), mode="edge")
    mean = _squares(filled, factor) / np.maximum(weight, np.float32(1e-6))
    small = chosen.classes(np.asarray(mean, np.float32))
    large = np.repeat(np.repeat(small, factor, 0), factor, 1)[:height, :width]
    return np.where(valid, large, NO_DATA).astype(np.uint8)


def _squares(array: Floats, factor: int) -> Floats:
    """Means of squares of `factor` pixels over the last two axes."""
    height, width = (side // factor for side in array.shape[-2:])
    cut = array.reshape(*array.shape[:-2], height, factor, width, factor)
    return np.asarray(cut.mean(axis=(-3, -1)), np.float32)
