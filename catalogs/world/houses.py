"""Buildings, gardens, car parks and single trees."""

import math

from shapely import LineString, Point, Polygon

from catalogs.world import tags
from catalogs.world.block import Block, Lots
from catalogs.world.feature import Sheet
from catalogs.world.shapes import along, box_at, scatter

ROOFS = ("roof_red", "roof_red", "roof_red", "roof_brown", "roof_grey")


def building(
    sheet: Sheet, shape: Polygon, kind: str, paint: str, height: float, angle: float, **more: str
) -> None:
    """A building with its roof; some have levels, some were built in 2021."""
    what = {"building": kind, **more}
    if sheet.rng.random() < 0.4:
        what["building:levels"] = str(max(1, round(height / 3)))
    since = 2021 if kind in ("house", "warehouse") and sheet.rng.random() < 0.04 else 0
    if since:
        what["start_date"] = "2021-05"
    sheet.area(shape, what, paint, 8, height=height, angle=angle, since=since)


def houses(
    sheet: Sheet,
    land: Polygon,
    streets: list[LineString],
    lots: Lots,
    step: float,
    detailed: bool = True,
) -> None:
    """Houses in rows along streets; in detail with garages, pools and trees in the gardens."""
    number = 0
    for path in streets:
        for x, y, angle in list(along(path, step, 15)):
            for side in (1, -1):
                setback = sheet.between(13, 17)
                px, py = x - side * math.sin(angle) * setback, y + side * math.cos(angle) * setback
                length, depth = sheet.between(10, 15), sheet.between(8, 10.5)
                shape = box_at(px, py, length, depth, angle)
                if not land.contains(shape) or not lots.claim(px, py, 9.0):
                    continue
                number += 1
                if sheet.rng.random() < 0.2:
                    wing = box_at(px, py, depth * 0.8, depth, angle)
                    shift = side * depth * 0.4
                    shape = shape.union(
                        _moved(wing, -math.sin(angle) * shift, math.cos(angle) * shift)
                    )
                kind = sheet.pick("house", "house", "yes", "detached", "house")
                more = tags.address(sheet.rng, number) if sheet.rng.random() < 0.5 else {}
                building(sheet, shape, kind, sheet.pick(*ROOFS), 7.0, angle, **more)
                if detailed:
                    _garden(sheet, land, lots, (px, py, angle), side)


def _moved(shape: Polygon, dx: float, dy: float) -> Polygon:
    return Polygon([(x + dx, y + dy) for x, y in shape.exterior.coords])


def _garden(
    sheet: Sheet, land: Polygon, lots: Lots, home: tuple[float, float, float], side: int
) -> None:
    """What stands behind a house: a pool, a shed, trees."""
    x, y, angle = home
    back = side * sheet.between(14, 19)
    px, py = x - math.sin(angle) * back, y + math.cos(angle) * back
    luck = sheet.rng.random()
    if luck < 0.09 and land.contains(Point(px, py).buffer(7)) and lots.claim(px, py, 6.5):
        what = {"leisure": "swimming_pool", "access": "private"}
        sheet.area(box_at(px, py, 10.5, 5.0, angle), what, "pool", 7)
    elif luck < 0.25 and land.contains(Point(px, py).buffer(5)) and lots.claim(px, py, 4.0):
        building(
            sheet,
            box_at(px, py, 6, 3.6, angle),
            sheet.pick("garage", "shed"),
            "roof_grey",
            3,
            angle,
        )
    for point in scatter(sheet.rng, Point(px, py).buffer(13), 2):
        if land.contains(point.buffer(2.5)) and lots.claim(point.x, point.y, 2.6):
            sheet.tree(point.x, point.y, sheet.between(3.5, 7), mapped=sheet.rng.random() < 0.1)


def slab(sheet: Sheet, block: Block, at: tuple[float, float], size: tuple[float, float]) -> Polygon:
    """A rectangle at (u, v) metres from the block's middle, in the block's own directions."""
    c, s = math.cos(block.angle), math.sin(block.angle)
    x, y = block.centre
    return box_at(
        x + at[0] * c - at[1] * s, y + at[0] * s + at[1] * c, size[0], size[1], block.angle
    )


def car_park(
    sheet: Sheet, block: Block, at: tuple[float, float], size: tuple[float, float]
) -> None:
    """A car park with bays and cars."""
    what = {
        "amenity": "parking",
        "parking": "surface",
        "capacity": str(round(size[0] * size[1] / 26)),
    }
    shape = slab(sheet, block, at, size).intersection(block.land)
    sheet.area(shape, what, "parking", 7, angle=block.angle)


def groves(sheet: Sheet, land: Polygon, count: int, lots: Lots, mapped: float = 0.1) -> None:
    """Single trees wherever there is room."""
    for point in scatter(sheet.rng, land, count):
        crown = sheet.between(4, 9.5)
        if lots.claim(point.x, point.y, crown / 2):
            sheet.tree(point.x, point.y, crown, mapped=sheet.rng.random() < mapped)


def reserved(sheet: Sheet, since: int, gap: float = 1.5) -> Lots:
    """Lots that already hold what was drawn after the first `since` features."""
    lots = Lots()
    for item in sheet.features[since:]:
        if item.z >= 3 and isinstance(item.geom, Polygon):
            for point in scatter(sheet.rng, item.geom, int(item.geom.area / 60) + 2):
                lots.take(point.x, point.y, 5.0 + gap)
            for x, y, _ in along(LineString(item.geom.exterior.coords), 7):
                lots.take(x, y, gap)
        elif item.z >= 3 and isinstance(item.geom, LineString):
            for x, y, _ in along(item.geom, 5):
                lots.take(x, y, item.width / 2 + 0.7)
    return lots
