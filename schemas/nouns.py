"""Plain words for what a tag names: `leisure=pitch` is "a sports field". All texts take them here.

`schemas/data/nouns.csv`, written for this project. Columns:

| column | meaning |
|---|---|
| `key`, `value` | the tag; an empty value is any value of the key that is not listed |
| `noun` | as it stands in a sentence, with its article where it has one |
| `category` | what can be mistaken for what: alternatives come from one category; empty: never asked about |
| `kin` | nouns too alike to be told apart ("a barn", "a cowshed"); `*`: may be any of its category |

No question is asked about a tag without a category. Of an object's keys the one that stands first in the
table names it best.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).parent / "data" / "nouns.csv"

BROAD = "*"
ARTICLES = ("a ", "an ")


@dataclass(frozen=True, slots=True)
class Noun:
    """What a tag names.

    Attributes:
        text: with article: "a church", "farmland".
        category, kin: see the module.
    """

    text: str
    category: str
    kin: str

    @property
    def the(self) -> str:
        """With the definite article: "the church", "the farmland"."""
        return f"the {self.bare}"

    @property
    def bare(self) -> str:
        """Without an article: "church"."""
        article = next((a for a in ARTICLES if self.text.startswith(a)), "")
        return self.text.removeprefix(article)


@lru_cache(maxsize=1)
def table() -> dict[tuple[str, str], Noun]:
    """Nouns by tag."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return {
            (row["key"], row["value"]): Noun(row["noun"], row["category"], row["kin"])
            for row in csv.DictReader(stream)
        }


@lru_cache(maxsize=1)
def by_text() -> dict[str, Noun]:
    """Nouns that are asked about, by their own text."""
    return {noun.text: noun for noun in table().values() if noun.category}


@lru_cache(maxsize=1)
def fed() -> dict[str, frozenset[str]]:
    """Categories that the tags of a key may belong to."""
    found: dict[str, set[str]] = {}
    for (key, _), noun in table().items():
        if noun.category:
            found.setdefault(key, set()).add(noun.category)
    return {key: frozenset(names) for key, names in found.items()}


def noun_of(key: str, value: str) -> Noun | None:
    """What the tag names, or None where that is not asked about."""
    noun = table().get((key, value))
    return noun if noun is not None and noun.category else None


def absent(candidates: Iterable[Noun], tags: Iterable[tuple[str, str]]) -> list[Noun]:
    """Those of `candidates` that a place with exactly these tags surely does not show.

    Left out are what is there, what is too alike to it, and whole categories in which something
    may be anything: "a building" may be a church, and a tag without words may be whatever its key
    allows.
    """
    open_ended: set[str] = set()
    kin: set[str] = set()
    there: set[str] = set()
    for key, value in tags:
        noun = noun_of(key, value)
        if noun is None:
            open_ended |= fed().get(key, frozenset())
        elif noun.kin == BROAD:
            open_ended.add(noun.category)
        else:
            kin.add(noun.kin)
            there.add(noun.text)
    return [
        noun
        for noun in candidates
        if noun.kin != BROAD
        and noun.category not in open_ended
        and noun.kin not in kin
        and noun.text not in there
    ]
