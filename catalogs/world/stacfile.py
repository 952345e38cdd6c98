"""The world's STAC 1.1 catalogue: plain dictionaries, relative links, nothing signed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyproj import Transformer

from catalogs.world.cog import Written

Json = dict[str, Any]

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

NOTICE = "GENERATED data that depicts no real place."
"""How every description begins."""

PROVIDERS = [
    {
        "name": "earthloom sample world (generated)",
        "roles": ["producer", "licensor", "host"],
        "description": NOTICE,
    }
]

EXTENSIONS = {
    "eo": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "sat": "https://stac-extensions.github.io/sat/v1.1.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.0.0/schema.json",
}

FULL = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0))
"""Corners of a whole raster as (column, row) shares, counter-clockwise on the ground."""


def asset(made: Written, bands: Sequence[Json], title: str, gsd: float, **more: Any) -> Json:
    """An asset that describes one raster."""
    described: Json = {
        "href": f"./{made.href}",
        "type": COG_TYPE,
        "title": title,
        "roles": ["data"],
        "gsd": gsd,
        "data_type": made.dtype,
        "bands": list(bands),
        "proj:code": f"EPSG:{made.epsg}",
        "proj:shape": list(made.shape),
        "proj:transform": [float(value) for value in made.affine[:6]],
        "file:size": made.size,
        "file:checksum": f"1220{made.sha256}",
    }
    if made.nodata is not None:
        described["nodata"] = made.nodata
    return described | more


def footprint(
    epsg: int, bounds: Sequence[float], shares: Iterable[tuple[float, float]] = FULL
) -> tuple[Json, list[float]]:
    """GeoJSON polygon and (west, south, east, north) in degrees of a part of a raster.

    Args:
        epsg: CRS of the bounds.
        bounds: (west, south, east, north) of the raster in its CRS.
        shares: Corners of the part as (column, row) shares, counter-clockwise on the ground.
    """
    west, south, east, north = bounds
    transform = Transformer.from_crs(epsg, 4326, always_xy=True)
    ring = [
        transform.transform(west + u * (east - west), north - v * (north - south))
        for u, v in shares
    ]
    corners = [[round(float(lon), 7), round(float(lat), 7)] for lon, lat in ring]
    lons, lats = zip(*corners, strict=True)
    return (
        {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
        [min(lons), min(lats), max(lons), max(lats)],
    )


def item(
    name: str,
    place: tuple[Json, list[float]],
    properties: Json,
    assets: Mapping[str, Json],
    uses: Iterable[str],
) -> Json:
    """A STAC item without links; `write` adds them."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": sorted(EXTENSIONS[key] for key in uses),
        "id": name,
        "geometry": place[0],
        "bbox": place[1],
        "properties": properties,
        "assets": dict(assets),
    }


def collection(name: str, title: str, description: str, items: Sequence[Json], **more: Any) -> Json:
    """A STAC collection without links, its extents computed from items."""
    boxes = [entry["bbox"] for entry in items]
    times = sorted(entry["properties"]["datetime"] for entry in items)
    bbox = [min(b[0] for b in boxes), min(b[1] for b in boxes),
            max(b[2] for b in boxes), max(b[3] for b in boxes)]  # fmt: skip
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": name,
        "title": title,
        "description": f"{NOTICE} {description}",
        "keywords": ["generated", "sample"],
        "license": "CC0-1.0",
        "providers": PROVIDERS,
        "extent": {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[times[0], times[-1]]]}},
        **more,
    }


def write(root: Path, collections: Sequence[tuple[Json, Sequence[Json]]]) -> None:
    """Writes catalog.json, a collection.json per collection, and every item beside its files."""
    for body, items in collections:
        _write_collection(root / body["id"], body, items, "../catalog.json")
    names = [body["id"] for body, _ in collections]
    _save(
        root / "catalog.json",
        {
            "type": "Catalog",
            "stac_version": "1.1.0",
            "id": "earthloom-sample-world",
            "title": "earthloom sample world",
            "description": f"{NOTICE} Imagery and a map of invented places in real file formats.",
            "links": [
                _link("root", "./catalog.json", "application/json"),
                *(
                    _link("child", f"./{name}/collection.json", "application/json")
                    for name in names
                ),
            ],
        },
    )


def write_alone(home: Path, body: Json, items: Sequence[Json]) -> None:
    """Writes a collection.json that is nobody's child, and every item beside its files."""
    _write_collection(home, body, items, "")


def _write_collection(home: Path, body: Json, items: Sequence[Json], top: str) -> None:
    """Writes a collection and its items; `top` is the catalogue above it, "" without one."""
    links = [_link("root", top or "./collection.json", "application/json")]
    if top:
        links.append(_link("parent", top, "application/json"))
    links += [_link("item", f"./{i['id']}/{i['id']}.json", "application/geo+json") for i in items]
    _save(home / "collection.json", {**body, "links": links})
    for entry in items:
        up = "../collection.json"
        links = [
            _link("root", f"../{top}" if top else up, "application/json"),
            _link("parent", up, "application/json"),
            _link("collection", up, "application/json"),
        ]
        path = home / entry["id"] / f"{entry['id']}.json"
        _save(path, {**entry, "collection": body["id"], "links": links})


def tags(title: str) -> dict[str, str]:
    """Tags that a file outside the catalogue carries: what it is, and its licence."""
    return {"TIFFTAG_IMAGEDESCRIPTION": f"{NOTICE} {title}", "LICENSE": "CC0-1.0"}


def _link(rel: str, href: str, media: str) -> Json:
    return {"rel": rel, "href": href, "type": media}


def _save(path: Path, value: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
