"""Cloud, shadow and snow by the mask of a scene: their shares (`Fractions`), or out of sight (`Hide`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import Reject
from schemas.masks import LEGENDS, NO_DATA, UKIS_CSMASK, UNASKED, Field, Legend
from schemas.recipes import within
from schemas.samples import Sample
from schemas.scenes import Band, Part
from transforms.context import Context
from transforms.imagery import mask_band, read_mask
from transforms.imagery.missing import writable
from transforms.imagery.pixels import parts

Kinds = dict[str, npt.NDArray[np.bool_] | None]


def fits(mask: npt.NDArray[Any], fields: tuple[Field, ...]) -> npt.NDArray[np.bool_]:
    """Where one of the fields holds, same shape as the mask (any integer type)."""
    found = np.zeros(mask.shape, bool)
    for first, count, values in fields:
        found |= np.isin((mask >> first) & ((1 << count) - 1), values)
    return found


def kinds(mask: npt.NDArray[Any], legend: Legend, there: npt.NDArray[np.bool_]) -> Kinds:
    """Where a mask `(..., y, x)` says nodata, cloud, shadow and snow; None for what it cannot say.

    Nodata comes first, and a pixel without a mask (`there` is False) is nodata.
    """
    nodata = fits(mask, legend.nodata) | ~there
    found: Kinds = {"nodata": nodata}
    for name in ("cloud", "shadow", "snow"):
        fields = getattr(legend, name)
        found[name] = None if fields is None else fits(mask, fields) & ~nodata
    return found


def surer(legend: Legend, confidence: int) -> Legend:
    """The legend that calls cloud what is at least so sure (1 low to 3 high), where the mask says it."""
    if legend.confidence is None or legend.cloud is None or confidence >= 3:
        return legend
    levels = tuple(range(confidence, 4))
    return replace(legend, cloud=(*legend.cloud, (legend.confidence, 2, levels)))


def fractions(found: Sequence[Kinds]) -> dict[str, float | None]:
    """Shares of all pixels of all dates, 0 to 1: cloud, shadow, snow, nodata, valid, and cloud_worst.

    `valid` has data and neither cloud nor shadow (snow is ground); `cloud_worst` is that of the
    cloudiest date. None for what a mask cannot say.
    """

    def share(name: str) -> float | None:
        each = [one[name] for one in found]
        known = [a for a in each if a is not None]
        return float(np.mean([a.mean() for a in known])) if len(known) == len(each) else None

    shares = {name: share(name) for name in ("cloud", "shadow", "snow", "nodata")}
    clear: float | None = None
    if shares["cloud"] is not None and shares["shadow"] is not None:
        bad = [_any(one["nodata"], one["cloud"], one["shadow"]) for one in found]
        clear = 1.0 - float(np.mean([a.mean() for a in bad]))
    elif shares["cloud"] is not None:
        bad = [_any(one["nodata"], one["cloud"]) for one in found]
        clear = 1.0 - float(np.mean([a.mean() for a in bad]))
    worst = [float(a.mean()) for one in found if (a := one["cloud"]) is not None]
    whole = bool(worst) and len(worst) == len(found)
    return {**shares, "valid": clear, "cloud_worst": max(worst) if whole else None}


def _any(*parts: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
    return np.asarray(np.logical_or.reduce([part for part in parts if part is not None]))


def read_kinds(
    sample: Sample, mask: str = "", legend: str = "", confidence: int = 3
) -> tuple[list[Kinds], tuple[str, ...]] | None:
    """What the masks of a chip's dates say, and the names of their legends; None where one has none.

    Of an image that `composites.Merge` made there is one entry: each pixel by the mask of the date
    that it comes from.

    Args:
        sample: with `image` and scenes.
        mask: as `Fractions`; legend: as `Fractions`; confidence: as `Fractions`.

    Raises:
        Fault: as `transforms.imagery.read_pixels`.
    """
    image, merged = sample.images["image"], sample.images.get("source")
    told = [read_date(sample, place, mask, legend) for place in range(len(sample.scenes))]
    known = [date for date in told if date is not None]
    if len(known) < len(told):
        return None
    each: list[Kinds] = []
    for place, (numbers, there, own) in enumerate(known):
        seen = image.valid[place] if image.stacked else image.valid
        if merged is not None and not image.stacked:
            seen = seen & (merged.array[0] == place)
        each.append(kinds(numbers, surer(own, confidence), there & seen))
    names = tuple(dict.fromkeys(own.name for _, _, own in known))
    return (each if merged is None or image.stacked else [_as_one(each)]), names


def read_date(
    sample: Sample, place: int, mask: str = "", legend: str = ""
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], Legend] | None:
    """One date's mask on the chip's grid: numbers, where it has any, and how they are read.

    That of `segmenting.Clouds` where a network was asked, else the scene's own; None without either.

    Raises:
        Fault: as `transforms.imagery.read_pixels`.
    """
    if (segmented := sample.images.get("segmented")) is not None and not mask:
        numbers = (segmented.date(place) if segmented.stacked else segmented).array[0]
        if not (numbers == UNASKED).all():
            return numbers, numbers != NO_DATA, UKIS_CSMASK
    scene = sample.scenes[place]
    found = mask_band(scene, mask, legend)
    if found is None:
        return None
    return *read_mask(scene, *found, sample.images["image"].grid), found[1]


def _as_one(each: Sequence[Kinds]) -> Kinds:
    """Masks of which every pixel counts on one date at most, as one mask."""
    nodata = [gone for one in each if (gone := one["nodata"]) is not None]
    found: Kinds = {"nodata": np.asarray(np.logical_and.reduce(nodata))}
    for name in ("cloud", "shadow", "snow"):
        said = [one[name] for one in each]
        found[name] = None if any(a is None for a in said) else _any(*said)
    return found


@dataclass(frozen=True)
class Fractions:
    """Shares of cloud, shadow, snow and nodata in the chip, by the mask of its scene.

    The mask is read on its own grid and brought onto the chip's by its nearest pixel. Of a stack the
    shares are over all dates; of a composite each pixel counts as on the date that it comes from. A
    scene without a mask gives nulls, and `cloud_mask` is ""; `segmenting.Clouds` before it finds one.

    Attributes:
        mask: own name of the mask's band; "": `SCL`, `Fmask`, `QA_PIXEL` or alpha by the sensor.
        legend: how it is read, a name in `schemas.masks`; "": by collection and band.
        confidence: how sure a Landsat cloud must be: 3 high (as its flag), 2 medium, 1 low.
    """

    mask: str = ""
    legend: str = ""
    confidence: int = 3
    needs: tuple[str, ...] = field(default=("image", "scenes"), init=False)

    def __post_init__(self) -> None:
        """Refuse a legend that nobody has written, and a confidence that no mask states."""
        within("clouds.Fractions.confidence", self.confidence, 1, 3)
        if self.legend and self.legend not in LEGENDS:
            raise ValueError(
                f"clouds.Fractions.legend={self.legend!r}: one of {', '.join(LEGENDS)}"
            )

    @property
    def gives(self) -> dict[str, str]:
        """The shares, and which mask told them."""
        names = ("cloud", "shadow", "snow", "nodata", "valid")
        shares = {f"{name}_patch": "float64" for name in names}
        return {**shares, "cloud_patch_worst": "float64", "cloud_mask": "string"}

    def reads(self, sample: Sample) -> Iterator[Band]:
        """The bands that will be read; none is opened to say so."""
        for scene in sample.scenes:
            if (found := mask_band(scene, self.mask, self.legend)) is not None:
                yield found[0]

    def parts(self, sample: Sample) -> Iterator[Part]:
        """What will be read."""
        for scene in sample.scenes if sample.window is not None else ():
            found = mask_band(scene, self.mask, self.legend)
            if found is not None and sample.window is not None:
                yield from parts((found[0],), sample.window.grid, scene)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with the shares.

        Raises:
            Fault: as `transforms.imagery.read_pixels`.
        """
        sample.facts.update(dict.fromkeys(self.gives), cloud_mask="")
        found = read_kinds(sample, self.mask, self.legend, self.confidence)
        if found is None:
            return sample
        each, names = found
        shares = fractions(each)
        worst = shares.pop("cloud_worst")
        sample.facts.update({f"{name}_patch": value for name, value in shares.items()})
        sample.facts.update(cloud_patch_worst=worst, cloud_mask=",".join(names))
        return sample


