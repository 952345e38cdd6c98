"""How high the ground is: a smooth relief that rises to the south, in metres."""

import numpy as np

from catalogs.world import noise
from catalogs.world.noise import Spots


def elevation(lon: Spots, lat: Spots) -> Spots:
    """Height of the ground in metres, float64, at points in degrees, of any shape."""
    wide = noise.field(lon, lat, 0.21, 21) * 110 + noise.field(lon, lat, 0.03, 22) * 34
    return np.asarray(
        430 + (49.0 - np.asarray(lat)) * 160 + wide + noise.field(lon, lat, 0.006, 23) * 7
    )
