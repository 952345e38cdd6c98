"""Named places near a point, as a step stores them and as texts read them.

`near_places` is a JSON list, nearest first, of objects with `id` ("n12"), `name`, `place` (the value
of that tag), `lon`, `lat` (degrees), `km` (geodesic) and `direction` (compass word from the point).
Names are written by strangers: one that does not look like a name is left out.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.compass import bearings, compass, distances
from schemas.hostile import speaks
from schemas.text import clean
from schemas.visible import WORD

LONGEST = 80
"""Characters of a name; longer ones are none."""

SIGNS = " -'.,()/·&"
"""What a name may hold besides letters, marks and digits of any script."""

OTHER = "yes"
"""Kind of a place whose own is no word of the map: free text goes nowhere."""

QUOTES = dict.fromkeys(map(ord, '"“”„«»‘’ʼ`´'), "'")


def plain_name(text: str) -> str:
    """A name fit to stand in a text, its quotation marks as "'"; "" for what is no name.

    Markup, links, formulas, numbers to call, orders to a model and text without a letter are no names.
    """
    if len(text) > 4 * LONGEST:
        return ""
    name = clean(text, LONGEST + 1).translate(QUOTES)
    kinds = {unicodedata.category(sign)[0] for sign in name if sign not in SIGNS}
    if len(name) > LONGEST or not kinds <= {"L", "M", "N"} or "L" not in kinds or speaks(name):
        return ""
    return name.lstrip(SIGNS.replace("'", ""))


@dataclass(frozen=True, slots=True)
class Place:
    """A node with a name and a `place` tag; degrees."""

    id: str
    name: str
    kind: str
    lon: float
    lat: float


def from_tags(ident: str, tags: Mapping[str, Any], lon: float, lat: float) -> Place | None:
    """The place that a node with these tags is, or None."""
    name, kind = plain_name(str(tags.get("name", ""))), clean(str(tags.get("place", "")))
    if not (name and kind and abs(lat) <= 90):
        return None
    return Place(ident, name, kind if WORD.fullmatch(kind) else OTHER, lon, lat)


def nearest(
    lon: float, lat: float, places: Iterable[Place], most: int = 10, km: float = 100.0
) -> list[dict[str, Any]]:
    """Up to `most` places within `km` kilometres of a point, as in the module's text.

    Sorted by distance to the metre, then by id.
    """
    places = list(places)
    lons, lats = [p.lon for p in places], [p.lat for p in places]
    metres = distances(lon, lat, lons, lats).round().tolist()
    near = sorted(
        (far, place.id, i)
        for i, (far, place) in enumerate(zip(metres, places, strict=True))
        if far <= km * 1000
    )
    turned = bearings(lon, lat, lons, lats).tolist()
    return [
        {
            "id": ident,
            "name": places[i].name,
            "place": places[i].kind,
            "lon": places[i].lon,
            "lat": places[i].lat,
            "km": round(far / 1000, 3),
            "direction": compass(turned[i]),
        }
        for far, ident, i in near[:most]
    ]
