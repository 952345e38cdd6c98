"""Small OSM files for the tests, written with osmium's own writer."""

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import osmium
import pyarrow as pa
from osmium.osm.mutable import Node, Relation, Way

from catalogs.sources.osm import COLUMNS, OsmDrop, features

Tags = dict[str, str]
WORLD = (-180.0, -90.0, 180.0, 90.0)
"""A box around everything."""

REAL = {
    "andorra": "andorra_osm_srtm/andorra.osm.pbf",
    "helsinki": "finland_osm/Helsinki.osm.pbf",
    "kouvola": "finland_osm/kouvola_area_test.osm.pbf",
    "oakland": "sfbay_landsat7_osm/West-Oakland.osm.bz2",
}
"""Extracts of the real data."""


def square(at: tuple[float, float], size: float = 0.001) -> list[tuple[float, float]]:
    """Four corners, counter-clockwise, of a square whose lower left corner is `at` (degrees)."""
    x, y = at
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]


class World:
    """Gathers nodes, ways and relations; node ids are given in order of use."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.ways: list[Way] = []
        self.relations: list[Relation] = []

    def node(self, at: tuple[float, float], tags: Tags | None = None, **more: Any) -> int:
        """Add a node; returns its id."""
        ident = more.pop("id", len(self.nodes) + 1)
        self.nodes.append(Node(id=ident, location=at, tags=tags or {}, version=1, **more))
        return int(ident)

    def way(
        self, ident: int, places: Iterable[tuple[float, float]], tags: Tags, *, closed: bool = False,
        **more: Any,
    ) -> None:  # fmt: skip
        """Add a way with new nodes at `places`, the first repeated at the end when closed."""
        refs = [self.node(place) for place in places]
        self.ways.append(
            Way(id=ident, nodes=refs + refs[:1] * closed, tags=tags, version=1, **more)
        )

    def relation(self, ident: int, members: list[tuple[str, int, str]], tags: Tags) -> None:
        """Add a relation; members are (n | w | r, id, role)."""
        self.relations.append(Relation(id=ident, members=members, tags=tags, version=1))

    def write(self, path: Path, header: osmium.io.Header | None = None) -> Path:
        """Write the file in the format that its suffix names."""
        with osmium.SimpleWriter(str(path), header=header) as writer:
            for node in self.nodes:
                writer.add_node(node)
            for way in self.ways:
                writer.add_way(way)
            for relation in self.relations:
                writer.add_relation(relation)
        return path


def counted(path: Path, keys: Iterable[str]) -> dict[str, Counter[str]]:
    """Objects by type that have a key, for each key and, as "", for any of them: a plain loop."""
    names = {"n": "node", "w": "way", "r": "relation"}
    found: dict[str, Counter[str]] = {key: Counter() for key in ("", *keys)}
    for thing in osmium.FileProcessor(str(path)):
        own = {tag.k for tag in thing.tags}
        hits = own & found.keys()
        for key in hits | ({""} if hits else set()):
            found[key][names[thing.type_str()]] += 1
    return found


def rows(path: Path, keys: Any = ("building",), **more: Any) -> tuple[list[dict], list[OsmDrop]]:
    """Rows of a file by type and id, and its drops."""
    drops: list[OsmDrop] = []
    table = pa.Table.from_batches(features(path, keys, on_drop=drops.append, **more), COLUMNS)
    table.validate(full=True)
    order = ("node", "way", "relation")
    found = sorted(table.to_pylist(), key=lambda r: (order.index(r["osm_type"]), r["osm_id"]))
    return found, drops


def small_town() -> World:
    """A house with a hole in its yard's outline, a street, a bench, a roundabout."""
    world = World()
    world.node((10.0, 50.0), {"amenity": "bench", "name": "Bank  am\tSee"})
    world.way(5, square((10.0, 50.0)), {"building": "house"}, closed=True)
    world.way(6, [(10.0, 50.01), (10.01, 50.01)], {"highway": "residential"})
    world.way(7, square((10.02, 50.0)), {"highway": "primary"}, closed=True)
    world.way(8, square((10.03, 50.0), 0.01), {}, closed=True)
    world.way(9, square((10.034, 50.004)), {}, closed=True)
    world.relation(
        3, [("w", 8, "outer"), ("w", 9, "inner")], {"type": "multipolygon", "landuse": "forest"}
    )
    return world


def wide_town(folder: Path, objects: int = 12_000) -> Path:
    """Trees, houses and streets over many blocks and row groups; some big, some broken."""
    world, dice = World(), random.Random(5)
    for index in range(objects):
        at = (dice.uniform(9, 11), dice.uniform(49, 51))
        if index % 3 == 0:
            world.node(at, {"natural": "tree", "height": str(index % 30)})
        elif index % 3 == 1:
            world.way(
                index,
                square(at, 0.0002),
                {"building": "yes", "name": f"N\u00b0 {index}"},
                closed=True,
            )
        else:
            far = (at[0] + dice.uniform(-1, 1) ** 5, at[1] + dice.uniform(-1, 1) ** 5)
            world.way(index, [at, far], {"highway": "path"})
    world.way(objects, square((9, 49), 2), {}, closed=True)
    for ident, way in ((1, objects), (2, objects + 9)):
        world.relation(ident, [("w", way, "outer")], {"type": "boundary", "boundary": "park", "landuse": "forest"})  # fmt: skip
    return world.write(folder / "town.osm.pbf")


def by_id(found: pa.Table) -> list[dict[str, Any]]:
    """Rows of a table of objects by type and id."""
    return sorted(found.to_pylist(), key=lambda row: (row["osm_type"], row["osm_id"]))
