"""Stored numbers made comparable: the Sentinel-2 offset, a check of it, and what pictures show."""

from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.readers import reader_of, together
from schemas.scenes import Band, Scene
from schemas.sensors import Convention, family, reflective, scaling
from transforms.imagery.missing import nodata_of, valid_pixels

LUSH = 2000
"""Near infrared over red, DN, from which ground counts as dense green plants, whose red is dark.
A difference is the same with and without the offset."""

WET = 100, 1500
"""Green over near infrared, DN, from which ground counts as water, and the most by which its bands
differ (snow differs by more)."""

DARK = -400, 850, 1800
"""1st percentile of dark ground, DN without offset: below the first, 1000 was taken where it was not;
from the second to the third, it was left where it is (clouds are brighter still). Dense plants in red
and water in near infrared lie between 0 and 600 DN."""

FEWEST = 32
"""Least number of dark pixels, of every sixteenth, from which a percentile is taken."""


def remove_offset(array: npt.NDArray[Any], offset: int, nodata: float | None) -> npt.NDArray[Any]:
    """Stored numbers + offset, clipped at 0 (1 where nodata is 0), nodata kept apart, same dtype.

    Args:
        array: of any shape; numbers of a floating type are moved, not clipped.
        offset: DN.
        nodata: stored value that means "no data".
    """
    if offset == 0:
        return array
    if array.dtype.kind == "f":
        return np.where(array == nodata, array, array + np.asarray(offset, array.dtype))
    floor = 1 if nodata == 0 else 0
    moved = np.clip(array.astype(np.int32) + offset, floor, np.iinfo(array.dtype.name).max)
    if nodata is not None:
        moved = np.where(array == nodata, array, moved)
    return moved.astype(array.dtype)


def harmonised(
    array: npt.NDArray[Any], bands: tuple[Band, ...], rule: Convention, nodata: float | None
) -> npt.NDArray[Any]:
    """Stored `(band, y, x)` without the offset of `rule`; masks and products beside it untouched."""
    if rule.offset == 0:
        return array
    told = [reflective(band.name, band.common) for band in bands]
    if all(told):
        return remove_offset(array, rule.offset, nodata)
    found = array.copy()
    found[told] = remove_offset(array[told], rule.offset, nodata)
    return found


def common_scaling(rule: Convention, bands: tuple[Band, ...]) -> tuple[float | None, float | None]:
    """(scale, offset) that all bands share: physical = number * scale + offset; None where they differ."""
    found = {scaling(rule, b.name, b.common, (b.scale, b.offset)) for b in bands}
    return found.pop() if len(found) == 1 else (None, None)


def dark_level(
    array: npt.NDArray[Any], bands: tuple[str, ...], valid: npt.NDArray[np.bool_], offset: int = 0
) -> float | None:
    """1st percentile of the darker of red and near infrared over plants and water, DN plus `offset`.

    Where such ground is, is told by differences of bands, which an offset does not change. Every
    fourth row and column is looked at; None with fewer than `FEWEST` such pixels or without the bands.

    Args:
        array: stored numbers `(band, y, x)`.
        bands: their common names.
        valid: bool `(y, x)`.
        offset: what is to be added, without clipping.
    """
    if not {"red", "nir"} <= set(bands):
        return None
    order = [bands.index(name) for name in ("red", "nir", "green", "blue") if name in bands]
    small = array[order, ::4, ::4].astype(np.float32)
    dark = small[1] - small[0] > LUSH
    if "green" in bands:
        spread = small.max(axis=0) - small.min(axis=0)
        dark |= (small[2] - small[1] > WET[0]) & (spread < WET[1])
    found = np.minimum(small[0], small[1])[dark & valid[::4, ::4]]
    if found.size < FEWEST:
        return None
    place = found.size // 100
    return float(np.partition(found, place)[place]) + offset


def suspect(level: float | None) -> bool | None:
    """Whether dark ground contradicts by about 1000 DN that no offset is left; None if unknown."""
    if level is None:
        return None
    return level < DARK[0] or DARK[1] <= level < DARK[2]


def offset_suspect(
    array: npt.NDArray[Any],
    bands: tuple[Band, ...],
    valid: npt.NDArray[np.bool_],
    scene: Scene,
    rule: Convention,
) -> bool | None:
    """`suspect` for a Sentinel-2 chip whose offset is said to be removed or absent, as stored.

    Some items of Earth Search say it wrongly (earth-search issues 41, 66, 71).
    """
    if family(scene.collection, ()) != "sentinel-2" or not rule.name.startswith("dn_"):
        return None
    names = tuple(band.common or band.name for band in bands)
    return suspect(dark_level(array, names, valid, rule.offset))


def display_of(scene: Scene, bands: tuple[Band, ...], cache: dict[str, Any]) -> tuple[float, float]:
    """Stored values shown as black and white: declared, else the 2nd and 98th percentile of the scene.

    Taken from a decimated read of at most 512 px a side, so it depends on the source alone.
    """
    if scene.display is not None:
        return scene.display
    shown = [b for b in bands[:3] if b.gsd == bands[0].gsd] or list(bands[:1])
    place = f"{scene.key} {[reader_of(b).version(b) for b in shown]}"
    if (known := cache.get(place)) is None:
        seen = [reader_of(group[0]).thumbnail(group, scene) for group, _ in together(shown)]
        small = np.concatenate([pixels for pixels, _ in seen])
        valid = valid_pixels(small, nodata_of(bands))
        masks = [mask for _, mask in seen if mask is not None]
        good = small[:, np.logical_and.reduce([valid, *masks])]
        low, high = np.percentile(good, (2, 98)) if good.size else (0.0, 1.0)
        known = cache[place] = (float(low), float(max(high, low + 1)))
    return known