KINDS = ("cloud", "shadow", "snow")
"""What can be hidden."""


@dataclass(frozen=True)
class Hide:
    """Pixels that the mask of their scene calls cloud or shadow become nodata, on each date by itself.

    Before `composites.Merge`, whose median and medoid else take clouds for ground; after
    `Fractions`, which would count what is hidden as nodata. Dates without a mask, or with one that
    does not tell one of the kinds, stay whole: `hidden_share` is null.

    Attributes:
        kinds: of `cloud`, `shadow` and `snow`.
        unknown: whether chips that stay whole for that reason pass.
        mask: as `Fractions`; legend: as `Fractions`; confidence: as `Fractions`.
    """

    kinds: tuple[str, ...] = ("cloud", "shadow")
    unknown: bool = True
    mask: str = ""
    legend: str = ""
    confidence: int = 3
    needs: tuple[str, ...] = field(default=("image", "scenes"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"hidden_share": "float64", "nodata_share": "float64"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse kinds that no mask tells, and what `Fractions` refuses."""
        wrong = [name for name in self.kinds if name not in KINDS]
        if wrong or not self.kinds:
            told = ",".join(wrong) or "none"
            raise ValueError(f"clouds.Hide.kinds={told}: one or more of {', '.join(KINDS)}")
        Fractions(self.mask, self.legend, self.confidence)

    def reads(self, sample: Sample) -> Iterator[Band]:
        """The bands that will be read; none is opened to say so."""
        return Fractions(self.mask, self.legend).reads(sample)

    def parts(self, sample: Sample) -> Iterator[Part]:
        """What will be read."""
        return Fractions(self.mask, self.legend).parts(sample)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with the image less those pixels: `hidden_share` of those that held data.

        Raises:
            Fault: as `transforms.imagery.read_pixels`.
            Reject: `no_mask`, where unknown cloud is not let pass.
        """
        image = sample.images["image"]
        found = read_kinds(sample, self.mask, self.legend, self.confidence)
        each = found[0] if found else []
        told = [[one[name] for name in self.kinds] for one in each]
        if not each or any(part is None for parts in told for part in parts):
            if not self.unknown:
                raise Reject("no_mask", f"a mask of the chip does not tell {','.join(self.kinds)}")
            sample.facts["hidden_share"] = None
            return sample
        gone = np.stack([_any(*parts) for parts in told]) & image.valid
        gone = gone if image.stacked else gone[0]
        valid = image.valid & ~gone
        array = image.array
        if image.nodata is not None and writable(image.nodata, array.dtype):
            array = np.where(gone[..., None, :, :], np.asarray(image.nodata, array.dtype), array)
        sample.images["image"] = replace(image, array=array, valid=valid)
        held = max(int(image.valid.sum()), 1)
        sample.facts.update(
            hidden_share=float(gone.sum()) / held, nodata_share=1.0 - float(valid.mean())
        )
        return sample


@dataclass(frozen=True)
class Clear:
    """Reject chips that clouds hide.

    Attributes:
        max_cloud: greatest share of cloud, 0 to 1.
        worst: whether every date of a stack must keep it, not all of them together.
        unknown: whether chips without a mask pass, noted as null.
    """

    max_cloud: float = 0.1
    worst: bool = False
    unknown: bool = True
    needs: tuple[str, ...] = field(default=("cloud_patch",), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        within("clouds.Clear.max_cloud", self.max_cloud, 0, 1)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample unchanged.

        Raises:
            Reject: `cloudy_patch`, or `no_mask` where unknown cloud is not let pass.
        """
        found = sample.facts["cloud_patch_worst" if self.worst else "cloud_patch"]
        if found is None:
            if not self.unknown:
                raise Reject("no_mask", "the scene has no mask that tells of clouds")
        elif float(found) > self.max_cloud:  # type: ignore[arg-type]
            raise Reject("cloudy_patch", f"{found:.3f} of the chip is cloud")
        return sample
