"""Shares of cloud, shadow, snow and nodata in each of a chip's images (`Skies`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from schemas.samples import Sample
from schemas.scenes import Band, Part
from transforms.clouds import Fractions, Kinds, read_kinds
from transforms.context import Context

KINDS = ("cloud", "shadow", "snow", "nodata")


def shares(each: Sequence[Kinds] | None, count: int) -> dict[str, str]:
    """`cloud_patches`, ...: a share from 0 to 1 for each of `count` images, "" where none is told."""
    found = {}
    for kind in KINDS:
        told = [""] * count
        for place, date in enumerate(each or ()):
            if (mask := date[kind]) is not None:
                told[place] = f"{float(mask.mean()):.6f}"
        found[f"{kind}_patches"] = ",".join(told)
    return found


@dataclass(frozen=True)
class Skies:
    """Shares of cloud, shadow, snow and nodata in each image, by the mask of its scene.

    A scene with few clouds may have them all over this place. Comma-separated, an entry for each image;
    empty where a mask is missing or does not tell it.
    """

    needs: tuple[str, ...] = field(default=("image", "scenes"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {f"{kind}_patches": "string" for kind in KINDS}, init=False
    )

    def reads(self, sample: Sample) -> Iterator[Band]:
        """The bands that will be read."""
        return Fractions().reads(sample)

    def parts(self, sample: Sample) -> Iterator[Part]:
        """What will be read."""
        return Fractions().parts(sample)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with the shares.

        Raises:
            Fault: as `transforms.imagery.read_pixels`.
        """
        found = read_kinds(sample)
        sample.facts.update(shares(found[0] if found else None, len(sample.scenes)))
        return sample
