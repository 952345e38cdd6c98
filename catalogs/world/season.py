"""When plants grow: the yearly cycles of the world's spectra, by the rules of MCD12Q2.

A cycle is a rise and a fall of the vegetation index around a peak. Its dates are the days on which
the index first crosses 15, 50 and 90 per cent of the rise on the way up, and last crosses 90, 50
and 15 per cent of the fall on the way down (Friedl, Gray and Sulla-Menashe, user guide of MCD12Q2
version 6.1). Here the index is the NDVI of `spectra`.
"""

from datetime import date
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalogs.world.sites import Site, generator
from catalogs.world.spectra import BANDS, reflectance

EPOCH = date(1970, 1, 1)

SWING = 0.35
"""Least rise and fall of a cycle, as a share of the year's range."""

APART = 60
"""Days between the peaks of two cycles; of nearer ones the higher counts."""


class Cycle(NamedTuple):
    """Days counted from 1 January of the year of the peak, which is day 0; and the EVI2 swing."""

    greenup: int
    midgreenup: int
    maturity: int
    peak: int
    senescence: int
    midgreendown: int
    dormancy: int
    amplitude: float


def index(spectrum: str) -> NDArray[np.float64]:
    """NDVI (365,) of a spectrum on every day of a year."""
    red, nir = _bands(spectrum)
    return np.asarray((nir - red) / (nir + red))


def _bands(spectrum: str) -> NDArray[np.float64]:
    days = [reflectance(spectrum, day).astype(np.float64) for day in range(1, 366)]
    return np.array([[day[BANDS.index(band)] for day in days] for band in ("B04", "B08")])


@cache
def cycles(spectrum: str) -> tuple[Cycle, ...]:
    """Cycles of a year in time order: none for what never changes, at most two."""
    year = np.round(index(spectrum), 9)
    swing = SWING * float(np.ptp(year))
    if np.ptp(year) < 0.1:
        return ()
    line = np.tile(year, 3)
    peaks = [day for day in _turns(line, swing) if 365 <= day < 730]
    while len(peaks) > 1 and (near := [k for k in range(len(peaks) - 1)
                                       if peaks[k + 1] - peaks[k] < APART]):  # fmt: skip
        k = near[0]
        peaks.remove(min(peaks[k : k + 2], key=lambda day: float(line[day])))
    red, nir = _bands(spectrum)
    green = np.tile(2.5 * (nir - red) / (nir + 2.4 * red + 1), 3)
    around = [peaks[-1] - 365, *peaks, peaks[0] + 365]
    return tuple(
        _cycle(line, green, *around[k : k + 3]) for k in range(max(len(peaks) - 2, 0), len(peaks))
    )


def _turns(line: NDArray[np.float64], swing: float) -> list[int]:
    """First days of maxima that stand at least `swing` above the minima around them."""
    tops, low, high, rising = [], 0, 0, True
    for day, value in enumerate(line):
        if rising:
            high = day if value > line[high] else high
            if value < line[high] - swing:
                tops.append(high)
                rising, low = False, day
        else:
            low = day if value < line[low] else low
            if value > line[low] + swing:
                rising, high = True, day
    return tops


def _cycle(
    line: NDArray[np.float64], green: NDArray[np.float64], before: int, peak: int, after: int
) -> Cycle:
    up = _last_lowest(line, before, peak)
    down = peak + int(np.argmin(line[peak:after]))
    rise, fall = line[peak] - line[up], line[peak] - line[down]
    first = [
        up + int(np.argmax(line[up : peak + 1] >= line[up] + share * rise))
        for share in (0.15, 0.5, 0.9)
    ]
    last = [
        down - int(np.argmax(line[peak : down + 1][::-1] >= line[down] + share * fall))
        for share in (0.9, 0.5, 0.15)
    ]
    days = [day - 365 for day in (*first, peak, *last)]
    amplitude = round(float(green[peak] - min(green[up], green[down])), 4)
    return Cycle._make((*days, amplitude))


def _last_lowest(line: NDArray[np.float64], before: int, peak: int) -> int:
    return peak - int(np.argmin(line[before : peak + 1][::-1]))


def shift(site: Site, year: int, seed: int) -> int:
    """Days by which a place is later than the calendar in `year`: -4 to 4."""
    return int(generator(seed, site.id, "season", year).integers(-4, 5))


def epoch_day(year: int, offset: int) -> int:
    """Days since 1970-01-01 of a day counted from 1 January of `year`, which is day 0."""
    return (date(year, 1, 1) - EPOCH).days + offset
