"""Phenology rasters in the manner of MCD12Q2 version 6.1: one GeoTIFF per product year.

A pixel of 463 m has the dates of the calendar that most of its growing ground follows. Where more
than half of it never changes (conifers, water, roofs, roads) it holds the fill value.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from catalogs.world import land, noise, season, stacfile, surface
from catalogs.world.feature import YEARS
from catalogs.world.layout import Place
from catalogs.world.materials import MATERIALS
from catalogs.world.sites import SITES, Site
from catalogs.world.stacfile import Json

RADIUS = 6371007.181
"""Radius in metres of the sphere of the MODIS grid."""

PIXEL = 463.312716527775
"""Side of a pixel in metres: 1111950.519667 m of a tile / 2400."""

LEFT, TOP = -20015109.354, 10007554.677
"""Upper left corner of the MODIS grid in metres."""

CRS = f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs"

FILL = 32767
"""Value of a pixel without a date, int16."""

POOR = 3
"""QA_Overall of a pixel whose dates are not to be trusted."""

LATE = 40
"""Days by which the dates of a poor pixel are wrong."""

FINE = 12
"""Points per side at which a pixel's ground is looked up."""

PHASES = ("Greenup", "MidGreenup", "Maturity", "Peak", "Senescence", "MidGreendown", "Dormancy")
BANDS = (
    *(f"{phase}_1" for phase in PHASES), *(f"{phase}_2" for phase in PHASES), "NumCycles",
    "EVI_Amplitude_1", "EVI_Amplitude_2", "QA_Overall_1", "QA_Overall_2",
)  # fmt: skip
"""Bands in the order of the file. EVI_Amplitude counts in 0.0001."""

SPECTRA = tuple(sorted({m.spectrum for m in MATERIALS.values()}))
Pixels = NDArray[np.intp]


