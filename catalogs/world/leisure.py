"""Blocks for play and rest: pitches, pools, parks, golf, camps, graves, an airfield."""

from collections.abc import Callable

import numpy as np
from shapely import LineString, Polygon

from catalogs.world import streets, tags
from catalogs.world.block import Block, Lots
from catalogs.world.feature import Sheet
from catalogs.world.houses import building, car_park, groves, reserved, slab
from catalogs.world.shapes import blob, box_at, disc, lines, scatter, strips


def _marks(sheet: Sheet, shape: Polygon, inset: float, width: float, halves: bool = True) -> None:
    """White lines on a pitch: its border and the line across its middle."""
    field = shape.buffer(-inset, join_style="mitre")
    if field.is_empty or not isinstance(field, Polygon):
        return
    sheet.line(LineString(field.exterior.coords), {}, "white", width, 9)
    corners = np.asarray(field.exterior.coords)
    if halves and len(corners) == 5:
        sheet.line(
            LineString([(corners[0] + corners[1]) / 2, (corners[2] + corners[3]) / 2]),
            {},
            "white",
            width,
            9,
        )


def _pitch(sheet: Sheet, block: Block, at: tuple[float, float], sport: str) -> None:
    """One pitch with its markings."""
    sizes = {"soccer": (96, 60), "tennis": (36, 18), "basketball": (28, 15), "hockey": (88, 52),
             "beachvolleyball": (24, 15)}  # fmt: skip
    paints = {"soccer": "pitch", "tennis": "clay", "basketball": "hardcourt", "hockey": "turf",
              "beachvolleyball": "sand"}  # fmt: skip
    shape = slab(sheet, block, at, sizes[sport])
    if not block.land.contains(shape):
        return
    what = {"leisure": "pitch", "sport": sport}
    sheet.area(shape, what, paints[sport], 7, angle=block.angle)
    inset = {"soccer": 4.0, "hockey": 4.0, "tennis": 5.0}.get(sport, 2.0)
    _marks(sheet, shape, inset, 0.75)
    if sport in ("soccer", "hockey"):
        x, y = shape.centroid.coords[0]
        sheet.line(LineString(disc(x, y, 9.2, 28).exterior.coords), {}, "white", 0.75, 9)


