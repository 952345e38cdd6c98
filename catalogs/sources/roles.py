"""Who opens what fills a role."""

from importlib import import_module
from pathlib import Path
from typing import Any

from catalogs.sources.terms import Override
from schemas.errors import UsageError
from schemas.sources import About, Credit

OPENERS = {
    "parcels": "catalogs.sources.parcels:open_parcels",
    "codes": "catalogs.sources.crop_codes:open_codes",
    "shots": "catalogs.sources.gedi:open_shots",
    "phenology": "catalogs.sources.phenology:open_phenology",
    "land": "catalogs.sources.land:open_land",
    "mountains": "catalogs.sources.land:open_mountains",
    "points": "catalogs.sources.points:open_points",
    "cities": "catalogs.sources.points:open_cities",
}
"""`module:function` by role; each takes a location and the terms that the command line states."""

SERVICES = ("earth-engine",)
"""Locations that are no path."""


def open_role(role: str, location: str, terms: Override) -> Any:
    """What lies at a location, opened for its role.

    Raises:
        UsageError: nothing is there.
        SourceError: as the opener.
    """
    if location not in SERVICES and not Path(location).exists():
        raise UsageError(f"--{role} {location}: no such file or folder")
    module, function = OPENERS[role].split(":")
    return getattr(import_module(module), function)(Path(location), terms)


def credits_of(role: str, location: str, source: Any, generated: bool) -> list[Credit]:
    """One credit for each of the source's terms (`about`, or `abouts` where it has several)."""
    abouts: tuple[About, ...] = getattr(source, "abouts", None) or (source.about,)
    return [
        Credit(
            role=role,
            title=about.title,
            location=location,
            licence=about.licence,
            attribution=about.attribution,
            parts=about.parts,
            checksum=about.checksum,
            size=about.size,
            datetime=about.datetime,
            generated=generated,
            caveats=about.notes,
        )
        for about in abouts
    ]
