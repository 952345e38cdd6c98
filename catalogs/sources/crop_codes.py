"""Native crop codes and names in harmonised ones: FAO ICC as Sen4AgriNet uses it, HCAT3 and HCAT4.

A parcel's `code_list` names the lists to look in, in order: `XE` means the lists of that name, and
those of that name and a year (`xe_2021`). The first that knows the crop answers: by its code, then
by its name, then by its name without accents, then without the s of plurals too. `HCAT3` and `HCAT4`
are lists themselves, and `ENGLISH` is `schemas/data/crop_names.csv`.

Where no Sen4AgriNet list knows a crop and a HCAT list does, `schemas/data/crop_bridge.csv` leads from
the HCAT name, or that of the nearest group above it, to the FAO ICC; where it lacks the name,
`schemas/data/crop_words.csv` goes by the English words in it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.sources.crop_lists import (
    Native,
    Target,
    bridge,
    by_words,
    english_names,
    in_order,
    listed,
    lists,
    one,
    s4a,
    spelt,
    v1,
    v2,
    words,
)
from catalogs.sources.crop_tables import CodeTable, Row, by_code, code_tables, own_terms, stem
from catalogs.sources.terms import Override
from schemas.chance import digest
from schemas.errors import UsageError
from schemas.licences import licence
from schemas.sources import About

UNMAPPED = 998
"""FAO ICC code of Sen4AgriNet for a crop that is not mapped."""

SEASON = re.compile(r"^(?:winter|spring|summer|unspecified_season)_")

MAPPED = pa.schema(
    [
        ("s4a_code", pa.int64()),  # FAO ICC, `UNMAPPED` where there is none
        ("s4a_name", pa.string()),
        ("s4a_by", pa.string()),  # table | bridge | ""
        ("hcat3_code", pa.int64()),  # 0 where there is none
        ("hcat3_name", pa.string()),
        ("hcat4_code", pa.int64()),
        ("hcat4_name", pa.string()),
        (
            "seasonality",
            pa.int64(),
        ),  # of HCAT4: 0 none, 1 winter, 2 spring, 8 unspecified; -1 unknown
        ("usage", pa.int64()),  # of EuroCrops v2, 0 to 11; -1 unknown
        ("s4a_status", pa.string()),  # mapped | ambiguous | unmapped
        ("hcat3_status", pa.string()),
        ("hcat4_status", pa.string()),
        ("mapping_status", pa.string()),  # that of the label: `s4a_status`
    ]
)
"""Columns that `Codes.map` appends."""


class Codes:
    """Code tables of a folder; see the top of the module."""

    def __init__(self, location: Path, terms: Override | None = None) -> None:
        """Read them.

        Raises:
            SourceError: as `code_tables`.
            UsageError: as `crop_tables.own_terms`.
        """
        self.location, self.terms = location, terms or Override()
        self.own = own_terms(location)
        self.tables = code_tables(location)
        self.icc = by_code(self._rows("icc"))
        self.hcat3 = by_code(self._rows("hcat3"))
        self.hcat4 = by_code(self._rows("hcat4"))
        self.seasons = {
            int(r["code"]): int(r["seasonality_code"] or -1) for r in self._rows("hcat4")
        }
        self.schemes: dict[str, dict[str, Native]] = {
            "s4a": lists(s4a(self._rows("s4a"))),
            "hcat3": lists(v1(self._rows("v1"))),
            "hcat4": lists(v2(self._rows("v2"))),
        }
        self._known: dict[tuple[str, int, str, str], tuple[Any, ...]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Goes to other processes as a path."""
        return Codes, (self.location, self.terms)

    def _rows(self, layout: str) -> Iterator[Row]:
        return (row for table in self.tables if table.layout.name == layout for row in table.rows)

    @cached_property
    def version(self) -> str:
        """A checksum of all tables and of our own ways between them: which mapping it is."""
        found = sorted((table.layout.name, table.checksum) for table in self.tables)
        own = (bridge(), words(), english_names())
        return digest(found, *(sorted(table.items()) for table in own))

    @property
    def names(self) -> dict[int, str]:
        """Names of the FAO ICC codes."""
        return {code: name for code, (name, _) in self.icc.items()}

    @cached_property
    def lists(self) -> tuple[str, ...]:
        """Names of all lists of native crops."""
        return tuple(sorted({name for scheme in self.schemes.values() for name in scheme}))

    @property
    def abouts(self) -> tuple[About, ...]:
        """Terms of each table: share-alike ones stay apart from the others."""
        return tuple(_about(table, self.own, self.terms) for table in self.tables)

    @property
    def about(self) -> About:
        """Terms of the first table; see `abouts`."""
        return self.abouts[0]

    @cached_property
    def conflicts(self) -> tuple[str, ...]:
        """A line for each native crop that a list, or the lists of one country, map to several."""
        found = []
        for scheme, held in sorted(self.schemes.items()):
            for name, native in sorted(held.items()):
                for kind, entries in (("code", native.codes), ("name", native.names)):
                    found += [
                        f"{scheme}: {name} maps {kind} {what!r} to {listed(targets)}"
                        for what, targets in sorted(entries.items())
                        if len({code for code, _ in targets}) > 1
                    ]
        return tuple(found + self._across())

    def _across(self) -> list[str]:
        """Codes that several lists of a country map differently, though its regions share codes."""
        found = []
        for scheme, held in sorted(self.schemes.items()):
            groups: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
            for name, native in held.items():
                for code, targets in native.codes.items():
                    groups[re.split(r"[_\d]", name)[0]][code].update(t for t, _ in targets)
            for country, entries in sorted(groups.items()):
                found += [
                    f"{scheme}: lists of {country} map code {code!r} to {', '.join(map(str, sorted(t)))}"
                    for code, t in sorted(entries.items())
                    if len(t) > 1 and not any(len(n.codes.get(code, ())) > 1 for n in held.values())
                ]
        return found

    @cached_property
    def strays(self) -> tuple[str, ...]:
        """A line for each mapping that leads to a code which its taxonomy does not have."""
        found = set()
        for scheme, known in (("s4a", self.icc), ("hcat3", self.hcat3), ("hcat4", self.hcat4)):
            if not known:
                continue
            for name, native in self.schemes[scheme].items():
                for targets in (*native.codes.values(), *native.names.values()):
                    found |= {
                        f"{scheme}: {name} leads to {code}, which the taxonomy does not have"
                        for code, _ in targets
                        if code not in known
                    }
        return tuple(sorted(found))

    def map(self, parcels: pa.Table) -> pa.Table:
        """Parcels with the columns `MAPPED`.

        Args:
            parcels: with `code_list`, `year`, `crop_code` and `crop_name`.
        """
        facts = zip(
            *(
                parcels[name].to_pylist()
                for name in ("code_list", "year", "crop_code", "crop_name")
            ),
            strict=True,
        )
        rows = [self.find(*each) for each in facts]
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(MAPPED)
        for place, values in zip(MAPPED, columns, strict=True):
            parcels = parcels.append_column(place, pa.array(values, place.type))
        return parcels

    def find(self, code_list: str, year: int, code: str, name: str) -> tuple[Any, ...]:
        """The values of `MAPPED` for one crop."""
        asked = (code_list, year, code, name)
        if asked not in self._known:
            self._known[asked] = self._find(*asked)
        return self._known[asked]

    def _find(self, code_list: str, year: int, code: str, name: str) -> tuple[Any, ...]:
        found = {
            scheme: self._targets(scheme, code_list, year, code, name) for scheme in self.schemes
        }
        hcat3, status3, _ = one(found["hcat3"], self.hcat3)
        hcat4, status4, usage = one(found["hcat4"], self.hcat4)
        s4a, status, _ = one(found["s4a"], self.icc)
        by = "table" if status == "mapped" else ""
        if not found["s4a"]:
            english = "english" in code_list.lower().split()
            ways = (
                self._bridged(hcat4, self.hcat4), self._bridged(hcat3, self.hcat3),
                self._kept(english_names().get(stem(name), 0)) if english else 0,
            )  # fmt: skip
            s4a = next(filter(None, ways), 0)
            status, by = ("mapped", "bridge") if s4a else ("unmapped", "")
        if not s4a or s4a == UNMAPPED:
            s4a, by = UNMAPPED, ""
            status = "unmapped" if status == "mapped" else status
        return (
            s4a, self.icc.get(s4a, ("Unknown crops", 0))[0], by,
            hcat3, self.hcat3.get(hcat3, ("", 0))[0], hcat4, self.hcat4.get(hcat4, ("", 0))[0],
            self.seasons.get(hcat4, -1), usage, status, status3, status4, status,
        )  # fmt: skip

    def _targets(self, scheme: str, code_list: str, year: int, code: str, name: str) -> set[Target]:
        for wanted in code_list.split():
            own = spelt(wanted)
            if own in ("hcat3", "hcat4"):
                number = int(code) if code.isdigit() else 0
                known = number in (self.hcat3 if own == "hcat3" else self.hcat4)
                if own == scheme and known:
                    return {(number, -1)}
                continue
            for entry in in_order(self.schemes[scheme], own, year):
                if targets := self.schemes[scheme][entry].find(code, name):
                    return targets
        return set()

    def _bridged(self, code: int, taxonomy: dict[int, tuple[str, int]]) -> int:
        """FAO ICC code of a HCAT code, or of the nearest group above it; 0 without one."""
        while code in taxonomy:
            name, above = taxonomy[code]
            own = SEASON.sub("", name)
            if found := self._kept(bridge().get(own, 0) or by_words(own)):
                return found
            code = above
        return 0

    def _kept(self, code: int) -> int:
        """A code that the folder's own taxonomy has, else 0; any where there is none."""
        return code if code in self.icc or not self.icc else 0


def open_codes(location: Path, terms: Override | None = None) -> Codes:
    """The code tables of a folder.

    Raises:
        SourceError: none is there, or one makes no sense.
        UsageError: an unknown licence, or another than `codes.json` or the tables' publishers state.
    """
    codes = Codes(Path(location), terms)
    _ = codes.abouts
    return codes


def _about(table: CodeTable, own: Override, terms: Override) -> About:
    stated = licence(own.licence or table.layout.licence, "codes")
    if terms.licence and licence(terms.licence, "codes") != stated:
        raise UsageError(
            f"--license codes={terms.licence}: {table.path} is under {stated.id}, as "
            f"{'codes.json' if own.licence else 'its publisher'} states; leave the option out, or say the "
            "terms of tables of your own in a codes.json beside them"
        )
    return About(
        title=f"{table.layout.title} ({table.path.name})",
        licence=stated.id,
        attribution=own.attribution
        or (own.licence and terms.attribution)
        or table.layout.attribution,
        checksum=table.checksum,
        size=table.path.stat().st_size,
    )