def pixel_at(lon: float, lat: float) -> tuple[int, int]:
    """(row, column) in the global MODIS grid of the pixel that holds a point in degrees."""
    x, y = RADIUS * np.radians(lon) * np.cos(np.radians(lat)), RADIUS * np.radians(lat)
    return int((TOP - y) // PIXEL), int((x - LEFT) // PIXEL)


def degrees(row: NDArray[np.float64], column: NDArray[np.float64]) -> tuple[noise.Spots, ...]:
    """(lon, lat) of places in the grid, counted in pixels from its upper left corner."""
    lat = (TOP - row * PIXEL) / RADIUS
    lon = (LEFT + column * PIXEL) / (RADIUS * np.cos(lat))
    return tuple(np.broadcast_arrays(np.degrees(lon), np.degrees(lat)))


def grows(
    site: Site, row: Pixels, column: Pixels, year: int, seed: int
) -> tuple[list[str], NDArray[np.bool_]]:
    """Spectrum that most of the growing ground of each pixel (n,) has in `year`, and what is inside.

    The spectrum is "" where more than half of the ground never changes. A pixel is inside if more
    than half of it lies in the scene of `site`.
    """
    steps = (np.arange(FINE) + 0.5) / FINE
    lon, lat = degrees(
        row[:, None, None] + steps[None, :, None], column[:, None, None] + steps[None, None, :]
    )
    at_row, at_column, inside = surface.pixels(site, lon, lat)
    codes = surface.raster(site, seed, year)[at_row, at_column]
    table = np.array([SPECTRA.index(MATERIALS[name].spectrum) for name in surface.NAMES])
    kinds = np.where(inside, table[codes], -1)
    counts = (kinds[..., None] == np.arange(len(SPECTRA))).sum(axis=(1, 2))
    alive = np.array([bool(season.cycles(spectrum)) for spectrum in SPECTRA])
    growing = counts * alive
    still = counts.sum(axis=1) - growing.sum(axis=1)
    best = growing.argmax(axis=1)
    names = ["" if s > g else SPECTRA[b]
             for b, s, g in zip(best, still, growing.sum(axis=1), strict=True)]  # fmt: skip
    return names, np.asarray(inside.mean(axis=(1, 2)) > 0.5)


def cycles_at(lon: float, lat: float, year: int, seed: int) -> tuple[season.Cycle, ...]:
    """Cycles of the pixel that holds a point, this year's shift included; () if none is dated.

    Raises:
        ValueError: The pixel lies in no scene of the world.
    """
    row, column = pixel_at(lon, lat)
    for site in SITES:
        if abs(site.lon - lon) < 0.05 and abs(site.lat - lat) < 0.03:
            (name,), inside = grows(site, np.array([row]), np.array([column]), year, seed)
            if inside[0]:
                late = season.shift(site, year, seed)
                found = season.cycles(name) if name else ()
                return tuple(
                    season.Cycle._make((*(day + late for day in c[:7]), c.amplitude)) for c in found
                )
    raise ValueError(f"no scene of the sample world holds the pixel at {lon}, {lat}")


@cache
def window() -> tuple[int, int, int, int]:
    """(first row, last row, first column, last column) of the grid that the world fills."""
    spots = [pixel_at(site.lon + a, site.lat + b)
             for site in SITES for a in (-0.1, 0.1) for b in (-0.06, 0.06)]  # fmt: skip
    rows, columns = zip(*spots, strict=True)
    return min(rows), max(rows) + 1, min(columns), max(columns) + 1


def raster(year: int, seed: int) -> NDArray[np.int16]:
    """All `BANDS` (band, y, x) of a product year over `window`, int16, days since 1970-01-01."""
    top, bottom, left, right = window()
    out = _elsewhere(year)
    for site in SITES:
        row, column = pixel_at(site.lon, site.lat)
        rows, columns = np.mgrid[row - 6 : row + 7, column - 6 : column + 7]
        names, inside = grows(site, rows.ravel(), columns.ravel(), year, seed)
        late = season.shift(site, year, seed)
        for r, c, name, within in zip(rows.flat, columns.flat, names, inside, strict=True):
            if within:
                out[:, r - top, c - left] = _values(name, year, late)
    rows, columns = np.mgrid[top:bottom, left:right]
    _grade(out, noise.dice(rows, columns, year))
    return out


def _values(spectrum: str, year: int, late: int) -> NDArray[np.int16]:
    """Values (band,) of a pixel in which a spectrum prevails; fill if it never changes."""
    value = dict.fromkeys(BANDS, FILL) | {"NumCycles": 0}
    for number, cycle in enumerate(season.cycles(spectrum) if spectrum else (), 1):
        for phase, day in zip(PHASES, cycle[:7], strict=True):
            value[f"{phase}_{number}"] = season.epoch_day(year, day + late)
        value[f"EVI_Amplitude_{number}"] = round(cycle.amplitude * 10_000)
        value[f"QA_Overall_{number}"] = 0
        value["NumCycles"] = number
    return np.array([value[band] for band in BANDS], np.int16)


def _elsewhere(year: int) -> NDArray[np.int16]:
    """Land between the places: meadows that are later in some parts, with gaps."""
    top, bottom, left, right = window()
    lon, lat = degrees(*np.mgrid[top:bottom, left:right] + 0.5)
    values = _values("meadow", year, 0)
    out = np.repeat(values[:, None, None], lon.shape[0], 1).repeat(lon.shape[1], 2)
    late = 9 * noise.field(lon, lat, 0.31, 5) + 3 * noise.field(lon, lat, 0.12, year)
    dates = values < FILL
    dates[BANDS.index("NumCycles") :] = False
    out[dates] += np.round(late).astype(np.int16)
    gaps = (noise.field(lon, lat, 0.17, 6) > 0.35) | ~land.is_land(lon, lat)
    out[:, gaps] = _values("", year, 0)[:, None]
    return out


def _grade(out: NDArray[np.int16], luck: NDArray[np.float32]) -> None:
    """Gives every dated pixel a quality; dates of poor ones become wrong."""
    for number in (1, 2):
        quality = out[BANDS.index(f"QA_Overall_{number}")]
        dated = quality != FILL
        quality[dated] = np.digitize(luck[dated], (0.7, 0.86, 0.94))
        poor = dated & (quality == POOR)
        for phase in PHASES:
            out[BANDS.index(f"{phase}_{number}")][poor] += LATE


def make(place: Place, folder: Path) -> list[Json]:
    """Looks up the ground of a place in every year, so that it is done while others are drawn."""
    for year in YEARS:
        surface.raster(place.site, place.seed, year)
    return []


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """Writes one raster per year that the world knows; returns no collection, and their facts."""
    folder.mkdir(parents=True, exist_ok=True)
    top, _, left, _ = window()
    affine = Affine(PIXEL, 0.0, LEFT + left * PIXEL, 0.0, -PIXEL, TOP - top * PIXEL)
    facts = {}
    for year in YEARS:
        pixels = raster(year, places[0].seed)
        profile = {
            "driver": "GTiff", "dtype": "int16", "count": len(BANDS), "crs": CRS, "nodata": FILL,
            "height": pixels.shape[1], "width": pixels.shape[2], "transform": affine,
            "compress": "DEFLATE", "predictor": 2, "interleave": "band",
            "tiled": True, "blockxsize": 256, "blockysize": 256,
        }  # fmt: skip
        with MemoryFile() as memory:
            with memory.open(**profile) as target:
                target.write(pixels)
                target.descriptions = BANDS
                target.update_tags(**stacfile.tags("Phenology in the manner of MCD12Q2 6.1"))
            (folder / f"MCD12Q2_061_{year}.tif").write_bytes(bytes(memory.getbuffer()))
        greenup, quality = pixels[0], pixels[BANDS.index("QA_Overall_1")]
        facts[str(year)] = {
            "dated": int((greenup != FILL).sum()),
            "two_cycles": int((pixels[BANDS.index("NumCycles")] == 2).sum()),
            "poor": int((quality == POOR).sum()),
        }
    return {}, facts
