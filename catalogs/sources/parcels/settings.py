"""What a table's columns mean: its sidecar's word, else the profile that it fits."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalogs.sources.parcels.files import Table
from catalogs.sources.parcels.profiles import SIDECAR, Profile, profile_of
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError, nearest
from schemas.licences import LICENCES, licence

LISTS = ("code", "name", "area")  # of which a sidecar may give one or several

YEAR = re.compile(r"(?<!\d)(19[89]\d|20\d\d)(?!\d)")
REGION = re.compile(r"([A-Za-z]{2}[A-Za-z0-9]?\d?)_(?:19|20)\d\d")


class UnknownColumns(SourceError):
    """Nothing says which columns of a table hold the crop."""


@dataclass(frozen=True)
class Settled:
    """How a table is read.

    Attributes:
        columns: the table's own spelling of each column that the profile reads and that is there.
        year: that in the file's name, 0 without one.
        part: what tells ids of this table from those of others of its collection.
    """

    profile: Profile
    columns: dict[str, str]
    year: int
    part: str = ""

    def first(self, names: tuple[str, ...]) -> str:
        """The table's spelling of the first column that there is, "" without any."""
        return next((self.columns[name] for name in names if name in self.columns), "")


def settled(table: Table, terms: Override) -> Settled:
    """How a table is read.

    Raises:
        SourceError: no column is known to hold the crop, no CRS, or no licence.
        UsageError: the sidecar is wrong, or another licence is said than the file declares.
    """
    found = _sidecar(table.source, _beside(table.source))
    profile = found or profile_of(table.names)
    if profile is None:
        profile = found = _sidecar(table.source, table.source.with_name("parcels.json"))
    own = {name.lower(): name for name in table.names}
    if profile is None:
        raise UnknownColumns(
            f"{table.source}: no column is known to hold the crop; it has {_listed(table.names)}: name "
            f"them in {_beside(table.source).name}, as "
            '{"id": "...", "code": "...", "name": "...", "country": "...", "licence": "..."}'
        )
    if found is not None:
        _there(table, profile, own)
    profile = _licensed(table, _in_country(table, _placed(table, profile), own), terms)
    if not (table.crs or profile.crs):
        raise SourceError(
            f'{table.source} declares no CRS: say it in {_beside(table.source).name} ("crs": "EPSG:n")'
        )
    if not table.crs:
        _known_crs(table, profile.crs)
    columns = {name: own[name] for name in profile.reads() if name in own}
    return Settled(profile, columns, _year(table))


def _known_crs(table: Table, crs: str) -> None:
    import pyproj

    try:
        pyproj.CRS(crs)
    except pyproj.exceptions.CRSError as error:
        raise SourceError(
            f"{table.source}: its sidecar says the CRS {crs!r}, which is unknown: give EPSG:n or WKT"
        ) from error


def _year(table: Table) -> int:
    for name in (table.source.name, table.path.name, table.layer):
        if match := YEAR.search(name):
            return int(match[1])
    return 0


def _beside(source: Path) -> Path:
    return source.with_name(source.name.split(".")[0] + ".parcels.json")


def _sidecar(source: Path, path: Path) -> Profile | None:
    """The profile that a sidecar gives, None without one.

    Raises:
        UsageError: it is no JSON, or says what is not understood.
    """
    if not path.is_file():
        return None
    try:
        said: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: not a JSON object ({error})") from error
    for name in said:
        if name not in SIDECAR:
            raise UsageError(f"{path}: {name!r} is not understood; {nearest(name, SIDECAR)}")
        if name == "year" and isinstance(said[name], int):
            said[name] = str(said[name])
        several = said[name] if name in LISTS and isinstance(said[name], list) else [said[name]]
        if not all(isinstance(value, str) for value in several):
            raise UsageError(f"{path}: {name} is {said[name]!r}: write it as text")
    for name in LISTS:
        value = said.get(name, ())
        said[name] = tuple(v.lower() for v in ([value] if isinstance(value, str) else value))
    for name in ("id", "year", "date"):
        said[name] = str(said.get(name, "")).lower()
    said.setdefault("collection", _slug(source.name.split(".")[0]))
    try:
        return Profile(**said)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _in_country(table: Table, profile: Profile, own: dict[str, str]) -> Profile:
    """With the country as a code in capitals, or as the name of a column in lower case.

    Two capitals are a code, whatever columns there are.

    Raises:
        SourceError: it is neither.
    """
    word = profile.country
    if re.fullmatch(r"[A-Z]{2}|", word):
        return profile
    if word.lower() in own:
        return replace(profile, country=word.lower())
    if re.fullmatch(r"[A-Za-z]{2}", word):
        return replace(profile, country=word.upper())
    raise SourceError(
        f"{table.source}: country {word!r} is neither a code of two letters (ISO 3166-1) nor a column; "
        f"it has {_listed(table.names)}"
    )


