"""How much grows: aboveground biomass and canopy height at any point of the world.

Both follow from the material on the ground and from smooth noise, and from one another by the form
of GEDI's models: sqrt(biomass / BIAS) = -10 SLOPE + SLOPE sqrt(RH98 + 100). The numbers are invented.
"""

import numpy as np

from catalogs.world import noise, surface
from catalogs.world.noise import Spots

YEAR = 2021
"""Year of the ground that biomass is told of; growth is left out."""

SLOPE, BIAS = 12.5, 1.1
"""Slope of the model and its correction for bias."""

CROP = 5.0

STOCK: dict[str, float] = {
    "conifer": 240.0, "mixed": 205.0, "broadleaf": 175.0, "orchard": 38.0, "scrub": 22.0,
    "garden": 18.0, "graves": 18.0, "plot": 10.0, "nursery": 12.0, "heath": 9.0, "vineyard": 7.0,
    "wetland": 6.0, "meadow": 2.5, "pasture": 2.0, "grass": 2.0, "lawn": 1.5, "solar": 1.0,
    "pitch": 1.0, "green": 1.0,
    **dict.fromkeys(
        ("wheat", "barley", "maize", "rapeseed", "sugarbeet", "potato", "fallow"), CROP
    ),
}  # fmt: skip
"""Mean aboveground biomass in Mg/ha by material; nothing else carries any."""

WOODY = ("conifer", "mixed", "broadleaf", "orchard", "scrub")
"""What a map of canopy height shows."""


def biomass(lon: Spots, lat: Spots, seed: int) -> Spots:
    """Aboveground biomass in Mg/ha, float64, at points in degrees, of any shape.

    Where no scene lies it is that of a meadow.
    """
    codes = surface.materials(lon, lat, YEAR, seed)
    stock = np.array([*(STOCK.get(name, 0.0) for name in surface.NAMES), STOCK["meadow"]])
    rough = noise.field(lon, lat, 0.004, 11) * 0.22 + noise.field(lon, lat, 0.09, 12) * 0.13
    return np.asarray(stock[codes] * (1 + rough))


def top_height(mass: Spots) -> Spots:
    """Height in metres below which 98 per cent of a pulse's energy returns, of biomass in Mg/ha."""
    return np.asarray((np.sqrt(np.asarray(mass) / BIAS) / SLOPE + 10) ** 2 - 100)


def height(lon: Spots, lat: Spots, seed: int) -> Spots:
    """Canopy height in metres, float64, at points in degrees; 0 where nothing woody grows."""
    codes = surface.materials(lon, lat, YEAR, seed)
    woody = np.array([*(name in WOODY for name in surface.NAMES), False])
    return np.where(woody[codes], top_height(biomass(lon, lat, seed)), 0.0)
