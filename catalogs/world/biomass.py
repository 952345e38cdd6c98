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


def vigour(lon: Spots, lat: Spots) -> Spots:
    """How much more or less than the mean of its material grows at points: a factor around 1."""
    return np.asarray(
        1 + noise.field(lon, lat, 0.004, 11) * 0.22 + noise.field(lon, lat, 0.09, 12) * 0.13
    )


def stock(codes: surface.Codes) -> Spots:
    """Mean biomass in Mg/ha of materials by code; where no scene lies, that of a meadow."""
    table = np.array([*(STOCK.get(name, 0.0) for name in surface.NAMES), STOCK["meadow"]])
    return np.asarray(table[codes])


def biomass(lon: Spots, lat: Spots, seed: int) -> Spots:
    """Aboveground biomass in Mg/ha, float64, at points in degrees, of any shape."""
    return stock(surface.materials(lon, lat, YEAR, seed)) * vigour(lon, lat)


def top_height(mass: Spots) -> Spots:
    """Height in metres below which 98 per cent of a pulse's energy returns, of biomass in Mg/ha."""
    return np.asarray((np.sqrt(np.asarray(mass) / BIAS) / SLOPE + 10) ** 2 - 100)


def canopy(codes: surface.Codes, factor: Spots) -> Spots:
    """Canopy height in metres of materials by code and `vigour`; 0 where nothing woody grows."""
    woody = np.array([*(name in WOODY for name in surface.NAMES), False])
    return np.where(woody[codes], top_height(stock(codes) * factor), 0.0)


def height(lon: Spots, lat: Spots, seed: int) -> Spots:
    """Canopy height in metres, float64, at points in degrees, of any shape."""
    return canopy(surface.materials(lon, lat, YEAR, seed), vigour(lon, lat))
