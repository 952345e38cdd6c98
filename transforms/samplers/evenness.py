"""Counts of places against what their ground's area is due: the arithmetic of `Audit`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.grids import cells, name

Floats = npt.NDArray[np.float64]

LEAST = 5.0
"""Samples that a cell must be due for the chi-square test (Cochran 1954); others are taken together."""


@dataclass
class Tally:
    """Counts of places by latitude band, cell and class; adding them in parts changes nothing.

    Attributes:
        km: side of a cell; see `schemas.grids`.
        band: degrees of a latitude band.
    """

    km: float
    band: float
    bands: Counter[int] = field(default_factory=Counter)
    cells: Counter[tuple[int, int]] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)

    def add(self, lon: Floats, lat: Floats, classes: Iterable[Any] = ()) -> None:
        """Count places in degrees, and what covers the ground there."""
        bands, counts = np.unique(np.floor(lat / self.band).astype(int), return_counts=True)
        self.bands.update(dict(zip(bands.tolist(), counts.tolist(), strict=True)))
        both = np.stack(cells(lon, lat, self.km), axis=1)
        found, counts = np.unique(both, axis=0, return_counts=True)
        for cell, count in zip(map(tuple, found.tolist()), counts.tolist(), strict=True):
            self.cells[cell] += count
        self.classes.update("unknown" if value is None else str(value) for value in classes)

    @property
    def places(self) -> int:
        """How many have been counted."""
        return sum(self.bands.values())


def compared(samples: Tally, ground: Tally) -> dict[str, Any]:
    """What two tallies of the same cells and bands say.

    Returns:
        `samples`; `latitude`: for each band (degrees) its samples, their share, the ground's share, and
        the ratio of the two (1: as due; null: no ground was found there); `cells`: how many have
        ground, how many of them no sample, the chi-square of their counts against the ground's shares
        with its degrees of freedom and p (about 1 a degree by chance alone, less for a grid, more for
        clusters), and the correlation of a cell's ratio with |latitude| (weighted by its ground);
        `landcover`: the same as of bands, of each class that either has.
    """
    n, area = samples.places, ground.places
    latitude = [
        {
            "from": round(band * samples.band, 6),
            "to": round((band + 1) * samples.band, 6),
            "samples": samples.bands[band],
            "share": _share(samples.bands[band], n),
            "area_share": _share(ground.bands[band], area),
            "ratio": _ratio(samples.bands[band], n, ground.bands[band], area),
        }
        for band in sorted({*samples.bands, *ground.bands})
    ]
    covered = sum(ground.classes.values())
    classes = [
        {
            "class": kind,
            "samples": samples.classes[kind],
            "share": _share(samples.classes[kind], n),
            "area_share": _share(ground.classes[kind], covered) if covered else None,
            "ratio": _ratio(samples.classes[kind], n, ground.classes[kind], covered),
        }
        for kind in sorted({*samples.classes, *ground.classes})
    ]
    return {
        "samples": n,
        "latitude": latitude,
        "cells": {"km": samples.km, **evenness(samples, ground)},
        **({"landcover": classes} if classes else {}),
    }


def evenness(samples: Tally, ground: Tally) -> dict[str, Any]:
    """The part `cells` of `compared`; None for what cannot be said."""
    from scipy.stats import chi2

    keys = sorted(ground.cells)
    due = np.array([ground.cells[key] for key in keys], float)
    found = np.array([samples.cells[key] for key in keys], float)
    off = samples.places - int(found.sum())
    known = bool(len(keys) and found.sum())
    facts: dict[str, Any] = {
        "with_ground": len(keys),
        "without_samples": int((found == 0).sum()),
        "samples_off_ground": off,
        "fullest": name(*keys[int(found.argmax())]) if known else None,
        "most": int(found.max()) if known else 0,
    }
    square = free = p = slope = None
    if known:
        due *= found.sum() / due.sum()
        few = due < LEAST
        parts = [np.append(v[~few], v[few].sum()) for v in (found, due)]
        keep = parts[1] > 0
        seen, wanted = parts[0][keep], parts[1][keep]
        free = max(len(wanted) - 1, 0)
        square = float(((seen - wanted) ** 2 / wanted).sum())
        p = float(chi2.sf(square, free)) if free else None
        lat = np.abs([(key[0] + 0.5) for key in keys])
        slope = _correlation(lat, found / due, due)
    return {
        **facts,
        "chi_square": _round(square),
        "degrees_of_freedom": free,
        "p": _round(p),
        "correlation_with_latitude": _round(slope),
    }


def _correlation(x: Floats, y: Floats, weight: Floats) -> float | None:
    """Pearson's, weighted; None where one of them does not vary."""
    w = weight / weight.sum()
    dx, dy = x - (w * x).sum(), y - (w * y).sum()
    spread = float((w * dx * dx).sum() * (w * dy * dy).sum())
    return float((w * dx * dy).sum()) / spread**0.5 if spread > 1e-18 else None


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _ratio(part: int, whole: int, ground: int, area: int) -> float | None:
    return round(part / whole / (ground / area), 4) if whole and ground else None


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
