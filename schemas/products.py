"""Files of public products: what each holds, and under which key catalogues keep it.

Items leave much of this unsaid (Planetary Computer states neither type nor nodata of Sentinel-2), or
say it each in their own way (four of its bands are called `rededge`). Pictures made to be looked at,
angles and by-products are not listed, and so are not kept. Sources:

Sentinel-2: ESA, Sentinel-2 Products Specification Document 14.9: bands and their resolutions (Level-1C
has B10, Level-2A has not), 16-bit numbers with 0 for no data, the 8-bit scene classification. Keys:
items of Planetary Computer and Earth Search v0 (by band) and of Earth Search v1 (by colour).

Sentinel-1: ESA, Sentinel-1 Product Specification: detected products (GRD) hold 16-bit amplitudes, 0
outside; they lie on no map grid, and reading them fails as `misaligned`. Terrain-corrected ones (RTC):
the collection `sentinel-1-rtc` of Planetary Computer.

NAIP: USDA, NAIP Information Sheet: 8 bits a band, three or four bands in one file.

Landsat Collection 2 Level 2: USGS LSDS-1618 (Landsat 4-7) and LSDS-1619 (Landsat 8-9) Science Product
Guides: reflectance and temperature as 16-bit numbers, 0 for fill; QA_PIXEL, 16 bits, 1 for fill; all on
pixels of 30 m, to which the thermal bands are resampled. Landsat 4-7 has no coastal band, and one
thermal band (`lwir`); Landsat 8-9 has `lwir11`. The producer's own band names differ between the two
(SR_B4 is near infrared, then red), so items keep those that they state.

HLS: HLS Product User Guide 2.0: 30 m, -9999 for fill, the 8-bit Fmask with 255 for fill. L30 has no
broad near infrared band; its B05 is called `nir` by its producer, and corresponds to B8A of S30.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """A file of a product.

    Attributes:
        name: of its band where items state none; the first of the keys under which catalogues keep it.
        common: STAC common name (eo extension 2.0) of its band; "" for a file of several bands, which
            are named by the item or by the file itself.
        gsd: metres of a pixel of the file; 0: as items state it.
        dtype: numpy name of the stored type.
        nodata: stored value that means "no data"; None: as the file says.
        aliases: the other keys.
    """

    name: str
    common: str
    gsd: float
    dtype: str
    nodata: float | None
    aliases: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the asset."""
        return self.name, *self.aliases


Layers = tuple[Layer, ...]

SENTINEL_2_L1C: Layers = (
    Layer("B01", "coastal", 60, "uint16", 0, ("coastal",)),
    Layer("B02", "blue", 10, "uint16", 0, ("blue",)),
    Layer("B03", "green", 10, "uint16", 0, ("green",)),
    Layer("B04", "red", 10, "uint16", 0, ("red",)),
    Layer("B05", "rededge071", 20, "uint16", 0, ("rededge1",)),
    Layer("B06", "rededge075", 20, "uint16", 0, ("rededge2",)),
    Layer("B07", "rededge078", 20, "uint16", 0, ("rededge3",)),
    Layer("B08", "nir", 10, "uint16", 0, ("nir",)),
    Layer("B8A", "nir08", 20, "uint16", 0, ("nir08",)),
    Layer("B09", "nir09", 60, "uint16", 0, ("nir09",)),
    Layer("B10", "cirrus", 60, "uint16", 0, ("cirrus",)),
    Layer("B11", "swir16", 20, "uint16", 0, ("swir16",)),
    Layer("B12", "swir22", 20, "uint16", 0, ("swir22",)),
)

SENTINEL_2_L2A: Layers = (
    *(layer for layer in SENTINEL_2_L1C if layer.name != "B10"),
    Layer("SCL", "scl", 20, "uint8", 0, ("scl",)),
)

SENTINEL_1_GRD: Layers = (
    Layer("vv", "vv", 0, "uint16", 0),
    Layer("vh", "vh", 0, "uint16", 0),
    Layer("hh", "hh", 0, "uint16", 0),
    Layer("hv", "hv", 0, "uint16", 0),
)

SENTINEL_1_RTC: Layers = (
    Layer("vv", "vv", 10, "float32", -32768),
    Layer("vh", "vh", 10, "float32", -32768),
    Layer("hh", "hh", 10, "float32", -32768),
    Layer("hv", "hv", 10, "float32", -32768),
)

NAIP: Layers = (Layer("image", "", 0, "uint8", None),)

LANDSAT: Layers = (
    Layer("coastal", "coastal", 30, "uint16", 0),
    Layer("blue", "blue", 30, "uint16", 0),
    Layer("green", "green", 30, "uint16", 0),
    Layer("red", "red", 30, "uint16", 0),
    Layer("nir08", "nir08", 30, "uint16", 0),
    Layer("swir16", "swir16", 30, "uint16", 0),
    Layer("swir22", "swir22", 30, "uint16", 0),
    Layer("lwir", "lwir", 30, "uint16", 0),
    Layer("lwir11", "lwir11", 30, "uint16", 0),
    Layer("qa_pixel", "qa_pixel", 30, "uint16", 1),
)

HLS_S30: Layers = (
    Layer("B01", "coastal", 30, "int16", -9999),
    Layer("B02", "blue", 30, "int16", -9999),
    Layer("B03", "green", 30, "int16", -9999),
    Layer("B04", "red", 30, "int16", -9999),
    Layer("B05", "rededge071", 30, "int16", -9999),
    Layer("B06", "rededge075", 30, "int16", -9999),
    Layer("B07", "rededge078", 30, "int16", -9999),
    Layer("B08", "nir", 30, "int16", -9999),
    Layer("B8A", "nir08", 30, "int16", -9999),
    Layer("B09", "nir09", 30, "int16", -9999),
    Layer("B10", "cirrus", 30, "int16", -9999),
    Layer("B11", "swir16", 30, "int16", -9999),
    Layer("B12", "swir22", 30, "int16", -9999),
    Layer("Fmask", "fmask", 30, "uint8", 255),
)

HLS_L30: Layers = (
    Layer("B01", "coastal", 30, "int16", -9999),
    Layer("B02", "blue", 30, "int16", -9999),
    Layer("B03", "green", 30, "int16", -9999),
    Layer("B04", "red", 30, "int16", -9999),
    Layer("B05", "nir", 30, "int16", -9999),
    Layer("B06", "swir16", 30, "int16", -9999),
    Layer("B07", "swir22", 30, "int16", -9999),
    Layer("B09", "cirrus", 30, "int16", -9999),
    Layer("B10", "lwir11", 30, "int16", -9999),
    Layer("B11", "lwir12", 30, "int16", -9999),
    Layer("Fmask", "fmask", 30, "uint8", 255),
)
