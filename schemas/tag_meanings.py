"""What OpenStreetMap tags mean, in plain English: one sentence a tag. Nouns: `schemas.nouns`.

The table, `schemas/data/tag_meanings.csv`, was written for this project, in its own words, and stands
under the project's licence; it holds what is common, not everything. A wiki dump may take its place
(`catalogs.sources.tag_wiki`). Columns:

| column | meaning |
|---|---|
| `key`, `value` | the tag; an empty value is the page of the key itself |
| `group` | what kind of thing it belongs to |
| `description` | what it is, without a full stop |
"""

import csv
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from schemas import nouns

TABLE = Path(__file__).parent / "data" / "tag_meanings.csv"

REFINES: dict[tuple[str, str], str] = {
    ("natural", "water"): "water",
    ("natural", "wetland"): "wetland",
    ("leisure", "pitch"): "sport",
    ("leisure", "track"): "sport",
    ("power", "plant"): "plant:source",
    ("power", "generator"): "generator:source",
    ("highway", "service"): "service",
    ("highway", "footway"): "footway",
}
"""Tags whose thing another key names more closely."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: of a tag, or of a key (`value` is "")."""

    key: str
    value: str
    description: str
    group: str = ""


class Pages(Protocol):
    """A set of pages, by key and value."""

    def page(self, key: str, value: str) -> Page | None:
        """The page of a tag; with value "" that of a key."""
        ...

    def beginning(self, key: str) -> Page | None:
        """The first page, by key and value, whose key begins with `key`."""
        ...


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is known of a tag.

    Attributes:
        found: `tag`, `key`, `similar` (a key that begins alike) or `none`.
    """

    description: str
    group: str
    found: str


def meaning(pages: Pages, key: str, value: str) -> Meaning:
    """What a tag means: from its own page, else its key's, else that of a key that begins alike."""
    for found, page in (
        ("tag", pages.page(key, value) if value else None),
        ("key", pages.page(key, "")),
        ("similar", pages.beginning(key)),
    ):
        if page is not None and page.description:
            return Meaning(page.description, page.group, found)
    return Meaning("", "", "none")


def sentence(pages: Pages, key: str, value: str) -> str:
    """One sentence on a tag: the tag, what it means, and its group; or to read it as it stands."""
    known = meaning(pages, key, value)
    if known.found == "none":
        return f"{key} = {value}: no description; read it as it stands."
    group = f" ({known.group})" if known.group else ""
    return f"{key} = {value}: {known.description.rstrip('. ')}{group}."


@dataclass(frozen=True)
class Table:
    """The pages of the project's own table, and the nouns of `schemas.nouns`."""

    pages: Mapping[tuple[str, str], Page]
    nouns: Mapping[tuple[str, str], str]
    _order: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    _named: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the pages, and keep the keys that name things."""
        named = tuple(dict.fromkeys(key for key, _ in self.nouns))
        object.__setattr__(self, "_order", tuple(sorted(self.pages)))
        object.__setattr__(self, "_named", named)

    def page(self, key: str, value: str) -> Page | None:
        """As `Pages.page`."""
        return self.pages.get((key, value))

    def beginning(self, key: str) -> Page | None:
        """As `Pages.beginning`."""
        place = bisect_left(self._order, (key, ""))
        found = self._order[place] if place < len(self._order) else ("", "")
        return self.pages[found] if key and found[0].startswith(key) else None

    def noun(self, tags: Mapping[str, str], key: str) -> str:
        """What a caption calls the thing that one of `tags` names, with its article; "" for none.

        A closer word wins: of `natural=water` with `water=lake` it is a lake.
        """
        value = tags.get(key, "")
        closer = REFINES.get((key, value), "")
        for own in ((closer, tags.get(closer, "")), (key, value), (key, "")):
            if found := self.nouns.get(own):
                return found
        return ""

    def headline(self, tags: Mapping[str, str]) -> str:
        """The key of the tag that best names the thing, by the order of the nouns; "" for none."""
        return next((key for key in self._named if key in tags), "")


@lru_cache(maxsize=1)
def table() -> Table:
    """The project's own table."""
    pages: dict[tuple[str, str], Page] = {}
    with TABLE.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            own = (row["key"], row["value"])
            pages[own] = Page(*own, row["description"], row["group"])
    return Table(pages, {tag: noun.text for tag, noun in nouns.table().items()})
