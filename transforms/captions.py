"""Captions assembled from tags by rule, after the grammar seen in SkyScript's captions.

    multi  = source " of " focus [ ", surrounded by " object { "; " object } ]
    source = "a satellite image" | "an aerial image"
    focus  = phrase [ " with " phrase { " and " phrase } ]
    phrase = key " of " value | key      (key alone where the value is "yes")

The original is known from five published captions only; the single caption's exact form and the
words "leisure land" are inferred. The original says "a satellite image" of aerial imagery too; here
`source` names what took the picture. Tags are expected main tag first, as
`schemas.visible` does it.
"""

import re
from collections.abc import Mapping, Sequence

from schemas.scenes import Scene
from schemas.text import clean

SATELLITE, AERIAL = "a satellite image", "an aerial image"
AROUND = ", surrounded by "
LIMIT = 1000
"""Longest caption in characters; whole phrases are left out to keep it."""

WRITTEN = {"highway": "road", "leisure": "leisure land"}
"""Keys that are written as other words."""


ORBITING = re.compile(
    r"satellite|sentinel|landsat|skysat|planetscope|worldview|geoeye|quickbird|pleiades|maxar", re.I
)
FLYING = re.compile(r"aerial|aircraft|airplane|naip|ortho|drone|\buav\b", re.I)
"""Words in platform, collection or provider that tell what took a picture."""

FLYING_M, FINE_M, FINEST_M = 5.0, 1.0, 0.25
"""Metres: surveys from the air are finer than the first, unnamed pictures finer than the second; no
satellite sold to the public is finer than the third (US licences, 0.25 m since 2014)."""


def source(scene: Scene, gsd: float) -> str:
    """What a scene is called: `AERIAL` where its names or its grain say so, else `SATELLITE`.

    A platform that is stated and names no aircraft is a satellite.

    Args:
        gsd: metres on the ground for a pixel.
    """
    names = f"{scene.platform} {scene.collection} {scene.provider}"
    if ORBITING.search(names):
        return SATELLITE
    if FLYING.search(names) and gsd < FLYING_M:
        return AERIAL
    if scene.platform or gsd >= FINE_M:
        return SATELLITE
    picture = all(band.dtype == "uint8" for band in scene.bands)
    return AERIAL if picture or gsd < FINEST_M else SATELLITE


def phrase(key: str, value: str) -> str:
    """One tag in words: `road of bus stop`, `crossing markings of zebra`, `shelter`."""
    words = WRITTEN.get(key) or _words(key)
    said = _words(value)
    return words if said in ("yes", "", words) else f"{words} of {said}"


def focus(tags: Mapping[str, str], limit: int = LIMIT) -> str:
    """The object itself: its main tag, then what else is visible of it.

    Raises:
        ValueError: no tags.
    """
    if not tags:
        raise ValueError("a caption needs at least one visible tag")
    first, *others = dict.fromkeys(phrase(key, value) for key, value in tags.items())
    text = first[:limit].rstrip()
    for joint, other in zip([" with ", *[" and "] * len(others)], others, strict=False):
        if len(text) + len(joint) + len(other) > limit:
            break
        text += joint + other
    return text


def single(tags: Mapping[str, str], seen: str = SATELLITE, limit: int = LIMIT) -> str:
    """Caption of one object, e.g. `a satellite image of road of footway with surface of asphalt`.

    Args:
        seen: what shows it, see `source`.

    Raises:
        ValueError: no tags.
    """
    lead = f"{seen} of "
    return lead + focus(tags, limit - len(lead))


def multi(
    tags: Mapping[str, str],
    surrounding: Sequence[Mapping[str, str]],
    seen: str = SATELLITE,
    limit: int = LIMIT,
) -> str:
    """Caption of an object and of what lies around it.

    Args:
        surrounding: visible tags of the other objects, nearest first; only the main tag of each is
            said, and each phrase once.
        seen: what shows it, see `source`.

    Raises:
        ValueError: no tags.
    """
    text, joint = single(tags, seen, limit), AROUND
    for other in dict.fromkeys(phrase(*next(iter(near.items()))) for near in surrounding if near):
        if len(text) + len(joint) + len(other) > limit:
            break
        text += joint + other
        joint = "; "
    return text


def _words(text: str) -> str:
    """A key or value as words: cleaned, "_" and ":" become blanks, of `a;b` the first."""
    text = clean(text).split(";")[0]
    return clean(text.replace("_", " ").replace(":", " "))
