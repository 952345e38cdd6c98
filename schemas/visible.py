"""Groundability: which OSM tags can be seen in an image, and down to which resolution.

SkyScript trained a classifier for this and did not publish it. Ours is an expert table,
`schemas/data/visible.csv`, written for this project: it is an opinion, not a measurement, and a
user's file may extend or override any row. Columns:

| column | meaning |
|---|---|
| `key`, `value` | the tag; value `*` is any other value of the key |
| `gsd_m` | coarsest ground sampling distance in metres at which it is still visible, 0 for never |
| `role` | `main` names an object, `attribute` only describes one |

The steps of `gsd_m` are the classes of the original (0.1, 0.2, 0.6, 1, 10), and 30 for very large
land cover. What is not in the table is never visible: names, addresses, contacts, links, sources,
remarks, opening hours, brands, references, heights and dates cannot reach a caption.

Lines before the header that begin with "#" are remarks, such as the origin of a learnt table.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path

from schemas.errors import UsageError
from schemas.text import clean

TABLE = Path(__file__).parent / "data" / "visible.csv"

VALUE = re.compile(r"[a-z0-9_:;-]{1,60}")
"""Values that may be shown at all: OSM's own way of writing them. Free text never matches."""

WORD = re.compile(r"(?=.{1,24}$)[a-z]+(?:_[a-z]+){0,2}")
"""Values shown where only `*` vouches for them; longer ones are shown as `yes`."""

ABSENT = frozenset(
    """no none false 0 unknown
    proposed planned
    demolished razed removed dismantled destroyed""".split()  # noqa: SIM905
)
"""Values that say that the thing is not there."""

HIDDEN = {
    "tunnel": ABSENT,
    "indoor": ABSENT,
    "location": frozenset(("overground", "surface", "outdoor", "roof", "rooftop", "overhead")),
    "covered": ABSENT,
}
"""Keys that put the whole object out of sight, and the values for which they do not."""

UNSEEN = re.compile(
    r"(.*:)?(name|phone|mobile|email|fax|website|url|wikidata|wikipedia|contact|addr|note|fixme"
    r"|description|operator|brand|opening_hours|owner|start_date|height)([:_].*)?"
    r"|(source|ref|ele|[a-z]+_name|building:levels)(:.*)?"
)
"""Keys that no table may declare visible."""

_ROLES = ("main", "attribute")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    key: str
    value: str
    gsd_m: float
    role: str = "main"


