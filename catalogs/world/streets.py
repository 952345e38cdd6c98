"""Roads, streets and rails with their markings."""

import math

from shapely import LineString
from shapely.ops import substring

from catalogs.world import tags
from catalogs.world.block import Block
from catalogs.world.feature import Sheet
from catalogs.world.shapes import along


def street_name(sheet: Sheet) -> str:
    """A street name."""
    return sheet.pick(*tags.STREETS)


def road(sheet: Sheet, path: LineString, kind: str, width: float, name: str = "") -> None:
    """A road with its markings; tracks are unpaved."""
    what = {
        "highway": kind,
        "surface": {"track": "gravel", "footway": "fine_gravel"}.get(kind, "asphalt"),
    }
    if kind in ("primary", "secondary", "tertiary"):
        what |= {"maxspeed": "50", "lanes": "2", "ref": f"L {int(sheet.rng.integers(100, 999))}"}
    if kind == "track":
        what |= {"tracktype": sheet.pick("grade1", "grade2", "grade3")}
    elif name and kind not in ("service", "footway"):
        what |= {"name": name}
    paint = {"track": "track", "footway": "path"}.get(kind, "asphalt")
    z = {"footway": 3, "track": 3, "service": 3, "residential": 4, "unclassified": 4}.get(kind, 5)
    sheet.line(path, what, paint, width, z)
    if kind in ("primary", "secondary"):
        for at in range(4, int(path.length) - 4, 12):
            sheet.line(substring(path, at, at + 6), {}, "white", 0.75, 6)
    if kind in ("primary", "residential") and path.length > 60 and sheet.rng.random() < 0.5:
        spot = path.interpolate(path.length / 2)
        sheet.node(spot.x, spot.y, {"highway": "crossing", "crossing:markings": "zebra"})


def railway(sheet: Sheet, path: LineString) -> None:
    """A double-track line on ballast."""
    what = {"railway": "rail", "gauge": "1435", "electrified": "contact_line", "tracks": "2"}
    sheet.line(path, what, "ballast", 9.0, 5)
    for offset in (-2.9, -1.5, 1.5, 2.9):
        sheet.line(path.offset_curve(offset), {}, "rail", 0.65, 6)


def inner(sheet: Sheet, block: Block) -> list[LineString]:
    """Draws the inner streets of a block and returns them."""
    paths = [p for p in (block.street(0, 2), block.street(1, 3)) if p is not None]
    for path in paths:
        road(sheet, path, "residential", 5.5, street_name(sheet))
        for x, y, angle in along(path, 70, 20):
            sheet.node(
                x - 3.6 * math.sin(angle), y + 3.6 * math.cos(angle), {"highway": "street_lamp"}
            )
    return paths


def edges(block: Block) -> list[LineString]:
    """The four sides of a block on the axes of its streets, roughly."""
    ring = block.outline.exterior
    quarter = ring.length / 4
    return [substring(LineString(ring.coords), k * quarter, (k + 1) * quarter) for k in range(4)]
