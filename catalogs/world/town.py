"""Blocks of towns and villages."""

from collections.abc import Callable

from shapely import LineString

from catalogs.world import streets, tags
from catalogs.world.block import Block, Lots
from catalogs.world.feature import Sheet
from catalogs.world.houses import building, car_park, groves, houses, reserved, slab
from catalogs.world.shapes import along, disc, lines


def residential(sheet: Sheet, block: Block) -> None:
    """Detached houses with gardens."""
    sheet.area(block.land, {"landuse": "residential", **tags.name(sheet.rng)}, "garden", 0)
    paths, lots = streets.inner(sheet, block), Lots()
    for path in paths:
        for x, y, _ in along(path, 6):
            lots.take(x, y, 2.8)
    houses(sheet, block.land, paths + streets.edges(block), lots, sheet.between(25, 31))
    x, y = block.centre
    sheet.node(x + 6, y + 6, {"amenity": "post_box", "operator": "CANARY Post"})
    sheet.node(x - 8, y + 7, {"amenity": "bench"})


def village(sheet: Sheet, block: Block) -> None:
    """A village in the distance: land use, inner streets, houses along them."""
    sheet.area(block.land, {"landuse": "residential"}, "garden", 0)
    paths = [p for p in (block.street(0, 2), block.street(1, 3)) if p]
    for path in paths:
        streets.road(sheet, path, "residential", 5.5)
    houses(sheet, block.land, paths, Lots(), 30, detailed=False)


def centre(sheet: Sheet, block: Block) -> None:
    """The middle of a town: a square, a town hall, shops in rows, a car park."""
    since = len(sheet.features)
    sheet.area(block.land, {"landuse": "commercial"}, "paving", 0)
    busy = [path.buffer(6) for path in streets.inner(sheet, block)]
    square = slab(sheet, block, (50, 45), (62, 50))
    sheet.area(square, {"place": "square", "area": "yes", "highway": "pedestrian"}, "path", 6)
    hall = slab(sheet, block, (50, 88), (40, 17))
    building(
        sheet,
        hall,
        "townhall",
        "roof_brown",
        14,
        block.angle,
        amenity="townhall",
        **tags.name(sheet.rng),
    )
    x, y = slab(sheet, block, (50, 45), (2, 2)).centroid.coords[0]
    sheet.area(disc(x, y, 5), {"amenity": "fountain"}, "basin", 7)
    car_park(sheet, block, (-60, 70), (66, 48))
    busy += [square.buffer(5), hall.buffer(8), slab(sheet, block, (-60, 70), (74, 56))]
    kinds = ("supermarket", "bakery", "books", "clothes", "hairdresser", "florist", "optician")
    for column in range(-138, 139, 42):
        for row in range(-136, 137, 34):
            shape = slab(
                sheet, block, (column, row), (sheet.between(24, 37), sheet.between(13, 19))
            )
            if not block.land.buffer(-4).contains(shape) or any(b.intersects(shape) for b in busy):
                continue
            kind = sheet.pick("retail", "commercial", "yes", "apartments")
            building(
                sheet,
                shape,
                kind,
                sheet.pick("roof_red", "roof_grey", "roof_flat"),
                11,
                block.angle,
            )
            x, y = shape.centroid.coords[0]
            if sheet.rng.random() < 0.4:
                what = {
                    "shop": sheet.pick(*kinds),
                    **tags.name(sheet.rng),
                    **tags.contact(sheet.rng),
                }
                sheet.node(x, y, what)
    for column, kind in ((-110, "restaurant"), (-98, "cafe"), (30, "bank"), (110, "pharmacy")):
        x, y = slab(sheet, block, (column, 20), (2, 2)).centroid.coords[0]
        sheet.node(x, y, {"amenity": kind, **tags.name(sheet.rng), **tags.contact(sheet.rng)})
    groves(sheet, block.land, 40, reserved(sheet, since), 0.4)


def apartments(sheet: Sheet, block: Block) -> None:
    """Blocks of flats on lawns, with car parks and a playground."""
    since = len(sheet.features)
    sheet.area(block.land, {"landuse": "residential", "residential": "apartments"}, "lawn", 0)
    paths = streets.inner(sheet, block)
    busy = [path.buffer(5) for path in paths]
    for column in (-105, -62, 40, 88):
        for row in (-95, -40, 55, 105):
            shape = slab(
                sheet, block, (column + sheet.between(-4, 4), row), (sheet.between(30, 36), 12.5)
            )
            if block.land.contains(shape) and not any(b.intersects(shape) for b in busy):
                building(
                    sheet,
                    shape,
                    "apartments",
                    sheet.pick("roof_flat", "roof_grey"),
                    17,
                    block.angle,
                )
    car_park(sheet, block, (-84, 8), (48, 17))
    car_park(sheet, block, (64, 12), (60, 17))
    shape = slab(sheet, block, (12 if paths else 0, 80), (20, 16))
    sheet.area(shape, {"leisure": "playground", "surface": "sand"}, "sand", 6)
    groves(sheet, block.land, 90, reserved(sheet, since), 0.15)