@dataclass(frozen=True)
class Visible:
    """The table, ready for questions. The GSD asked for is the nominal one, in metres.

    Attributes:
        rows: the first row of each main key decides the key's rank: of an object's main tags the
            one of the highest rank is *the* main tag (a building that is also a school is a
            building first, since a roof is what is seen).
    """

    rows: tuple[Row, ...]
    _gsd: dict[tuple[str, str], float] = field(init=False, repr=False, compare=False)
    _rank: dict[str, int] = field(init=False, repr=False, compare=False)
    _attributes: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the rows."""
        main = dict.fromkeys(row.key for row in self.rows if row.role == "main")
        object.__setattr__(self, "_gsd", {(r.key, r.value): r.gsd_m for r in self.rows})
        object.__setattr__(self, "_rank", {key: rank for rank, key in enumerate(main)})
        described = frozenset(row.key for row in self.rows if row.role == "attribute")
        object.__setattr__(self, "_attributes", described)

    def keys(self) -> frozenset[str]:
        """Keys that can name an object: those to filter an extract by."""
        return frozenset(self._rank)

    def tags(self, tags: Mapping[str, str], gsd: float) -> dict[str, str]:
        """What of `tags` is visible at `gsd` metres, values as they may be shown.

        The main tag comes first, then the other main tags by rank, then attributes by key. Empty
        when no main tag is visible: an attribute alone is no object.
        """
        main = [(key, value) for key, value, coarsest in self._main(tags) if gsd <= coarsest]
        if not main:
            return {}
        for key in sorted(self._attributes.intersection(tags)):
            value, coarsest = self._shown(key, tags[key])
            if gsd <= coarsest:
                main.append((key, value))
        return dict(main)

    def main(self, tags: Mapping[str, str], gsd: float) -> tuple[str, str] | None:
        """The main tag at `gsd` metres, None when nothing of the object can be seen."""
        return next(((k, v) for k, v, coarsest in self._main(tags) if gsd <= coarsest), None)

    def coarsest(self, tags: Mapping[str, str]) -> float:
        """Coarsest GSD in metres at which a main tag is visible; 0 when there is none."""
        return max((coarsest for _, _, coarsest in self._main(tags)), default=0.0)

    def _main(self, tags: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
        """(key, value, coarsest GSD) of the visible main tags, by rank."""
        if hidden(tags):
            return
        for key in sorted(self._rank.keys() & tags.keys(), key=self._rank.__getitem__):
            value, coarsest = self._shown(key, tags[key])
            if coarsest > 0:
                yield key, value, coarsest

    def _shown(self, key: str, raw: str) -> tuple[str, float]:
        """A value as it may be shown (of `a;b` the first) and its coarsest GSD, 0 for never."""
        value = clean(raw).lower()
        if not VALUE.fullmatch(value):
            return "", 0.0
        value = value.split(";")[0]
        if not value or value in ABSENT:
            return "", 0.0
        coarsest = self._gsd.get((key, value))
        if coarsest is None:
            coarsest = self._gsd.get((key, "*"), 0.0)
            value = value if WORD.fullmatch(value) else "yes"
        return value, coarsest


def hidden(tags: Mapping[str, str]) -> bool:
    """Whether the whole object is out of sight: underground, indoors or covered."""
    return any(key in tags and tags[key].lower() not in seen for key, seen in HIDDEN.items())


@lru_cache(maxsize=16)
def load(path: Path | None = None) -> Visible:
    """The table; rows of a CSV file at `path` override those with the same key and value.

    Raises:
        UsageError: the file is missing or a row is wrong; the message names the line.
    """
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = {(row.key, row.value): row for row in _rows(stream, str(TABLE))}
    if path is not None:
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                rows.update({(row.key, row.value): row for row in _rows(stream, str(path))})
        except UnicodeDecodeError as error:
            raise UsageError(f"table of visible tags {path} is no UTF-8 text") from error
        except OSError as error:
            raise UsageError(f"table of visible tags {path} cannot be read: {error}") from error
    return Visible(tuple(rows.values()))


def _rows(lines: Iterable[str], name: str) -> Iterator[Row]:
    rest, remarks = iter(lines), 0
    first = next(rest, "")
    while first.startswith("#"):
        first, remarks = next(rest, ""), remarks + 1
    reader = csv.DictReader(chain([first], rest))
    if not {"key", "value", "gsd_m"} <= set(reader.fieldnames or ()):
        raise UsageError(f"{name}: the header must be key,value,gsd_m[,role]")
    for record in reader:
        where = f"{name}, line {reader.line_num + remarks}"
        key, value = (record["key"] or "").strip(), (record["value"] or "").strip()
        role = (record.get("role") or "main").strip()
        try:
            gsd = float(record["gsd_m"] or "")
        except ValueError:
            gsd = -1.0
        if not (VALUE.fullmatch(key) and (value == "*" or VALUE.fullmatch(value))):
            raise UsageError(f"{where}: {key}={value} is no tag of lower-case words")
        if not 0 <= gsd <= 1000:
            raise UsageError(f"{where}: gsd_m is {record['gsd_m']!r}, not metres from 0 to 1000")
        if role not in _ROLES:
            raise UsageError(f"{where}: role is {role!r}; valid: {', '.join(_ROLES)}")
        if UNSEEN.fullmatch(key):
            raise UsageError(f"{where}: {key} cannot be seen from above; leave it out")
        yield Row(key, value, gsd, role)
