"""Phenology as a source: MCD12Q2 v6.1 as GeoTIFFs, tables of points, or on Earth Engine.

`open_phenology` tells by content which; what it returns answers two questions: which dates a source
holds of a place (`at`), and which usable place is the nearest (`nearest`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from catalogs.sources.about import content
from catalogs.sources.phenology import earth_engine, rasters, tables
from catalogs.sources.phenology.cubes import Cube, at
from catalogs.sources.phenology.nearest import Nearest
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from schemas.licences import licence
from schemas.phenology import VALID, Dates, Summary
from schemas.sources import About

__all__ = ["Phenology", "open_phenology"]

EARTH_ENGINE = "earth-engine"

REACH_KM = 500.0
"""How far a service is asked for the nearest usable pixel: from the middle of an ice sheet to its edge
would be thousands of requests a product year."""

TERMS = "LicenseRef-LPDAAC"
CREDIT = (
    "MCD12Q2 v6.1, M. Friedl, J. Gray and D. Sulla-Menashe, NASA EOSDIS Land Processes DAAC, "
    "https://doi.org/10.5067/MODIS/MCD12Q2.061"
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Phenology:
    """A source of phenology.

    Attributes:
        about: its terms.
        where: location, for messages.
        cubes: rasters, by grid.
        points: tables of points, None without.
        reach_km: how far the nearest pixel is looked for where nobody says; 0: however far.
    """

    about: About
    where: str
    cubes: Sequence[Cube] = ()
    points: tables.Points | None = None
    reach_km: float = 0.0

    @cached_property
    def years(self) -> tuple[int, ...]:
        """Product years, ascending."""
        if self.points is not None:
            return self.points.years
        return tuple(sorted({year for cube in self.cubes for year in cube.years}))

    def at(self, lon: Floats, lat: Floats) -> Dates:
        """What the source holds of places in degrees, both `(n,)`; nothing beyond its extent.

        Raises:
            SourceError: a file cannot be read any more, or the service does not answer.
        """
        if self.points is not None:
            return self.points.at(lon, lat)
        return at(self.cubes, self.years, lon, lat)

    def nearest(self, lon: Floats, lat: Floats, max_km: float = 0.0) -> tuple[Summary, Floats]:
        """The nearest usable pixel to each place, and kilometres along the great circle to its middle.

        Of equally near ones that with the lower place in the source counts. Pixels beyond `max_km` (0:
        `reach_km`) are not looked for: without one within it the summary is blank and the distance
        infinite.

        Raises:
            SourceError: there is no usable pixel at all; as `at`.
        """
        search = self.points.nearest if self.points is not None else self._search
        most = max_km or self.reach_km
        found, km = search(lon, lat, most)
        if not most and not found.known.all():
            raise SourceError(
                f"--phenology {self.where}: no pixel has the four dates of a cycle in order "
                f"(days since 1970-01-01, {VALID[0]} to {VALID[1]}) in any of the years "
                f"{self.years[0]} to {self.years[-1]}; is it MCD12Q2?"
            )
        return found, km

    @cached_property
    def _search(self) -> Nearest:
        return Nearest(self.cubes)


def open_phenology(location: Path, terms: Override) -> Phenology:
    """A source of phenology: a GeoTIFF or table, a folder of either, or `earth-engine`.

    Raises:
        SourceError: nothing there, files of both kinds, files that are not MCD12Q2, or an unknown licence.
        UsageError: no access to Earth Engine.
    """
    try:
        stated = licence(terms.licence or TERMS, "phenology").id
    except UsageError as error:
        raise SourceError(f"--phenology {location}: {error}") from error
    credit = terms.attribution or CREDIT
    if str(location) == EARTH_ENGINE:
        images = earth_engine.open_images()
        about = About(
            f"{earth_engine.COLLECTION} on Earth Engine, {_span(images.years)}",
            stated,
            credit,
            images.checksum,
            datetime=_end(images.years),
            notes=(
                f"the nearest usable pixel is looked for within {REACH_KM:g} km of a place, on a service; "
                "--set seasons.max_km=KM for another distance",
            ),
        )
        return Phenology(about, EARTH_ENGINE, [images], reach_km=REACH_KM)
    pictures, lists = (_files(location, kinds.FILES) for kinds in (rasters, tables))
    if bool(pictures) == bool(lists):
        what = (
            "holds both rasters and tables" if pictures else "holds no GeoTIFF, CSV or Parquet file"
        )
        raise SourceError(f"--phenology {location}: {what}" if location.exists() else
                          f"--phenology {location}: no such file or folder")  # fmt: skip
    cubes = rasters.open_rasters(pictures) if pictures else []
    points = tables.open_tables(lists) if lists else None
    if points is not None and (missing := tables.missing(points)):
        raise SourceError(
            f"--phenology {location}: {', '.join(missing[:4])} missing; all four dates of a year are needed"
        )
    years = points.years if points else tuple(sorted({y for c in cubes for y in c.years}))
    checksum, size = content(location, [*pictures, *lists], terms.checksum)
    title = f"{location.name} (MCD12Q2, {_span(years)})"
    about = About(title, stated, credit, checksum, size, _end(years), notes=_notes(cubes))
    return Phenology(about, str(location), cubes, points)


def _notes(cubes: Sequence[rasters.Rasters]) -> tuple[str, ...]:
    """What must be told of rasters whose product years are not all on each grid."""
    kinds = sorted({cube.years for cube in cubes})
    if len(kinds) < 2:
        return ()
    told = "; ".join(", ".join(map(str, years)) for years in kinds)
    return (
        f"phenology: not all grids have the same product years ({told}); places take what is there",
    )


def _files(location: Path, endings: tuple[str, ...]) -> list[Path]:
    found: Iterable[Path] = location.rglob("*") if location.is_dir() else [location]
    return sorted(p for p in found if p.suffix.lower() in endings and p.is_file())


def _span(years: Sequence[int]) -> str:
    """Product years for people."""
    return f"{years[0]} to {years[-1]}"


def _end(years: Sequence[int]) -> str:
    """The last day of the last product year, ISO."""
    return f"{years[-1]}-12-31"
