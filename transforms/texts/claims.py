"""What a text says beyond what it was given: numbers, measures, names; or nothing of it at all.

A model that was told of a village and names a town has made the town up. Such texts read well, so
they are compared with their grounds word by word. What begins a sentence cannot be told from a
name and passes; wrong words for right things pass as well.
"""

import re
from collections.abc import Iterable

MEASURES = (
    "millimeter millimetre centimeter centimetre meter metre kilometer kilometre mm cm m km hectare ha",
    "inch foot feet ft yard yd mile mi acre",
    "celsius fahrenheit kelvin",
    "kilogram kg gram ton tonne pound lb",
    "dollar euro usd eur",
)
"""Units by what they belong to: a text in meters may speak of kilometers, not of miles."""

UNIT = re.compile(
    r"\b(?:square |cubic )?("
    + "|".join(sorted({unit for row in MEASURES for unit in row.split()}, key=len, reverse=True))
    + r")(?:s|es)?\b",
    re.IGNORECASE,
)
AFTER_NUMBER = frozenset(
    ["m", "mm", "cm", "km", "ha", "ft", "yd", "mi", "kg", "lb", "foot", "yard", "pound"]
)
"""Units that are other words, too, where no number stands before them."""

COMMON = frozenset(
    """about above across aerial all almost along also and any appear area around behind being below
    beside between beyond both bottom bounds but can center centre close corner cover cross curve
    down each edge either end extend far few fifth fill five follow for form four frame from half
    has have here image into its known large lead left less lie like line little location long lower map
    middle more most mostly much named near nearly not off one only open other out outline over part
    pass past photo photograph picture piece place probably quarter reach right rough run satellite scene
    seem seen seven several shape short show side six small some span spread stand stretch such take
    than that the their them then there these they third this those three through toward towards two
    under upper very view visible was well were what when where which while whole wide with within
    without attribute attributes call called calls continue continues course direction data fact facts
    length meter meters position share shares sinuosity square""".split()  # noqa: SIM905
)
"""Words that any caption or list of facts may have, and that tell nothing of a subject."""

STEM = 4
"""Letters that inflections and compounds of a word mostly share: road, roads, roadside."""

NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
PERCENT = re.compile(r"\s*(?:%|per ?cent\b)", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_][\w'’-]*")
PLAIN = frozenset(
    ["I", "North", "South", "East", "West", "Northeast", "Northwest", "Southeast", "Southwest"]
)
"""Words in capitals that claim nothing."""


def unfounded(text: str, grounds: Iterable[str]) -> tuple[str, ...]:
    """Codes of what a text claims without grounds.

    | code | what is wrong |
    |---|---|
    | number, unit | one that the grounds do not have |
    | name | a word in capitals within a sentence that they do not have |
    | subject | no word but the commonest is theirs: it speaks of something else |

    Args:
        text: to be judged.
        grounds: texts that say what may be claimed.
    """
    given = "\n".join(grounds)
    found = {
        "number": not numbers(text, given),
        "unit": not units(text) <= units(given),
        "name": bool(names(text) - {word.casefold() for word in WORD.findall(given)}),
        "subject": not stems(text) & stems(given) and bool(stems(given)),
    }
    return tuple(code for code, met in found.items() if met)


def numbers(text: str, given: str) -> bool:
    """Whether every number of a text is a given one, one rounded, or a given share in percent."""
    known = [_number(n) for n in NUMBER.findall(given)]
    return all(
        any(
            _rounds(scale * value, _number(said[0]), said[0])
            for value in known
            for scale in ((1, 100) if PERCENT.match(text, said.end()) else (1,))
        )
        for said in NUMBER.finditer(text)
    )


def units(text: str) -> frozenset[str]:
    """Rows of `MEASURES` whose units a text has, each by its first one."""
    found = set()
    for match in UNIT.finditer(text):
        unit = match[1].casefold()
        if unit not in AFTER_NUMBER or re.search(r"\d\s*$", text[: match.start()]):
            found.add(next(row.split()[0] for row in MEASURES if unit in row.split()))
    return frozenset(found)


def stems(text: str) -> frozenset[str]:
    """The beginnings of the words of a text that tell of its subject."""
    words = (word.casefold() for word in re.findall(r"[^\W\d_]{3,}", text))
    return frozenset(
        word[:STEM]
        for word in words
        if not {word, word.removesuffix("s"), word.removesuffix("es")} & COMMON
    )


def _rounds(value: float, said: float, as_written: str) -> bool:
    digits = len(as_written.partition(".")[2])
    return abs(value - said) <= 0.5 * 10.0**-digits + 1e-9


def _number(text: str) -> float:
    """`1,234.5` as a number; what has two points, such as a date, as its first part."""
    whole, point, rest = text.replace(",", "").partition(".")
    return float(f"{whole}{point}{rest.partition('.')[0]}")


def names(text: str) -> set[str]:
    """Words in capitals within sentences, without regard to case."""
    found = set()
    for match in WORD.finditer(text):
        word, before = match[0], text[: match.start()].rstrip(" \"'“‘(")
        inside = before and before[-1] not in ".!?:\n"
        if inside and word[0].isupper() and word not in PLAIN:
            found.add(word.removesuffix("'s").removesuffix("’s").casefold())
    return found
