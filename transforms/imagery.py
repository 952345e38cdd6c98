"""Which scene shows a place (`Find`), and its pixels on the scene's own grid (`Read`)."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.rasters import READ_LIMIT, SHELF
from schemas.errors import Fault, Reject
from schemas.samples import Image, Sample
from schemas.scenes import Band, Scene
from schemas.sensors import convention
from schemas.windows import Window
from transforms.context import Context


def slug(collection: str) -> str:
    """A collection id as part of a sample key: `sentinel-2-l2a` -> `sentinel2l2a`, 12 letters at most."""
    plain = re.sub(r"[^a-z0-9]", "", collection.lower())
    if len(plain) <= 12:
        return plain or "local"
    return plain[:9] + hashlib.sha256(collection.encode()).hexdigest()[:3]


def best_per_year(
    scenes: Iterable[Scene], years: tuple[int, int] | None, max_cloud: float
) -> tuple[dict[tuple[str, int], Scene], str]:
    """The clearest scene of every (collection, year); ties go to the newest, then to the lower id.

    Year 0 stands for scenes without a date; they pass only when no years were asked for.

    Returns:
        The choice, and the reason why it is empty: `no_imagery`, `no_imagery_in_years` or `cloudy`.
    """
    found: dict[tuple[str, int], Scene] = {}
    reason = "no_imagery"
    order = sorted(
        scenes,
        key=lambda s: (
            101.0 if s.cloud is None else s.cloud,
            -(s.datetime.timestamp() if s.datetime else 0.0),
            s.id,
        ),
    )
    for scene in order:
        year = scene.datetime.year if scene.datetime else 0
        if years and not years[0] <= year <= years[1]:
            reason = "no_imagery_in_years" if reason == "no_imagery" else reason
        elif scene.cloud is not None and scene.cloud > max_cloud:
            reason = "cloudy"
        else:
            found.setdefault((scene.collection, year), scene)
    return dict(sorted(found.items())), reason


@dataclass(frozen=True)
class Find:
    """One sample for each (object, collection, year) that the imagery role covers.

    Attributes:
        max_cloud: percent of cloud over the whole scene above which it is not used.
    """

    max_cloud: float = 20.0
    needs: tuple[str, ...] = field(default=(), init=False)

    @property
    def gives(self) -> dict[str, str]:
        """Scenes, and what is known of the chosen one."""
        return {
            "scenes": "noun",
            "collection": "string",
            "datetime": "timestamp",
            "year": "int64",
            "cloud_scene": "float64",
            "processing_baseline": "string",
        }

    def __call__(self, sample: Sample, ctx: Context) -> Iterator[Sample]:
        """The sample once for every scene chosen.

        Raises:
            Reject: `no_imagery`, `no_imagery_in_years` or `cloudy`.
        """
        over = ctx.sources["imagery"].over(sample.lon, sample.lat)
        chosen, reason = best_per_year(over, ctx.years, self.max_cloud)
        if not chosen:
            raise Reject(reason, f"{len(over)} scenes over {sample.lon:.5f} {sample.lat:.5f}")
        for (collection, year), scene in chosen.items():
            stamp = f"{year % 100:02d}" if year else "na"
            yield replace(
                sample,
                id=f"{sample.id}_{slug(collection)}_{stamp}",
                scenes=(scene,),
                facts={
                    **sample.facts,
                    "collection": collection,
                    "datetime": scene.datetime,
                    "year": year or None,
                    "cloud_scene": scene.cloud,
                    "processing_baseline": scene.baseline,
                },
            )


def choose_bands(scene: Scene, wanted: tuple[str, ...]) -> tuple[Band, ...]:
    """The scene's bands with these common or own names, in that order; all of its finest if none match.

    An alpha band is taken only where its name is asked for.
    """
    by_name = {b.common or b.name: b for b in reversed(scene.bands)}
    by_name.update({b.name: b for b in scene.bands})
    found = tuple(by_name[name] for name in wanted if name in by_name)
    if found:
        return found
    pictures = [b for b in scene.bands if not b.alpha] or scene.bands
    finest = min(b.gsd for b in pictures)
    return tuple(b for b in pictures if b.gsd <= finest * 1.01)


def read_window(bands: tuple[Band, ...], window: Window, scene: Scene) -> npt.NDArray[Any]:
    """Stored numbers of `bands` within `window`, shape (band, y, x), never resampled.

    Bands of one file are read in one call.

    Raises:
        Fault: `raster_unreadable`, `too_large`, `band_mismatch` (another grid than the scene's).
    """
    height, width = window.grid.height, window.grid.width
    itemsize = np.dtype(bands[0].dtype).itemsize
    if height * width * len(bands) * itemsize > READ_LIMIT:
        raise Fault("too_large", f"{scene.id}: a window of {width} x {height} x {len(bands)}")
    out: npt.NDArray[Any] | None = None
    by_file: dict[str, list[int]] = {}
    for place, band in enumerate(bands):
        by_file.setdefault(band.href, []).append(place)
    for href, places in by_file.items():
        dataset = SHELF.get(href)
        _same_grid(SHELF.grid(href), scene, bands[places[0]])
        if out is None:
            out = np.empty((len(bands), height, width), dataset.dtypes[0])
        indexes = [bands[p].index for p in places]
        SHELF.read(href, indexes, window.col, window.row, [out[p] for p in places])
    assert out is not None
    return out


def _same_grid(found: tuple[float, ...], scene: Scene, band: Band) -> None:
    """A pixel is where it says only if file (as `Shelf.grid` gives it) and catalogue agree.

    Raises:
        Fault: `band_mismatch` (another size: bands of several resolutions), `misaligned`.
    """
    grid, (width, height, *affine) = scene.grid, found
    if (width, height) != (grid.width, grid.height):
        raise Fault(
            "band_mismatch",
            f"{scene.id}: {band.name} has {width} x {height} pixels, "
            f"the scene {grid.width} x {grid.height}",
        )
    apart = max(abs(a - b) for a, b in zip(grid.transform, affine, strict=True))
    if apart > abs(grid.transform[0]) / 100:
        raise Fault("misaligned", f"{scene.id}: {band.name} lies elsewhere than the catalogue says")


def valid_pixels(array: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Where (band, y, x) holds data, shape (y, x).

    In 8-bit pictures a pixel is missing when all of its bands are `nodata` (one dark band is a
    colour); in physical data when any band is. NaN is never valid.
    """
    valid = np.ones(array.shape[-2:], bool)
    real = np.issubdtype(array.dtype, np.floating)  # a NaN hides the least and greatest number
    there = nodata is not None and not np.isnan(nodata)
    if there and (real or array.min() <= nodata <= array.max()):
        missing = array == nodata
        valid &= ~(missing.all(axis=0) if array.dtype == np.uint8 else missing.any(axis=0))
    if real:
        valid &= np.isfinite(array).all(axis=0)
    return valid


def nodata_of(bands: tuple[Band, ...]) -> float | None:
    """The stored value that means "no data": as the catalogue states it, else as the file does."""
    stated = next((b.nodata for b in bands if b.nodata is not None), None)
    if stated is not None:
        return stated
    found = SHELF.get(bands[0].href).nodatavals[bands[0].index - 1]
    return None if found is None else float(found)


def unmasked(
    bands: tuple[Band, ...],
    scene: Scene,
    box: tuple[int, int, int, int] | None = None,
    shape: tuple[int, int] | None = None,
) -> npt.NDArray[np.bool_] | None:
    """Where the masks and alpha bands of all files of `bands` say "valid", (y, x); None without any.

    Args:
        box: (column, row, width, height) of the window; the whole scene when None.
        shape: (y, x) to decimate to.

    Raises:
        Fault: `raster_unreadable`.
    """
    valid: npt.NDArray[np.bool_] | None = None
    for href in dict.fromkeys(band.href for band in bands):
        colours = {b.index for b in scene.bands if b.href == href and not b.alpha}
        found = SHELF.mask(href, colours, box, shape)
        if found is not None:
            valid = found if valid is None else valid & found
    return valid


def remove_offset(array: npt.NDArray[Any], offset: int, nodata: float | None) -> npt.NDArray[Any]:
    """Stored numbers + offset, clipped at 0 (1 where nodata is 0), nodata kept apart, same dtype."""
    if offset == 0:
        return array
    floor = 1 if nodata == 0 else 0
    moved = np.clip(array.astype(np.int32) + offset, floor, np.iinfo(array.dtype).max)
    if nodata is not None:
        moved = np.where(array == nodata, array, moved)
    return moved.astype(array.dtype)


def display_of(scene: Scene, bands: tuple[Band, ...], cache: dict[str, Any]) -> tuple[float, float]:
    """Stored values shown as black and white: declared, else the 2nd and 98th percentile of the scene.

    Taken from a decimated read of at most 512 px a side, so it depends on the file alone.
    """
    if scene.display is not None:
        return scene.display
    if (known := cache.get(scene.key)) is None:
        small = np.stack([SHELF.thumbnail(b.href, b.index) for b in bands[:3]])
        valid = valid_pixels(small, nodata_of(bands))
        masked = unmasked(bands[:3], scene, shape=small.shape[1:])
        good = small[:, valid if masked is None else valid & masked]
        low, high = np.percentile(good, (2, 98)) if good.size else (0.0, 1.0)
        known = cache[scene.key] = (float(low), float(max(high, low + 1)))
    return known


@dataclass(frozen=True)
class Read:
    """The chip's pixels, on the scene's own grid, without resampling.

    Attributes:
        bands: common or own names in the order of the image; those the scene lacks are left out.
            Where it has none of them, all of its finest bands are taken.
    """

    bands: tuple[str, ...] = ("red", "green", "blue", "nir")
    needs: tuple[str, ...] = field(default=("window", "scenes"), init=False)

    @property
    def gives(self) -> dict[str, str]:
        """The image, and what was done to its numbers."""
        return {
            "image": "noun",
            "bands": "string",
            "nodata_share": "float64",
            "radiometric_convention": "string",
            "offset_applied": "int64",
        }

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with `images["image"]`.

        Raises:
            Fault: as `read_window`.
        """
        scene, window = sample.scenes[0], sample.window
        assert window is not None
        bands = choose_bands(scene, self.bands)
        stored = read_window(bands, window, scene)
        nodata = nodata_of(bands)
        rule = convention(scene.collection, scene.baseline, scene.offset_applied)
        array = remove_offset(stored, rule.offset, nodata)
        valid = valid_pixels(array, nodata)
        box = (window.col, window.row, window.grid.width, window.grid.height)
        masked = unmasked(bands, scene, box)
        valid = valid if masked is None else valid & masked
        names = tuple(b.common or b.name for b in bands)
        sample.images["image"] = Image(
            array, names, window.grid, nodata, valid, display_of(scene, bands, ctx.scratch)
        )
        sample.facts.update(
            bands=",".join(names),
            nodata_share=1.0 - float(np.count_nonzero(valid)) / valid.size,
            radiometric_convention="dn_pre04" if rule.offset else rule.name,
            offset_applied=rule.offset,
        )
        return sample
