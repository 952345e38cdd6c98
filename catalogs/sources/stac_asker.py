"""Questions to one STAC API, and its answers page by page."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from catalogs.sources.area import Cell
from catalogs.sources.search_files import Answer
from catalogs.sources.stac_fields import UNREADABLE, Json, Lost, unreadable
from catalogs.sources.stac_items import trimmed
from schemas.errors import Fault, SourceError, UsageError

if TYPE_CHECKING:
    from pystac_client import Client

    from catalogs.sources.stac_io import ApiIo, Request

PAGE = 250
"""Items asked for at once; a server may give fewer, or refuse so many: then half as many are asked for."""

FEWEST = 10
"""Items below which a refusal is not taken for one of their number."""

STALE = 10
"""Pages in a row without a new item after which paging is taken for a loop."""


class Asker:
    """Questions to the API at `url`; it is opened with the first of them."""

    def __init__(self, url: str, request: "Request | None" = None) -> None:
        self.url, self._request = url, request
        self._client: Client | None = None
        self._io: ApiIo | None = None
        self._limit = PAGE

    def client(self) -> "Client":
        """The open API.

        Raises:
            SourceError: it is none.
        """
        if self._client is None:
            from pystac_client import Client

            from catalogs.sources.stac_io import api_io

            with _plain(self.url):
                io = api_io(self.url, self._request) if self._request else api_io(self.url)
                self._client = Client.open(self.url, stac_io=io)
                self._io = io
        return self._client

    def only_collection(self) -> str:
        """The id of the API's only collection.

        Raises:
            UsageError: it has several, or none.
        """
        client = self.client()
        with _plain(self.url):
            names = sorted(c.id for c in client.get_collections())
        if len(names) == 1:
            return str(names[0])
        some = ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if names[10:] else "")
        raise UsageError(
            f"--imagery {self.url}: has {len(names):,} collections ({some}); "
            f"name those to take: --imagery {self.url}#{names[0] if names else 'ID'}"
        )

    def document(self, collection: str) -> Json:
        """What a collection says of its terms.

        Raises:
            SourceError: there is no such collection.
        """
        client = self.client()
        with _plain(self.url):
            whole = client.get_collection(collection)
        found = whole.to_dict(include_self_link=False) if whole else {}
        fields = ("id", "title", "license", "attribution", "providers")
        return {name: found[name] for name in fields if name in found}

    def search(
        self, collections: tuple[str, ...], cell: Cell, years: tuple[int, int] | None
    ) -> Answer:
        """The items of the collections in a cell: one search for each, read to its last page.

        Raises:
            SourceError: paging loop, or no answer.
        """
        whole = Answer()
        for name in collections:
            with _plain(self.url):
                whole = whole + self._collection(name, cell, years)
        return whole

    def _collection(self, name: str, cell: Cell, years: tuple[int, int] | None) -> Answer:
        found = _Found(name)
        stale = 0
        for page in self._pages(name, cell, years):
            features = page.get("features")
            if not isinstance(features, list):
                raise SourceError(
                    f"--imagery {self.url}: answers a search with no FeatureCollection"
                )
            if found.matched is None:
                found.matched = matched(page)
            new = [found.take(feature) for feature in features]
            stale = 0 if any(new) else stale + 1
            if stale >= STALE:
                raise SourceError(
                    f"--imagery {self.url}: paging loop: {STALE} pages in a row without a new item "
                    f"of {name}; report it to the catalogue, or search a smaller area"
                )
        once = len(found.seen)
        short = max(0, (found.matched or 0) - once)
        return Answer(
            found.items, found.lost, found.given, found.given - once, found.matched, short
        )

    def _pages(self, name: str, cell: Cell, years: tuple[int, int] | None) -> Iterator[Json]:
        """Every page of a search.

        Raises:
            Fault: as the request.
        """
        client = self.client()
        assert self._io is not None
        method = search_method(link.to_dict() for link in client.get_links("search"))
        while True:
            limit = self._limit
            question = client.search(
                method=method, collections=[name], bbox=cell.box, limit=limit, datetime=_span(years)
            )
            pages = self._io.get_pages(question.url, method, question.get_parameters())
            try:
                first = next(pages)
            except Fault as fault:
                if fault.code not in ("http_400", "http_422") or limit < 2 * FEWEST:
                    raise
                self._limit = min(self._limit, limit // 2)
            else:
                yield first
                yield from pages
                return


def search_method(links: Iterable[Json]) -> str:
    """How an API is searched: by POST where one of its links to the search says so, else by GET.

    Every API answers to GET; POST is optional (STAC API 1.0.0, Item Search).
    """
    return "POST" if any(str(link.get("method")).upper() == "POST" for link in links) else "GET"


@dataclass
class _Found:
    """The items of one search, each once."""

    collection: str
    items: list[Json] = field(default_factory=list)
    lost: Lost = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    given: int = 0
    matched: int | None = None

    def take(self, feature: Any) -> bool:
        """File an item as usable or lost; False when it was there already."""
        self.given += 1
        named = isinstance(feature, dict) and feature.get("id")
        name = str(named) if named else f"item {self.given} of a search"
        stated = str((feature.get("collection") if named else "") or self.collection)
        if f"{stated}/{name}" in self.seen:
            return False
        self.seen.add(f"{stated}/{name}")
        try:
            self.items.append(trimmed(feature, stated))
        except Fault as fault:
            self.lost.append((name, fault.code, fault.message))
        except UNREADABLE as error:
            self.lost.append(unreadable(name, error))
        return True


def matched(page: Json) -> int | None:
    """How many items the server says there are, by either of the two fields in use."""
    context = page.get("context")
    count = page.get("numberMatched")
    if count is None and isinstance(context, dict):
        count = context.get("matched")
    return count if isinstance(count, int) else None


def _span(years: tuple[int, int] | None) -> tuple[datetime, datetime] | None:
    """From the first moment of the first year to the end of the last."""
    if years is None:
        return None
    return datetime(years[0], 1, 1, tzinfo=UTC), datetime(years[1] + 1, 1, 1, tzinfo=UTC)


@contextmanager
def _plain(url: str) -> Iterator[None]:
    """Whatever goes wrong with an API as one sentence.

    Raises:
        SourceError: instead of the library's errors.
    """
    import pystac
    from pystac_client.exceptions import APIError
    from pystac_client.warnings import DoesNotConformTo

    try:
        yield
    except Fault as fault:
        raise SourceError(f"--imagery {url}: {fault.message} ({fault.code})") from fault
    except (NotImplementedError, DoesNotConformTo) as error:
        raise SourceError(
            f"--imagery {url}: is no STAC API with item search; pass the root of one"
        ) from error
    except (APIError, pystac.STACError, KeyError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise SourceError(
            f"--imagery {url}: does not answer as a STAC API does ({said})"
        ) from error
