"""The map of the world as an OpenStreetMap extract in PBF, written in the order of its ids."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import osmium
from osmium.osm import mutable
from pyproj import Transformer
from shapely import LinearRing, LineString, Point, Polygon

from catalogs.world import badmap, stacfile, tags
from catalogs.world.feature import Feature
from catalogs.world.layout import Place
from catalogs.world.stacfile import Json

EXTRACTED = "2022-12-31T00:00:00Z"
"""Date of the extract."""

KEYS = (
    "building", "highway", "natural", "landuse", "leisure", "amenity", "waterway", "railway",
    "power", "man_made", "barrier", "tourism", "shop", "aeroway", "golf", "place", "historic",
    "emergency",
)  # fmt: skip
"""Main keys, in order of precedence."""

Tags = Mapping[str, str]


@dataclass
class Drawing:
    """Objects on their way into the file: rows of (id, content, tags), ids rising."""

    nodes: list[tuple[int, tuple[float, float], Tags]] = field(default_factory=list)
    ways: list[tuple[int, list[int], Tags]] = field(default_factory=list)
    relations: list[tuple[int, list[tuple[str, int, str]], Tags]] = field(default_factory=list)
    corners: dict[tuple[int, int], int] = field(default_factory=dict)

    def node(self, lon: float, lat: float, what: Tags | None = None) -> int:
        """Adds a node; untagged nodes at the same place are one node."""
        spot = (round(lon * 1e7), round(lat * 1e7))
        if not what and spot in self.corners:
            return self.corners[spot]
        number = 4_100_000_003 + 7 * len(self.nodes)
        self.nodes.append((number, (spot[0] / 1e7, spot[1] / 1e7), what or {}))
        if not what:
            self.corners[spot] = number
        return number

    def way(self, refs: Sequence[int], what: Tags) -> int:
        """Adds a way through nodes."""
        number = 700_000_011 + 3 * len(self.ways)
        self.ways.append((number, list(refs), what))
        return number

    def relation(self, members: Iterable[tuple[str, int, str]], what: Tags) -> int:
        """Adds a relation of (type, id, role)."""
        number = 12_000_017 + 5 * len(self.relations)
        self.relations.append((number, list(members), what))
        return number


def draw(places: Sequence[Place]) -> Drawing:
    """Everything that the map knows of the places, and a few things that are wrong on purpose."""
    drawing = Drawing()
    for number, place in enumerate(places):
        transform = Transformer.from_crs(place.site.epsg, 4326, always_xy=True)
        evil = _victims(place, number)
        for index, item in enumerate(_mapped(place)):
            if item is not None:
                _add(drawing, transform, item.geom, {**item.tags, **evil.get(index, {})})
        badmap.add(drawing, transform, place)
    return drawing


def _mapped(place: Place) -> Iterator[Feature | None]:
    """Features that the map knows, None for the others.

    The map ends where the Sentinel-2 scene ends. Beyond the aerial picture it is as patchy as real
    maps are: of things smaller than 40 m it knows one in five.
    """
    luck = place.rng("patchy").random(len(place.features))
    for item, chance in zip(place.features, luck, strict=True):
        w, s, e, n = item.geom.bounds
        middle = ((w + e) / 2, (s + n) / 2)
        near, small = _holds(place.site.aerial_bounds, middle), max(e - w, n - s) < 40
        known = bool(item.tags) and _holds(place.site.scene_bounds, middle)
        yield item if known and (near or not small or chance < 0.2) else None


def _holds(bounds: tuple[float, float, float, float], spot: tuple[float, float]) -> bool:
    west, south, east, north = bounds
    return west < spot[0] < east and south < spot[1] < north


def _victims(place: Place, number: int) -> dict[int, Tags]:
    """Features in the aerial picture that get hostile text: three per place."""
    west, south, east, north = place.site.aerial_bounds
    inside = [
        index
        for index, item in enumerate(place.features)
        if isinstance(item.geom, Polygon) and item.tags and item.geom.area > 300
        and west < item.geom.bounds[0] and item.geom.bounds[2] < east
        and south < item.geom.bounds[1] and item.geom.bounds[3] < north
    ]  # fmt: skip
    chosen = place.rng("victims").permutation(inside)[:3]
    return dict(zip((int(c) for c in chosen), tags.hostile(3 * number), strict=False))


def _add(drawing: Drawing, transform: Transformer, geom: object, what: Tags) -> None:
    if isinstance(geom, Point):
        drawing.node(*transform.transform(geom.x, geom.y), what)
    elif isinstance(geom, LineString):
        drawing.way(_refs(drawing, transform, geom), what)
    elif isinstance(geom, Polygon) and not geom.interiors:
        drawing.way(_refs(drawing, transform, geom.exterior), what)
    elif isinstance(geom, Polygon):
        rings = [
            drawing.way(_refs(drawing, transform, r), {}) for r in (geom.exterior, *geom.interiors)
        ]
        roles = ("outer", *("inner" for _ in geom.interiors))
        members = [("w", ring, role) for ring, role in zip(rings, roles, strict=True)]
        drawing.relation(members, {"type": "multipolygon", **what})


def _refs(drawing: Drawing, transform: Transformer, line: LineString | LinearRing) -> list[int]:
    lons, lats = transform.transform(*np.asarray(line.coords)[:, :2].T)
    refs: list[int] = []
    for lon, lat in zip(lons, lats, strict=True):
        number = drawing.node(float(lon), float(lat))
        if not refs or refs[-1] != number:
            refs.append(number)
    return refs


def write(places: Sequence[Place], path: Path) -> dict[str, object]:
    """Writes the extract; returns counts of nodes, ways, relations, and objects per main key."""
    drawing = draw(places)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = osmium.io.Header()
    lons, lats = np.array([spot for _, spot, _ in drawing.nodes]).T
    header.add_box(
        osmium.osm.Box(float(lons.min()), float(lats.min()), float(lons.max()), float(lats.max()))
    )
    header.set("generator", "earthloom sample world")
    header.set("osmosis_replication_timestamp", EXTRACTED)
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as writer:
        for number, spot, what in drawing.nodes:
            writer.add_node(
                mutable.Node(id=number, location=spot, tags=dict(what), **_record("n", number >> 7))
            )
        for number, refs, what in drawing.ways:
            writer.add_way(
                mutable.Way(id=number, nodes=refs, tags=dict(what), **_record("w", number >> 4))
            )
        for number, members, what in drawing.relations:
            writer.add_relation(
                mutable.Relation(
                    id=number, members=members, tags=dict(what), **_record("r", number >> 2)
                )
            )
    rows = [
        what for table in (drawing.nodes, drawing.ways, drawing.relations) for *_, what in table
    ]
    return {
        "nodes": len(drawing.nodes),
        "ways": len(drawing.ways),
        "relations": len(drawing.relations),
        "per_key": dict(sorted(Counter(k for what in rows for k in KEYS if k in what).items())),
        "per_main_tag": dict(sorted(Counter(filter(None, map(main_tag, rows))).items())),
        "extracted": EXTRACTED,
    }


def main_tag(what: Tags) -> str:
    """`key=value` of the first main key that a tag set has, "" without one."""
    return next((f"{key}={what[key]}" for key in KEYS if key in what), "")


@lru_cache(maxsize=64)
def _record(kind: str, group: int) -> dict[str, Any]:
    """Version, time (2019 to 2022), changeset and contributor of objects with neighbouring ids."""
    luck = hashlib.sha256(f"{kind}{group}".encode()).digest()
    edited = datetime(2019, 1, 1, tzinfo=UTC) + timedelta(
        minutes=int.from_bytes(luck[:4]) % (4 * 365 * 1440 - 2880)
    )
    return {
        "version": 1 + luck[4] % 4 + (luck[5] % 9 if luck[6] < 40 else 0),
        "timestamp": edited.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "changeset": 66_000_000 + int.from_bytes(luck[7:10]) % 60_000_000,
        "uid": 1000 + luck[10] % len(tags.USERS),
        "user": tags.USERS[luck[10] % len(tags.USERS)],
    }


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """Writes the extract of all mapped places; returns its collection and its counts."""
    places = [place for place in places if place.site.mapped]
    counts = write(places, folder / "world.osm.pbf")
    data = (folder / "world.osm.pbf").read_bytes()
    boxes = [stacfile.footprint(p.site.epsg, p.site.scene_bounds)[1] for p in places]
    spans = [{"bbox": box, "properties": {"datetime": EXTRACTED}} for box in boxes]
    extract = {
        "href": "./world.osm.pbf",
        "type": "application/vnd.openstreetmap.data+pbf",
        "title": "Map of the sample world",
        "roles": ["data"],
        "file:size": len(data),
        "file:checksum": f"1220{hashlib.sha256(data).hexdigest()}",
    }
    body = stacfile.collection(
        "osm",
        "Map in OpenStreetMap format (generated)",
        "Generated sample data in OpenStreetMap format, not OpenStreetMap data. Some objects are "
        "broken or carry hostile text on purpose.",
        spans,
        attribution="generated sample data in OpenStreetMap format, not OpenStreetMap data",
        assets={"pbf": {**extract, "created": EXTRACTED}},
    )
    body["stac_extensions"] = [stacfile.EXTENSIONS["file"]]
    return body, counts
