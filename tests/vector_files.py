"""Vector files that tests write, in the format that the suffix names."""

from pathlib import Path
from typing import Any

import geopandas as gpd


def write(path: Path, columns: dict[str, list[Any]], shapes: list[Any], crs: Any = 4326) -> Path:
    """A file of shapes in a CRS, with their columns."""
    frame = gpd.GeoDataFrame(columns, geometry=shapes, crs=crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path, engine="pyogrio")
    return path
