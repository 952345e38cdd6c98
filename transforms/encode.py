"""Members of a sample: pictures and arrays encoded while the pixels are alive, texts when packed."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.recipes import within
from schemas.samples import Image, Sample
from schemas.tables import flat, grouped
from transforms import geotiff
from transforms.context import Context

LISTS = ("scene_ids", "layer_ids")
"""Columns that hold lists."""


def planes(image: Image) -> list[npt.NDArray[np.uint8]]:
    """Red, green and blue of an image as 8-bit `(y, x)` (one plane where it has fewer than three bands).

    By name where they are there, else the first bands; `image.display` maps to 0..255, invalid
    pixels are black. Of a stack the clearest date is shown.
    """
    image = image.clearest()
    names = [n for n in ("red", "green", "blue") if n in image.bands]
    places = (
        [image.bands.index(n) for n in names]
        if len(names) == 3
        else list(range(3 if len(image.bands) >= 3 else 1))
    )
    table = _lut(image.array.dtype, image.display)
    found = [
        _scaled(image.array[band], image.display)
        if table is None
        else table.take(image.array[band])
        for band in places
    ]
    if not image.valid.all():
        for plane in found:
            plane[~image.valid] = 0
    return found


_LUTS: dict[tuple[str, float, float], npt.NDArray[np.uint8]] = {}


def _lut(dtype: np.dtype[Any], display: tuple[float, float]) -> npt.NDArray[np.uint8] | None:
    """Display value of every value of an 8- or 16-bit unsigned type; None for other types."""
    if dtype.char not in "BH":
        return None
    key = (dtype.char, *display)
    if key not in _LUTS:
        _LUTS[key] = _scaled(np.arange(np.iinfo(dtype).max + 1), display)
    return _LUTS[key]


def _scaled(values: npt.NDArray[Any], display: tuple[float, float]) -> npt.NDArray[np.uint8]:
    low, high = display
    scaled = (values.astype(np.float32) - low) * (255 / (high - low))
    return np.asarray(np.clip(np.nan_to_num(np.rint(scaled)), 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Jpeg:
    """An 8-bit picture. Lossy: for looking at and for image-text training; arrays go to `GeoTiff`.

    Attributes:
        quality: of Pillow's encoder, 4:2:0 chroma below 95.
    """

    quality: int = 90
    needs: tuple[str, ...] = field(default=("image",), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)
    media_type: str = field(default="image/jpeg", init=False)
    feature: str = field(default="image", init=False)

    def __post_init__(self) -> None:
        """Refuse a quality that Pillow would clip without a word."""
        within("encode.Jpeg.quality", self.quality, 1, 100)

    def __call__(self, sample: Sample, ctx: Context) -> bytes:
        """The JPEG file."""
        from PIL import Image as Pillow

        shown = [Pillow.fromarray(plane) for plane in planes(sample.images["image"])]
        picture = Pillow.merge("RGB", shown) if len(shown) == 3 else shown[0]
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=self.quality)
        return stream.getvalue()


def raster(image: Image) -> tuple[npt.NDArray[Any], tuple[str, ...], npt.NDArray[np.bool_]]:
    """(array `(band, y, x)`, band names, valid `(y, x)`) as a file holds them.

    A stack is laid out time-major: all bands of the first date, then of the second; band `red` of
    the first is called `T0_red`. A pixel of it is valid where it is on every date.
    """
    if not image.stacked:
        return image.array, image.bands, image.valid
    count = len(image.array)
    names = tuple(f"T{k}_{band}" for k in range(count) for band in image.bands)
    return (
        image.array.reshape(-1, *image.array.shape[2:]),
        names,
        np.asarray(image.valid.all(axis=0)),
    )


@dataclass(frozen=True)
class GeoTiff:
    """All bands (of all dates), losslessly, with CRS, affine, nodata or a mask, and descriptions.

    Attributes:
        image: which one: `image`, or `mask` where `imagery.Read(mask=True)` keeps it.
    """

    image: str = "image"
    gives: dict[str, str] = field(default_factory=dict, init=False)
    media_type: str = field(default="image/tiff; application=geotiff; profile=deflate", init=False)
    feature: str = field(default="binary", init=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """The image; `image` itself too, by which an encoder of pixels is known."""
        return tuple(dict.fromkeys(("image", self.image)))

    def __call__(self, sample: Sample, ctx: Context) -> bytes:
        """The GeoTIFF file."""
        image = sample.images[self.image]
        array, names, valid = raster(image)
        return geotiff.encode(array, image.grid, image.nodata, names, valid)


@dataclass(frozen=True)
class Text:
    """One text fact as UTF-8.

    Attributes:
        fact: its name.
    """

    fact: str = "title"
    gives: dict[str, str] = field(default_factory=dict, init=False)
    media_type: str = field(default="text/plain", init=False)
    feature: str = field(default="string", init=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """The fact."""
        return (self.fact,)

    def render(self, row: dict[str, Any], schema: dict[str, str]) -> bytes:
        """The text of a packed row."""
        return str(row[self.fact] or "").encode()


@dataclass(frozen=True)
class Json:
    """Every fact under one fixed flat schema: all keys always there, no null, no list.

    Readers of another dataset's layout may want facts in groups of its names: `groups` are templates
    of columns, filled in after the flat facts. A group's form is fixed too, its lists of one length.

    Attributes:
        without: facts that the tables hold and this member does not.
        groups: name -> column name, object or list of such, or a number that stands for itself.
    """

    without: tuple[str, ...] = ()
    groups: dict[str, Any] = field(default_factory=dict)
    gives: dict[str, str] = field(default_factory=dict, init=False)
    media_type: str = field(default="application/json", init=False)
    feature: str = field(default="json", init=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing: it takes what there is."""
        return ()

    def render(self, row: dict[str, Any], schema: dict[str, str]) -> bytes:
        """The JSON object of a packed row.

        Raises:
            KeyError: a column of the schema is missing from the row.
        """
        values = {
            name: ",".join(row[name]) if name in LISTS else flat(row[name], kind)
            for name, kind in schema.items()
        }
        return json.dumps(
            {**values, **grouped(self.groups, values)},
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
        ).encode()
