"""Blocks of water and its shores, and rivers."""

import math
from collections.abc import Callable

from shapely import LineString

from catalogs.world import tags
from catalogs.world.block import Block, Lots
from catalogs.world.feature import Sheet
from catalogs.world.houses import groves, reserved, slab
from catalogs.world.shapes import along, blob, box_at, disc, scatter, strips


def lake(sheet: Sheet, block: Block) -> None:
    """A lake, mostly with an island, reeds, a beach and a pier."""
    since = len(sheet.features)
    x, y = block.centre
    shape = blob(sheet.rng, x, y, sheet.between(105, 135), 0.78)
    shape = shape.intersection(block.land.buffer(-10))
    sheet.area(block.land, {}, "pasture", 0)
    sheet.area(block.land.difference(shape.buffer(9)), {"landuse": "meadow"}, "pasture", 0)
    if block.detailed:
        shore = shape.buffer(9).difference(shape)
        reeds = shore.difference(box_at(x, y - 90, 150, 120, 0))
        sheet.area(reeds, {"natural": "wetland", "wetland": "reedbed"}, "wetland", 1)
        sheet.area(shore.intersection(disc(x + 50, y - 85, 60)), {"natural": "beach"}, "sand", 2)
    water, what = shape, {"natural": "water", "water": "lake", **tags.name(sheet.rng)}
    if sheet.rng.random() < 0.75:
        isle = blob(sheet.rng, x + sheet.between(-25, 25), y + sheet.between(-15, 20), 22)
        water = shape.difference(isle)
        sheet.area(isle, {"place": "islet"}, "scrub", 2)
        for point in scatter(sheet.rng, isle.buffer(-3), 9):
            sheet.tree(point.x, point.y, sheet.between(5, 8))
    sheet.area(water, what, "water", 3)
    if block.detailed:
        pier = box_at(x + 40, y - shape.centroid.y + shape.bounds[1] + 14, 3, 26, 0)
        sheet.area(pier.intersection(shape), {"man_made": "pier"}, "path", 6)
        lots = reserved(sheet, since)
        groves(sheet, block.land.difference(shape.buffer(12)), 45, lots, 0.1)


def beach(sheet: Sheet, block: Block) -> None:
    """A long beach between water and grass."""
    parts = strips(block.land, [0.0, 0.5, 0.66, 1.0], across=True)
    sheet.area(parts[0], {"natural": "water", "water": "lake", **tags.name(sheet.rng)}, "water", 1)
    sheet.area(parts[1], {"natural": "beach", "surface": "sand"}, "sand", 1)
    sheet.area(parts[2], {"natural": "grassland"}, "grass", 1)
    groves(sheet, parts[2], 30, Lots(), 0.3)
    for point in scatter(sheet.rng, parts[1].buffer(-8), 4):
        sheet.node(point.x, point.y, {"emergency": sheet.pick("life_ring", "lifeguard")})


def pond(sheet: Sheet, block: Block) -> None:
    """Fish ponds in a meadow with a brook."""
    sheet.area(block.land, {"landuse": "meadow"}, "meadow", 0, angle=block.angle)
    for u in (-72, 0, 72):
        shape = slab(sheet, block, (u, 20), (sheet.between(48, 60), 82)).buffer(-6).buffer(6)
        sheet.area(
            shape.intersection(block.land.buffer(-3)),
            {"natural": "water", "water": "pond"},
            "water",
            2,
        )
    path = LineString(
        [
            slab(sheet, block, (u, -50 + 9 * math.sin(u / 22)), (2, 2)).centroid
            for u in range(-140, 141, 14)
        ]
    )
    sheet.line(path, {"waterway": "stream"}, "river", 3.4, 3)
    groves(sheet, path.buffer(9).difference(path.buffer(3)), 24, Lots(), 0.2)


def wetland(sheet: Sheet, block: Block) -> None:
    """A marsh with open pools."""
    sheet.area(block.land, {"natural": "wetland", "wetland": "marsh"}, "wetland", 0)
    for point in scatter(sheet.rng, block.land.buffer(-25), 7):
        shape = blob(sheet.rng, point.x, point.y, sheet.between(9, 22))
        sheet.area(shape, {"natural": "water", "intermittent": "yes"}, "water", 2)


def river(sheet: Sheet, path: LineString, width: float) -> None:
    """A river: its line, its area and bushes on its banks."""
    sheet.line(path, {"waterway": "river", **tags.name(sheet.rng)}, "river", width, 3)
    bank = path.buffer(width / 2, cap_style="flat", join_style="mitre")
    if path.length < 900:
        sheet.area(bank, {"natural": "water", "water": "river"}, "river", 3)
    for x, y, angle in along(path, 17, 5):
        side = sheet.between(-1, 1)
        reach = math.copysign(width / 2 + 3.5, side)
        if abs(side) > 0.35 and path.length < 900:
            sheet.tree(
                x - reach * math.sin(angle), y + reach * math.cos(angle), sheet.between(4, 7)
            )


DRAW: dict[str, Callable[[Sheet, Block], None]] = {
    "lake": lake,
    "beach": beach,
    "pond": pond,
    "wetland": wetland,
}
