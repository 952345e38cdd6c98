"""Items of the sample world, and the pixels they point to."""

import numpy as np
import rasterio


def scenes(items, site_id):
    """Sentinel-2 items of a place by date."""
    found = [
        i for i in items if i.collection_id == "sentinel-2-l2a" and i.id.endswith(f"_{site_id}")
    ]
    return {i.properties["datetime"][:10]: i for i in found}


def pixels(item, key):
    """Stored numbers (y, x) of an asset's first band."""
    with rasterio.open(item.assets[key].get_absolute_href()) as source:
        return source.read(1)


def reflectance(item, key):
    """Reflectance (y, x) x 10,000 by the processing baseline, NaN where there is no data."""
    stored = pixels(item, key).astype(float)
    offset = 1000 if float(item.properties["s2:processing_baseline"]) >= 4 else 0
    return np.where(stored == 0, np.nan, stored - offset)


def clear(item):
    """Pixels (y, x) at 10 m that the scene classification calls vegetation, bare or water."""
    return np.isin(pixels(item, "SCL"), (4, 5, 6)).repeat(2, 0).repeat(2, 1)
