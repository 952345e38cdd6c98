"""Draws the world into a folder and writes its list of files last."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from catalogs.world import stacfile, surface, truth
from catalogs.world.layers import LAYERS
from catalogs.world.layout import Place
from catalogs.world.sites import SITES, Site
from catalogs.world.stacfile import Json


def build(root: Path, seed: int, version: int, sites: Sequence[Site] = SITES) -> None:
    """Draws the world into `root`; `world.json` appears last.

    Args:
        root: An empty or absent folder.
        seed: Seed of every random choice.
        version: Version of the world's content, written down.
        sites: Its places; fewer for a smaller world.
    """
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        drawn = list(pool.map(lambda site: _draw(site, root, seed), sites))
    places = [place for place, _ in drawn]
    collections, facts = [], {}
    for layer in LAYERS:
        items = [entry for _, made in drawn for entry in made[layer.name]]
        body, fact = layer.gather(places, root / layer.name, items)
        facts[layer.name] = fact
        if layer.home == "catalogue":
            collections.append((body, items))
        elif layer.home == "alone":
            stacfile.write_alone(root / layer.name, body, items)
    stacfile.write(root, collections)
    _finish(
        root,
        {
            "version": version,
            "seed": seed,
            "sites": [_describe(p) for p in places],
            "layers": facts,
        },
    )


def _draw(site: Site, root: Path, seed: int) -> tuple[Place, dict[str, list[Json]]]:
    place = surface.place(site, seed)
    truth.write(place, root / "truth")
    return place, {layer.name: layer.make(place, root / layer.name) for layer in LAYERS}


def _describe(place: Place) -> dict[str, Any]:
    site = place.site
    return {
        "id": site.id,
        "name": site.name,
        "lon": site.lon,
        "lat": site.lat,
        "epsg": site.epsg,
        "theme": site.theme,
        "years": list(site.years),
        "mapped": site.mapped,
        "features": len(place.features),
    }


def _finish(root: Path, facts: dict[str, Any]) -> None:
    """Writes `world.json`: the facts, and size and SHA-256 of every file."""
    files = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        data = path.read_bytes()
        files[path.relative_to(root).as_posix()] = {
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    text = json.dumps(
        {**facts, "generated": stacfile.NOTICE, "files": files}, indent=1, ensure_ascii=False
    )
    (root / "world.json").write_text(text + "\n", encoding="utf-8")
