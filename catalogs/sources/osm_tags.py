"""Tags of OSM objects: what may leave the reader, and when a closed way is an area.

Text from strangers is cleaned, and tags that may name or reach a person are removed. User names,
user ids and changesets are never asked of the library.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring

from schemas.text import clean

_PERSONAL = re.compile(
    r"""(?:.+:)?(?:phone|mobile|fax|email|e-mail|sms|website|webpage|url|facebook|twitter|instagram
        |whatsapp|telegram|linkedin|skype|youtube|vk|owner|contact|user|uid|changeset|created_by
        |note|fixme|comment|description|addr|person)(?:[:_].*)?
      | .*person.* | operator:(?:addr|name|contact).*""",
    re.IGNORECASE | re.VERBOSE,
)
"""Keys that carry contacts, addresses, persons or free remarks; also as a part between ":"."""

_REACHES = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]|\+\d{1,3}[ ()./\d-]{6,}$")
"""Values that are an e-mail address or an international phone number, under whatever key."""

LINES_BUT: dict[str, frozenset[str]] = {
    key: frozenset(values.split())
    for key, values in {
        "aeroway": "runway taxiway parking_position jet_bridge",
        "amenity": "bench weighbridge",
        "area:highway": "",
        "attraction": "dark_ride river_rafting summer_toboggan train water_slide",
        "boundary": "",
        "building": "",
        "building:part": "",
        "craft": "",
        "golf": "cartpath hole path",
        "historic": "citywalls city_wall wall aqueduct",
        "indoor": "corridor wall door",
        "landuse": "",
        "leisure": "slipway track",
        "man_made": "breakwater cutline dyke embankment goods_conveyor groyne pipeline yes",
        "military": "trench",
        "natural": "arete cape cliff coastline earth_bank gorge ridge strait tree_row valley",
        "office": "",
        "place": "",
        "playground": "balancebeam rope_traverse zipwire",
        "public_transport": "stop_position",
        "shop": "",
        "tourism": "artwork",
        "water": "",
        "wetland": "",
    }.items()
}
"""Keys that make a closed way an area, with the values that leave it a line."""

AREAS_ONLY: dict[str, frozenset[str]] = {
    key: frozenset(values.split())
    for key, values in {
        "aerialway": "station",
        "barrier": "toll_booth block",
        "highway": "elevator platform rest_area services",
        "power": "compensator generator plant substation transformer",
        "railway": "depot platform roundhouse station traverser turntable wash yard",
        "waterway": "boatyard dam dock fuel riverbank",
    }.items()
}
"""Keys of linear things, with the values that make a closed way an area all the same."""

NEVER_OPEN: dict[str, frozenset[str]] = {
    key: frozenset(values.split())
    for key, values in {
        "area": "yes",
        "building": "",
        "building:part": "",
        "landuse": "",
        "leisure": "common garden golf_course nature_reserve park pitch playground",
        "natural": "bare_rock beach glacier grassland heath sand scree scrub water wetland wood",
    }.items()
}
"""Tags (no value listed: any value) that make no sense on an open way."""


def is_area(tags: Mapping[str, str]) -> bool:
    """Whether a closed way with these tags is a surface.

    | tags | closed way is |
    |---|---|
    | `area=yes` | area |
    | `area=no` | line |
    | a key of `LINES_BUT`, value neither listed nor `no` | area |
    | a key of `AREAS_ONLY` with a listed value | area |
    | anything else (roads, rails, fences, power lines, routes) | line |

    The rule follows OSM's documented usage, as the common converters do; the lists are our own.
    """
    declared = tags.get("area")
    if declared in ("yes", "no"):
        return declared == "yes"
    for key, value in tags.items():
        lines = LINES_BUT.get(key)
        if lines is not None:
            if value != "no" and value not in lines:
                return True
        elif key in AREAS_ONLY and value in AREAS_ONLY[key]:
            return True
    return False


def never_open(tags: Mapping[str, str]) -> bool:
    """Whether an open way with these tags is a broken area (rather than a line)."""
    if "highway" in tags or "barrier" in tags or "waterway" in tags or "railway" in tags:
        return False
    return any(
        key in tags and tags[key] != "no" and (not values or tags[key] in values)
        for key, values in NEVER_OPEN.items()
    )


@lru_cache(maxsize=1 << 14)
def public_key(key: str) -> str:
    """The key cleaned, or "" when it must not leave the reader."""
    key = clean(key)
    return "" if _PERSONAL.fullmatch(key) else key


@lru_cache(maxsize=1 << 16)
def _fragment(key: str, value: str) -> tuple[str, str]:
    key = public_key(key)
    if not (key and value):
        return "", ""
    plain = len(value) < 256 and value.isascii() and value.isprintable() and "  " not in value
    value = value.strip() if plain else clean(value)
    if not value or (("@" in value or "+" in value) and _REACHES.search(value)):
        return "", ""
    return key, f"{encode_basestring(key)}:{encode_basestring(value)}"


def tags_json(tags: Iterable[tuple[str, str]]) -> str:
    """The tags as a JSON object with sorted keys: cleaned, without what may reach a person.

    Of two keys that are the same after cleaning the first in order of the raw keys stays.
    """
    parts: dict[str, str] = {}
    for raw, value in sorted(tags):
        key, part = _fragment(raw, value)
        if key:
            parts.setdefault(key, part)
    return "{" + ",".join([parts[key] for key in sorted(parts)]) + "}"
