"""Earth Engine as a source: scenes by place and year, pixels on their own grid.

The client library (extra `gee`) is imported with the first use, never with these modules.
"""

from catalogs.sources.earth_engine.assets import SCHEME, own_grid
from catalogs.sources.earth_engine.pixels import read_bands, read_window, thumbnail
from catalogs.sources.earth_engine.search import Found, open_earth_engine

__all__ = [
    "SCHEME",
    "Found",
    "open_earth_engine",
    "own_grid",
    "read_bands",
    "read_window",
    "thumbnail",
]
