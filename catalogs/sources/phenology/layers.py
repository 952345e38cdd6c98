"""Names of MCD12Q2's layers, and what a window of them means."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.phenology import TRANSITIONS, VALID, Dates

AMPLITUDE, QUALITY, COUNT = "EVI_Amplitude", "QA_Overall", "NumCycles"

KEPT = (*TRANSITIONS, AMPLITUDE, QUALITY)
"""Layers of a cycle that are read."""

BAND = re.compile(rf"({'|'.join(KEPT)})_([12])|({COUNT})")
"""Bands of an Earth Engine export: `Greenup_1`."""

APPEARS = re.compile(rf"(?:^|_)(?:({'|'.join(KEPT)})_([01])|({COUNT}))_doy(\d{{4}})\d{{3}}(?:_|$)")
"""Files of AppEEARS: `MCD12Q2.061_Greenup_0_doy2021001_aid0001.tif`, cycles from 0."""

OTHER = re.compile(
    r"(?:^|_)(?:MidGreenup|MidGreendown|Peak|EVI_Minimum|EVI_Area|QA_Detailed)_[01]_doy\d{7}(?:_|$)"
)
"""Files of AppEEARS with layers that are not read."""

YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True, order=True, slots=True)
class Layer:
    """One layer of one product year.

    Attributes:
        cycle: from 0; 0 for what is not of a cycle.
    """

    year: int
    name: str
    cycle: int


def of_band(description: str, year: int) -> Layer | None:
    """The layer that a band's description names, None for one that is not read."""
    found = BAND.fullmatch(description)
    if found is None:
        return None
    return Layer(year, found[1] or found[3], int(found[2] or 1) - 1)


def of_file(stem: str) -> Layer | None:
    """The layer that an AppEEARS file's name tells, None for other names."""
    found = APPEARS.search(stem)
    if found is None:
        return None
    return Layer(int(found[4]), found[1] or found[3], int(found[2] or 0))


def years_of(stem: str) -> list[int]:
    """Years that a file's name holds, each once."""
    return sorted({int(text) for text in YEAR.findall(stem)})


def lacking(layers: Iterable[Layer]) -> list[str]:
    """Layers without which there are no seasons, that are missing in some year: `2020 Maturity_1`."""
    have = set(layers)
    years = sorted({layer.year for layer in have})
    return [
        f"{year} {name}_1"
        for year in years
        for name in TRANSITIONS
        if Layer(year, name, 0) not in have
    ]


def dates_of(years: npt.ArrayLike, values: Mapping[Layer, npt.NDArray[Any]], count: int) -> Dates:
    """What layers of `count` places mean, each `(count,)` of any type; NaN is nothing."""
    found = Dates.blank(count, years)
    place = {int(year): at for at, year in enumerate(found.years)}
    for layer, array in values.items():
        at = place[layer.year]
        if layer.name == AMPLITUDE:
            found.amplitude[:, at, layer.cycle] = _plain(array, 0, 32766)
        elif layer.name == QUALITY:
            found.quality[:, at, layer.cycle] = _whole(array, 0, 3)
        elif layer.name == COUNT:
            found.cycles[:, at] = _whole(array, 0, 7)
        else:
            day = TRANSITIONS.index(layer.name)
            found.days[:, at, layer.cycle, day] = _whole(array, *VALID)
    return found


def _plain(array: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float64]:
    real = array.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where((real >= low) & (real <= high), real, np.nan)


def _whole(array: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[Any]:
    """Whole numbers, -1 outside of a range."""
    if array.dtype.kind == "i":
        return np.where((array >= low) & (array <= high), array, array.dtype.type(-1))
    real = _plain(array, low, high)
    return np.asarray(np.where(np.isnan(real), -1, real).astype(np.int64))
