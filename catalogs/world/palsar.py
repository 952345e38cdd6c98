"""Yearly radar mosaics in the manner of ALOS-2 PALSAR-2: brighter where more grows.

Stored numbers are those of the mosaics: gamma nought in dB is 10 log10(DN^2) - 83; 0 is no data.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalogs.world import biomass, cog, noise, rasters, surface
from catalogs.world.grids import Degrees
from catalogs.world.layout import Place
from catalogs.world.materials import MATERIALS
from catalogs.world.noise import Spots
from catalogs.world.stacfile import Json

YEARS = (2021, 2022)

PER_DEGREE = 4500
"""Pixels per degree: 0.8 seconds of arc."""

FULL = 100.0
"""Biomass in Mg/ha at which the echo has come 63 per cent of its way to saturation."""

BARE = {"HH": -13.5, "HV": -24.0}
"""Echo of ground without plants in dB."""

GAIN = {"HH": 6.0, "HV": 11.0}
"""By how many dB full saturation is brighter."""

ODD = {"water": (-23.0, -31.0), "pool": (-23.0, -31.0), "building": (-3.0, -14.0)}
"""Echo (HH, HV) in dB of land covers to which this does not apply."""


def echo(lon: Spots, lat: Spots, seed: int) -> tuple[Spots, Spots]:
    """Gamma nought (HH, HV) in dB at points in degrees, of any shape, before speckle."""
    codes = surface.materials(lon, lat, biomass.YEAR, seed)
    grown = 1 - np.exp(-biomass.stock(codes) * biomass.vigour(lon, lat) / FULL)
    covers = [*(MATERIALS[name].cover for name in surface.NAMES), ""]
    bands = []
    for number, band in enumerate(("HH", "HV")):
        odd = np.array([ODD[cover][number] if cover in ODD else np.nan for cover in covers])[codes]
        bands.append(np.where(np.isnan(odd), BARE[band] + GAIN[band] * grown, odd))
    return bands[0], bands[1]


def mosaics(place: Place) -> tuple[dict[int, NDArray[np.uint16]], Degrees]:
    """HH and HV (2, y, x) uint16 of a place by year, and their grid; power is the mean over a pixel.

    A strip in the east has no data where `site.edge`.
    """
    grid = Degrees(place.site, PER_DEGREE)
    power = [(10 ** (db / 10)).mean(axis=(2, 3)) for db in echo(*grid.points(2), place.seed)]
    left, top, width, height = grid.box
    rows, columns = np.mgrid[top : top + height, left : left + width]
    found = {}
    for year in YEARS:
        out = np.zeros((2, height, width), np.uint16)
        for number in (0, 1):
            speckle = 0.9 * (noise.dice(rows, columns, 10 * year + number) - 0.5)
            stored = 10 ** ((10 * np.log10(power[number]) + speckle + 83) / 20)
            out[number] = np.clip(np.round(stored), 1, 65_535)
        if place.site.edge:
            out[:, :, -(width // 6) :] = 0
        found[year] = out
    return found, grid


def make(place: Place, folder: Path) -> list[Json]:
    """Draws the mosaics of a place, one item per year."""
    items = []
    found, grid = mosaics(place)
    for year, values in found.items():
        items.append(
            rasters.item(
                place, folder, f"palsar-{place.site.id}-{year}", values,
                cog.Grid(4326, grid.affine), ("HH", "HV"), 0,
                when=rasters.year(year), title=f"Radar mosaic {year}", gsd=25,
            )
        )  # fmt: skip
    return items


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """The collection of mosaics."""
    about = "Yearly mosaics in the manner of PALSAR-2: HH and HV as stored numbers, 0 is no data; " \
        "gamma nought in dB is 10 log10(DN^2) - 83."  # fmt: skip
    return rasters.collection("palsar", "Radar mosaics (generated)", about, items)
