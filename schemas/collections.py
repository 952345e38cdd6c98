"""What is known of public STAC collections: terms, credit line, and which files hold the bands.

Catalogues often call their licence "proprietary"; the terms here are those that the producers state.
"""

from dataclasses import dataclass

from schemas import products
from schemas.products import Layers


@dataclass(frozen=True, slots=True)
class Collection:
    """A public collection.

    Attributes:
        licence: SPDX id or LicenseRef-* (`schemas.licences`).
        credit: the credit line; `{year}` stands for the year of acquisition.
        provider: who made the data.
        layers: its files of bands and masks, all that is kept of an item.
    """

    licence: str
    credit: str
    provider: str
    layers: Layers


_COPERNICUS = (
    "LicenseRef-Copernicus-Sentinel",
    "Contains modified Copernicus Sentinel data {year}",
    "European Union, Copernicus programme",
)
_USGS = (
    "LicenseRef-US-PD",
    "Landsat image courtesy of the U.S. Geological Survey, {year}",
    "U.S. Geological Survey and NASA",
)

SENTINEL_2_L2A = Collection(*_COPERNICUS, products.SENTINEL_2_L2A)
SENTINEL_2_L1C = Collection(*_COPERNICUS, products.SENTINEL_2_L1C)
SENTINEL_1_GRD = Collection(*_COPERNICUS, products.SENTINEL_1_GRD)
SENTINEL_1_RTC = Collection(
    "CC-BY-4.0",
    "Contains modified Copernicus Sentinel data {year}, terrain-corrected by Catalyst and Microsoft",
    "Catalyst and Microsoft",
    products.SENTINEL_1_RTC,
)
NAIP = Collection(
    "LicenseRef-US-PD",
    "USDA National Agriculture Imagery Program (NAIP), {year}",
    "United States Department of Agriculture",
    products.NAIP,
)
LANDSAT = Collection(*_USGS, products.LANDSAT)
HLS_S30 = Collection(
    "LicenseRef-LPDAAC",
    "HLS S30 v2.0 from NASA LP DAAC; contains modified Copernicus Sentinel data {year}",
    "NASA LP DAAC",
    products.HLS_S30,
)
HLS_L30 = Collection(
    "LicenseRef-LPDAAC",
    "HLS L30 v2.0 from NASA LP DAAC, {year}",
    "NASA LP DAAC",
    products.HLS_L30,
)

COLLECTIONS = {
    "sentinel-2-l2a": SENTINEL_2_L2A,
    "sentinel-2-c1-l2a": SENTINEL_2_L2A,
    "sentinel-2-pre-c1-l2a": SENTINEL_2_L2A,
    "sentinel-s2-l2a-cogs": SENTINEL_2_L2A,
    "sentinel-2-l1c": SENTINEL_2_L1C,
    "sentinel-1-grd": SENTINEL_1_GRD,
    "sentinel-1-rtc": SENTINEL_1_RTC,
    "naip": NAIP,
    "landsat-c2-l2": LANDSAT,
    "landsat-c2l2-sr": LANDSAT,
    "landsat-c2l2-st": LANDSAT,
    "hls2-s30": HLS_S30,
    "hls2-l30": HLS_L30,
    "HLSS30_2.0": HLS_S30,
    "HLSL30_2.0": HLS_L30,
}
"""By collection id; one id means the same data at every provider that uses it."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A public catalogue that is known by name.

    Attributes:
        url: root of its STAC API.
        imagery: collections taken where none are named.
        hosts: how the names of hosts begin that hold its pixels.
    """

    url: str
    imagery: tuple[str, ...]
    hosts: tuple[str, ...] = ()


PRESETS = {
    "planetary-computer": Preset(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        ("sentinel-2-l2a", "naip"),
        ("sentinel2l2a01.blob.", "sentinel1euwest", "naipeuwest.blob.", "landsateuwest.blob.",
         "hls2euwest.blob."),
    ),
    "earth-search": Preset(
        "https://earth-search.aws.element84.com/v1",
        ("sentinel-2-l2a",),
        ("sentinel-cogs.s3.", "e84-earth-search-sentinel-data.s3."),
    ),
}  # fmt: skip


def provider_of(host: str) -> str:
    """The short name of the catalogue that a host belongs to, else the host's own name."""
    for name, preset in PRESETS.items():
        if preset.url.split("/")[2] == host or (preset.hosts and host.startswith(preset.hosts)):
            return name
    return host
