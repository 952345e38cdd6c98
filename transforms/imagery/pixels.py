"""A scene's bands within a chip: read as they are on their own grid, resampled only where it differs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.rasters import READ_LIMIT
from catalogs.readers import reader_of, together
from schemas.errors import Fault
from schemas.scenes import Band, Box, Part, Scene
from schemas.windows import Grid, Window
from transforms.imagery.grids import aligned, own_grid
from transforms.imagery.missing import (
    mark,
    missing_values,
    nodata_of,
    stated_nodata,
    valid_pixels,
    writable,
)
from transforms.resampling import cover, nearest, offset, onto


@dataclass(slots=True)
class Pixels:
    """What was read of one scene.

    Attributes:
        array: stored numbers `(band, y, x)`.
        nodata: stored value that means "no data", or None.
        there: bool `(y, x)`: False where a source has no pixel, or says besides nodata that it is void.
        resampled: what was done to which band, e.g. `B11:20->10 nearest`.
    """

    array: npt.NDArray[Any]
    nodata: float | None
    there: npt.NDArray[np.bool_]
    resampled: tuple[str, ...] = ()

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Where every band holds data, `(y, x)`."""
        return valid_pixels(self.array, self.nodata) & self.there


def read_window(bands: tuple[Band, ...], window: Window, scene: Scene) -> npt.NDArray[Any]:
    """Stored numbers of `bands` within `window` of the scene's grid, shape (band, y, x).

    Raises:
        Fault: as `read_pixels`.
    """
    return read_pixels(bands, window.grid, scene).array


def read_pixels(
    bands: tuple[Band, ...], chip: Grid, scene: Scene, method: str = "nearest"
) -> Pixels:
    """The bands on the grid of a chip; those of one place and grid are read in one call.

    A band on the chip's own grid is never resampled. Bands of several types share the least type
    that holds them all.

    Args:
        bands: of `scene`.
        chip: the grid of the result.
        scene: where the bands come from.
        method: see `transforms.resampling.onto`.

    Raises:
        Fault: `raster_unreadable`, `too_large`, `band_mismatch` (another size or CRS than stated),
            `misaligned` (between the pixels of the scene, or elsewhere than stated).
    """
    itemsize = np.dtype(bands[0].dtype).itemsize
    if chip.height * chip.width * len(bands) * itemsize > READ_LIMIT:
        raise Fault(
            "too_large", f"{scene.id}: a window of {chip.width} x {chip.height} x {len(bands)}"
        )
    kinds = [reader_of(band).dtype(band) for band in bands]
    nodata = nodata_of(bands)
    found = Pixels(
        np.empty((len(bands), chip.height, chip.width), np.result_type(*kinds)),
        nodata,
        np.ones((chip.height, chip.width), bool),
    )
    notes: dict[int, str] = {}
    for group, places in together(bands):
        own = own_grid(scene, group[0])
        if (box := _within(own, chip)) is not None:
            outs = [found.array[p] for p in places]
            mask = reader_of(group[0]).read(Part(group, scene, box), outs)
        else:
            exact = aligned(own, chip)
            part = _resampled(group, own, chip, scene, "nearest" if exact else method)
            found.array[places] = part.array
            mask = part.there
            if not exact:
                sizes = f"{_side(own)}->{_side(chip)}"
                notes.update((p, f"{bands[p].name}:{sizes} {method}") for p in places)
        _unify(found, bands, places)
        if mask is not None:
            found.there &= mask
    found.resampled = tuple(notes[p] for p in sorted(notes))
    return found


def parts(
    bands: tuple[Band, ...], chip: Grid, scene: Scene, method: str = "nearest"
) -> Iterator[Part]:
    """All that `read_pixels` will read.

    Raises:
        Fault: as `own_grid`.
    """
    for group, _ in together(bands):
        own = own_grid(scene, group[0])
        box = cover(own, chip, "nearest" if aligned(own, chip) else method)
        if box is not None:
            yield Part(group, scene, box)


def _within(own: Grid, chip: Grid) -> Box | None:
    """The chip in whole pixels of a grid; None when it must be resampled or reaches beyond it."""
    if not aligned(own, chip):
        return None
    col, row = map(round, offset(own, chip))
    if col < 0 or row < 0 or col + chip.width > own.width or row + chip.height > own.height:
        return None
    return col, row, chip.width, chip.height


def _resampled(group: tuple[Band, ...], own: Grid, chip: Grid, scene: Scene, method: str) -> Pixels:
    """Bands of one grid on the chip's grid, their own nodata value where they are missing."""
    reader = reader_of(group[0])
    kind = np.result_type(*map(reader.dtype, group))
    nodata = [stated_nodata(band) for band in group]
    box = cover(own, chip, method) or (0, 0, 1, 1)  # apart: one pixel, all of it outside
    _, _, width, height = box
    if width * height * len(group) * 8 > READ_LIMIT:
        raise Fault("too_large", f"{scene.id}: a window of {width} x {height} x {len(group)}")
    read = np.empty((len(group), height, width), kind)
    mask = reader.read(Part(group, scene, box), list(read))
    seen = np.ones((height, width), bool) if mask is None else mask
    part = own.cut(*box)
    values, gone = onto(read, part, chip, method, missing_values(read, nodata) | ~seen)
    shown, inside = nearest(seen, part, chip)
    there = shown.astype(bool) & inside
    for place, value in enumerate(nodata):
        if value is None or not writable(value, kind):
            there &= ~gone[place]
        elif method == "nearest" or kind == np.uint8:
            values[place] = np.where(gone[place], np.asarray(value).astype(kind), values[place])
        else:
            values[place] = mark(values[place], gone[place], value)
    if method != "nearest" and kind == np.uint8 and None not in nodata:
        values = _colours_beside(values, gone, nodata)
    return Pixels(values, None, there)


def _colours_beside(
    values: npt.NDArray[Any], gone: npt.NDArray[np.bool_], nodata: list[float | None]
) -> npt.NDArray[Any]:
    """8-bit pictures without pixels that a kernel made look missing in all bands."""
    fill = np.array(nodata, np.uint8)[:, None, None]
    alike = ((values == fill) & ~gone).all(axis=0)
    return np.where(alike, np.where(fill < 255, fill + 1, fill - 1).astype(np.uint8), values)


def _unify(found: Pixels, bands: tuple[Band, ...], places: list[int]) -> None:
    """Write the image's nodata value where a band is missing by another one of its own."""
    for place in places:
        own = stated_nodata(bands[place])
        if own is None or own == found.nodata or (own != own and found.nodata != found.nodata):
            continue
        gone = missing_values(found.array[place][None], [own])[0]
        if writable(found.nodata, found.array.dtype):
            assert found.nodata is not None
            found.array[place] = mark(found.array[place], gone, found.nodata)
        else:
            found.there &= ~gone


def _side(grid: Grid) -> str:
    """The side of a pixel in CRS units, as short as it is round."""
    return f"{abs(grid.transform[0]):.4g}"
