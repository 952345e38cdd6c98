"""The ten image collections of SkyScript by alias, and the names of its image files."""

import re
from dataclasses import dataclass

from schemas.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection as SkyScript knew it, with the terms under which it is offered.

    Attributes:
        id: Earth Engine id that the dataset used.
        gsd_m: nominal GSD in metres (NAIP: its finest).
        licence: SPDX id, or LicenseRef-* for terms without one.
        unverified: True where terms or GSD rest on secondary sources.
    """

    id: str
    gsd_m: float
    licence: str
    attribution: str
    unverified: bool = False


_PLANET = "Planet Labs Inc. SkySat imagery, CC BY 4.0"
_USGS = "Landsat images courtesy of the U.S. Geological Survey"

COLLECTIONS: dict[str, Collection] = {
    "CH": Collection(
        "ORTHO/Switzerland/SWISSIMAGE/10cm", 0.1, "LicenseRef-swisstopo-OGD",
        "Source: Federal Office of Topography swisstopo",
    ),
    "ES": Collection(
        "Spain/PNOA/PNOA10", 0.1, "LicenseRef-IGN-Spain",
        "PNOA courtesy of Instituto Geográfico Nacional de España",
    ),
    "DE": Collection(
        "Germany/Brandenburg/orthos/20cm", 0.2, "DL-DE-BY-2.0",
        "GeoBasis-DE/LGB, dl-de/by-2-0, Digitale Orthophotos (changes marked where made)",
    ),
    "FI": Collection(
        "Finland/SMK/V/50cm", 0.5, "CC-BY-4.0",
        "Contains data from the National Land Survey of Finland, orthophotos",
    ),
    "US": Collection(
        "USDA/NAIP/DOQQ", 0.6, "LicenseRef-US-PD",
        "USDA National Agriculture Imagery Program (NAIP)",
    ),
    "P3": Collection("SKYSAT/GEN-A/PUBLIC/ORTHO/RGB", 0.8, "CC-BY-4.0", _PLANET),
    "P5": Collection("SKYSAT/GEN-A/PUBLIC/ORTHO/MULTISPECTRAL", 2.0, "CC-BY-4.0", _PLANET),
    "S2": Collection(
        "COPERNICUS/S2_SR_HARMONIZED", 10.0, "LicenseRef-Copernicus-Sentinel",
        "Contains modified Copernicus Sentinel data", unverified=True,
    ),
    "L8": Collection(
        "LANDSAT/LC08/C02/T1_TOA", 30.0, "LicenseRef-US-PD", _USGS, unverified=True
    ),
    "L9": Collection(
        "LANDSAT/LC09/C02/T1_TOA", 30.0, "LicenseRef-US-PD", _USGS, unverified=True
    ),
}  # fmt: skip
"""Alias -> collection. Facts: the collections' Earth Engine catalogue pages."""

REMAPPED = {"ORTHO/Switzerland/SWISSIMAGE/10cm": "Switzerland/SWISSIMAGE/orthos/10cm"}
"""Ids that Earth Engine has withdrawn -> their present id."""

KINDS = {"a": "area", "w": "line", "n": "point"}
"""First letter of a file name -> shape of the focus object."""

_NAME = re.compile(r"([awn])(\d{1,18})_([A-Z0-9]{2})_(\d{2})(?:\.jpg)?")


def collection(alias: str) -> Collection:
    """The collection of an alias.

    Raises:
        UsageError: unknown alias; the message names the nearest.
    """
    if alias not in COLLECTIONS:
        raise UsageError(f"unknown SkyScript collection {alias!r}: {nearest(alias, COLLECTIONS)}")
    return COLLECTIONS[alias]


def present_id(alias: str) -> str:
    """The Earth Engine id under which the collection can be opened today."""
    known = collection(alias).id
    return REMAPPED.get(known, known)


def make_name(kind: str, osm_id: int, alias: str, year: int) -> str:
    """The stem of an image file: `a123_US_18`.

    Args:
        kind: `a` area, `w` way (line) or `n` node.
        year: full year, 2000 to 2099.

    Raises:
        UsageError: unknown kind or alias, negative id, or a year that two digits cannot hold.
    """
    collection(alias)
    if kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r} of a SkyScript name: {nearest(kind, KINDS)}")
    if osm_id < 0 or not 2000 <= year <= 2099:
        raise UsageError(f"no SkyScript name for OSM id {osm_id} and year {year}")
    return f"{kind}{osm_id}_{alias}_{year % 100:02d}"


def parse_name(name: str) -> tuple[str, int, str, int]:
    """(kind, OSM id, alias, year) of an image file's name or stem; inverse of `make_name`.

    Raises:
        UsageError: another form, or an unknown alias.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(f"{name!r} is no SkyScript name such as a123_US_18.jpg")
    collection(match[3])
    return match[1], int(match[2]), match[3], 2000 + int(match[4])
