"""Which tags say something of a place: families of keys that imports and editors left behind are not.

The table, `schemas/data/tag_families.csv`, was written for this project; its families are those of
specs/rsteller.md. A user's file may add rows. Columns:

| column | meaning |
|---|---|
| `family` | what the keys have in common, for people |
| `pattern` | whole key, any case; `*` stands for any characters |
| `rule` | `drop`, or `keep` for an exception, which always wins |
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from schemas.errors import UsageError

TABLE = Path(__file__).parent / "data" / "tag_families.csv"


@dataclass(frozen=True, slots=True)
class Families:
    """The table as two patterns.

    Attributes:
        drop, keep: of whole keys in lower case.
    """

    drop: re.Pattern[str]
    keep: re.Pattern[str]

    def dropped(self, key: str) -> bool:
        """Whether tags of this key are left out."""
        return _dropped(self, key.lower())

    def cleaned(self, tags: Mapping[str, str]) -> dict[str, str]:
        """The tags that say something of a place, sorted by key."""
        return {key: tags[key] for key in sorted(tags) if not self.dropped(key)}


@lru_cache(maxsize=1 << 14)
def _dropped(families: Families, key: str) -> bool:
    return bool(families.drop.fullmatch(key)) and not families.keep.fullmatch(key)


@lru_cache(maxsize=16)
def load(path: str = "") -> Families:
    """The table, and the rows of a CSV file at `path` after it.

    Raises:
        UsageError: the file is missing or a row is wrong; the message names the line.
    """
    rows = list(_rows(TABLE))
    if path:
        rows += _rows(Path(path))
    return Families(*(_any(p for p, own in rows if own == rule) for rule in ("drop", "keep")))


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if not {"pattern", "rule"} <= set(reader.fieldnames or ()):
                raise UsageError(f"{path}: the header must be family,pattern,rule")
            for row in reader:
                if not row["pattern"] or row["rule"] not in ("drop", "keep"):
                    raise UsageError(
                        f"{path}, line {reader.line_num}: needs a pattern and a rule, drop or keep"
                    )
                yield row["pattern"].lower(), row["rule"]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"table of tag families {path} cannot be read: {error}") from error


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches what any of the globs does; nothing where there is none."""
    return re.compile("|".join(map(translate, patterns)) or r"(?!)")
