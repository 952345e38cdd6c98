"""Map objects that are wrong on purpose, as they occur in every real extract."""

from typing import TYPE_CHECKING

from pyproj import Transformer

from catalogs.world.feature import Feature
from catalogs.world.layout import Place

if TYPE_CHECKING:
    from catalogs.world.osmfile import Drawing

BROKEN: tuple[tuple[str, tuple[tuple[float, float], ...], dict[str, str]], ...] = (
    ("an area that is not closed", ((0, 0), (60, 0), (60, 60), (0, 60)),
     {"natural": "water", "note": "not closed"}),
    ("an area that crosses itself", ((0, 0), (40, 30), (40, 0), (0, 30), (0, 0)),
     {"note": "crosses itself"}),
    ("an area without area", ((0, 0), (30, 0), (60, 0), (30, 0), (0, 0)),
     {"building": "yes", "note": "no area"}),
    ("a way of one node", ((0, 0),), {"highway": "residential", "note": "one node"}),
    ("a spike", ((0, 0), (25, 0), (25, 25), (38, 38), (25, 25), (0, 25), (0, 0)),
     {"note": "spike"}),
)  # fmt: skip
"""What is wrong, corner offsets in metres, tags.

What a reader may repair gets the land use of the field or wood that it lies on, and stays true.
"""


def add(drawing: "Drawing", transform: Transformer, place: Place) -> None:
    """Adds one broken way per place, and broken references where a river or a lake is the theme."""
    luck = place.rng("broken")
    _, corners, what = BROKEN[int(luck.integers(len(BROKEN)))]
    host = _host(place)
    middle = host.geom.representative_point()
    x0, y0 = middle.x - 20, middle.y - 15
    if len(what) == 1:
        what = {"landuse": host.tags["landuse"], **what}
    refs = [drawing.node(*transform.transform(x0 + x, y0 + y)) for x, y in corners]
    way = drawing.way(refs, what)
    if place.site.theme == "lake":
        members = [
            ("w", way, "outer"),
            ("w", 99_999_999_999, "outer"),
            ("n", 98_999_999_999, "label"),
        ]
        drawing.relation(
            members, {"type": "multipolygon", "natural": "water", "note": "members missing"}
        )
    if place.site.theme == "river":
        drawing.way(
            [refs[0], 97_999_999_999, refs[-1]], {"waterway": "ditch", "note": "node missing"}
        )
        drawing.relation([], {"type": "multipolygon", "landuse": "farmland", "note": "no members"})


def _host(place: Place) -> Feature:
    """The largest mapped field or wood inside the aerial picture, else the largest of all."""
    west, south, east, north = place.site.aerial_bounds
    land = [
        f for f in place.features if f.tags.get("landuse") in ("farmland", "forest") and f.z == 1
    ]
    shown = [
        f
        for f in land
        if west < f.geom.bounds[0]
        and south < f.geom.bounds[1]
        and f.geom.bounds[2] < east
        and f.geom.bounds[3] < north
    ]
    return max(shown or land, key=lambda f: float(f.geom.area))
