"""What is known of sensors: common band names, display ranges, radiometric conventions."""

from dataclasses import dataclass

SENTINEL_2 = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge071",
    "B06": "rededge075",
    "B07": "rededge078",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B10": "cirrus",
    "B11": "swir16",
    "B12": "swir22",
}
"""STAC common names (eo extension 2.0) of the Sentinel-2 MSI bands."""

BY_COUNT = {1: ("gray",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "nir")}
"""Order assumed for 8-bit pictures without band descriptions: the aerial convention (NAIP m_ files)."""

COLOURS = ("red", "green", "blue", "nir", "coastal", "pan")
"""Colours that a file's header (GDAL's colour interpretation) may state for a band."""

DISPLAY = {"sentinel-2": (0.0, 3000.0)}
"""Stored values (reflectance x 10,000, offset removed) shown as 0 and 255."""


def common_name(name: str) -> str:
    """The STAC common name of a band called `name`; the name itself when none is known."""
    return SENTINEL_2.get(name.upper(), name.lower())


def family(collection: str, bands: tuple[str, ...]) -> str:
    """`sentinel-2` when collection id or band names say so, else ""."""
    if collection.startswith(("sentinel-2", "COPERNICUS/S2")):
        return "sentinel-2"
    known = [b for b in bands if b.upper() in SENTINEL_2]
    return "sentinel-2" if len(known) >= 3 and len(known) == len(bands) else ""


@dataclass(frozen=True, slots=True)
class Convention:
    """How stored numbers become reflectance: `(stored + offset) * scale`, before clipping at 0.

    Attributes:
        name: `dn_pre04` (no offset), `dn_post04` (+1000 in the file), `as_stored`.
        offset: added to every valid stored number so that all chips are `dn_pre04`.
    """

    name: str
    offset: int = 0


def convention(collection: str, baseline: str, applied: bool | None = None) -> Convention:
    """The radiometric convention of a scene.

    Decided by collection and processing baseline, never by date: from baseline 04.00 on Sentinel-2
    products carry +1000 DN (ESA, Sentinel-2 Products Specification Document 14.9, section 4.3), and
    reprocessed older scenes carry it too. `*_HARMONIZED` collections have it removed already, and
    so has a scene whose catalogue says that the offset was applied.
    """
    if family(collection, ()) != "sentinel-2":
        return Convention("as_stored")
    if "HARMONIZED" in collection or applied:
        return Convention("dn_pre04")
    if not baseline:
        return Convention("as_stored")
    text = baseline.removeprefix("N")  # "05.10" or "N0510"
    number = float(text) if "." in text else int(text) / 100
    return Convention("dn_post04", -1000) if number >= 4.0 else Convention("dn_pre04")
