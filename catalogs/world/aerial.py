"""The aerial picture of a place: 0.6 m pixels, red, green, blue, near infrared."""

from collections.abc import Sequence

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from catalogs.world import noise, paint, shade
from catalogs.world.feature import Feature
from catalogs.world.layout import Place
from catalogs.world.materials import MATERIALS, Material
from catalogs.world.noise import Floats
from catalogs.world.sites import AERIAL_PX, aerial_affine
from catalogs.world.textures import TEXTURES

PANEL = (46.0, 56.0, 92.0, 66.0)
"""Red, green, blue, near infrared of a solar panel."""


def picture(place: Place, year: int) -> NDArray[np.uint8]:
    """The place on a July day, (band, y, x) red, green, blue, near infrared; 0 means no data."""
    affine, bounds = aerial_affine(place.site), place.site.aerial_bounds
    features = paint.painted(place, year, bounds)
    looks = [MATERIALS[name] for name in (paint.GROUND, *(f.material(year) for f in features))]
    index = paint.index_raster(features, affine, AERIAL_PX)
    spread = np.array([look.rough for look in looks], dtype=np.float32)
    gain = _mottle(place, spread[index])
    panels = _textures(features, looks, index, affine, shade.AWAY[year], gain)
    _canopy(place, looks, index, gain)
    raised = np.array([False, *(f.height > 2 for f in features)])
    gain *= shade.shadows(features, year, affine, raised[index])
    crowns, firs = shade.tree_tops(paint.trees(place, year, bounds), year, affine, gain)
    where = np.flatnonzero(crowns)
    lit, needles = crowns.reshape(-1)[where], firs.reshape(-1)[where]

    out = np.empty((4, AERIAL_PX, AERIAL_PX), dtype=np.uint8)
    table = _colours(place, features, looks)
    for band in range(4):
        values = table[:, band][index]
        values.reshape(-1)[panels] = PANEL[band]
        values *= gain
        leaf, needle = (np.float32(MATERIALS[k].colour[band]) for k in ("tree", "fir"))
        values.reshape(-1)[where] = np.where(needles, needle, leaf) * lit
        out[band] = np.clip(values + np.float32(0.5), 1, 255)
    if place.site.edge:
        _cut_corner(out)
    return out


def _colours(place: Place, features: Sequence[Feature], looks: Sequence[Material]) -> Floats:
    """Colour (feature + 1, band) of the ground and of each feature, a little different for each."""
    luck = place.rng("colour").random((len(place.features), 5))
    number = {id(f): n for n, f in enumerate(place.features)}
    own = np.vstack([np.full(5, 0.5), luck[[number[id(f)] for f in features]]])
    spread = np.minimum([look.rough for look in looks], 0.08)
    light = 1 + (own[:, 4] - 0.5) * spread * 3.0
    tint = 1 + (own[:, :4] - 0.5) * 0.06
    base = np.array([look.colour for look in looks], dtype=np.float64)
    return (base * light[:, None] * tint).astype(np.float32)


def _mottle(place: Place, spread: Floats) -> Floats:
    """Brightness factors (y, x) from noise of three sizes, as strong as the ground is rough."""
    rng, size = place.rng("mottle"), spread.shape[0]
    gain = noise.smooth(rng, size, 96) * np.float32(0.8)
    gain += noise.smooth(rng, size, 24) * np.float32(0.7)
    gain += noise.smooth(rng, size, 9) * np.float32(0.8)
    gain *= spread
    gain += 1
    return gain


def _textures(
    features: Sequence[Feature],
    looks: Sequence[Material],
    index: NDArray[np.uint16],
    affine: Affine,
    away: tuple[float, float],
    gain: Floats,
) -> NDArray[np.intp]:
    """Multiplies textures into `gain`; returns flat indices of pixels of solar panels."""
    middle = np.array([(affine.c, affine.f), *(f.geom.centroid.coords[0] for f in features)])
    angle = np.array([0.0, *(f.angle for f in features)])
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    sun = sin * np.float32(away[0]) - cos * np.float32(away[1])
    # metres from the picture's corner: small numbers, so that float32 is exact to millimetres
    left, down = ((middle - (affine.c, affine.f)) * (1, -1)).T.astype(np.float32)
    kinds = np.array([look.texture for look in looks])
    flat, out, width = index.reshape(-1), gain.reshape(-1), index.shape[1]
    panels = np.empty(0, dtype=np.intp)
    for kind, texture in TEXTURES.items():
        spots = np.flatnonzero((kinds == kind)[flat])
        if not spots.size:
            continue
        which = flat[spots]
        row, col = np.divmod(spots, width)
        x = (col.astype(np.float32) + np.float32(0.5)) * np.float32(affine.a) - left[which]
        y = down[which] - (row.astype(np.float32) + np.float32(0.5)) * np.float32(affine.a)
        c, s = cos[which], sin[which]
        factor = texture(x * c + y * s, y * c - x * s, sun[which])
        if kind == "panels":
            panels = spots[factor == 0]
            factor = np.maximum(factor, np.float32(1))
        out[spots] *= factor
    return panels


def _canopy(
    place: Place, looks: Sequence[Material], index: NDArray[np.uint16], gain: Floats
) -> None:
    """Multiplies the crowns of woods into `gain`."""
    for name, radius in (("broadleaf", 7), ("conifer", 4), ("mixed", 5)):
        chosen = np.array([look is MATERIALS[name] for look in looks])
        spots = np.flatnonzero(chosen[index.reshape(-1)])
        if not spots.size:
            continue
        tile = noise.crowns(radius)
        row, col = np.divmod(spots, index.shape[1])
        shift = int(place.rng("canopy").integers(512))
        gain.reshape(-1)[spots] *= tile[(row + shift) % 512, (col + shift) % 512]


def _cut_corner(out: NDArray[np.uint8]) -> None:
    """Sets a slanted corner to 0, as at the edge of a flight."""
    size = out.shape[-1]
    row, col = np.ogrid[:size, :size]
    out[:, row * 0.35 + col < size * 0.22] = 0
