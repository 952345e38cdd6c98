"""The dates of a chip as one `Image`, and what was done to their numbers as facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import Fault
from schemas.samples import Fact, Image
from schemas.scenes import Band, Scene
from schemas.sensors import Convention, convention
from schemas.windows import Grid
from transforms.imagery.choice import choose_bands
from transforms.imagery.masks import mask_band, read_mask
from transforms.imagery.missing import mark, writable
from transforms.imagery.pixels import Pixels, read_pixels
from transforms.imagery.radiometry import common_scaling, harmonised, offset_suspect


@dataclass(slots=True)
class Date:
    """One scene within a chip.

    Attributes:
        pixels: as stored.
        array: the same without the offset of `rule`, `(band, y, x)`.
        valid: where every band holds data, `(y, x)`.
        rule: what the scene's numbers mean.
        scaling: (scale, offset) of `array` that all bands share, None where they differ.
        suspect: whether the pixels contradict `rule`; None where they cannot tell.
    """

    pixels: Pixels
    array: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    rule: Convention
    scaling: tuple[float | None, float | None]
    suspect: bool | None


def read_date(
    scene: Scene, wanted: tuple[str, ...], like: tuple[Band, ...], chip: Grid, method: str
) -> Date:
    """A scene's bands on the grid of a chip, its offset removed.

    Args:
        scene: to read.
        wanted: band names, as `choose_bands` takes them.
        like: the bands of the chip's first date, which all others must have.
        chip: the grid; a scene of another CRS never gets onto it.
        method: of resampling.

    Raises:
        Fault: `band_mismatch`, and as `read_pixels`.
    """
    bands = choose_bands(scene, wanted)
    names, first = ([b.common or b.name for b in group] for group in (bands, like))
    if names != first or scene.grid.crs != chip.crs:
        told = f"{','.join(names)} in {scene.grid.crs}"
        raise Fault(
            "band_mismatch", f"{scene.id}: has {told}, the chip {','.join(first)} in {chip.crs}"
        )
    pixels = read_pixels(bands, chip, scene, method)
    valid = pixels.valid
    rule = convention(scene.collection, scene.baseline, scene.offset_applied, scene.provider)
    array = harmonised(pixels.array, bands, rule, pixels.nodata)
    suspect = offset_suspect(pixels.array, bands, valid, scene, rule)
    return Date(pixels, array, valid, rule, common_scaling(rule, bands), suspect)


def image_of(
    dates: Sequence[Date],
    bands: tuple[Band, ...],
    grid: Grid,
    display: tuple[float, float],
    scenes: Sequence[Scene] = (),
) -> Image:
    """The image of the first date, or the stack of all where `scenes` gives their times.

    A stack has one nodata value, that of its first date.
    """
    names = tuple(band.common or band.name for band in bands)
    nodata = dates[0].pixels.nodata
    if not scenes:
        return Image(dates[0].array, names, grid, nodata, dates[0].valid, display)
    arrays = [
        mark(d.array, np.broadcast_to(~d.valid, d.array.shape), nodata)
        if nodata is not None and d.pixels.nodata != nodata and writable(nodata, d.array.dtype)
        else d.array
        for d in dates
    ]
    times = tuple(scene.datetime for scene in scenes)
    valid = np.stack([d.valid for d in dates])
    return Image(np.stack(arrays), names, grid, nodata, valid, display, times)


def mask_image(scenes: Sequence[Scene], image: Image) -> Image | None:
    """The scenes' own masks on the grid of an image, stacked as it is; None where one has none.

    The band is called as the mask's band is; a pixel without a mask is invalid.
    """
    found = [mask_band(scene) for scene in scenes]
    known = [(scene, *pair) for scene, pair in zip(scenes, found, strict=True) if pair is not None]
    if len(known) < len(found):
        return None
    read = [read_mask(scene, band, legend, image.grid) for scene, band, legend in known]
    array, valid = np.stack([a for a, _ in read])[:, None], np.stack([v for _, v in read])
    names, top = (known[0][1].name,), float(max(array.max(), 1))
    if image.stacked:
        return Image(array, names, image.grid, None, valid, (0.0, top), image.times)
    return Image(array[0], names, image.grid, None, valid[0], (0.0, top))


def facts_of(dates: Sequence[Date], image: Image) -> dict[str, Fact]:
    """What `imagery.Read` gives of a chip; of a stack what its dates have in common."""
    scaling = {date.scaling for date in dates}
    scale, offset = scaling.pop() if len(scaling) == 1 else (None, None)
    names = ("dn_pre04" if date.rule.offset else date.rule.name for date in dates)
    moved = {date.rule.offset for date in dates}
    suspects = [date.suspect for date in dates if date.suspect is not None]
    notes = dict.fromkeys(note for date in dates for note in date.pixels.resampled)
    return {
        "bands": ",".join(image.bands),
        "nodata_share": 1.0 - float(np.count_nonzero(image.valid)) / image.valid.size,
        "radiometric_convention": ",".join(dict.fromkeys(names)),
        "offset_applied": moved.pop() if len(moved) == 1 else None,
        "scale": scale,
        "offset": offset,
        "offset_suspect": any(suspects) if suspects else None,
        "resampled": ",".join(notes),
    }
