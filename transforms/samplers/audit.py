"""`Audit`: how evenly samples lie on the ground: by latitude, by cells of equal area, by land cover."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.files import write_json
from schemas.grids import cells, name
from schemas.recipes import at_least, within
from transforms.context import Context
from transforms.samplers.grid import Grid
from transforms.samplers.ground import OVER

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


@dataclass(frozen=True)
class Audit:
    """`metadata/audit.json`: counts of the shipped samples against what their ground's area is due.

    The ground is measured by the middles of a Major TOM grid of `step_km` on it, so that both sides of
    the comparison are counts. See `compared` for what is in the table.

    Attributes:
        over: the ground: `land`, `imagery` or `everywhere`, as in `samplers.Grid`.
        step_km: spacing of the grid that measures it.
        cell_km: side of the cells that are compared.
        band: degrees of a latitude band.
        landcover: a fact with the class of land cover of each sample; "": none.
    """

    over: str = "imagery"
    step_km: float = 25.0
    cell_km: float = 500.0
    band: float = 10.0
    landcover: str = ""
    name: str = field(default="audit.json", init=False)
    about: str = field(
        default="how evenly the samples lie on the ground, by latitude, cell and land cover",
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse ground that there is none of, and cells and bands without a size."""
        if self.over not in OVER:
            raise ValueError(f"samplers.Audit.over={self.over!r}: one of {', '.join(OVER)}")
        at_least("samplers.Audit.step_km", self.step_km, 0.1)
        at_least("samplers.Audit.cell_km", self.cell_km, self.step_km)
        within("samplers.Audit.band", self.band, 0.1, 90)

    @property
    def needs(self) -> tuple[str, ...]:
        """The class of land cover, where it is asked for."""
        return (self.landcover,) if self.landcover else ()

    def write(self, rows: Iterator[Any], target: Path, ctx: Context) -> None:
        """Write the table of the shipped samples."""
        samples = Tally(self.cell_km, self.band)
        for batch in rows:
            table = pa.table(batch)
            classes = table[self.landcover].to_pylist() if self.landcover else ()
            samples.add(table["lon"].to_numpy(), table["lat"].to_numpy(), classes)
        write_json(target, {"ground": self.over, **compared(samples, self.ground(ctx))})

    def ground(self, ctx: Context) -> Tally:
        """The ground's own places, one for each `step_km` squared."""
        found = Tally(self.cell_km, self.band)
        grid = Grid(self.step_km, self.over, max_lat=90.0)
        for part in grid.scan(ctx, lambda drop: None):
            found.add(part["lon"].to_numpy(), part["lat"].to_numpy())
        return found


def compared(samples: Tally, ground: Tally) -> dict[str, Any]:
    """What two tallies of the same cells and bands say.

    Returns:
        `samples`; `latitude`: for each band (degrees) its samples, their share, the ground's share, and
        the ratio of the two (1: as due; null: no ground was found there); `cells`: how many have
        ground, how many of them no sample, the chi-square of their counts against the ground's shares
        with its degrees of freedom and p (about 1 a degree by chance alone, less for a grid, more for
        clusters), and the correlation of a cell's ratio with |latitude| (weighted by its ground);
        `landcover`: samples and share of each class.
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
    classes = [
        {"class": kind, "samples": count, "share": _share(count, n)}
        for kind, count in sorted(samples.classes.items())
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
