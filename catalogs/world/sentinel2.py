"""Sentinel-2 Level-2A scenes of a place: reflectance by season, clouds, stored numbers.

The same reflectance is stored under two conventions. Products of baseline 04.00 and later carry
1000 on top of reflectance x 10,000; earlier ones do not. One acquisition of 2021 was reprocessed
under baseline 05.00 and carries the offset in spite of its date.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from catalogs.world import noise, paint
from catalogs.world.clouds import Sky, classify, sky
from catalogs.world.layout import Place
from catalogs.world.materials import MATERIALS
from catalogs.world.noise import Floats
from catalogs.world.sites import SCENE_METRES, scene_affine
from catalogs.world.spectra import BANDS, GSD, reflectance

FINE = 5
"""Pixel size in metres on which the ground is mixed."""


@dataclass(frozen=True)
class Pass:
    """One overflight.

    Attributes:
        day: Date, ISO.
        baseline: Processing baseline of the product.
        platform: `sentinel-2a` or `sentinel-2b`.
        cloud: Wanted share of clouds, 0..1.
        edge: Whether the swath ends inside the scene.
    """

    day: str
    baseline: str
    platform: str
    cloud: float = 0.0
    edge: bool = False

    @property
    def offset(self) -> int:
        """What the product adds to reflectance x 10,000."""
        return 1000 if float(self.baseline) >= 4.0 else 0


PASSES: dict[int, tuple[Pass, ...]] = {
    32632: (
        Pass("2021-02-24", "02.14", "sentinel-2b", 0.0),
        Pass("2021-04-25", "03.00", "sentinel-2a", 0.22),
        Pass("2021-06-14", "03.01", "sentinel-2b", 0.0),
        Pass("2021-08-28", "05.00", "sentinel-2a", 0.06),
        Pass("2021-10-27", "03.01", "sentinel-2a", 0.0),
        Pass("2022-06-19", "04.00", "sentinel-2b", 0.03),
        Pass("2022-10-22", "05.09", "sentinel-2a", 0.45),
    ),
    32633: (
        Pass("2021-02-26", "02.14", "sentinel-2a", 0.1),
        Pass("2021-04-22", "03.00", "sentinel-2b", 0.0),
        Pass("2021-06-16", "03.01", "sentinel-2a", 0.0),
        Pass("2021-08-25", "05.00", "sentinel-2b", 0.3),
        Pass("2021-10-24", "03.01", "sentinel-2b", 0.0, edge=True),
        Pass("2022-06-21", "04.00", "sentinel-2b", 0.0),
        Pass("2022-10-19", "05.09", "sentinel-2b", 0.86),
    ),
}
"""Overflights by UTM zone; neighbours in a zone share them, as places in one tile do."""

CLOUD = (.52, .54, .55, .56, .57, .58, .58, .59, .60, .58, .42, .33)  # fmt: skip
"""Reflectance of an opaque cloud in `BANDS`."""


@dataclass(frozen=True)
class Ground:
    """A scene's surface in one year, on pixels of 5 m.

    Attributes:
        index: Number of the feature in each pixel (y, x), 0 for bare ground.
        materials: Material of each feature.
        gains: Brightness factor of each feature.
        mottle: Brightness factor of each pixel (y, x).
    """

    index: NDArray[np.uint16]
    materials: tuple[str, ...]
    gains: Floats
    mottle: Floats


def ground(place: Place, year: int) -> Ground:
    """What lies where in `year`."""
    size = SCENE_METRES // FINE
    features = paint.painted(place, year, place.site.scene_bounds)
    index = paint.index_raster(features, scene_affine(place.site, FINE), size)
    luck = place.rng("brightness").random(len(place.features))
    number = {id(f): n for n, f in enumerate(place.features)}
    gains = np.array([1.0, *(0.93 + 0.14 * luck[number[id(f)]] for f in features)], np.float32)
    rng = place.rng("ground")
    names = (paint.GROUND, *(f.material(year) for f in features))
    rough = np.array([0.05 if MATERIALS[n].texture in ("crowns", "rough") else 0.0 for n in names])
    mottle = 1 + noise.smooth(rng, size, 60) * np.float32(0.03)
    mottle += noise.smooth(rng, size, 4) * rough.astype(np.float32)[index]
    mottle = (np.round(mottle * 64) / 64).astype(np.float32)  # few levels: files half as large
    return Ground(index, names, gains, mottle)


def scene(
    place: Place, land: Ground, over: Pass
) -> dict[str, NDArray[np.uint16] | NDArray[np.uint8]]:
    """All assets of one product: bands as stored numbers (y, x) at their own pixel size, and SCL.

    Bands are uint16, (reflectance x 10,000) + `over.offset`; 0 means no data. SCL is uint8.
    """
    day = date.fromisoformat(over.day)
    size = SCENE_METRES // 10
    above = sky(place, over.day, over.cloud, over.edge, size)
    names = [MATERIALS[m].spectrum for m in land.materials]
    known = {name: reflectance(name, day.timetuple().tm_yday) for name in set(names)}
    table = np.array([known[name] for name in names]) * land.gains[:, None]
    out: dict[str, NDArray[np.uint16] | NDArray[np.uint8]] = {}
    clear: dict[str, Floats] = {}
    for number, band in enumerate(BANDS):
        gsd = GSD[band]
        flat = table[:, number].astype(np.float32)[land.index]
        flat *= land.mottle
        clear[band] = surface = mean(flat, gsd // FINE)
        seen = _through(surface, above, CLOUD[number], gsd // 10)
        stored = np.round(seen * 10_000) + over.offset
        valid = above.valid[:: gsd // 10, :: gsd // 10]
        out[band] = np.where(valid, np.clip(stored, 1, 65_535), 0).astype(np.uint16)
    wet = np.array([MATERIALS[m].cover == "water" for m in land.materials], dtype=np.float32)
    red, nir = mean(clear["B04"], 2), clear["B8A"]
    out["SCL"] = classify(above, (nir - red) / (nir + red), mean(wet[land.index], 20 // FINE))
    return out


def mean(values: Floats, factor: int) -> Floats:
    """Block means of `factor` x `factor` pixels of (y, x)."""
    while factor > 1:
        step = 2 if factor % 2 == 0 else factor
        total = sum(values[k::step] for k in range(1, step)) + values[::step]
        values = sum(total[:, k::step] for k in range(1, step)) + total[:, ::step]
        values *= np.float32(1 / (step * step))
        factor //= step
    return values


def _through(surface: Floats, above: Sky, cloud: float, factor: int) -> Floats:
    """Reflectance as seen from above the clouds: shaded ground, then cloud over it."""
    opacity, shade = mean(above.opacity, factor), mean(above.shade, factor)
    bright = cloud * (np.float32(0.75) + np.float32(0.35) * opacity)
    return np.asarray(surface * shade * (1 - opacity) + bright * opacity, dtype=np.float32)
