"""Textures of the aerial picture: rows, vines, cars, gables, panels; each a factor per pixel.

A texture function gets the pixels' coordinates in metres turned into their feature's own
direction: `u` along and `v` across it, measured from the feature's middle. It returns brightness
factors, one per pixel, 1 for unchanged.
"""

from collections.abc import Callable

import numpy as np

from catalogs.world.noise import Floats, dice, wave

Texture = Callable[[Floats, Floats, Floats], Floats]


def rows(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Crop rows with a pair of tram lines every 21 m."""
    lanes = np.abs(np.abs(wave(v, 21.0) * 10.5 - 5.25) - 4.4)
    return np.asarray(0.965 + 0.05 * wave(v, 3.0) - 0.13 * (lanes < 0.42), dtype=np.float32)


def mown(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Stripes of a mower, 8 m wide."""
    return np.where(wave(v, 16.0) < 0.5, np.float32(0.965), np.float32(1.03))


def vines(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Rows of vines every 3 m, darker than the soil between them."""
    return np.where(wave(v, 3.0) < 0.52, np.float32(1.06), np.float32(0.62))


def orchard(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Round crowns on a grid of 6 by 5 m, with shade on one side."""
    a, b = (wave(u, 6.0) - 1) * 3.0, (wave(v, 5.0) - 1) * 2.5
    r = a * a + b * b
    return np.where(r < 2.9, 0.60 - 0.04 * r, np.where(r < 4.6, 0.72, 1.0)).astype(np.float32)


def plots(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Garden beds of different brightness."""
    cell = dice(np.floor(u / 3.6).astype(np.int64), np.floor(v / 2.4).astype(np.int64), 5)
    return np.asarray(0.82 + 0.36 * cell, dtype=np.float32)


def graves(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Graves in rows: small light and dark slabs on grass."""
    luck = dice(np.floor(u / 2.4).astype(np.int64), np.floor(v / 4.8).astype(np.int64), 9)
    slab = (wave(v, 4.8) > 0.55) & (wave(u, 2.4) > 0.45) & (luck > 0.2)
    return np.where(slab, 0.55 + 0.95 * luck, 1.0).astype(np.float32)


def cars(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Bays of 2.6 x 5 m on both sides of an aisle; most hold a car of some brightness."""
    aisle = v / 16.2 - np.floor(v / 16.2)
    bay = np.abs(aisle - 0.5) > 0.19
    luck = dice(np.floor(u / 2.6).astype(np.int64), np.floor(v / 8.1).astype(np.int64), 3)
    deep = np.abs(np.abs(aisle - 0.5) - 0.35) < 0.13
    car = bay & deep & (wave(u, 2.6) > 0.36) & (luck > 0.42)
    paint = np.where(luck > 0.8, 1.85, np.where(luck > 0.62, 0.42, 1.35))
    line = bay & (wave(u, 2.6) < 0.2)
    return np.where(car, paint, np.where(line, 1.5, 1.0)).astype(np.float32)


def gable(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Two roof faces that meet at a ridge along `u`; the one towards the sun is brighter."""
    face = np.where(v >= 0, sun, -sun)
    ridge = np.where(np.abs(v) < 0.35, np.float32(0.06), np.float32(0))
    return np.asarray(0.97 + 0.24 * face + ridge - 0.03 * (wave(u, 2.4) < 0.3), dtype=np.float32)


def flat(u: Floats, v: Floats, sun: Floats) -> Floats:
    """A flat roof with roof lights."""
    light = (wave(u, 11.0) > 0.8) & (wave(v, 9.0) > 0.72)
    return np.where(light, np.float32(1.2), np.float32(0.98))


def ribs(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Sheet metal with ribs and a low ridge."""
    face = np.where(v >= 0, sun, -sun)
    return np.asarray(0.95 + 0.07 * face + 0.05 * wave(u, 4.8), dtype=np.float32)


def glass(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Glass houses: narrow bays that glitter."""
    return np.where(wave(v, 6.4) < 0.5, np.float32(0.84), np.float32(1.1)) - np.where(
        wave(u, 4.0) < 0.16, np.float32(0.12), np.float32(0)
    )


def dome(u: Floats, v: Floats, sun: Floats) -> Floats:
    """A tank top with light from one side."""
    return np.asarray(np.clip(0.97 + 0.02 * (u * 0.5 - v), 0.7, 1.1), dtype=np.float32)


def panels(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Rows of dark panels, 3.6 m of every 6.6 m, with seams."""
    seam = wave(u, 12.0) < 0.08
    return np.where((wave(v, 6.6) > 0.44) & ~seam, np.float32(0.0), np.float32(1.0))


def steps(u: Floats, v: Floats, sun: Floats) -> Floats:
    """Benches of a quarry: rings around its middle."""
    ring = (u * u + v * v) / np.float32(900)
    return np.asarray(0.86 + 0.2 * (ring - np.floor(ring)), dtype=np.float32)


TEXTURES: dict[str, Texture] = {
    "rows": rows,
    "mown": mown,
    "vines": vines,
    "orchard": orchard,
    "plots": plots,
    "graves": graves,
    "cars": cars,
    "gable": gable,
    "flat": flat,
    "ribs": ribs,
    "glass": glass,
    "dome": dome,
    "panels": panels,
    "steps": steps,
}
