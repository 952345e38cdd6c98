"""Clouds, their shadows and the edge of the swath, and the scene classification."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalogs.world import noise
from catalogs.world.layout import Place
from catalogs.world.noise import Floats

NO_DATA, SHADOW, VEGETATION, BARE, WATER, MEDIUM, HIGH, CIRRUS = 0, 3, 4, 5, 6, 8, 9, 10
"""Values of the scene classification (SCL) that occur."""

SHIFT = (-14, 26)
"""Where a cloud's shadow falls: pixels of 10 m to the left (west) and up (north)."""


@dataclass(frozen=True)
class Sky:
    """What stands between ground and sensor, on the 10 m grid (y, x).

    Attributes:
        opacity: 0 clear .. 1 opaque.
        thin: Whether the cloud is cirrus.
        shade: Share of sunlight that reaches the ground, 0..1.
        valid: False beyond the edge of the swath.
    """

    opacity: Floats
    thin: NDArray[np.bool_]
    shade: Floats
    valid: NDArray[np.bool_]


def sky(place: Place, day: str, share: float, edge: bool, size: int) -> Sky:
    """The sky over a place on one day.

    Args:
        place: Where.
        day: Date as text; seeds the shapes.
        share: Wanted share of cloudy pixels, 0..1; reached within a pixel or so.
        edge: Whether the swath ends inside the scene.
        size: Side of the 10 m grid in pixels.
    """
    rng = place.rng("sky", day)
    field = noise.smooth(rng, size, 90) + noise.smooth(rng, size, 34) * np.float32(0.45)
    field += noise.smooth(rng, size, 9) * np.float32(0.13)
    opacity = np.zeros((size, size), dtype=np.float32)
    shade = np.ones((size, size), dtype=np.float32)
    thin = np.zeros((size, size), dtype=bool)
    if share > 0:
        level = np.sort(field, axis=None)[int((1 - share) * (field.size - 1))]
        opacity = np.clip((field - level) * np.float32(2.2) + np.float32(0.25), 0, 1)
        opacity[field <= level] = 0
        veil = np.clip(noise.smooth(rng, size, 110) * 3 - np.float32(0.6), 0, 1)
        opacity *= 1 - np.float32(0.72) * veil
        thin = (veil > 0.5) & (opacity > 0)
        left, up = SHIFT
        moved = np.zeros_like(opacity)
        moved[:-up, :left] = opacity[up:, -left:]
        shade = 1 - np.float32(0.62) * np.minimum(moved * np.float32(1.6), 1)
    valid = np.ones((size, size), dtype=bool)
    if edge:
        row, col = np.ogrid[:size, :size]
        valid = col * 1.0 + row * 0.24 < size * 0.86
    return Sky(opacity, thin, shade, np.asarray(valid))


def classify(sky_10m: Sky, veg: Floats, water: Floats) -> NDArray[np.uint8]:
    """Scene classification (y, x) at 20 m.

    Args:
        sky_10m: Clouds and shadows at 10 m.
        veg: NDVI of the ground at 20 m (y, x).
        water: Share of water at 20 m (y, x), 0..1.
    """
    opacity = sky_10m.opacity[::2, ::2]
    scl = np.full(opacity.shape, BARE, dtype=np.uint8)
    scl[veg > 0.4] = VEGETATION
    scl[water > 0.5] = WATER
    scl[sky_10m.shade[::2, ::2] < 0.7] = SHADOW
    scl[opacity > 0.0] = MEDIUM
    scl[opacity > 0.6] = HIGH
    scl[sky_10m.thin[::2, ::2]] = CIRRUS
    scl[~sky_10m.valid[::2, ::2]] = NO_DATA
    return scl


def cloud_cover(scl: NDArray[np.uint8]) -> float:
    """Per cent of valid pixels that are cloud or cirrus, two decimals."""
    valid = int(np.count_nonzero(scl))
    cloudy = int(np.isin(scl, (MEDIUM, HIGH, CIRRUS)).sum())
    return round(100.0 * cloudy / valid, 2) if valid else 0.0
