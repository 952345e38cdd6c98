"""Any STAC API as scenes: searched by coarse cells, read whole, believed only where it agrees."""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from catalogs.sources.area import Area, Cell
from catalogs.sources.harvest import Harvest, Wanted, harvest
from catalogs.sources.search_files import Answer, Kept
from catalogs.sources.stac_asker import Asker
from catalogs.sources.stac_fields import Json, Lost
from catalogs.sources.stac_items import own_terms
from schemas.collections import COLLECTIONS, PRESETS, provider_of
from schemas.errors import UsageError

if TYPE_CHECKING:
    from catalogs.sources.stac_io import Request

AT_ONCE = 4
"""Cells searched at the same time: it is somebody's server."""


@dataclass(frozen=True)
class Api:
    """A STAC API, and what to ask it for.

    Attributes:
        url: its root.
        collections: ids; () for the only one it has.
        provider: short name, for radiometry and provenance.
    """

    url: str
    collections: tuple[str, ...]
    provider: str


@dataclass
class Searched:
    """What all searches found.

    Attributes:
        items: as the catalogue gave them, trimmed.
        matched: items that the catalogue says there are, where it says so; cells overlap.
        given: items that it gave; repeated: how many of them again.
        short: items that a search counted and did not give, over all searches.
    """

    items: list[Json] = field(default_factory=list)
    lost: Lost = field(default_factory=list)
    matched: int | None = None
    given: int = 0
    repeated: int = 0
    short: int = 0

    def take(self, answer: Answer) -> None:
        """Add one search."""
        self.items += answer.items
        self.lost += answer.lost
        self.given += answer.given
        self.repeated += answer.repeated
        self.short += answer.short
        if answer.matched is not None:
            self.matched = (self.matched or 0) + answer.matched


def api_of(location: str) -> Api | None:
    """The API that `--imagery` names: a preset or an address, with `#collection1,collection2`.

    Returns:
        None when it names something else.

    Raises:
        UsageError: an address that is not http or https, or nothing after `#`.
    """
    place, sharp, chosen = location.partition("#")
    names = tuple(name.strip() for name in chosen.split(",") if name.strip())
    preset = PRESETS.get(place)
    if preset is None and "://" not in place:
        return None
    if sharp and not names:
        raise UsageError(f"--imagery {location}: names no collection after #")
    if preset is not None:
        return Api(preset.url, names or preset.imagery, place)
    scheme = place.partition("://")[0]
    try:
        parts = urlsplit(place)
        host, _ = parts.hostname or "", parts.port
    except ValueError:  # brackets that do not close, a port that is none
        host = ""
    if scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.query:
        raise UsageError(
            f"--imagery {scheme}://{host}...: not the address of a STAC API; "
            "pass https://HOST/PATH#COLLECTION, without a name, password or query in it"
        )
    return Api(place.rstrip("/"), names, provider_of(host))


def scenes_of_api(
    api: Api,
    area: Area,
    years: tuple[int, int] | None,
    lost: Lost,
    *,
    keep: Path | None = None,
    say: Callable[[str], None] | None = None,
    request: "Request | None" = None,
) -> Harvest:
    """The scenes of an API in an area and years; hrefs are those of the catalogue, unsigned.

    Args:
        keep: folder for the answers, so that the same question is not asked twice.
        say: takes a line for people before the first question.
        request: does the requests.

    Raises:
        UsageError: it has several collections and none was named.
        SourceError: it does not answer, or not as a STAC API does.
    """
    with warnings.catch_warnings():  # its library's warnings are not for people
        warnings.simplefilter("ignore")
        return _Search(api, area, years, keep, request).run(lost, say)


@dataclass(frozen=True)
class _Search:
    """One search of one API."""

    api: Api
    area: Area
    years: tuple[int, int] | None
    keep: Path | None
    request: "Request | None"

    def run(self, lost: Lost, say: Callable[[str], None] | None) -> Harvest:
        """As `scenes_of_api`."""
        api, kept = self.api, Kept(self.keep) if self.keep else None
        asker = Asker(api.url, self.request)
        collections = api.collections or (_only(asker, kept),)
        cells = self.area.cells()
        todo = [c for c in cells if not (kept and kept.holds(c.name, self._sign(collections, c)))]
        if todo:
            what = f"{', '.join(collections)} in {len(todo):,} cell{'s' * (len(todo) != 1)}"
            (say or _silent)(f"sources: searching {api.provider} for {what}")
            asker.client()  # opened here, not by several threads at once

        def search(cell: Cell) -> Answer:
            sign = self._sign(collections, cell)
            answer = kept.read(cell.name, sign) if kept else None
            if answer is None:
                answer = asker.search(collections, cell, self.years)
                if kept:
                    kept.write(cell.name, sign, answer)
            return answer

        found = Searched()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for answer in pool.map(search, cells):
                found.take(answer)
        lost += sorted(set(found.lost))
        asked = {item["collection"] for item in found.items if own_terms(item)}
        asked |= {name for name in collections if name not in COLLECTIONS}
        documents = {c: _document(asker, c, kept) for c in collections if c in asked}
        wanted = Wanted(
            collections, api.url, self.area, self.years, api.provider, documents=documents
        )
        made = harvest(found.items, wanted, lost)
        facts = {
            "url": api.url,
            "collections": list(collections),
            "bounds": [list(box) for box in self.area.boxes()],
            "years": list(self.years) if self.years else None,
            "cells": len(cells),
            "matched": found.matched,
            "given": found.given,
            "repeated": found.repeated,
            "short": found.short,
            **made.facts,
        }
        return Harvest(made.scenes, (*made.notes, *_notes(api, found)), facts)

    def _sign(self, collections: tuple[str, ...], cell: Cell) -> list[Any]:
        """What a search asks, JSON-able: answers are kept under it."""
        years = list(self.years) if self.years else None
        return [self.api.url, list(collections), list(cell.box), years]


def _silent(line: str) -> None:
    """Say nothing."""


def _only(asker: Asker, kept: Kept | None) -> str:
    """The API's only collection, asked for once."""
    known = kept.document(asker.url, "") if kept else None
    name = str(known["id"]) if known else asker.only_collection()
    if kept and not known:
        kept.write_document(asker.url, "", {"id": name})
    return name


def _document(asker: Asker, collection: str, kept: Kept | None) -> Json:
    """What a collection says of its terms, asked for once."""
    known = kept.document(asker.url, collection) if kept else None
    if known is None:
        known = asker.document(collection)
        if kept:
            kept.write_document(asker.url, collection, known)
    return known


def _notes(api: Api, found: Searched) -> Iterator[str]:
    if found.repeated:
        yield f"{api.provider} gave {found.repeated:,} items more than once; each is used once"
    if found.short:
        yield (
            f"{api.provider} counts {found.short:,} items more than it gave; scenes may be missing, "
            "and --overwrite asks it again"
        )
