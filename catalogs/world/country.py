"""Blocks of open country: fields, woods, water, farms, and the lines that cross them."""

from collections.abc import Callable
from itertools import pairwise

from shapely import LineString, Polygon
from shapely.ops import substring

from catalogs.world import streets, tags
from catalogs.world.block import Block, Lots
from catalogs.world.feature import Sheet
from catalogs.world.houses import building, groves, reserved, slab
from catalogs.world.shapes import along, blob, box_at, disc, long_axis, strips

ROTATIONS: tuple[tuple[str, str, str], ...] = (
    ("wheat", "maize", "wheat"),
    ("maize", "wheat", "barley"),
    ("sugarbeet", "wheat", "rapeseed"),
    ("rapeseed", "wheat", "maize"),
    ("barley", "rapeseed", "wheat"),
    ("potato", "wheat", "sugarbeet"),
    ("maize", "maize", "maize"),
    ("wheat", "barley", "fallow"),
)
"""Crops of 2020, 2021 and 2022, one rotation per field."""


def _cuts(sheet: Sheet, count: int) -> list[float]:
    inner = sorted((k + sheet.between(-0.22, 0.22)) / count for k in range(1, count))
    return [0.0, *inner, 1.0]


def fields(sheet: Sheet, block: Block) -> None:
    """Two to five fields side by side, their rows along the long side."""
    count = int(sheet.rng.integers(2, 6)) if block.detailed else int(sheet.rng.integers(2, 4))
    across = bool(sheet.rng.random() < 0.5)
    sheet.area(block.land, {}, "grass", 0)
    for part in strips(block.land, _cuts(sheet, count), across):
        shape = part.buffer(-1.4)
        if shape.area < 900 or not isinstance(shape, Polygon):
            continue
        angle = long_axis(shape)[2]
        if sheet.rng.random() < 0.18:
            sheet.area(shape, {"landuse": "meadow"}, "meadow", 1, angle=angle)
            continue
        crops = ROTATIONS[int(sheet.rng.integers(len(ROTATIONS)))]
        what = {"landuse": "farmland"}
        if sheet.rng.random() < 0.4:
            what["crop"] = crops[2]
        sheet.area(shape, what, crops[2], 1, angle=angle, crops=crops)


def meadow(sheet: Sheet, block: Block) -> None:
    """A meadow and a pasture with single trees and a hedge."""
    for part, what, paint in zip(
        strips(block.land, [0.0, 0.55, 1.0]),
        (
            {"landuse": "meadow", "meadow": "agricultural"},
            {"landuse": "meadow", "meadow": "pasture"},
        ),
        ("meadow", "pasture"),
        strict=True,
    ):
        sheet.area(part.buffer(-1), what, paint, 0, angle=long_axis(part)[2])
    if not block.detailed:
        return
    edge = LineString(
        strips(block.land.buffer(-3), [0.548, 0.552])[0].minimum_rotated_rectangle.exterior.coords
    )
    hedge = substring(edge, 0, edge.length / 2)
    sheet.line(hedge, {"barrier": "hedge"}, "broadleaf", 3.2, 4)
    groves(sheet, block.land, 12, Lots(), 0.4)


def forest(sheet: Sheet, block: Block) -> None:
    """A wood, sometimes with a clearing that the map knows as an inner ring."""
    kind = sheet.pick("broadleaf", "conifer", "conifer", "mixed")
    leaf = {"broadleaf": "broadleaved", "conifer": "needleleaved", "mixed": "mixed"}[kind]
    key = {"landuse": "forest"} if sheet.rng.random() < 0.6 else {"natural": "wood"}
    land, (x, y) = block.land, block.centre
    if sheet.rng.random() < (0.5 if block.detailed else 0.15):
        gap = blob(sheet.rng, x + sheet.between(-30, 30), y + sheet.between(-30, 30), 48)
        if land.buffer(-12).contains(gap):
            clearing = sheet.pick("grassland", "scrub", "heath")
            paint = {"grassland": "meadow"}.get(clearing, clearing)
            sheet.area(gap, {"natural": clearing}, paint, 0)
            land = land.difference(gap)
    sheet.area(land, {**key, "leaf_type": leaf}, kind, 1, height=14)
    if block.detailed and land is block.land:
        sheet.node(
            x + 15,
            y - 20,
            {"natural": sheet.pick("peak", "rock", "spring"), **tags.name(sheet.rng)},
        )


