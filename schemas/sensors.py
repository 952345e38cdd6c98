"""What is known of sensors: common band names, display ranges, radiometric conventions."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from schemas.products import HLS_L30, SENTINEL_2_L1C

SENTINEL_2 = {layer.name: layer.common for layer in SENTINEL_2_L1C}
"""STAC common names (eo extension 2.0) of the Sentinel-2 MSI bands."""

L2A_BANDS = tuple(common for name, common in SENTINEL_2.items() if name != "B10")
"""Common names of Sentinel-2's twelve bands at level 2A: B01 to B12 without B10."""

HLS_L30_NAMES = {layer.name.upper(): layer.common for layer in HLS_L30}
"""Likewise of Landsat's bands in HLS: B05 is near infrared, not red edge."""

BY_COUNT = {1: ("gray",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "nir")}
"""Order assumed for 8-bit pictures without band descriptions: the aerial convention (NAIP m_ files)."""

COLOURS = ("red", "green", "blue", "nir", "coastal", "pan")
"""Colours that a file's header (GDAL's colour interpretation) may state for a band."""

DISPLAY = {"sentinel-2": (0.0, 3000.0), "hls": (0.0, 3000.0)}
"""Stored values (reflectance x 10,000, offset removed) shown as 0 and 255, by family."""


FAMILIES = tuple(DISPLAY)
"""What `family` tells apart."""


def known_sensor(name: str, value: str) -> None:
    """Refuse a family that there is not; "" stands for any.

    Raises:
        ValueError: naming the setting.
    """
    if value not in ("", *FAMILIES):
        raise ValueError(f"{name}={value!r}: one of {', '.join(FAMILIES)}, or empty for any")


def common_name(name: str, collection: str = "") -> str:
    """The STAC common name of a band called `name`; the name itself when none is known.

    As Sentinel-2 calls its bands, but for collections of other sensors whose numbers mean others.
    """
    if collection.upper().startswith(("HLSL30", "HLS2-L30", "NASA/HLS/HLSL30")):
        return HLS_L30_NAMES.get(name.upper(), name.lower())
    if collection.lower().startswith("landsat"):
        return name.lower()
    return SENTINEL_2.get(name.upper(), name.lower())


def family(collection: str, bands: tuple[str, ...]) -> str:
    """`sentinel-2` when collection id or band names say so, `hls` by its collections, else ""."""
    if collection.startswith(("sentinel-2", "sentinel-s2", "COPERNICUS/S2")):
        return "sentinel-2"
    if collection.startswith(("hls2-", "HLSS30", "HLSL30", "NASA/HLS")):
        return "hls"
    known = [b for b in bands if b.upper() in SENTINEL_2]
    return "sentinel-2" if len(known) >= 3 and len(known) == len(bands) else ""


LEVELS = (
    ("*l1c*", "l1c"), ("copernicus/s2", "l1c"), ("copernicus/s2_harmonized", "l1c"),
    ("*c2-l1*", "l1c"), ("*_toa", "l1c"), ("*l2a*", "l2a"), ("copernicus/s2_sr*", "l2a"),
    ("*c2-l2*", "l2a"), ("landsat/*_l2", "l2a"), ("hls*", "l2a"), ("nasa/hls*", "l2a"),
)  # fmt: skip
"""(collection as a glob pattern in lower case, processing level): `l1c` holds reflectance as seen from
space, `l2a` that of the ground."""


def level_of(collection: str) -> str:
    """`l1c` (as seen from space), `l2a` (of the ground), or "" where its name does not tell."""
    named = collection.lower()
    return next((level for pattern, level in LEVELS if fnmatchcase(named, pattern)), "")


OTHER = {
    "scl", "aot", "wvp", "cld", "snw", "visual", "tci", "fmask", "qa_pixel", "qa_radsat",
    "qa_aerosol", "alpha", "saa", "sza", "vaa", "vza",
}  # fmt: skip
"""Bands of the collections below that are no picture of the ground: taken only where asked for."""

THERMAL = {"lwir", "lwir09", "lwir11", "lwir12", "st_b6", "st_b10"}
"""Thermal bands, by own or common name."""

REFLECTIVE = {
    *(name.lower() for layer in SENTINEL_2_L1C for name in (layer.common, *layer.keys)), "rededge",
    *(f"b{number}" for number in range(1, 10)), *(f"sr_b{number}" for number in range(1, 8)),
}  # fmt: skip
"""Bands that hold reflectance, by own or common name, Earth Engine's (B4, SR_B4) included. No other
band has an offset taken from it or is scaled by a collection's rule: items hold probabilities, angles
and products (`cloud`, `MSK_CLDPRB`, `emis`) that nobody can list."""


@dataclass(frozen=True, slots=True)
class Convention:
    """How stored numbers become physical ones: `(stored + offset) * scale + shift`.

    Attributes:
        name: `dn_pre04` (no offset), `dn_post04` (+1000 in the file), `as_stored`.
        offset: added to every valid stored number so that all chips are `dn_pre04`.
        scale, shift: of the numbers after that, for reflective bands; None where nobody knows.
        thermal: scale and shift of thermal bands, in kelvin (degrees Celsius in HLS).
        declared: whether scale and offset that the item declares for a band stand instead.
    """

    name: str
    offset: int = 0
    scale: float | None = 1.0
    shift: float | None = 0.0
    thermal: tuple[float, float] = (1.0, 0.0)
    declared: bool = False


