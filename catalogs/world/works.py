"""Blocks of industry: halls, tanks, water works, pits, panels."""

from collections.abc import Callable

from shapely import LineString

from catalogs.world import streets, tags
from catalogs.world.block import Block
from catalogs.world.feature import Sheet
from catalogs.world.houses import building, car_park, groves, reserved, slab
from catalogs.world.shapes import blob, disc, strips


def industry(sheet: Sheet, block: Block) -> None:
    """Halls on paved yards, with two storage tanks and a chimney."""
    since = len(sheet.features)
    sheet.area(block.land, {"landuse": "industrial", **tags.name(sheet.rng)}, "grass", 0)
    sheet.area(block.land.buffer(-10), {}, "yard", 1)
    for column, row in ((-84, 78), (40, 82), (-84, -10), (40, -2), (-60, -92)):
        size = (sheet.between(58, 88), sheet.between(34, 56))
        shape = slab(sheet, block, (column, row), size)
        if block.land.contains(shape):
            kind = sheet.pick("industrial", "warehouse", "industrial", "manufacture")
            building(
                sheet,
                shape,
                kind,
                sheet.pick("roof_flat", "roof_metal", "roof_grey"),
                11,
                block.angle,
            )
    _tanks(sheet, block, [(40, -85), (68, -85)], 11)
    x, y = slab(sheet, block, (100, -60), (2, 2)).centroid.coords[0]
    building(sheet, disc(x, y, 3.5), "chimney", "tank", 45, 0, man_made="chimney")
    car_park(sheet, block, (112, 40), (34, 80))
    groves(sheet, block.land, 50, reserved(sheet, since), 0.1)


def _tanks(sheet: Sheet, block: Block, spots: list[tuple[float, float]], radius: float) -> None:
    for at in spots:
        x, y = slab(sheet, block, at, (2, 2)).centroid.coords[0]
        shape = disc(x, y, radius, 28)
        if block.land.contains(shape):
            what = {"man_made": "storage_tank", "content": sheet.pick("fuel", "water", "gas")}
            sheet.area(shape, what, "tank", 8, height=12)


def tanks(sheet: Sheet, block: Block) -> None:
    """A tank farm."""
    sheet.area(block.land, {"landuse": "industrial", "industrial": "oil"}, "gravel", 0)
    streets.inner(sheet, block)
    for row in (-90, -45, 45, 90):
        _tanks(sheet, block, [(u, row) for u in (-100, -55, 45, 92)], sheet.between(12, 17))
    shape = slab(sheet, block, (-40, 0), (30, 12))
    building(sheet, shape, "service", "roof_flat", 5, block.angle)


def works(sheet: Sheet, block: Block) -> None:
    """Sewage works: round clarifiers, square basins and a digester."""
    since = len(sheet.features)
    what = {"man_made": "wastewater_plant", **tags.contact(sheet.rng)}
    sheet.area(block.land.buffer(-6), what, "lawn", 0)
    for u, v in ((-70, 50), (-18, 50), (-70, -4), (-18, -4)):
        x, y = slab(sheet, block, (u, v), (2, 2)).centroid.coords[0]
        sheet.area(disc(x, y, 20, 32), {}, "yard", 6)
        sheet.area(disc(x, y, 18, 32), {"landuse": "basin", "content": "sewage"}, "basin", 7)
    for v in (-60, -80, -100):
        shape = slab(sheet, block, (-30, v), (90, 13)).intersection(block.land)
        sheet.area(
            shape,
            {"man_made": "reservoir_covered"} if v == -100 else {"landuse": "basin"},
            "basin",
            7,
        )
    _tanks(sheet, block, [(50, 60), (80, 60)], 12)
    for v in (-10, -50):
        shape = slab(sheet, block, (66, v), (44, 18))
        building(sheet, shape.intersection(block.land), "industrial", "roof_flat", 7, block.angle)
    groves(sheet, block.land, 60, reserved(sheet, since), 0.1)


def sawmill(sheet: Sheet, block: Block) -> None:
    """A saw mill with log yards."""
    what = {"landuse": "industrial", "craft": "sawmill", **tags.contact(sheet.rng)}
    sheet.area(block.land, what, "landfill", 0)
    for at, size in (((-50, 60), (90, 30)), ((50, 10), (50, 36))):
        building(sheet, slab(sheet, block, at, size), "industrial", "roof_metal", 9, block.angle)
    for row in range(-100, -20, 16):
        shape = slab(sheet, block, (-30, row), (110, 8)).intersection(block.land)
        sheet.area(shape, {}, "roof_brown", 7, height=3, angle=block.angle)
    car_park(sheet, block, (60, 80), (50, 17))


def quarry(sheet: Sheet, block: Block) -> None:
    """A quarry with a pool at its bottom and a rim of scrub."""
    x, y = block.centre
    pit = blob(sheet.rng, x, y, 125, 0.85).intersection(block.land.buffer(-8))
    sheet.area(block.land.difference(pit), {"natural": "scrub"}, "scrub", 0)
    sheet.area(pit, {"landuse": "quarry", "resource": "limestone"}, "quarry", 2, angle=block.angle)
    pond = blob(sheet.rng, x - 20, y + 15, 34)
    sheet.area(pond, {"natural": "water", "water": "pond"}, "water", 3)
    building(
        sheet, slab(sheet, block, (70, -20), (40, 16)), "industrial", "roof_metal", 12, block.angle
    )


def gravelpit(sheet: Sheet, block: Block) -> None:
    """A gravel pit that has become a lake with beaches."""
    x, y = block.centre
    lake = blob(sheet.rng, x, y, 105, 0.8).intersection(block.land.buffer(-14))
    what = {"landuse": "quarry", "resource": "gravel"}
    sheet.area(block.land.difference(lake), what, "gravel", 0)
    sheet.area(lake, {"natural": "water", "water": "lake", **tags.name(sheet.rng)}, "water", 2)


def landfill(sheet: Sheet, block: Block) -> None:
    """A landfill with fresh and covered cells."""
    sheet.area(block.land, {"landuse": "landfill"}, "landfill", 0)
    cells = strips(block.land.buffer(-14), [0, 0.35, 0.7, 1])
    for part, paint in zip(cells, ("soil", "grass", "landfill"), strict=True):
        sheet.area(part.buffer(-5), {}, paint, 1)
    building(
        sheet, slab(sheet, block, (-90, 70), (26, 14)), "industrial", "roof_flat", 6, block.angle
    )


def solar(sheet: Sheet, block: Block) -> None:
    """A solar park in two parts inside a fence."""
    what = {"power": "plant", "plant:source": "solar", **tags.paperwork(sheet.rng)}
    sheet.area(block.land.buffer(-6), what, "grass", 0)
    for part in strips(block.land.buffer(-16), [0.0, 0.485, 0.515, 1.0]):
        if part.area < 8000:
            continue
        what = {
            "power": "generator",
            "generator:source": "solar",
            "generator:method": "photovoltaic",
        }
        sheet.area(part.buffer(-3), what, "solar", 2, angle=block.angle, height=1.0)
    fence = LineString(block.land.buffer(-8).exterior.coords)
    sheet.line(fence, {"barrier": "fence"}, "gravel", 0.7, 3)
    x, y = block.centre
    sheet.area(disc(x, y, 4, 4), {"power": "substation"}, "roof_flat", 8, height=3)


DRAW: dict[str, Callable[[Sheet, Block], None]] = {
    "industry": industry,
    "tanks": tanks,
    "works": works,
    "sawmill": sawmill,
    "quarry": quarry,
    "gravelpit": gravelpit,
    "landfill": landfill,
    "solar": solar,
}
