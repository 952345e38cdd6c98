"""How many people live where: the places on the map, as points with invented numbers of people."""

import json
from collections.abc import Sequence
from pathlib import Path

from catalogs.world.layout import Place
from catalogs.world.sites import SITES, Site, generator
from catalogs.world.stacfile import NOTICE, Json

LEAST = {"town": 18_000, "resort": 9_000, "industry": 6_000}
"""Least people of a place of a theme; elsewhere `VILLAGE`."""

VILLAGE = 900


def population(site: Site) -> int:
    """People of a place, the same in every world."""
    least = LEAST.get(site.theme, VILLAGE)
    return least + int(generator(0, "people", site.id).integers(0, least))


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """Writes all places that the map knows as GeoJSON; returns no collection, and their number."""
    features = [
        {
            "type": "Feature",
            "properties": {"id": site.id, "name": site.name, "population": population(site)},
            "geometry": {"type": "Point", "coordinates": [site.lon, site.lat]},
        }
        for site in SITES
        if site.mapped
    ]
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        {"type": "FeatureCollection", "name": "cities", "license": "CC0-1.0", "description": NOTICE,
         "features": features},
        indent=1, ensure_ascii=False,
    )  # fmt: skip
    (folder / "cities.geojson").write_text(text + "\n", encoding="utf-8")
    return {}, {"places": len(features)}