def _there(table: Table, profile: Profile, own: dict[str, str]) -> None:
    """All columns that a sidecar names.

    Raises:
        SourceError: one is not there, or none holds the crop.
    """
    named = (profile.id, profile.date, *profile.code, *profile.name, *profile.area)
    missing = [name for name in named if name and name not in own]
    if profile.year and not profile.year.isdigit() and profile.year not in own:
        missing.append(profile.year)
    if missing:
        raise UnknownColumns(
            f"{table.source} has no column {missing[0]!r}, which its sidecar names; it has "
            f"{_listed(table.names)}"
        )
    if not (profile.code or profile.name):
        raise SourceError(
            f"{table.source}: its sidecar names no column of the crop (code or name); it has "
            f"{_listed(table.names)}"
        )


def _placed(table: Table, profile: Profile) -> Profile:
    """With country and code list of the file: EuroCrops names its files so, fiboa says it inside."""
    if profile.collection == "eurocrops-v2" and (match := REGION.match(table.source.stem)):
        region = match[1].upper()
        return replace(
            profile, country=region[:2], code_list=region, collection=f"eurocrops-{region.lower()}"
        )
    if profile.collection == "fiboa":
        said = table.meta
        country = str(said.get("admin:country_code", ""))
        division = str(said.get("admin:subdivision_code", ""))
        listed = list(said.get("schemas") or ())  # by collection, since Vecorel 0.1
        name = str(said.get("collection") or (listed[0] if len(listed) == 1 else ""))
        if profile.country not in {n.lower() for n in table.names}:
            profile = replace(profile, country=country)
        lists = f"{country}-{division} {country}" if country and division else ""
        name = _slug(name) or _slug(table.source.name.split(".")[0]) or "fiboa"
        title = str(said.get("title") or profile.title)
        return replace(profile, code_list=lists, collection=name, title=title)
    return profile


def _licensed(table: Table, profile: Profile, terms: Override) -> Profile:
    """With licence and credit line: what file, sidecar or the known register state, else the options.

    Raises:
        SourceError: nothing says the licence, or it is unknown; or the credit line that it asks for.
        UsageError: the option says another licence than the file.
    """
    declared = str(table.meta.get("license") or table.meta.get("licence") or profile.licence)
    ids = {known.lower() for known in LICENCES}
    if terms.licence and declared.lower() not in ids:
        declared = ""  # a name of its own for terms that the option names as others do
    if declared and terms.licence and declared.lower() != terms.licence.lower():
        raise UsageError(
            f"--license parcels={terms.licence}: {table.source} declares {declared}; leave the option "
            f"out, or say the terms of files that have none in sidecars ({_beside(table.source).name})"
        )
    name = declared or terms.licence
    if not name:
        raise SourceError(
            f"{table.source}: carries no licence; say it with --license parcels=SPDX-ID "
            '(and --attribution parcels="...")'
        )
    if name.lower() not in ids:
        raise SourceError(
            f"{table.source}: licence {name!r} is unknown; {nearest(name, LICENCES)} "
            "(say which it is with --license parcels=ID)"
        )
    known = licence(name, "parcels")
    credit = str(table.meta.get("attribution") or profile.attribution or terms.attribution)
    if known.attribution and not credit:
        raise SourceError(
            f"{table.source}: {known.id} asks for a credit line; say it with "
            '--attribution parcels="..."'
        )
    credit = credit or f"{table.source.name} ({known.title})"
    return replace(profile, licence=known.id, attribution=credit)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no columns but outlines"
