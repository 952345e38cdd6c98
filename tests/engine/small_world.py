"""A tiny world in real formats: eight aerial scenes and one extract, so placed that every split fills.

Every scene holds twelve objects on a grid of places; what each must become is written beside it.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import rasterio
from affine import Affine
from osmium.osm.mutable import Node, Way
from pyproj import Transformer

CRS = "EPSG:32632"
SIDE, GSD = 512, 0.6
TO_LONLAT = Transformer.from_crs(CRS, "OGC:CRS84", always_xy=True)

PLACES = {
    "train-a": (400_000, 5_200_000),
    "train-b": (440_000, 5_200_000),
    "train-c": (460_000, 5_200_000),
    "train-d": (560_000, 5_200_000),
    "val-e": (580_000, 5_200_000),
    "test-f": (380_000, 5_200_000),
}
"""Upper left corners, metres; 20 km cells of these splits under seed 0."""

EDGE = "test-g", "train-h"
"""Two scenes 2 km apart across the border of a test cell: the train side falls to the buffer."""

TAGS = (
    {"building": "house"},
    {"natural": "water"},
    {"landuse": "forest"},
)
COLOURS = ((190, 150, 140, 120), (40, 60, 70, 12), (45, 80, 50, 190))
SIZES = (20, 60, 60)  # pixels
BAD = {"no data": ("train-a", 0), "blank": ("train-b", 5)}
"""Objects whose pixels a gate must refuse: (scene, slot)."""

TWINS = ("train-c", 4)
"""A building with another one 8 m beside it: one of the two is thinned."""


@dataclass
class World:
    """Where the files lie, and what is true of them.

    Attributes:
        objects: way id -> (scene, slot, main tag).
    """

    folder: Path
    objects: dict[int, tuple[str, int, str]] = field(default_factory=dict)

    @property
    def imagery(self) -> Path:
        """Folder of the GeoTIFFs."""
        return self.folder / "imagery"

    @property
    def osm(self) -> Path:
        """The extract."""
        return self.folder / "small.osm.pbf"

    def way(self, scene: str, slot: int) -> int:
        """Id of the object at a slot of a scene."""
        return next(k for k, v in self.objects.items() if v[:2] == (scene, slot))

    def copy(self, folder: Path) -> "World":
        """The same files elsewhere, free to be spoilt."""
        shutil.copytree(self.folder, folder)
        return World(folder, self.objects)


def places() -> dict[str, tuple[float, float]]:
    """Upper left corners of all scenes, metres."""
    test, train = EDGE
    # the border of the 20 km cells 261U_34R (train under seed 0) and 261U_35R (test)
    columns = int(np.ceil(2 * np.pi * 6378.137 * np.cos(np.radians(261 * 180 / 1002)) / 20))
    lon = 35 * 360 / columns
    x, _ = TO_LONLAT.transform(lon, 46.95, direction="INVERSE")
    return {**PLACES, test: (x + 1_000, 5_200_000.0), train: (x - 1_300, 5_200_000.0)}


def make(folder: Path) -> World:
    """Write the world into `folder`."""
    world = World(folder)
    world.imagery.mkdir(parents=True)
    nodes: list[Node] = []
    ways: list[Way] = []
    for number, (scene, corner) in enumerate(sorted(places().items())):
        boxes = [(slot, *_box(slot)) for slot in range(12)]
        if scene == TWINS[0]:
            col, row, side, kind = _box(TWINS[1])
            boxes.append((12, col + side + 13, row, side, kind))
        paint(world.imagery / f"{scene}.tif", corner, boxes, number, scene)
        for slot, col, row, side, kind in boxes:
            ident = 1000 * (number + 1) + slot
            world.objects[ident] = (scene, slot, "=".join(*TAGS[kind].items()))
            add_way(ident, nodes, ways, corner, (col, row, side), TAGS[kind])
    write_osm(world.osm, nodes, ways)
    return world


def _box(slot: int) -> tuple[int, int, int, int]:
    """(column, row, side, kind) of a slot, in pixels of its scene."""
    kind = (slot + slot // 4) % 3
    side = SIZES[kind]
    return 64 + slot % 4 * 128 - side // 2, 85 + slot // 4 * 170 - side // 2, side, kind


def paint(
    path: Path, corner: tuple[float, float], boxes: Iterable[tuple[int, ...]], seed: int, scene: str
) -> None:
    """One RGBN scene: rough ground of its own, each object in its colours."""
    rng = np.random.default_rng(seed)
    rough = np.kron(rng.integers(60, 160, (4, 32, 32)), np.ones((1, 16, 16), int))
    ground = rough + rng.integers(-20, 20, (4, SIDE, SIDE))
    for slot, col, row, side, kind in boxes:
        shade = np.array(COLOURS[kind])[:, None, None] + rng.integers(-8, 8, (4, side, side))
        ground[:, row : row + side, col : col + side] = shade
        if (scene, slot) == BAD["no data"]:
            ground[:, row - 16 : row + side, col - 16 : col + side] = 0
        if (scene, slot) == BAD["blank"]:
            ground[:, row - 46 : row + side + 46, col - 46 : col + side + 46] = 77
    profile: dict[str, Any] = {
        "driver": "GTiff", "count": 4, "width": SIDE, "height": SIDE, "dtype": "uint8", "crs": CRS,
        "transform": Affine(GSD, 0, corner[0], 0, -GSD, corner[1]), "nodata": 0, "tiled": True,
        "blockxsize": 128, "blockysize": 128, "compress": "deflate", "zlevel": 1,
    }  # fmt: skip
    empty = (ground == 0).all(axis=0)
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.where(empty, 0, np.clip(ground, 1, 255)).astype("uint8"))
        target.update_tags(ACQUISITION_DATETIME=f"2023-06-{seed + 1:02d}T10:00:00Z")


def add_way(
    ident: int, nodes: list[Node], ways: list[Way], corner: tuple[float, float],
    box: tuple[int, int, int], tags: dict[str, str],
) -> None:  # fmt: skip
    """A square (column, row, side in pixels of the scene at `corner`) as a closed way."""
    col, row, side = box
    refs = []
    for down, right in ((side, 0), (side, side), (0, side), (0, 0)):
        x, y = corner[0] + (col + right) * GSD, corner[1] - (row + down) * GSD
        place = TO_LONLAT.transform(x, y)
        nodes.append(Node(id=len(nodes) + 1, location=place, version=1, tags={}))
        refs.append(len(nodes))
    ways.append(
        Way(
            id=ident, nodes=[*refs, refs[0]], tags=tags, version=3, timestamp="2022-05-01T00:00:00Z"
        )
    )


def write_osm(path: Path, nodes: list[Node], ways: list[Way]) -> None:
    """The extract with its bounds, objects in the order given."""
    lons, lats = zip(*(node.location for node in nodes), strict=True)
    header = osmium.io.Header()
    corner, far = (
        osmium.osm.Location(min(lons), min(lats)),
        osmium.osm.Location(max(lons), max(lats)),
    )
    header.add_box(osmium.osm.Box(corner, far))
    with osmium.SimpleWriter(str(path), header=header) as writer:
        for node in nodes:
            writer.add_node(node)
        for way in ways:
            writer.add_way(way)


def rewritten(source: Path, target: Path) -> None:
    """The same objects, ways in reverse order of the file."""
    nodes: list[Any] = []
    ways: list[Any] = []
    for thing in osmium.FileProcessor(str(source)):
        if thing.is_node():
            nodes.append(Node(id=thing.id, location=(thing.lon, thing.lat), version=1, tags={}))
        elif thing.is_way():
            ways.append(
                Way(id=thing.id, nodes=[n.ref for n in thing.nodes], tags=dict(thing.tags),
                    version=thing.version, timestamp=thing.timestamp)
            )  # fmt: skip
    write_osm(target, nodes, ways[::-1])
