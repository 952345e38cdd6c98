"""Tags of OSM objects: what may leave the reader, and when a closed way is an area.

Text from strangers is cleaned, and tags that may name or reach a person are removed. User names,
user ids and changesets are never asked of the library.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from json.encoder import encode_basestring

import numpy as np
import numpy.typing as npt

from schemas.text import clean

_PERSONAL = re.compile(
    r"""(?:.+:)?(?:phone|telephone|tel|telefax|mobile|fax|email|e-mail|sms|website|webpage|url
        |facebook|twitter|instagram|whatsapp|telegram|linkedin|skype|youtube|vk|owner|contact|user|uid|changeset|created_by
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


YES, NO, SURFACE, BROKEN_OPEN, LINEAR, UNREADABLE, ASKED = (1 << bit for bit in range(7))
"""What a tag says of its way's shape, and whether it is one that objects are asked for by; the bits
of all tags of an object are joined by `|`."""

LINEAR_KEYS = ("highway", "barrier", "waterway", "railway")


def bits(key: str, value: str) -> int:
    """What one tag says of the shape of its way."""
    if key == "area":
        return {"yes": YES | BROKEN_OPEN, "no": NO}.get(value, 0)
    found = LINEAR if key in LINEAR_KEYS else 0
    if value != "no":
        lines = LINES_BUT.get(key)
        if value in AREAS_ONLY.get(key, ()) or (lines is not None and value not in lines):
            found |= SURFACE
        broken = NEVER_OPEN.get(key)
        if broken is not None and (not broken or value in broken):
            found |= BROKEN_OPEN
    return found


def says_shape(key: str) -> bool:
    """Whether `bits` of a tag with this key can be anything but 0."""
    return key == "area" or any(
        key in known for known in (LINEAR_KEYS, LINES_BUT, AREAS_ONLY, NEVER_OPEN)
    )


def is_area(found: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether closed ways are surfaces, from the `bits` of their tags.

    | tags | closed way is |
    |---|---|
    | `area=yes` | area |
    | `area=no` | line |
    | a key of `LINES_BUT`, value neither listed nor `no` | area |
    | a key of `AREAS_ONLY` with a listed value | area |
    | anything else (roads, rails, fences, power lines, routes) | line |

    The rule follows OSM's documented usage, as the common converters do; the lists are our own.
    """
    result: npt.NDArray[np.bool_] = ((found & YES) != 0) | ((found & (NO | SURFACE)) == SURFACE)
    return result


def never_open(found: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether open ways are broken areas (rather than lines), from the `bits` of their tags."""
    result: npt.NDArray[np.bool_] = (found & (BROKEN_OPEN | LINEAR)) == BROKEN_OPEN
    return result


@lru_cache(maxsize=1 << 14)
def public_key(key: str) -> str:
    """The key cleaned, or "" when it must not leave the reader."""
    key = clean(key)
    return "" if _PERSONAL.fullmatch(key) else key


@lru_cache(maxsize=1 << 16)
def meaning(key: str, value: str) -> tuple[str, str, int]:
    """Cleaned key, the tag as a piece of JSON, and its `bits`; "" and "" when it must not leave."""
    shape, key = bits(key, value), public_key(key)
    plain = len(value) < 256 and value.isascii() and value.isprintable() and "  " not in value
    value = value.strip() if plain else clean(value)
    reaches = ("@" in value or "+" in value) and _REACHES.search(value)
    if not (key and value) or reaches:
        return "", "", shape
    return key, f"{encode_basestring(key)}:{encode_basestring(value)}", shape


def tags_json(tags: Iterable[tuple[str, str]]) -> str:
    """The tags as a JSON object with sorted keys: cleaned, without what may reach a person.

    Of keys that are the same after cleaning the first in order of the raw keys stays.
    """
    parts: dict[str, str] = {}
    for raw, value in sorted(tags):
        key, part, _ = meaning(raw, value)
        if key:
            parts.setdefault(key, part)
    return "{" + ",".join([parts[key] for key in sorted(parts)]) + "}"
