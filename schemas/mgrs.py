"""The Military Grid Reference System: 100 km squares, after which Sentinel-2 tiles are named.

NGA.SIG.0012 (2014), sections 3.1 to 3.3: zones of UTM with the exceptions of Norway and Svalbard, bands of
8 degrees, letters of columns and rows. WGS 84 ("AA") scheme of letters.
"""

import re

import numpy as np
import numpy.typing as npt

from schemas.windows import from_lonlat

BANDS = np.array(
    list("CDEFGHJKLMNPQRSTUVWXX")
)  # from 80 degrees south on, the last 12 degrees high
COLUMNS = np.array(["ABCDEFGH", "JKLMNPQR", "STUVWXYZ"])
ROWS = np.array(list("ABCDEFGHJKLMNPQRSTUV"))

TILE = re.compile(r"([1-9]|0[1-9]|[1-5]\d|60)([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])")
"""Zone, band, column and row of a square, e.g. 30NXM."""

Floats = npt.NDArray[np.float64]


def zones(lon: Floats, lat: Floats) -> npt.NDArray[np.int64]:
    """UTM zones of points in degrees, with the wide zones of Norway and Svalbard."""
    turned = (np.asarray(lon) + 180) % 360 - 180
    zone = np.floor((turned + 180) / 6).astype(np.int64) + 1
    zone = np.where((lat >= 56) & (lat < 64) & (turned >= 3) & (turned < 12), 32, zone)
    svalbard = (lat >= 72) & (turned >= 0) & (turned < 42)
    wide = np.select([turned < 9, turned < 21, turned < 33], [31, 33, 35], 37)
    return np.asarray(np.where(svalbard, wide, zone))


def tiles(lon: Floats, lat: Floats) -> npt.NDArray[np.str_]:
    """The 100 km square that holds each point, e.g. `30NXM`; "" beyond 80 S and 84 N."""
    lon, lat = np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float))
    found = np.full(len(lon), "", dtype="<U5")
    inside = (lat >= -80) & (lat < 84)
    zone = zones(lon, lat)
    for number in np.unique(zone[inside]).tolist():
        rows = np.flatnonzero(inside & (zone == number))
        x, y = from_lonlat(f"EPSG:{32600 + number}", lon[rows], lat[rows])
        band = BANDS[np.floor((lat[rows] + 80) / 8).astype(int)]
        letters = np.array(list(str(COLUMNS[(number - 1) % 3])))
        column = letters[np.clip(np.floor(x / 100_000).astype(int) - 1, 0, 7)]
        shift = 0 if number % 2 else 5
        row = ROWS[(np.floor(y / 100_000).astype(int) + shift) % 20]
        found[rows] = [f"{number:02d}{b}{c}{r}" for b, c, r in zip(band, column, row, strict=True)]
    return found


def epsg(tile: str) -> int:
    """The EPSG code of a tile's UTM zone: 326zz from band N on, 327zz for C to M.

    Raises:
        ValueError: no name of a tile.
    """
    found = TILE.fullmatch(tile.removeprefix("T") if len(tile) == 6 else tile)
    if found is None:
        raise ValueError(f"{tile!r} is no MGRS tile such as 30NXM")
    return (32600 if found[2] >= "N" else 32700) + int(found[1])
