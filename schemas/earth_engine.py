"""Earth Engine collections as data: bands and their meaning, display range, dates, and the terms.

Ids, ground sampling distances, licences and credit lines are those of `schemas.skyscript_names`;
bands, display ranges and dates: the collections' pages in the Earth Engine catalogue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from schemas.errors import UsageError, nearest
from schemas.sensors import DISPLAY
from schemas.skyscript_names import COLLECTIONS, REMAPPED, present_id

IMAGE, COLLECTION = "IMAGE", "IMAGE_COLLECTION"
"""Asset types, as the service names them."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What the project knows of one Earth Engine collection before asking.

    Attributes:
        alias: two letters, "" for a collection outside the table.
        id: the id under which it can be opened today.
        gsd: metres of a pixel, nominal; 0 when unknown.
        bands: (band id, common name) of the bands that make up a scene; empty: all that there are.
        display: stored values shown as 0 and 255; None: taken from the pixels.
        first, last: days of the oldest and newest imagery; None: unknown, or still growing.
        licence, attribution: terms, `{year}` for that of acquisition; "" when the user must say them.
        kinds: asset types that the id may turn out to be.
        scale: physical value = stored * scale.
        nodata: stored value that means "no data" beside the mask that every asset has; None where
            each value may be data: 0 is black in aerial pictures, and sea level elsewhere.
        prefixes: beginning of an image's name -> common names of its bands, in order.
    """

    alias: str
    id: str
    gsd: float = 0.0
    bands: tuple[tuple[str, str], ...] = ()
    display: tuple[float, float] | None = None
    first: date | None = None
    last: date | None = None
    licence: str = ""
    attribution: str = ""
    kinds: tuple[str, ...] = (COLLECTION,)
    scale: float = 1.0
    nodata: float | None = None
    prefixes: tuple[tuple[str, tuple[str, ...]], ...] = ()


RGB = (("R", "red"), ("G", "green"), ("B", "blue"))
NIR = ("N", "nir")

NAIP_PREFIXES = (
    ("n_", ("red", "green", "blue")),
    ("c_", ("nir", "red", "green")),
    ("m_", ("red", "green", "blue", "nir")),
)

SENTINEL_2 = (
    ("B1", "coastal"), ("B2", "blue"), ("B3", "green"), ("B4", "red"), ("B5", "rededge071"),
    ("B6", "rededge075"), ("B7", "rededge078"), ("B8", "nir"), ("B8A", "nir08"), ("B9", "nir09"),
    ("B11", "swir16"), ("B12", "swir22"), ("SCL", "scl"),
)  # fmt: skip
"""Bands of level 2A: Earth Engine writes their numbers without a leading zero."""

LANDSAT = (
    ("B1", "coastal"), ("B2", "blue"), ("B3", "green"), ("B4", "red"), ("B5", "nir08"),
    ("B6", "swir16"), ("B7", "swir22"), ("B9", "cirrus"), ("B10", "lwir11"), ("B11", "lwir12"),
)  # fmt: skip
"""Landsat 8 and 9 without B8: the panchromatic band lies on a grid of 15 m, all others on 30 m."""

TOA_DISPLAY = (0.0, 0.4)
"""Reflectance at the top of the atmosphere shown as 0 and 255, as for Landsat in common use."""


def _known(
    alias: str,
    bands: tuple[tuple[str, str], ...],
    display: tuple[float, float],
    first: str,
    last: str = "",
    *,
    kinds: tuple[str, ...] = (COLLECTION,),
    scale: float = 1.0,
    nodata: float | None = None,
    prefixes: tuple[tuple[str, tuple[str, ...]], ...] = (),
    credit: str = "",
) -> Collection:
    terms = COLLECTIONS[alias]
    return Collection(
        alias, present_id(alias), terms.gsd_m, bands, display, date.fromisoformat(first),
        date.fromisoformat(last) if last else None, terms.licence,
        credit or terms.attribution,
        kinds, scale, nodata, prefixes,
    )  # fmt: skip


TABLE: dict[str, Collection] = {
    entry.alias: entry
    for entry in (
        _known("CH", RGB, (11, 190), "2017-01-01", "2020-12-31"),
        _known("ES", RGB, (0, 255), "2007-01-01", "2018-12-31"),
        _known(  # listed as a collection, opened as one image by its own example: both are taken
            "DE", (NIR, *RGB), (0, 255), "2021-08-23", "2023-01-20", kinds=(COLLECTION, IMAGE)
        ),
        _known("FI", RGB, (11, 190), "2015-01-01", "2022-12-31"),
        _known("US", (*RGB, NIR), (0, 255), "2002-06-15", prefixes=NAIP_PREFIXES),
        _known("P3", RGB, (11, 190), "2014-07-03", "2016-12-24"),
        _known(  # without P: the panchromatic band lies on a grid of 0.8 m, all others on 2 m
            "P5", (*reversed(RGB), NIR), (200, 6000), "2014-07-03", "2016-12-24"
        ),
        _known(
            "S2",
            SENTINEL_2,
            DISPLAY["sentinel-2"],
            "2017-03-28",
            scale=1e-4,
            nodata=0.0,
            credit="Contains modified Copernicus Sentinel data {year}",
        ),
        _known("L8", LANDSAT, TOA_DISPLAY, "2013-03-18"),
        _known("L9", LANDSAT, TOA_DISPLAY, "2021-10-31"),
    )
}
"""Alias -> collection."""


def collection(name: str) -> tuple[Collection, str]:
    """The collection of an alias or id, and a note where the id had to be replaced ("" otherwise).

    An id outside the table is taken as it is, without terms.

    Raises:
        UsageError: neither an alias nor an id.
    """
    known = TABLE.get(name.upper())
    if known is not None:
        old = COLLECTIONS[known.alias].id
        return known, _replaced(old, known.id) if old != known.id else ""
    now = REMAPPED.get(name, name)
    note = _replaced(name, now) if now != name else ""
    by_id = {entry.id: entry for entry in TABLE.values()}
    if now in by_id:
        return by_id[now], note
    if "/" not in now.strip("/") or any(part in ("", ".", "..") for part in now.split("/")):
        raise UsageError(
            f"--imagery earth-engine:{name}: neither an alias nor a collection id; "
            f"{nearest(name.upper(), TABLE)}"
        )
    return Collection("", now, kinds=(COLLECTION, IMAGE)), note


def _replaced(old: str, new: str) -> str:
    return f"earth-engine: {old} is no longer available; {new} is read instead"


def band_names(found: Collection, image: str, ids: Sequence[str]) -> list[str]:
    """The common name of each band of an image, "" for those that are no part of its scene.

    Where the image's name begins with one of the collection's prefixes, that decides which colours
    there are: by band id as long as the ids are just these colours, by position otherwise.

    Args:
        image: the last part of the asset's id.
        ids: its band ids, in order.
    """
    known = dict(found.bands)
    if not known:
        return [name.lower() for name in ids]
    named = [known.get(name, "") for name in ids]
    for prefix, colours in found.prefixes:
        if image.startswith(prefix) and len(colours) == len(ids) and {*colours} != {*named}:
            return list(colours)
    return named
