"""How pystac-client talks to a STAC API: through our own client, to one host, without endless paging."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from pystac import Link
from pystac_client.stac_api_io import StacApiIO

from catalogs.sources.stac_fields import Json
from schemas.chance import digest
from schemas.errors import SourceError

Request = Callable[[str, str, Json | None], Any]
"""(method, address, JSON body) -> JSON value."""


def request(method: str, href: str, body: Json | None) -> Any:
    """The JSON answer to a GET or POST, with the retries and rules of `catalogs.sources.net`.

    Raises:
        Fault: as `Client`.
    """
    from catalogs.sources.net.client import client

    return client().post_json(href, body or {}) if method == "POST" else client().get_json(href)


def api_io(url: str, send: Request = request) -> "ApiIo":
    """What `pystac_client.Client.open(url, stac_io=...)` is to use.

    Args:
        send: does the requests.
    """
    return ApiIo(url, send)


class ApiIo(StacApiIO):
    """Requests to the host of one API."""

    def __init__(self, url: str, send: Request) -> None:
        super().__init__(max_retries=None)
        self.host, self._send = urlsplit(url).hostname, send

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: Json | None = None,
    ) -> str:
        """The JSON text that an address of the API answers with.

        Raises:
            SourceError: as `ask`.
        """
        return json.dumps(self.ask(method or "GET", href, parameters))

    def ask(self, method: str, href: str, parameters: Json | None) -> Json:
        """The JSON object that an address of the API answers with.

        Raises:
            SourceError: the address lies on another host, or the answer is no JSON object.
        """
        if urlsplit(href).hostname != self.host:
            raise SourceError(
                f"{self.host}: the catalogue points to {urlsplit(href).hostname}, another host; "
                "only the host that was named is asked"
            )
        method = method.upper()
        if method == "GET" and parameters:
            href += ("&" if "?" in href else "?") + urlencode(parameters)
        found = self._send(method, href, parameters if method == "POST" else None)
        if not isinstance(found, dict):
            raise SourceError(f"{self.host}: answers with no JSON object")
        return found

    def read_json(self, source: Any, *args: Any, **kwargs: Any) -> Json:
        """The JSON object that an address or a link leads to.

        Raises:
            SourceError: as `ask`.
        """
        parameters = kwargs.get("parameters") or {}
        if not isinstance(source, Link):
            return self.ask(kwargs.get("method") or "GET", str(source), parameters)
        link = source.to_dict()
        if str(link.get("method", "GET")).upper() != "POST":
            return self.ask("GET", link["href"], None)
        body = link.get("body") or {}
        return self.ask("POST", link["href"], {**parameters, **body} if link.get("merge") else body)

    def get_pages(
        self, url: str, method: str | None = None, parameters: Json | None = None
    ) -> Iterator[Json]:
        """Every page of an answer, empty ones too.

        Raises:
            SourceError: paging loop: a page leads to one that was read before; as `ask`.
        """
        page = self.read_json(url, method=method, parameters=parameters)
        asked: set[str] = set()
        while True:
            yield page
            following = next_link(page)
            if following is None:
                return
            sign = digest(following["href"], following.get("method"), following.get("body"))
            if sign in asked:
                raise SourceError(
                    f"{self.host}: paging loop: after {len(asked) + 1:,} pages the next is one read "
                    "before; report it to the catalogue, or search a smaller area"
                )
            asked.add(sign)
            page = self.read_json(Link.from_dict(following), parameters=parameters)


def next_link(page: Json) -> Json | None:
    """The link from a page to the next one, None on the last."""
    links = page.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == "next" and link.get("href"):
            return link
    return None
