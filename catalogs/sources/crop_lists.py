"""Lists of native crops by country and region, and the ways to find a crop in them."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from catalogs.sources.crop_tables import Row, bare, plain, stem

YEARS = re.compile(r"_(?:(\d{4})|(?:all|other|no)_years?)$")

Target = tuple[int, int]  # code and usage (-1 unknown)


@dataclass
class Native:
    """One list of native crops in one scheme: targets by code, by its number, by forms of the name."""

    codes: dict[str, set[Target]] = field(default_factory=lambda: defaultdict(set))
    numbers: dict[str, set[Target]] = field(default_factory=lambda: defaultdict(set))
    names: dict[str, set[Target]] = field(default_factory=lambda: defaultdict(set))
    bares: dict[str, set[Target]] = field(default_factory=lambda: defaultdict(set))
    stems: dict[str, set[Target]] = field(default_factory=lambda: defaultdict(set))

    def add(self, code: str, name: str, target: Target) -> None:
        """Note one row."""
        if code:
            self.codes[code].add(target)
            self.numbers[code.lstrip("0")].add(target)
        if name:
            self.names[plain(name)].add(target)
            self.bares[bare(name)].add(target)
            self.stems[stem(name)].add(target)

    def find(self, code: str, name: str) -> set[Target]:
        """The targets of a crop, none where it is not listed."""
        tries = (
            (self.codes, code), (self.numbers, code.lstrip("0")), (self.names, plain(name)),
            (self.bares, bare(name)), (self.stems, stem(name)),
        )  # fmt: skip
        return next((where[what] for where, what in tries if what and what in where), set())


def spelt(name: str) -> str:
    """A list's name as it is compared: `ES-CT` and `es_ct` are one."""
    return name.strip().lower().replace("-", "_")


def s4a(rows: Iterable[Row]) -> Iterator[tuple[str, str, str, Target]]:
    """List, code, name and target of each row of Sen4AgriNet's mapping."""
    for row in rows:
        native = row["native_crop_code_or_name"]
        if row["s4a_code"]:
            yield row["source"], native, native, (int(row["s4a_code"]), -1)


def v1(rows: Iterable[Row]) -> Iterator[tuple[str, str, str, Target]]:
    """The same of the mappings of EuroCrops v1, to HCAT3."""
    for row in rows:
        if row["hcat3_code"].isdigit():
            target = (int(row["hcat3_code"]), -1)
            yield row["mapping_file"], row["original_code"], row["original_name"], target


def v2(rows: Iterable[Row]) -> Iterator[tuple[str, str, str, Target]]:
    """The same of the mappings of EuroCrops v2, to HCAT4 and usage."""
    for row in rows:
        if row["hcat4_code"].isdigit():
            target = (int(row["hcat4_code"]), int(row["usage_code"] or -1))
            yield row["nuts"], row["original_code"], row["original_name"], target


def lists(rows: Iterable[tuple[str, str, str, Target]]) -> dict[str, Native]:
    """The lists of such rows by name."""
    found: dict[str, Native] = defaultdict(Native)
    for name, code, title, target in rows:
        found[spelt(name)].add(code, title, target)
    return dict(found)


def in_order(lists: Iterable[str], wanted: str, year: int) -> list[str]:
    """The lists of a name: its own, that of the year, those of all years, then the nearest year."""
    found = []
    for name in lists:
        ending = YEARS.search(name)
        if name == wanted:
            found.append((-1, name))
        elif ending and name[: ending.start()] == wanted:
            of = int(ending[1]) if ending[1] else 0
            apart = abs(of - year) if of else 1
            found.append((2 * apart + (1 if of else 0), name))
    return [name for _, name in sorted(found)]


def one(targets: set[Target], taxonomy: dict[int, tuple[str, int]]) -> tuple[int, str, int]:
    """The one code of some targets that the taxonomy has, its status, and its usage."""
    known = {target for target in targets if not taxonomy or target[0] in taxonomy}
    codes = {code for code, _ in known}
    if len(codes) != 1:
        return 0, "ambiguous" if codes else "unmapped", -1
    usages = {usage for _, usage in known}
    return codes.pop(), "mapped", usages.pop() if len(usages) == 1 else -1


def listed(targets: set[Target]) -> str:
    """The codes of some targets for people."""
    return ", ".join(str(code) for code in sorted({code for code, _ in targets}))


@cache
def bridge() -> dict[str, int]:
    """FAO ICC code by name of a HCAT class, seasons left out."""
    return _table("crop_bridge.csv", "hcat_name")


@cache
def words() -> dict[str, int]:
    """FAO ICC code by English words in names of crops."""
    return _table("crop_words.csv", "words")


@cache
def by_words(name: str) -> int:
    """FAO ICC code by what a HCAT name says in English: that of the most words which it has all of, or 0."""
    there = set(stem(name).split())
    known = ((stem(text).split(), code) for text, code in words().items())
    found = [(-len(own), own, code) for own, code in known if there.issuperset(own)]
    return min(found)[2] if found else 0


@cache
def english_names() -> dict[str, int]:
    """FAO ICC code by English name of a crop."""
    return {stem(name): code for name, code in _table("crop_names.csv", "english_name").items()}


def _table(file: str, column: str) -> dict[str, int]:
    path = Path(__file__).resolve().parents[2] / "schemas" / "data" / file
    with path.open(encoding="utf-8", newline="") as stream:
        return {row[column]: int(row["icc_code"]) for row in csv.DictReader(stream)}