def sports(sheet: Sheet, block: Block) -> None:
    """A sports ground: football, hockey, tennis courts, a hall."""
    since = len(sheet.features)
    what = {"leisure": "sports_centre", **tags.name(sheet.rng), **tags.contact(sheet.rng)}
    sheet.area(block.land.buffer(-4), what, "lawn", 0)
    for at, sport in (((-62, 70), "soccer"), ((62, 66), "hockey"), ((-62, -10), "soccer")):
        _pitch(sheet, block, at, sport)
    for step in range(4):
        _pitch(sheet, block, (28 + 40 * (step % 2), 12 - 24 * (step // 2)), "tennis")
    _pitch(sheet, block, (104, -6), "basketball")
    _pitch(sheet, block, (-96, -60), "beachvolleyball")
    building(
        sheet,
        slab(sheet, block, (-40, -78), (44, 26)),
        "sports_hall",
        "roof_metal",
        10,
        block.angle,
    )
    car_park(sheet, block, (44, -64), (84, 33))
    groves(sheet, block.land, 70, reserved(sheet, since), 0.2)


def pools(sheet: Sheet, block: Block) -> None:
    """A public bath: pools, lawns, beach volleyball."""
    since = len(sheet.features)
    what = {"leisure": "water_park", **tags.name(sheet.rng), **tags.contact(sheet.rng)}
    sheet.area(block.land.buffer(-4), what, "lawn", 0)
    for at, size in (((-50, 40), (54, 24)), ((20, 46), (28, 18)), ((30, 6), (20, 20))):
        shape = slab(sheet, block, at, size)
        sheet.area(shape.buffer(4), {}, "paving", 6)
        sheet.area(shape, {"leisure": "swimming_pool", "surface": "tiles"}, "pool", 7)
    building(sheet, slab(sheet, block, (-20, 92), (70, 16)), "yes", "roof_flat", 6, block.angle)
    _pitch(sheet, block, (80, 40), "beachvolleyball")
    _pitch(sheet, block, (80, 14), "beachvolleyball")
    _pitch(sheet, block, (-60, -60), "tennis")
    car_park(sheet, block, (40, -72), (90, 33))
    groves(sheet, block.land, 90, reserved(sheet, since), 0.2)


def park(sheet: Sheet, block: Block) -> None:
    """A park with a pond, paths, benches, a playground and old trees."""
    since = len(sheet.features)
    sheet.area(block.land, {"leisure": "park", **tags.name(sheet.rng)}, "lawn", 0)
    x, y = block.centre
    pond = blob(sheet.rng, x - 30, y + 20, 42)
    for path in (block.street(0, 2), block.street(1, 3)):
        if path is not None:
            for part in lines(path.difference(pond.buffer(6))):
                streets.road(sheet, part, "footway", 2.6)
    streets.road(sheet, LineString(pond.buffer(7).exterior.coords), "footway", 2.2)
    sheet.area(pond, {"natural": "water", "water": "pond"}, "water", 6)
    sheet.area(box_at(x + 70, y - 50, 24, 18, block.angle), {"leisure": "playground"}, "sand", 6)
    sheet.area(disc(x + 60, y + 65, 17), {"landuse": "flowerbed"}, "plot", 6)
    for point in scatter(sheet.rng, pond.buffer(11).difference(pond.buffer(9)), 5):
        sheet.node(point.x, point.y, {"amenity": "bench", "backrest": "yes"})
    sheet.node(x + 66, y - 38, {"leisure": "picnic_table"})
    sheet.node(
        x + 10, y - 12, {"tourism": "artwork", "artwork_type": "statue", **tags.name(sheet.rng)}
    )
    groves(sheet, block.land, 190, reserved(sheet, since), 0.25)


def golf(sheet: Sheet, block: Block) -> None:
    """Golf: fairways, greens, bunkers, a pond."""
    sheet.area(block.land, {"leisure": "golf_course", **tags.name(sheet.rng)}, "meadow", 0)
    lots = Lots()
    for part in strips(block.land.buffer(-16), [0, 0.33, 0.67, 1]):
        lane = part.buffer(-16).buffer(9)
        sheet.area(lane, {"golf": "fairway"}, "pitch", 1, angle=block.angle)
        for point in scatter(sheet.rng, lane.buffer(-18), 1):
            lots.claim(point.x, point.y, 16)
            sheet.area(blob(sheet.rng, point.x, point.y, 13), {"golf": "green"}, "green", 3)
        for point in scatter(sheet.rng, lane.buffer(-4), 4):
            if lots.claim(point.x, point.y, 9):
                shape = blob(sheet.rng, point.x, point.y, 7.5)
                sheet.area(shape, {"golf": "bunker", "natural": "sand"}, "sand", 4)
    for point in scatter(sheet.rng, block.land.buffer(-60), 1):
        sheet.area(
            blob(sheet.rng, point.x, point.y, 26),
            {"golf": "water_hazard", "natural": "water"},
            "water",
            5,
        )
        lots.take(point.x, point.y, 30)
    groves(sheet, block.land, 130, lots, 0.1)


def camping(sheet: Sheet, block: Block) -> None:
    """A camp site with caravans in rows under trees."""
    since = len(sheet.features)
    what = {"tourism": "camp_site", **tags.name(sheet.rng), **tags.contact(sheet.rng)}
    sheet.area(block.land.buffer(-6), what, "grass", 0)
    paths = [p for p in (block.street(0, 2), block.street(1, 3)) if p is not None]
    for path in paths:
        streets.road(sheet, path, "service", 4)
    for row in (-84, -56, 56, 84):
        for column in range(-110, 120, 13):
            shape = slab(sheet, block, (column, row), (7, 2.6))
            if (
                sheet.rng.random() < 0.7
                and block.land.contains(shape)
                and not any(p.distance(shape) < 3 for p in paths)
            ):
                sheet.area(
                    shape,
                    {"tourism": "caravan_site"} if column == -6 else {},
                    "tank",
                    7,
                    height=2.5,
                )
    building(sheet, slab(sheet, block, (30, 26), (24, 12)), "toilets", "roof_red", 4, block.angle)
    groves(sheet, block.land, 160, reserved(sheet, since), 0.1)


def cemetery(sheet: Sheet, block: Block) -> None:
    """A cemetery of four fields with a chapel, walls and avenues."""
    since = len(sheet.features)
    half = strips(block.land.buffer(-4), [0.0, 0.55])[0]
    sheet.area(block.land, {"landuse": "grass"}, "grass", 0)
    sheet.area(
        half, {"landuse": "cemetery", **tags.name(sheet.rng)}, "graves", 1, angle=block.angle
    )
    sheet.line(LineString(half.exterior.coords), {"barrier": "wall"}, "gravel", 0.8, 4)
    for part in strips(half.buffer(-1), [0.485, 0.515]) + strips(
        half.buffer(-1), [0.485, 0.515], across=True
    ):
        sheet.area(part, {}, "path", 5)
    x, y = half.centroid.coords[0]
    building(sheet, box_at(x, y, 20, 11, block.angle), "chapel", "roof_grey", 9, block.angle,
             amenity="place_of_worship")  # fmt: skip
    groves(sheet, block.land, 100, reserved(sheet, since), 0.2)


def allotments(sheet: Sheet, block: Block) -> None:
    """Allotment gardens: many small plots with huts."""
    sheet.area(block.land, {"landuse": "allotments", **tags.name(sheet.rng)}, "grass", 0)
    count = 7
    for row in strips(block.land.buffer(-5), [k / count for k in range(count + 1)]):
        parts = row.buffer(-2.2)
        if parts.is_empty:
            continue
        for plot in strips(parts, [k / 10 for k in range(11)]):
            bed = plot.buffer(-0.8)
            if bed.area < 120:
                continue
            sheet.area(bed, {}, sheet.pick("plot", "plot", "garden", "lawn"), 1, angle=block.angle)
            x, y = bed.centroid.coords[0]
            if sheet.rng.random() < 0.6:
                hut = box_at(x, y, 5, 4, block.angle)
                building(sheet, hut, "hut", sheet.pick("roof_red", "roof_grey"), 3, block.angle)
            elif sheet.rng.random() < 0.6:
                sheet.tree(x + 3, y, sheet.between(3, 5))


def airfield(sheet: Sheet, block: Block) -> None:
    """A small airfield: runway, taxiway, apron, hangars, all within one block."""
    sheet.area(block.land.buffer(-3), {"aeroway": "aerodrome", **tags.name(sheet.rng)}, "meadow", 0)
    strip = slab(sheet, block, (0, -40), (270, 20)).intersection(block.land)
    sheet.area(strip, {"aeroway": "runway", "surface": "asphalt", "ref": "08/26"}, "runway", 5)
    for column in range(-120, 121, 16):
        dash = slab(sheet, block, (column, -40), (8, 0.9)).intersection(block.land)
        sheet.area(dash, {}, "white", 6)
    sheet.area(slab(sheet, block, (40, 20), (90, 34)), {"aeroway": "apron"}, "runway", 5)
    sheet.area(slab(sheet, block, (0, -12), (9, 50)), {"aeroway": "taxiway"}, "runway", 4)
    for column in (10, 45, 80):
        building(
            sheet,
            slab(sheet, block, (column, 55), (28, 22)),
            "hangar",
            "roof_metal",
            9,
            block.angle,
        )
    car_park(sheet, block, (-60, 50), (50, 17))


DRAW: dict[str, Callable[[Sheet, Block], None]] = {
    "sports": sports,
    "pools": pools,
    "park": park,
    "golf": golf,
    "camping": camping,
    "cemetery": cemetery,
    "allotments": allotments,
    "airfield": airfield,
}
