"""What is wrong with a text, by rules: characters, length, script, language, loops, remains of markup.

Texts are judged as Unicode: letters of any script are letters, so a name may keep its own spelling,
while the text as a whole must be of one script and language.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from schemas.errors import UsageError, nearest
from schemas.hostile import CHATTER, LINK, MARKUP, speaks
from transforms.texts.directions import astray


@dataclass(frozen=True)
class Rules:
    """What a text must keep to.

    Attributes:
        least, most: words.
        script: first word of the Unicode names of its letters.
        foreign: largest share of letters of other scripts, which names may need.
        english: least share of common English words, where a text has eight words or more.
        strict: whether only letters, digits, blanks and basic punctuation are allowed, long dashes
            only in pairs, brackets only closed, and no line breaks.
        revises: whether it may speak of having been revised.
        sides: whether it may only name directions that its facts name.
        plain: whether it may only tell of its subject: not address the reader, not ask, not speak of
            captions, sentences and the like, where its facts do not.
    """

    least: int = 3
    most: int = 120
    script: str = "LATIN"
    foreign: float = 0.1
    english: float = 0.0
    strict: bool = False
    revises: bool = True
    sides: bool = False
    plain: bool = False


RULES = {
    "plain": Rules(),
    "rsteller": Rules(10, 120, foreign=0.3, english=0.2, strict=True, sides=True, plain=True),
    "rsteller-rewrite": Rules(
        2, 100, foreign=0.3, english=0.2, strict=True, revises=False, sides=True, plain=True
    ),
}
"""Rules by name; those of rsteller are the published ones of its original, and ours on top."""

BASIC = frozenset(" .,;:!?'\"’‘“”()[]-–—/&%°…")
"""Punctuation that a caption may hold."""

OVERLAYS = re.compile("[\u0334-\u0338\u20d0-\u20f0]")
"""Marks that strike a letter through, which no language writes."""

_ASIDE = re.compile(
    r"\b(you|your|yours|captions?|sentences?|paragraphs?|phras(?:e|es|ing)|facts?|instructions?|prompts?"
    r"|answers?|questions?|examples?|elaborat\w+|descriptions?|words?|lists?)\b|(\?)",
    re.IGNORECASE,
)
"""What a text says to its reader, or of itself."""

_REVISES = re.compile(r"\b(?:revis|rewrit|rewrote|rephras|paraphras|reword)\w*", re.IGNORECASE)

_ENGLISH = frozenset(
    """a about above across after against all along also among an and any are around as at away be
    before behind below beside between beyond both but by can covers crosses down each edge either
    few for forms from had has have here how image in into is it its just large left lies like lined
    located many more most mostly much near no north not of off on one only open or other out over
    part past right road runs several shape shows side small some south such than that the their
    them then there these they this through to toward towards two under up upper view was west
    where which while wide with within without""".split()  # noqa: SIM905
)
"""Common words of English captions."""


def faults(text: str, rules: str) -> tuple[str, ...]:
    """Codes of what is wrong, () for a text that may be kept.

    | code | what is wrong |
    |---|---|
    | empty, short, long | number of words |
    | script, language | letters of another script; hardly a common English word |
    | markup, link, chatter | remains of markup; an address or a number to call; talk about the task |
    | loop | the same words over and over |
    | characters, dash, brackets, star, newline | what strict rules do not allow |
    | revise | it speaks of having been revised |

    Raises:
        UsageError: no rules of that name.
    """
    wanted, words = _rules(rules), text.split()
    plain = [word.strip(".,;:!?\"'()[]").casefold() for word in words]
    found = {
        "empty": not words,
        "short": 0 < len(words) < wanted.least,
        "long": len(words) > wanted.most,
        "script": _foreign(text, wanted.script) > wanted.foreign,
        "language": len(words) >= 8 and _share(plain) < wanted.english,
        "markup": MARKUP.search(text) is not None,
        "link": LINK.search(text) is not None,
        "chatter": CHATTER.search(text) is not None,
        "loop": _looping(text, plain),
        "characters": wanted.strict and not spelt(text.replace("*", "").replace("\n", " ")),
        "dash": wanted.strict and text.count("—") % 2 == 1,
        "brackets": wanted.strict and not _closed(text),
        "star": wanted.strict and "*" in text,
        "newline": wanted.strict and len(text.strip().splitlines()) > 1,
        "revise": not wanted.revises and _REVISES.search(text) is not None,
    }
    return tuple(code for code, met in found.items() if met)


def against(text: str, facts: str, rules: str) -> tuple[str, ...]:
    """Codes of what a text says against its facts, or beside them.

    | code | what is wrong |
    |---|---|
    | direction | a side that they do not name |
    | chatter | it addresses the reader, asks, or speaks of itself, and they do not |

    Raises:
        UsageError: no rules of that name.
    """
    wanted, known = _rules(rules), facts.casefold()
    aside = (match[0].casefold() for match in _ASIDE.finditer(text))
    found = {
        "direction": wanted.sides and astray(text, facts),
        "chatter": wanted.plain and any(word not in known for word in aside),
    }
    return tuple(code for code, met in found.items() if met)


def echoes(text: str, prompt: str, run: int = 12) -> bool:
    """Whether `run` words of a text, or all of a shorter one, stand in a prompt in the same order."""
    said, given = (
        [word.casefold() for word in re.findall(r"[^\W_]+", part)] for part in (text, prompt)
    )
    run = min(run, len(said))
    if run < 4:  # a few words may well meet by chance
        return False
    known = {tuple(given[i : i + run]) for i in range(len(given) - run + 1)}
    return any(tuple(said[i : i + run]) in known for i in range(len(said) - run + 1))


def _rules(name: str) -> Rules:
    if name not in RULES:
        raise UsageError(f"texts: no rules {name!r}; {nearest(name, RULES)}")
    return RULES[name]


def spelt(text: str) -> bool:
    """Whether a text has only letters and marks of any script, digits, blanks, basic punctuation."""
    return OVERLAYS.search(text) is None and all(
        c in BASIC or unicodedata.category(c)[0] in "LMN" for c in text
    )


def quotable(name: str, words: int = 6, letters: int = 60) -> bool:
    """Whether a name of the map may stand in a text between quotation marks.

    Not: what is long, holds other characters than `spelt` allows, quotation marks or brackets, looks
    like an address or a number to call, or talks to a model. It stays in the sample's tags.
    """
    return bool(
        1 <= len(name.split()) <= words
        and len(name) <= letters
        and spelt(name)
        and not set(name) & set('"“”()[]—;:/')
        and any(unicodedata.category(c)[0] == "L" for c in name)
        and not (MARKUP.search(name) or speaks(name))
    )


def _foreign(text: str, script: str) -> float:
    """Share of the letters that are of another script."""
    letters = [c for c in text if c.isalpha()]
    other = sum(not unicodedata.name(c, "").startswith(script) for c in letters)
    return other / len(letters) if letters else 0.0


def _share(words: list[str]) -> float:
    """Share of words that are common in English."""
    return sum(word in _ENGLISH for word in words) / len(words)


def _closed(text: str) -> bool:
    """Whether every bracket is closed by its own kind."""
    open_: list[str] = []
    for c in text:
        if c in "([":
            open_.append(c)
        elif c in ")]" and (not open_ or open_.pop() + c not in ("()", "[]")):
            return False
    return not open_


def _looping(text: str, words: list[str], run: int = 4) -> bool:
    """Whether the same `run` words stand three times, a sentence of them twice, or a third of many
    words are one word."""
    runs = Counter(tuple(words[i : i + run]) for i in range(len(words) - run + 1))
    said = Counter(s.strip().casefold() for s in re.split(r"[.!?\n]+", text))
    again = any(count > 1 and len(s.split()) >= run for s, count in said.items())
    often = Counter(words).most_common(1)
    most = bool(len(words) >= 12 and often and often[0][1] > len(words) / 3)
    return bool(runs and max(runs.values()) >= 3) or again or most
