"""Where the world is land: one outline with a great lake in it, and an island in the lake."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from catalogs.world.layout import Place
from catalogs.world.noise import Spots
from catalogs.world.stacfile import NOTICE, Json

COAST = (
    (10.86, 46.93), (11.5, 46.9), (12.2, 46.95), (12.9, 46.91), (13.17, 47.2), (13.12, 47.9),
    (13.2, 48.4), (13.1, 49.1), (12.4, 49.17), (11.7, 49.08), (10.9, 49.14), (10.95, 48.3),
    (10.84, 47.6),
)  # fmt: skip
"""Corners of the outline in degrees, counter-clockwise."""

LAKE = (11.7657, 47.5803, 0.14, 0.085)
"""Longitude, latitude, and half widths in degrees of the lake; no place stands in or by it."""

ISLAND = (11.79, 47.61, 0.02, 0.012)


def _ellipse(lon: float, lat: float, wide: float, high: float) -> list[tuple[float, float]]:
    turn = np.arange(24) * (2 * np.pi / 24)
    return [
        (round(lon + wide * float(u), 6), round(lat + high * float(v), 6))
        for u, v in zip(np.cos(turn), np.sin(turn), strict=True)
    ]


LAND = MultiPolygon([Polygon(COAST, [_ellipse(*LAKE)[::-1]]), Polygon(_ellipse(*ISLAND))])
"""Land of the world in degrees."""


def is_land(lon: Spots, lat: Spots) -> NDArray[np.bool_]:
    """Whether points in degrees, of any shape, lie on land."""
    shapely.prepare(LAND)
    return np.asarray(shapely.contains_xy(LAND, lon, lat))


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """Writes the polygons as GeoJSON; returns no collection, and their number."""
    features = [
        {
            "type": "Feature",
            "properties": {"name": name, "license": "CC0-1.0", "description": NOTICE},
            "geometry": shapely.geometry.mapping(part),
        }
        for name, part in zip(("mainland", "island"), LAND.geoms, strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        {"type": "FeatureCollection", "name": "land", "license": "CC0-1.0", "description": NOTICE,
         "features": features},
        indent=1,
    )  # fmt: skip
    (folder / "land.geojson").write_text(text + "\n", encoding="utf-8")
    return {}, {"polygons": len(features)}
