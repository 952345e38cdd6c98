"""The projection of a place: UTM by zone, UPS at the poles."""

import math

UTM_SOUTH, UTM_NORTH = -80.0, 84.0
"""Where UTM ends and UPS begins, degrees (NGA.SIG.0012, The Universal Grids, 2014)."""

UPS_NORTH, UPS_SOUTH = "EPSG:5041", "EPSG:5042"
"""WGS 84 / UPS North and South, easting first."""


def zone(lon: float, lat: float) -> int:
    """The UTM zone, 1 to 60, of a point in degrees; any longitude, whole turns do not matter.

    South-west Norway (band V) belongs to 32, Svalbard (band X) to the odd zones 31 to 37.
    """
    east = (lon + 180) % 360 - 180
    found = min(int((east + 180) // 6) + 1, 60)
    if 56 <= lat < 64 and 3 <= east < 12:
        return 32
    if lat >= 72 and 0 <= east < 42:
        return 31 if east < 9 else 33 if east < 21 else 35 if east < 33 else 37
    return found


def crs_for(lon: float, lat: float) -> str:
    """The "EPSG:n" in which a chip around a point in degrees is cut: its UTM zone, or UPS.

    Raises:
        ValueError: no such latitude.
    """
    if not -90 <= lat <= 90 or not math.isfinite(lon):
        raise ValueError(f"lon {lon}, lat {lat}: no place on Earth")
    if lat > UTM_NORTH:
        return UPS_NORTH
    if lat < UTM_SOUTH:
        return UPS_SOUTH
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone(lon, lat)}"