def heath(sheet: Sheet, block: Block) -> None:
    """Heath and scrub."""
    parts = strips(block.land, [0.0, 0.5, 1.0])
    sheet.area(parts[0], {"natural": "heath"}, "heath", 0)
    sheet.area(parts[1], {"natural": "scrub"}, "scrub", 0)
    groves(sheet, block.land, 40 if block.detailed else 0, Lots(), 0.05)


def orchard(sheet: Sheet, block: Block) -> None:
    """Two orchards."""
    for part, tree in zip(
        strips(block.land, [0.0, 0.5, 1.0]), ("apple_trees", "cherry_trees"), strict=True
    ):
        what = {"landuse": "orchard", "trees": tree}
        sheet.area(part.buffer(-2), what, "orchard", 1, angle=long_axis(part)[2], height=1.0)


def vineyard(sheet: Sheet, block: Block) -> None:
    """Vineyards in strips with a service track."""
    for part in strips(block.land, _cuts(sheet, 3), across=True):
        shape = part.buffer(-2)
        what = {"landuse": "vineyard", **tags.paperwork(sheet.rng)}
        sheet.area(shape, what, "vineyard", 1, angle=long_axis(shape)[2], height=0.8)


def nursery(sheet: Sheet, block: Block) -> None:
    """A plant nursery with greenhouses."""
    sheet.area(block.land, {"landuse": "plant_nursery"}, "nursery", 0, angle=block.angle)
    _greenhouses(sheet, block, (-100, -60, -20, 30), 60)


def _greenhouses(sheet: Sheet, block: Block, columns: tuple[int, ...], row: float) -> None:
    for column in columns:
        shape = slab(sheet, block, (column, row), (32, 60))
        if block.land.contains(shape):
            building(sheet, shape, "greenhouse", "glass", 5, block.angle)


def farmyard(sheet: Sheet, block: Block) -> None:
    """A farm: house, barns, silos, greenhouses, and fields around the yard."""
    since = len(sheet.features)
    fields(sheet, block)
    yard = slab(sheet, block, (0, 10), (150, 120)).intersection(block.land)
    for old in sheet.features[since:]:
        if old.geom.intersects(yard):
            sheet.features.remove(old)
            left = old.geom.difference(yard.buffer(2))
            sheet.area(left, old.tags, old.paint, old.z, angle=old.angle, crops=old.crops)
    first = len(sheet.features)
    sheet.area(yard, {"landuse": "farmyard", **tags.contact(sheet.rng)}, "track", 1)
    for at, size, kind, paint in (
        ((-48, 48), (24, 13), "farm", "roof_red"), ((-40, 6), (44, 18), "barn", "roof_brown"),
        ((8, 40), (18, 42), "cowshed", "roof_grey"),
        ((-46, -28), (36, 15), "farm_auxiliary", "roof_metal"),
    ):  # fmt: skip
        building(sheet, slab(sheet, block, at, size), kind, paint, 8, block.angle)
    for row in (-30, -16):
        x, y = slab(sheet, block, (4, row), (2, 2)).centroid.coords[0]
        sheet.area(disc(x, y, 5), {"man_made": "silo"}, "tank", 8, height=14)
    _greenhouses(sheet, block, (48,), 20)
    door = next((d for d in block.doors if d is not None), None)
    if door is not None:
        streets.road(sheet, LineString([door, yard.centroid]), "track", 3.6)
    groves(sheet, yard.buffer(4), 26, reserved(sheet, first), 0.2)


def power_line(sheet: Sheet, path: LineString) -> None:
    """A power line beside a grid line, with a tower every 170 m."""
    wire = path.offset_curve(24)
    part = substring(wire, wire.length * 0.25, wire.length * 0.75)
    spots = list(along(part, 170))
    for low, high in pairwise(spots):
        ends = LineString([low[:2], high[:2]])
        sheet.line(ends, {"power": "line", "voltage": "110000", "cables": "3"}, "", 0.0, 9)
    for x, y, angle in spots:
        sheet.node(x, y, {"power": "tower", "material": "steel"})
        sheet.area(box_at(x, y, 3.6, 3.6, angle), {}, "yard", 9, height=26)


DRAW: dict[str, Callable[[Sheet, Block], None]] = {
    "fields": fields,
    "meadow": meadow,
    "forest": forest,
    "heath": heath,
    "orchard": orchard,
    "vineyard": vineyard,
    "nursery": nursery,
    "farmyard": farmyard,
}
