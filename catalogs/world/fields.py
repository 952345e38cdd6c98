"""Parcels of a place: what is farmed, and what grows there in a year."""

from collections.abc import Iterator
from dataclasses import dataclass

import shapely
from shapely import Polygon, STRtree

from catalogs.world import paint
from catalogs.world.codes import CROPS
from catalogs.world.feature import Feature
from catalogs.world.layout import Place

LEAST = 1000.0
"""Smallest parcel in square metres."""


@dataclass(frozen=True)
class Parcel:
    """One farmed piece of land in one year.

    Attributes:
        id: Site and number, the same every year.
        geom: Outline in the site's UTM metres: what of the field shows, roads and yards left out.
        material: What grows there, as in `materials`.
    """

    id: str
    geom: Polygon
    material: str


def parcels(place: Place, year: int) -> tuple[Parcel, ...]:
    """Parcels of a place with most of their area in its Sentinel-2 scene."""
    scene = shapely.box(*place.site.scene_bounds)
    features = paint.painted(place, year, place.site.scene_bounds)
    shapes = [f.footprint() for f in features]
    tree, number = STRtree(shapes), 0
    found = []
    for n, feature in enumerate(features):
        if not _farmed(feature):
            continue
        above = [shapes[k] for k in tree.query(shapes[n], predicate="intersects") if k > n]
        for part in _parts(shapes[n].difference(shapely.union_all(above)) if above else shapes[n]):
            number += 1
            if part.area >= LEAST and part.intersection(scene).area > part.area / 2:
                name = f"{place.site.id}-{number:03d}"
                found.append(Parcel(name, part, feature.material(year)))
    return tuple(found)


def _farmed(feature: Feature) -> bool:
    use = feature.tags.get("landuse", "")
    return bool(feature.crops) or (
        use in ("meadow", "orchard", "vineyard") and feature.paint in CROPS
    )


def _parts(shape: shapely.Geometry) -> Iterator[Polygon]:
    for part in getattr(shape, "geoms", [shape]):
        if isinstance(part, Polygon) and part.area > 1.0:
            yield shapely.remove_repeated_points(part, 0.01)
