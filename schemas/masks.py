"""What the numbers of mask bands mean: cloud, shadow, snow and nodata, by class or by bits."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

Field = tuple[int, int, tuple[int, ...]]
"""(first bit, how many bits, values): a pixel fits when these bits hold one of the values."""


def classes(*values: int) -> tuple[Field, ...]:
    """Whole numbers of an 8-bit mask."""
    return ((0, 8, values),)


def bits(*numbers: int) -> tuple[Field, ...]:
    """Single bits that are set."""
    return tuple((number, 1, (1,)) for number in numbers)


@dataclass(frozen=True, slots=True)
class Legend:
    """How a mask is read. A pixel with no data is nothing else besides.

    Attributes:
        name: of the legend, as a step's argument and as the fact `cloud_mask`.
        nodata, cloud, shadow, snow: a pixel is of a kind when one of its fields fits; None where
            the mask does not tell this kind at all.
        confidence: first bit of the two that say how sure the cloud is (0 unset to 3 high), or None.
    """

    name: str
    nodata: tuple[Field, ...]
    cloud: tuple[Field, ...] | None = None
    shadow: tuple[Field, ...] | None = None
    snow: tuple[Field, ...] | None = None
    confidence: int | None = None


SCL = Legend("scl", classes(0, 1), classes(8, 9, 10), classes(3), classes(11))
"""Sentinel-2 scene classification: 0 no data, 1 saturated or defective, 2 dark area (cast shadow of
terrain), 3 cloud shadow, 4 vegetation, 5 bare, 6 water, 7 unclassified, 8 and 9 cloud of medium and
high probability, 10 thin cirrus, 11 snow or ice. Source: ESA, Sentinel-2 Products Specification
Document 14.9, Level-2A scene classification map."""

HLS_FMASK = Legend("hls_fmask", classes(255), bits(0, 1), bits(3), bits(4))
"""HLS v2.0 Fmask: bit 0 cirrus, 1 cloud, 2 beside cloud or shadow, 3 cloud shadow, 4 snow or ice,
5 water, 6-7 aerosol; 255 fill. Source: HLS Product User Guide 2.0, QA layer. What lies beside a cloud
counts as clear, as in the crop chips of Prithvi."""

QA_PIXEL = Legend("qa_pixel", bits(0), bits(2, 3), bits(4), bits(5), confidence=8)
"""Landsat Collection 2 QA_PIXEL: bit 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud (high confidence),
4 cloud shadow, 5 snow, 6 clear, 7 water, 8-9 cloud confidence (1 low, 2 medium, 3 high), 10-11 of
shadow, 12-13 of snow, 14-15 of cirrus. Source: USGS LSDS-1619, Landsat 8-9 Collection 2 Level 2 Science
Product Guide, table of pixel quality assessment bits. Dilated cloud counts as clear."""

CFMASK = Legend("cfmask", classes(255), classes(4), classes(2), classes(3))
"""CFmask classes of Landsat before Collection 1: 0 clear, 1 water, 2 cloud shadow, 3 snow, 4 cloud,
255 fill. Source: USGS LSDS-1368, Landsat 4-7 Surface Reflectance (LEDAPS) Product Guide."""

CLOUD = Legend("cloud", classes(255), classes(1))
"""A cloud mask of s2cloudless: 0 clear, 1 cloud, 255 no data."""

NO_DATA, UNASKED = 255, 254
"""In the mask of `segmenting.Clouds`: no data; a date that no network was asked about."""

UKIS_CSMASK = Legend("ukis_csmask", classes(NO_DATA), classes(1), classes(2))
"""Masks of ukis-csmask: 0 clear, 1 cloud, 2 cloud shadow; 255 no data, ours. Snow is not told."""

ALPHA = Legend("alpha", classes(0))
"""The alpha band of aerial pictures (NAIP): 0 where there is no picture; nothing of clouds."""

LEGENDS = {
    legend.name: legend for legend in (SCL, HLS_FMASK, QA_PIXEL, CFMASK, CLOUD, UKIS_CSMASK, ALPHA)
}

BANDS = (
    ("scl", "*", SCL),
    ("fmask", "hls*", HLS_FMASK),
    ("fmask", "nasa/hls*", HLS_FMASK),
    ("fmask", "*", CFMASK),
    ("qa_pixel", "*", QA_PIXEL),
    ("cloudmask", "*", CLOUD),
    ("clm", "*", CLOUD),
    ("alpha", "*", ALPHA),
)
"""(band, collection as a glob pattern, both in lower case; legend), in the order of preference."""


def legend_of(collection: str, band: str) -> Legend | None:
    """The legend of a band of a collection; None when it is no mask that we know."""
    for name, pattern, legend in BANDS:
        if band.lower() == name and fnmatchcase(collection.lower(), pattern):
            return legend
    return None
