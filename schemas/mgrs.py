"""The Military Grid Reference System: 100 km squares, after which Sentinel-2 tiles are named.

NGA.SIG.0012 (2014), sections 3.1 to 3.3: zones of UTM with the exceptions of Norway and Svalbard, bands of
8 degrees, letters of columns and rows. WGS 84 ("AA") scheme of letters.
"""

import re

import numpy as np
import numpy.typing as npt

from schemas.windows import Grid, from_lonlat, to_lonlat

BANDS = np.array(
    list("CDEFGHJKLMNPQRSTUVWXX")
)  # from 80 degrees south on, the last 12 degrees high
COLUMNS = np.array(["ABCDEFGH", "JKLMNPQR", "STUVWXYZ"])
ROWS = np.array(list("ABCDEFGHJKLMNPQRSTUV"))

TILE = re.compile(r"([1-9]|0[1-9]|[1-5]\d|60)([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])")
"""Zone, band, column and row of a square, e.g. 30NXM."""

NAME = re.compile(r"(?<![A-Z0-9])T?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z][A-HJ-NP-V])(?![A-Z0-9])")
"""The same within a longer name, such as a product's."""

SIDE_M = 109_800
"""Side of a tile of Sentinel-2, metres: the square and some ground of the next ones."""

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
        column, row = _letters(number, x, y)
        found[rows] = [f"{number:02d}{b}{c}{r}" for b, c, r in zip(band, column, row, strict=True)]
    return found


def _letters(zone: int, x: Floats, y: Floats) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Letters of the column and the row of the squares that hold points of a zone, metres."""
    letters = np.array(list(str(COLUMNS[(zone - 1) % 3])))
    column = letters[np.clip(np.floor(x / 100_000).astype(int) - 1, 0, 7)]
    shift = 0 if zone % 2 else 5
    return column, ROWS[(np.floor(y / 100_000).astype(int) + shift) % 20]


def tile_of(grid: Grid, scene_id: str = "") -> str:
    """`31TCG`: the tile of Sentinel-2 whose grid this is, "" where it is no whole tile in a zone of UTM.

    Args:
        scene_id: a name that may hold that of the tile. A square across the border of two bands has a
            name in both; the scene's own is taken, else that of its middle.
    """
    a, _, left, _, e, top = grid.transform
    zone = re.fullmatch(r"EPSG:32([67])(\d\d)", grid.crs)
    sides = (a * grid.width, -e * grid.height)
    if zone is None or grid.rotated or any(abs(side - SIDE_M) > 0.5 for side in sides):
        return ""
    number = int(zone[2])
    west, north = round(left / 1e5) * 1e5, round(top / 1e5) * 1e5
    near = abs(left - west) <= 60 and abs(top - north) <= 60
    if not (near and 1e5 <= west <= 8e5 and 1 <= number <= 60):
        return ""
    x, y = np.array([west + 5e4]), np.array([north - 5e4])
    letters = "".join(str(part[0]) for part in _letters(number, x, y))
    for said in NAME.finditer(scene_id):
        if (int(said[1]), said[3]) == (number, letters):
            return f"{number:02d}{said[2]}{letters}"
    _, lat = to_lonlat(grid.crs, x, y)
    band = BANDS[min(max(int((float(lat[0]) + 80) // 8), 0), len(BANDS) - 1)]
    return f"{number:02d}{band}{letters}"


def epsg(tile: str) -> int:
    """The EPSG code of a tile's UTM zone: 326zz from band N on, 327zz for C to M.

    Raises:
        ValueError: no name of a tile.
    """
    found = TILE.fullmatch(tile.removeprefix("T") if len(tile) == 6 else tile)
    if found is None:
        raise ValueError(f"{tile!r} is no MGRS tile such as 30NXM")
    return (32600 if found[2] >= "N" else 32700) + int(found[1])