PRE04 = Convention("dn_pre04", 0, 1e-4)
POST04 = Convention("dn_post04", -1000, 1e-4)
UNKNOWN = Convention("as_stored", 0, 1e-4, None)
LANDSAT = Convention("as_stored", 0, 2.75e-5, -0.2, (0.00341802, 149.0))
HLS = Convention("as_stored", 0, 1e-4, 0.0, (0.01, 0.0))
STORED = Convention("as_stored", declared=True)


S2 = ("sentinel-2*", "sentinel-s2*", "COPERNICUS/S2*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of `RULES`; everything that it states must be so.

    Attributes:
        provider: glob pattern.
        collections: glob patterns, one of which must fit.
        convention: what follows.
        baseline: least processing baseline; None: whatever it is, even unknown.
        applied: what the catalogue says of the offset; None: whatever it says.
    """

    provider: str
    collections: tuple[str, ...]
    convention: Convention
    baseline: float | None = None
    applied: bool | None = None


RULES = (
    Rule("*", ("COPERNICUS/S2*_HARMONIZED",), PRE04),
    Rule("planetary-computer", ("sentinel-2*",), POST04, baseline=4.0),
    Rule("*", ("sentinel-2-c1-*",), POST04, baseline=4.0),
    Rule("*", S2, PRE04, applied=True),
    Rule("*", S2, POST04, baseline=4.0),
    Rule("*", S2, PRE04, baseline=0.0),
    Rule("*", S2, UNKNOWN),
    Rule("*", ("landsat-c2*l2*", "LANDSAT/L*/C02/T?_L2"), LANDSAT),
    Rule("*", ("hls2-*", "HLS?30*", "NASA/HLS/*"), HLS),
)
"""Which convention a scene follows; the first line that fits. Sources:

Sentinel-2 from baseline 04.00 on: reflectance = (DN - 1000) / 10000, before DN / 10000. ESA, Sentinel-2
Products Specification Document 14.9, section 4.3 (BOA_ADD_OFFSET, RADIO_ADD_OFFSET). Earth Engine
removes the offset in `*_HARMONIZED` (its catalogue); Planetary Computer keeps it and has no metadata
(PlanetaryComputer issue 134); Earth Search keeps and declares it in `sentinel-2-c1-l2a`, where a flag
would say nothing, and tells by `earthsearch:boa_offset_applied` in `sentinel-2-l2a`. That flag is wrong
for some items of 2022 to 2025 (earth-search issues 41, 66, 71): `offset_suspect` asks the pixels.

Landsat Collection 2 Level 2: reflectance = DN x 0.0000275 - 0.2, kelvin = DN x 0.00341802 + 149. USGS
LSDS-1619, Landsat 8-9 Collection 2 Level 2 Science Product Guide.

HLS: reflectance = DN x 0.0001, degrees Celsius = DN x 0.01. HLS Product User Guide 2.0.
"""


def baseline_number(baseline: str) -> float | None:
    """Processing baseline as a number: "05.10" and "N0510" are 5.1; None when it is none."""
    text = baseline.strip().removeprefix("N")
    try:
        return float(text) if "." in text else int(text) / 100
    except ValueError:
        return None


def experimental(baseline: str) -> bool:
    """Whether a baseline is one of the tests (99.xx) whose files may not exist (openeo issue 1834)."""
    return (baseline_number(baseline) or 0.0) >= 90


@lru_cache(maxsize=1024)
def convention(
    collection: str, baseline: str = "", applied: bool | None = None, provider: str = ""
) -> Convention:
    """The radiometric convention of a scene, by `RULES`; `STORED` where none fits (NAIP, aerial).

    Decided by processing baseline, never by date: reprocessed older scenes carry the offset too.
    """
    number = baseline_number(baseline)
    for rule in RULES:
        if (
            fnmatchcase(provider, rule.provider)
            and any(fnmatchcase(collection, pattern) for pattern in rule.collections)
            and (rule.baseline is None or (number is not None and number >= rule.baseline))
            and (rule.applied is None or rule.applied == applied)
        ):
            return rule.convention
    return STORED


def reflective(name: str, common: str = "") -> bool:
    """Whether a band is known to hold reflectance (`REFLECTIVE`)."""
    names = {name.lower(), common.lower()}
    return bool(names & REFLECTIVE) and not names & (THERMAL | OTHER)


def scaling(
    rule: Convention, name: str, common: str = "", declared: tuple[float, float] = (1.0, 0.0)
) -> tuple[float | None, float | None]:
    """(scale, offset) of a band's numbers once `rule.offset` is added: physical = number * scale + offset.

    Those `declared` stand for bands that are neither reflective nor thermal.
    """
    if rule.declared:
        return declared
    if {name.lower(), common.lower()} & THERMAL:
        return rule.thermal
    return (rule.scale, rule.shift) if reflective(name, common) else declared
