"""Squares of the military grid: the names of Sentinel-2's tiles.

Letters: NGA.STND.0037, Universal Grids and Grid Reference Systems (2014), section 3. A tile of
Sentinel-2 is a square of 109.8 km named by the one of 100 km in its upper-left corner, up to 60 m off.
"""

import re

import numpy as np

from schemas.windows import Grid, to_lonlat

TILE_M = 109_800
"""Side of a tile of Sentinel-2, metres."""

COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
ROWS = "ABCDEFGHJKLMNPQRSTUV"
BANDS = "CDEFGHJKLMNPQRSTUVWX"
NAME = re.compile(r"(?<![A-Z0-9])T?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z][A-HJ-NP-V])(?![A-Z0-9])")


def tile_of(grid: Grid, scene_id: str = "") -> str:
    """`31TCG`: the tile whose grid this is, "" where it is no whole tile in a zone of UTM.

    Args:
        scene_id: a name that may hold that of the tile. A square across the border of two bands has a
            name in both; the scene's own is taken, else that of its middle.
    """
    a, _, left, _, e, top = grid.transform
    zone = re.fullmatch(r"EPSG:32([67])(\d\d)", grid.crs)
    sides = (a * grid.width, -e * grid.height)
    if zone is None or grid.rotated or any(abs(side - TILE_M) > 0.5 for side in sides):
        return ""
    number = int(zone[2])
    east, north = round(left / 1e5), round(top / 1e5) - 1
    near = abs(left - east * 1e5) <= 60 and abs(top - (north + 1) * 1e5) <= 60
    if not (near and 1 <= east <= 8 and 1 <= number <= 60):
        return ""
    letters = COLUMNS[(number - 1) % 3][east - 1] + ROWS[(north + (0 if number % 2 else 5)) % 20]
    for said in NAME.finditer(scene_id):
        if (int(said[1]), said[3]) == (number, letters):
            return f"{number:02d}{said[2]}{letters}"
    _, lat = to_lonlat(grid.crs, np.array([left + 5e4]), np.array([top - 5e4]))
    band = min(max(int((float(lat[0]) + 80) // 8), 0), len(BANDS) - 1)
    return f"{number:02d}{BANDS[band]}{letters}"
