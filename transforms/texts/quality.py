"""What is wrong with a text, by rules: too short or long, another script, loops, remains of markup."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from schemas.errors import UsageError, nearest


@dataclass(frozen=True)
class Rules:
    """What a text must keep to.

    Attributes:
        least, most: words.
        script: first word of the Unicode names of its letters; nine in ten must be of it.
    """

    least: int = 3
    most: int = 120
    script: str = "LATIN"


RULES = {"plain": Rules(), "rsteller": Rules(least=10, most=120)}
"""Rules by name."""

_MARKUP = re.compile(r"[*#`{}<>|\\]|https?:|\bwww\.|^\s*[-•]\s", re.MULTILINE)


def faults(text: str, rules: str) -> tuple[str, ...]:
    """Codes of what is wrong, () for a text that may be kept.

    Raises:
        UsageError: no rules of that name.
    """
    if rules not in RULES:
        raise UsageError(f"texts: no rules {rules!r}; {nearest(rules, RULES)}")
    wanted, words = RULES[rules], text.split()
    found = {
        "empty": not words,
        "short": 0 < len(words) < wanted.least,
        "long": len(words) > wanted.most,
        "script": _foreign(text, wanted.script) > 0.1,
        "markup": _MARKUP.search(text) is not None,
        "loop": _looping([w.strip(".,;:!?").casefold() for w in words]),
    }
    return tuple(code for code, met in found.items() if met)


def against(text: str, facts: str, rules: str) -> tuple[str, ...]:
    """Codes of what a text says against its facts; these rules know nothing of facts."""
    return ()


def _foreign(text: str, script: str) -> float:
    """Share of the letters that are of another script."""
    letters = [c for c in text if c.isalpha()]
    other = sum(not unicodedata.name(c, "").startswith(script) for c in letters)
    return other / len(letters) if letters else 0.0


def _looping(words: list[str], run: int = 4) -> bool:
    """Whether the same `run` words stand three times, or a third of many words are one word."""
    runs = Counter(tuple(words[i : i + run]) for i in range(len(words) - run + 1))
    often = Counter(words).most_common(1)
    return bool(runs and max(runs.values()) >= 3) or bool(
        len(words) >= 12 and often and often[0][1] > len(words) / 3
    )
