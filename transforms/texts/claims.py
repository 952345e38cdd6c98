"""What a text says beyond what it was given: numbers and names.

A model that was told of a village and names a town has made the town up. Such texts read well, so
they are compared with their grounds word by word. What begins a sentence cannot be told from a
name and passes; wrong words for right things pass as well.
"""

import re
from collections.abc import Iterable

NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
WORD = re.compile(r"[^\W\d_][\w'’-]*")
PLAIN = frozenset(
    ["I", "North", "South", "East", "West", "Northeast", "Northwest", "Southeast", "Southwest"]
)
"""Words in capitals that claim nothing."""


def unfounded(text: str, grounds: Iterable[str]) -> tuple[str, ...]:
    """Codes of what a text claims without grounds: `number`, `name`.

    Args:
        text: to be judged.
        grounds: texts that say what may be claimed.
    """
    given = "\n".join(grounds)
    found = {
        "number": not numbers(text, given),
        "name": bool(names(text) - {word.casefold() for word in WORD.findall(given)}),
    }
    return tuple(code for code, met in found.items() if met)


def numbers(text: str, given: str) -> bool:
    """Whether every number of a text is a given one, one rounded, or a given share in percent."""
    known = [_number(n) for n in NUMBER.findall(given)]
    return all(
        any(_rounds(scale * value, _number(said), said) for value in known for scale in (1, 100))
        for said in NUMBER.findall(text)
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
