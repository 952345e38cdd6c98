"""The small world as items whose images lie on servers, and builds of it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import shapely

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))

import building
from building import release, tree
from catalogs.files import read_json
from catalogs.sources.headers import describe
from small_world import World

__all__ = ["built", "features", "items", "release", "same"]

PARTS = ("data", "stac", "stats")
TERMS = {"license": "CC-BY-4.0", "attribution": "Nobody"}


def features(world: World, href: Callable[[Path], str]) -> list[dict[str, Any]]:
    """STAC items of the world's images, with these hrefs."""
    found = []
    for image in sorted(world.imagery.glob("*.tif")):
        scene = describe(image)
        outline = shapely.from_wkt(scene.footprint)
        bands = [{"name": b.name, "data_type": b.dtype, "nodata": b.nodata} for b in scene.bands]
        found.append({
            "type": "Feature", "stac_version": "1.1.0", "id": image.stem, "collection": "small",
            "geometry": shapely.geometry.mapping(outline), "bbox": list(outline.bounds),
            "properties": {
                "datetime": "2023-06-01T00:00:00Z", **TERMS,
                "proj:code": scene.grid.crs, "proj:transform": [*scene.grid.transform, 0, 0, 1],
                "proj:shape": [scene.grid.height, scene.grid.width], "gsd": 0.6,
            },
            "links": [],
            "assets": {"image": {"href": href(image), "type": "image/tiff", "bands": bands}},
        })  # fmt: skip
    return found


def items(world: World, path: Path, href: Callable[[Path], str]) -> Path:
    """The same as a file."""
    document = {"type": "FeatureCollection", "features": features(world, href)}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def built(world: World, imagery: Path | str, out: Path, *more: str, **env: str) -> Any:
    """A build of the small world from these items, in a process of its own."""
    argv = [
        "--dataset", "skyscript", "--imagery", str(imagery), "--osm", str(world.osm),
        "--workers", "2", "--set", "pack.samples=20", "--out", str(out), *more,
    ]  # fmt: skip
    return building.ran(argv, {"SOURCE_DATE_EPOCH": building.EPOCH, **env})


def same(one: Path, other: Path) -> None:
    """Equal bytes, and an equal account of what was lost."""
    assert tree(one, PARTS) == tree(other, PARTS)
    counts = [read_json(path / "manifest.json")["counts"] for path in (one, other)]
    assert counts[0] == counts[1] and counts[0]["failed"] == 0 and counts[0]["shipped"] > 70
