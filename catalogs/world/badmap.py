"""Map objects that are wrong on purpose, as they occur in every real extract."""

from typing import TYPE_CHECKING

from pyproj import Transformer

from catalogs.world.layout import Place

if TYPE_CHECKING:
    from catalogs.world.osmfile import Drawing

BROKEN: tuple[tuple[str, tuple[tuple[float, float], ...], dict[str, str]], ...] = (
    ("an area that is not closed", ((0, 0), (60, 0), (60, 60), (0, 60)),
     {"natural": "water", "note": "not closed"}),
    ("an area that crosses itself", ((0, 0), (80, 60), (80, 0), (0, 60), (0, 0)),
     {"landuse": "forest", "note": "crosses itself"}),
    ("an area without area", ((0, 0), (30, 0), (60, 0), (30, 0), (0, 0)),
     {"building": "yes", "note": "no area"}),
    ("a way of one node", ((0, 0),), {"highway": "residential", "note": "one node"}),
    ("a spike", ((0, 0), (40, 0), (40, 40), (90, 90), (40, 40), (0, 40), (0, 0)),
     {"landuse": "meadow", "note": "spike"}),
)  # fmt: skip
"""What is wrong, corner offsets in metres, tags."""


def add(drawing: "Drawing", transform: Transformer, place: Place) -> None:
    """Adds one broken way per place, and broken references where a river or a lake is the theme."""
    east, north = place.site.centre
    luck = place.rng("broken")
    _, corners, what = BROKEN[int(luck.integers(len(BROKEN)))]
    x0, y0 = east + 200 + 100 * luck.random(), north - 300 * luck.random()
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
