"""Sides and compass words of a text against what is known: west is left, north is top.

The original told its models that left is east while its numbers said otherwise, so its captions hold
mirrored words. Here a text may only name directions that its facts name, in either wording.
"""

import re
from collections.abc import Iterable

SIDES = {"left": "L", "west": "L", "right": "R", "east": "R", "top": "T", "upper": "T",
         "north": "T", "bottom": "B", "lower": "B", "south": "B"}  # fmt: skip
"""Words for a direction, by the side of the picture that they mean."""

_WORD = re.compile(
    r"\b(north|south)?[- ]?(east|west)(?:ern|wards?|erly|ernmost)?(?:side|bound|most)?\b"
    r"|\b(north|south|left|right|top|upper|bottom|lower)(?:ern|wards?|erly|ernmost)?"
    r"(?:side|bound|most|hand)?\b",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(
    r"\bright[- ]angle\w*|\bright (?:away|next|at|beside|behind|where|through|in the middle)"
    r"|\b(?:on )?top of\b|\bleft (?:over|behind|open|free|untouched|out)\b|\brights?[- ]of[- ]way",
    re.IGNORECASE,
)
"""Phrases in which such words mean no direction."""

_NAME = re.compile(r"\"[^\"]*\"|“[^”]*”")
"""What stands between quotation marks is a name."""


def directions(text: str) -> frozenset[str]:
    """Sides of the picture that a text names: of L, R, T, B. Names do not count."""
    text = _OTHERWISE.sub(" ", _NAME.sub(" ", text))
    return _sides(match for match in _WORD.finditer(text) if not _in_name(text, match))


def stated(given: str) -> frozenset[str]:
    """Sides that facts name in lower case, between quotation marks too; names begin with capitals."""
    return _sides(match for match in _WORD.finditer(given) if match[0].islower())


def astray(text: str, given: str) -> bool:
    """Whether a text names a direction that its facts do not name."""
    return not directions(text) <= stated(given)


def _sides(matches: Iterable[re.Match[str]]) -> frozenset[str]:
    return frozenset(SIDES[part.lower()] for match in matches for part in match.groups() if part)


def _in_name(text: str, match: re.Match[str]) -> bool:
    """Whether a word in capitals is part of a name: the next word is in capitals too."""
    after = re.match(r"[ -]([^\W\d_])", text[match.end() :])
    return match[0][0].isupper() and after is not None and after[1].isupper()
