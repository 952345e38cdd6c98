"""Windows out of tiled deflate GeoTIFFs without GDAL's block layer: each tile is inflated once.

The common layout of cloud optimized imagery (little endian, tiled, deflate, 8 or 16 bit, horizontal
differencing or none, one band or bands stored apart) is read straight from the file's tile table
(TIFF 6.0 sections 14 and 15, BigTIFF). Everything else is GDAL's work: `tiled` answers None.
Measured in benchmarks/make_local.py; the pixels equal GDAL's in tests/test_tiles.py.
"""

import mmap
import struct
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import Fault

CACHE_BYTES = 160 << 20
"""Decoded tiles kept by one thread: two rows of tiles of a four-band 10,980 px scene need 92 MB."""

KINDS = {1: "B", 3: "H", 4: "I", 16: "Q"}
DEFLATE = (8, 32946)
DTYPES = {(8, 1): np.uint8, (16, 1): np.uint16, (16, 2): np.int16}


@dataclass(frozen=True)
class Layout:
    """Where the full-resolution tiles of a file lie.

    Attributes:
        offsets, sizes: of each tile, bands one after the other, rows from the top; size 0: absent.
        across, down: tiles in a row and in a column.
    """

    width: int
    height: int
    count: int
    dtype: npt.DTypeLike
    tile_width: int
    tile_height: int
    predictor: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def across(self) -> int:
        """Tiles in a row."""
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        """Tiles in a column."""
        return -(-self.height // self.tile_height)


def layout(data: "mmap.mmap | bytes") -> Layout | None:
    """The tile table of a file's first directory, or None when it is not of the common layout."""
    if data[:2] != b"II" or data[2:4] not in (b"*\0", b"+\0"):
        return None
    try:
        tags = _big(data) if data[2:4] == b"+\0" else _classic(data)
        return _layout(tags)
    except (struct.error, KeyError, IndexError):
        return None


def _classic(data: Any) -> dict[int, tuple[int, ...]]:
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    return _tags(data, start + 2, count, "<HHI", 12, 4)


def _big(data: Any) -> dict[int, tuple[int, ...]]:
    (start,) = struct.unpack_from("<Q", data, 8)
    (count,) = struct.unpack_from("<Q", data, start)
    return _tags(data, start + 8, count, "<HHQ", 20, 8)


def _tags(
    data: Any, start: int, count: int, head: str, step: int, room: int
) -> dict[int, tuple[int, ...]]:
    found = {}
    for entry in range(start, start + count * step, step):
        tag, kind, values = struct.unpack_from(head, data, entry)
        if kind in KINDS:
            form = f"<{values}{KINDS[kind]}"
            at = entry + step - room
            if struct.calcsize(form) > room:
                (at,) = struct.unpack_from("<I" if room == 4 else "<Q", data, at)
            found[tag] = struct.unpack_from(form, data, at)
    return found


def _layout(tags: dict[int, tuple[int, ...]]) -> Layout | None:
    count = tags.get(277, (1,))[0]
    bits, forms = set(tags[258]), set(tags.get(339, (1,)))
    plain = tags[259][0] in DEFLATE and tags.get(317, (1,))[0] in (1, 2)
    apart = count == 1 or tags.get(284, (1,))[0] == 2
    if not (plain and apart and len(bits) == len(forms) == 1 and 322 in tags):
        return None
    dtype = DTYPES.get((bits.pop(), forms.pop()))
    if dtype is None or tags.get(266, (1,))[0] != 1:
        return None
    found = Layout(
        tags[256][0], tags[257][0], count, dtype, tags[322][0], tags[323][0],
        tags.get(317, (1,))[0], tags[324], tags[325],
    )  # fmt: skip
    return found if len(found.offsets) == found.across * found.down * count else None


class TileFile:
    """An open file of the common layout."""

    def __init__(self, href: str, data: mmap.mmap, found: Layout) -> None:
        self.href, self.data, self.layout = href, data, found

    def decode(self, number: int) -> npt.NDArray[Any] | None:
        """Tile `number` as `(y, x)`, None where the file stores none (all nodata or 0).

        Raises:
            Fault: `raster_unreadable`.
        """
        from isal import isal_zlib

        found = self.layout
        offset, size = found.offsets[number], found.sizes[number]
        if not size:
            return None
        shape = (found.tile_height, found.tile_width)
        wanted = shape[0] * shape[1] * np.dtype(found.dtype).itemsize
        try:
            raw = isal_zlib.decompress(self.data[offset : offset + size], 15, wanted)
        except (isal_zlib.error, zlib.error) as error:
            raise Fault("raster_unreadable", f"{self.href}: tile {number}: {error}", retryable=True) from error
        if len(raw) != wanted:
            raise Fault("raster_unreadable", f"{self.href}: tile {number} is short", retryable=True)
        tile = np.frombuffer(raw, found.dtype).reshape(shape)
        if found.predictor == 2:
            tile = np.cumsum(tile, axis=1, dtype=tile.dtype)
        return tile


def tiled(href: str) -> TileFile | None:
    """The file opened for reading by tiles, or None when it is not of the common layout."""
    with Path(href).open("rb") as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):
            return None
    found = layout(data)
    return TileFile(href, data, found) if found else None


class TileCache:
    """Decoded tiles of one thread, the most recently used ones kept."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit, self.held = limit, 0
        self.tiles: OrderedDict[tuple[str, int], npt.NDArray[Any] | None] = OrderedDict()

    def get(self, file: TileFile, number: int) -> npt.NDArray[Any] | None:
        """A decoded tile."""
        key = (file.href, number)
        if key in self.tiles:
            self.tiles.move_to_end(key)
            return self.tiles[key]
        tile = self.tiles[key] = file.decode(number)
        self.held += tile.nbytes if tile is not None else 0
        while self.held > self.limit:
            _, old = self.tiles.popitem(last=False)
            self.held -= old.nbytes if old is not None else 0
        return tile

    def read(
        self, file: TileFile, band: int, col: int, row: int, fill: float, out: npt.NDArray[Any]
    ) -> None:
        """Fill `out` (y, x) with the window at (col, row) of a 1-based band.

        Args:
            fill: stored value where the file has no tile.

        Raises:
            Fault: as `TileFile.decode`.
        """
        found = file.layout
        height, width = out.shape
        base = (band - 1) * found.across * found.down
        for down in range(row // found.tile_height, -(-(row + height) // found.tile_height)):
            top = down * found.tile_height
            y0, y1 = max(row, top), min(row + height, top + found.tile_height)
            for across in range(col // found.tile_width, -(-(col + width) // found.tile_width)):
                left = across * found.tile_width
                x0, x1 = max(col, left), min(col + width, left + found.tile_width)
                tile = self.get(file, base + down * found.across + across)
                target = out[y0 - row : y1 - row, x0 - col : x1 - col]
                target[...] = fill if tile is None else tile[y0 - top : y1 - top, x0 - left : x1 - left]
