"""A chip as a GeoTIFF in memory: deflate with horizontal differencing, in half of a driver's time.

The container is baseline TIFF 6.0 with the GeoTIFF 1.1 keys (OGC 19-008) and GDAL's tags for nodata
and band descriptions; any TIFF reader opens it. Bands are stored one after the other (planar
configuration 2), which differences and deflates faster and smaller than pixel order. libdeflate at
level 1 gives the same bytes every time; a faster library did not (docs/decisions/0005-chip-encoding.md).
"""

import struct
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

from schemas.windows import Grid

SHORT, LONG, DOUBLE, ASCII = 3, 4, 12, 2
FORMATS = {"u": 1, "i": 2, "f": 3}
STRIP = 1 << 13  # bytes of one strip before compression, at most (one row at least)


def encode(
    array: npt.NDArray[Any], grid: Grid, nodata: float | None = None, names: tuple[str, ...] = (),
    valid: npt.NDArray[np.bool_] | None = None,
) -> bytes:  # fmt: skip
    """The bytes of a deflate GeoTIFF.

    Args:
        array: `(band, y, x)`, unsigned, signed or floating, 8 to 64 bit.
        grid: CRS as "EPSG:n" (anything else goes through GDAL) and the affine of the chip.
        nodata: stored value that means "no data".
        names: band descriptions.
        valid: `(y, x)`; written as an internal mask where the nodata value does not tell all of it.
    """
    masked = valid is not None and not valid.all() and not _told(array, nodata, valid)
    if masked or not grid.crs.startswith("EPSG:"):
        return _by_driver(array, grid, nodata, names, valid if masked else None)
    from deflate import zlib_compress

    count, height, width = array.shape
    rows = max(1, min(height, STRIP // max(1, width * array.itemsize)))
    plain = _differenced(array).data.cast("B")
    line = width * array.itemsize
    strips = [
        zlib_compress(
            plain[(b * height + y) * line : (b * height + min(y + rows, height)) * line], 1
        )
        for b in range(count)
        for y in range(0, height, rows)
    ]
    fixed = _fixed_tags(count, height, width, array.dtype.str, rows, grid.crs, nodata, names)
    a, _, c, _, e, f = grid.transform
    offset, offsets = 8, []
    for strip in strips:
        offsets.append(offset)
        offset += len(strip) + (len(strip) & 1)
    many = f"<{len(strips)}I"
    tags = [
        *fixed,
        (273, LONG, len(strips), struct.pack(many, *offsets)),
        (279, LONG, len(strips), struct.pack(many, *map(len, strips))),
    ]
    if e < 0:
        tags.append((33550, DOUBLE, 3, struct.pack("<3d", a, -e, 0.0)))
        tags.append((33922, DOUBLE, 6, struct.pack("<6d", 0.0, 0.0, 0.0, c, f, 0.0)))
    else:  # south up: GDAL takes a negative scale for north up, so the whole matrix is written
        matrix = (a, 0.0, 0.0, c, 0.0, e, 0.0, f, *(0.0,) * 7, 1.0)
        tags.append((34264, DOUBLE, 16, struct.pack("<16d", *matrix)))
    return _assemble(sorted(tags), strips, offset)


def _told(array: npt.NDArray[Any], nodata: float | None, valid: npt.NDArray[np.bool_]) -> bool:
    """Whether readers know every invalid pixel by its nodata value in at least one band."""
    gone = array[:, ~valid]
    if nodata is None or not gone.size:
        return False
    if np.isnan(nodata):
        return bool(np.isnan(gone).any(axis=0).all())
    return bool((gone == nodata).any(axis=0).all())


Tag = tuple[int, int, int, bytes]  # number, type, how many values, their bytes


@lru_cache(maxsize=4096)
def _fixed_tags(
    count: int, height: int, width: int, dtype: str, rows: int, crs: str, nodata: float | None,
    names: tuple[str, ...],
) -> tuple[Tag, ...]:  # fmt: skip
    """The tags that chips of one shape and kind have in common."""
    kind = np.dtype(dtype)
    whole = kind.kind in "ui"
    shorts = {
        258: (kind.itemsize * 8,) * count,
        259: (8,),  # deflate
        262: (1,),  # photometric: min is black
        277: (count,),
        284: (2,),  # planar: bands one after the other
        317: (2 if whole else 1,),  # horizontal differencing
        339: (FORMATS[kind.kind],) * count,
        34735: _keys(int(crs.removeprefix("EPSG:"))),
    }
    if count > 1:
        shorts[338] = (0,) * (count - 1)  # further bands: unspecified
    longs = {256: width, 257: height, 278: rows}
    texts = {}
    if any(names):
        texts[42112] = _descriptions(names)
    if nodata is not None:
        texts[42113] = f"{nodata:.17g}\0".encode()
    return (
        *((tag, SHORT, len(v), struct.pack(f"<{len(v)}H", *v)) for tag, v in shorts.items()),
        *((tag, LONG, 1, struct.pack("<I", v)) for tag, v in longs.items()),
        *((tag, ASCII, len(v), v) for tag, v in texts.items()),
    )


def _differenced(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array, contiguous and little endian, integers differenced along x."""
    if array.dtype.kind in "ui":
        array = np.ascontiguousarray(array)
        out = np.empty(array.shape, array.dtype)
        flat, moved = array.reshape(-1), out.reshape(-1)
        np.subtract(flat[1:], flat[:-1], out=moved[1:])  # one long run is twice as fast as rows
        out[..., 0] = array[..., 0]
        array = out
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _descriptions(names: tuple[str, ...]) -> bytes:
    items = "".join(  # escaped twice: GDAL undoes it twice
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{escape(escape(n))}</Item>'
        for i, n in enumerate(names)
    )
    return f"<GDALMetadata>{items}</GDALMetadata>\0".encode()


@lru_cache(maxsize=64)
def _keys(code: int) -> tuple[int, ...]:
    """GeoKeyDirectory of an EPSG CRS: model type, raster type (pixel is area), CRS code."""
    from pyproj import CRS

    geographic = CRS.from_epsg(code).is_geographic
    crs_key, model = (2048, 2) if geographic else (3072, 1)
    return (1, 1, 0, 3, 1024, 0, 1, model, 1025, 0, 1, 1, crs_key, 0, 1, code)


def _assemble(tags: list[Tag], strips: list[bytearray], offset: int) -> bytes:
    """Header, strips, then the directory at `offset` with everything that does not fit into it."""
    extra_at = offset + 2 + 12 * len(tags) + 4
    directory, extra = [struct.pack("<H", len(tags))], []
    for tag, kind, count, data in tags:
        if len(data) <= 4:
            value = data.ljust(4, b"\0")
        else:
            value = extra_at.to_bytes(4, "little")
            padded = data + b"\0" * (len(data) & 1)
            extra.append(padded)
            extra_at += len(padded)
        directory.append(struct.pack("<HHI", tag, kind, count) + value)
    body = [piece for strip in strips for piece in (strip, b"\0" * (len(strip) & 1))]
    head = struct.pack("<2sHI", b"II", 42, offset)
    return b"".join((head, *body, *directory, b"\0\0\0\0", *extra))


def _by_driver(
    array: npt.NDArray[Any], grid: Grid, nodata: float | None, names: tuple[str, ...],
    valid: npt.NDArray[np.bool_] | None,
) -> bytes:  # fmt: skip
    """The same content written by GDAL, for a CRS without an EPSG code or a mask inside the file."""
    import rasterio
    from affine import Affine
    from rasterio.io import MemoryFile

    count, height, width = array.shape
    profile = {
        "driver": "GTiff", "count": count, "height": height, "width": width, "dtype": array.dtype,
        "crs": grid.crs, "transform": Affine(*grid.transform), "nodata": nodata,
        "compress": "deflate", "zlevel": 1, "predictor": 2 if array.dtype.kind in "ui" else 1,
        "interleave": "band",
    }  # fmt: skip
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(array)
            if any(names):
                dataset.descriptions = names
            if valid is not None:
                dataset.write_mask(valid)
        return bytes(memory.read())
