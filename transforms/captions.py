"""Captions assembled from tags by rule, after the grammar seen in SkyScript's captions.

    multi  = "a satellite image of " focus [ ", surrounded by " object { "; " object } ]
    focus  = phrase [ " with " phrase { " and " phrase } ]
    phrase = key " of " value | key      (key alone where the value is "yes")

The original is known from five published captions only; the single caption's exact form and the
words "leisure land" are inferred. Tags are expected main tag first, as `schemas.visible` does it.
"""

from collections.abc import Mapping, Sequence

from schemas.text import clean

PREFIX = "a satellite image of "
AROUND = ", surrounded by "
LIMIT = 1000
"""Longest caption in characters; whole phrases are left out to keep it."""

WRITTEN = {"highway": "road", "leisure": "leisure land"}
"""Keys that are written as other words."""


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


def single(tags: Mapping[str, str], limit: int = LIMIT) -> str:
    """Caption of one object, e.g. `a satellite image of road of footway with surface of asphalt`.

    Raises:
        ValueError: no tags.
    """
    return PREFIX + focus(tags, limit - len(PREFIX))


def multi(
    tags: Mapping[str, str], surrounding: Sequence[Mapping[str, str]], limit: int = LIMIT
) -> str:
    """Caption of an object and of what lies around it.

    Args:
        surrounding: visible tags of the other objects, nearest first; only the main tag of each is
            said, and each phrase once.

    Raises:
        ValueError: no tags.
    """
    text, joint = single(tags, limit), AROUND
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
