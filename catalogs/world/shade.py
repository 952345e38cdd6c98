"""Light and shade of the aerial picture: cast shadows and the crowns of single trees."""

from collections.abc import Sequence

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely import MultiPoint
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from catalogs.world.feature import Feature
from catalogs.world.noise import Floats
from catalogs.world.paint import stamp

AWAY = {2020: (-0.55, 0.84), 2022: (-0.38, 0.92)}
"""Unit vector (east, north) in which shadows fall, by year of flight."""

REACH = 0.75
"""Length of a shadow for one metre of height."""

DARK = np.float32(0.52)
"""What is left of the light in a shadow."""


def shadows(
    features: Sequence[Feature], year: int, affine: Affine, raised: NDArray[np.bool_]
) -> Floats:
    """Brightness factors (y, x): `DARK` where ground lies in a shadow, else 1.

    Args:
        features: Things that may cast a shadow: those more than 2 m high do.
        year: Year of flight, for the sun.
        affine: Pixel to UTM metres.
        raised: (y, x), whether the pixel shows something that is itself high.
    """
    swept = [shape for f in features if f.height > 2 for shape in _sweep(f, AWAY[year])]
    factor = np.ones(raised.shape, dtype=np.float32)
    if swept:
        mask = rasterize(swept, out_shape=raised.shape, transform=affine, dtype="uint8")
        factor[(mask == 1) & ~raised] = DARK
    return factor


def _sweep(item: Feature, away: tuple[float, float]) -> list[BaseGeometry]:
    """Ground that a thing's shadow falls on."""
    shape, far = item.footprint(), item.height * REACH
    if shape.area < 2500:
        ends = translate(shape, away[0] * far, away[1] * far)
        return [MultiPoint([*shape.exterior.coords, *ends.exterior.coords]).convex_hull]
    return [translate(shape, away[0] * far * k / 3, away[1] * far * k / 3) for k in (1, 2, 3)]


def tree_tops(
    trees: Sequence[Feature], year: int, affine: Affine, gain: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Draws shadows of single trees into `gain`; returns brightness of crowns and where firs are.

    Args:
        trees: Points with a crown.
        year: Year of flight, for the sun.
        affine: Pixel to UTM metres.
        gain: (y, x) factors of the ground, changed in place.

    Returns:
        Crown brightness (y, x), 0 where there is no crown, and a mask (y, x) of needle trees.
    """
    crowns = np.zeros(gain.shape, dtype=np.float32)
    firs = np.zeros(gain.shape, dtype=bool)
    away = AWAY[year]
    for tree in trees:
        radius, far = tree.width / 2, tree.height * REACH * 0.75
        for part in (0.5, 1.0):
            spot = stamp(
                tree,
                affine,
                radius * 0.92,
                gain.shape,
                (away[0] * far * part, away[1] * far * part),
            )
            if spot is not None:
                window, _, _, square = spot
                patch = gain[window]
                patch[(square < 1) & (patch > 0.64)] *= DARK
    for tree in trees:
        spot = stamp(tree, affine, tree.width / 2, gain.shape)
        if spot is None:
            continue
        window, dx, dy, square = spot
        lit = 1.12 - 0.3 * square - 0.16 * (dx * away[0] - dy * away[1])
        lit *= 0.9 + 0.2 * ((dx * 17.3 + dy * 11.7 + dx * dy * 9.1) % 1.0)
        np.copyto(crowns[window], lit.astype(np.float32), where=square < 1)
        np.copyto(firs[window], tree.paint == "fir", where=square < 1)
    return crowns, firs