def school(sheet: Sheet, block: Block) -> None:
    """A school with its yard, pitch and running track, and a kindergarten."""
    since = len(sheet.features)
    area = block.land.buffer(-5)
    sheet.area(
        area, {"amenity": "school", **tags.name(sheet.rng), **tags.contact(sheet.rng)}, "lawn", 0
    )
    sheet.area(slab(sheet, block, (-62, 52), (78, 46)), {}, "yard", 1)
    for at, size in (((-62, 88), (86, 18)), ((-112, 52), (16, 60)), ((-30, 22), (36, 22))):
        shape = slab(sheet, block, at, size)
        if block.land.contains(shape):
            building(sheet, shape, "school", "roof_flat", 9, block.angle)
    outline = slab(sheet, block, (56, -10), (64, 60)).buffer(38, quad_segs=10).intersection(area)
    if outline.area > 9000:
        sheet.area(
            outline, {"leisure": "track", "sport": "athletics"}, "clay", 6, angle=block.angle
        )
        inner = outline.buffer(-9)
        what = {"leisure": "pitch", "sport": "soccer", "surface": "grass"}
        sheet.area(inner, what, "pitch", 7, angle=block.angle)
    shape = slab(sheet, block, (-75, -80), (26, 15))
    if block.land.contains(shape):
        building(sheet, shape, "kindergarten", "roof_red", 6, block.angle, amenity="kindergarten")
    car_park(sheet, block, (-70, -35), (52, 17))
    groves(sheet, area, 70, reserved(sheet, since), 0.2)


def church(sheet: Sheet, block: Block) -> None:
    """A church on a green among old houses."""
    x, y = block.centre
    green = disc(x, y, 48).intersection(block.land)
    sheet.area(block.land, {"landuse": "residential"}, "garden", 0)
    lots = Lots((x, y, 44))
    houses(sheet, block.land, streets.edges(block), lots, 27)
    sheet.area(green, {"landuse": "religious"}, "lawn", 1)
    nave, tower = slab(sheet, block, (0, 0), (36, 15)), slab(sheet, block, (21, 0), (9, 9))
    what = {"amenity": "place_of_worship", "religion": "christian", **tags.name(sheet.rng)}
    building(sheet, nave, "church", "roof_grey", 15, block.angle, **what)
    building(sheet, tower, "tower", "roof_brown", 34, block.angle, man_made="tower")
    ring = LineString(disc(x, y, 38, 16).exterior.coords)
    for px, py, _ in along(ring, 13):
        sheet.tree(px, py, sheet.between(7, 10), mapped=True)
    path = block.street(0, 2)
    if path is not None:
        for part in lines(path.difference(nave.buffer(4))):
            streets.road(sheet, part, "footway", 2.2)
    sheet.node(x, y - 25, {"historic": "memorial", **tags.name(sheet.rng)})


def retail(sheet: Sheet, block: Block) -> None:
    """Big shops with big car parks, and a filling station."""
    since = len(sheet.features)
    sheet.area(block.land, {"landuse": "retail"}, "grass", 0)
    sheet.area(block.land.buffer(-12), {}, "yard", 1)
    shops = (((-70, 75), (96, 58)), ((62, 80), (70, 46)), ((-88, -88), (64, 44)))
    for at, size in shops:
        shape = slab(sheet, block, at, size)
        if block.land.contains(shape):
            what = {
                "shop": sheet.pick("supermarket", "doityourself", "furniture"),
                **tags.name(sheet.rng),
            }
            building(
                sheet,
                shape,
                "retail",
                sheet.pick("roof_flat", "roof_metal"),
                9,
                block.angle,
                **what,
            )
    car_park(sheet, block, (-60, 4), (104, 64))
    car_park(sheet, block, (66, 10), (78, 80))
    canopy = slab(sheet, block, (30, -96), (26, 15))
    what = {"amenity": "fuel", **tags.contact(sheet.rng)}
    building(sheet, canopy, "roof", "roof_metal", 6, block.angle, **what)
    groves(sheet, block.land, 70, reserved(sheet, since), 0.1)


def hotel(sheet: Sheet, block: Block) -> None:
    """A hotel with gardens, pools and tennis courts, and a hospital wing next to it."""
    since = len(sheet.features)
    sheet.area(
        block.land,
        {"tourism": "hotel", **tags.name(sheet.rng), **tags.contact(sheet.rng)},
        "lawn",
        0,
    )
    for at, size in (((-30, 80), (110, 18)), ((-76, 45), (18, 52)), ((60, 50), (18, 60))):
        shape = slab(sheet, block, at, size)
        building(sheet, shape.intersection(block.land), "hotel", "roof_red", 16, block.angle)
    x, y = slab(sheet, block, (-5, 30), (2, 2)).centroid.coords[0]
    bath = disc(x, y, 13).union(slab(sheet, block, (18, 30), (34, 14)))
    sheet.area(bath.buffer(5), {}, "paving", 6)
    sheet.area(bath, {"leisure": "swimming_pool", "access": "customers"}, "pool", 7)
    shape = slab(sheet, block, (-50, -70), (70, 26))
    if block.land.contains(shape):
        building(sheet, shape, "hospital", "roof_flat", 18, block.angle, amenity="hospital")
        x, y = slab(sheet, block, (10, -72), (2, 2)).centroid.coords[0]
        sheet.area(disc(x, y, 11), {"aeroway": "helipad"}, "runway", 7)
    car_park(sheet, block, (62, -60), (66, 48))
    groves(sheet, block.land, 110, reserved(sheet, since), 0.2)


Draw = Callable[[Sheet, Block], None]

DRAW: dict[str, Draw] = {
    "residential": residential,
    "village": village,
    "centre": centre,
    "apartments": apartments,
    "school": school,
    "church": church,
    "retail": retail,
    "hotel": hotel,
}
