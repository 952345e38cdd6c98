"""The client: everything that the project reads over the network passes here."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from catalogs.sources.net.clock import Clock
from catalogs.sources.net.counts import Counts, Tally
from catalogs.sources.net.exchange import Answer, Headers, Request, Wire
from catalogs.sources.net.hosts import Policy
from catalogs.sources.net.objects import Place, Stores, has_credentials, place_of
from catalogs.sources.net.outcomes import CHANGED, Outcome, Then, is_html
from catalogs.sources.net.ranges import PAGE, Part, Span, version_of
from catalogs.sources.net.redact import bare, guard_library
from catalogs.sources.net.retry import persist
from catalogs.sources.net.signing import Signed, Signer, Signers
from schemas.errors import Fault
from schemas.sources import Version

MOST = 64 << 20
"""Bytes of a body that `get` and the JSON calls read at most."""

T = TypeVar("T")


class Client:
    """Reads URLs: `https`, `s3://`, `gs://`, signed where they must be. Safe for many threads.

    Every call retries what may pass, and raises a `Fault` with one of the codes `blocked_href`,
    `not_found`, `auth`, `timeout`, `unreachable`, `tls`, `http_STATUS`, `short_body`,
    `too_large`, `redirects`, `not_a_raster`, `not_json`, `no_ranges`, `bad_range`,
    `changed_source`. No message holds a query string.
    """

    def __init__(self, policy: Policy | None = None, clock: Clock | None = None) -> None:
        self._policy, self._clock, self._tally = policy or Policy(), clock or Clock(), Tally()
        self._wire = Wire(self._policy, self._clock, self._tally)
        self._signers = Signers(self.get_json, self._clock)
        self._stores = Stores(self._policy)
        guard_library()

    def get(self, url: str, most: int = MOST) -> bytes:
        """The whole body, of at most `most` bytes; a web page is refused."""

        def accept(answer: Answer) -> Part | Outcome:
            page = is_html(answer.headers, answer.body)
            return PAGE if page else _whole(answer)

        return self._read(url, Request(url, _at_most(most)), accept, None, most)[0]

    def get_range(self, url: str, start: int, stop: int, like: Version | None = None) -> bytes:
        """Bytes from `start` up to `stop`, all of them.

        Args:
            like: the file that they must be of, as `opening` told it; of any other they are refused
                (`changed_source`). That is asked twice: a server behind a balancer may have answered
                that lags behind the others, and some refuse their own tags.
        """
        try:
            return self._part(url, Span(start, stop, like=like))[0]
        except Fault as fault:
            if like is None or fault.code != CHANGED.code:
                raise
        return self._part(url, Span(start, stop, like=like, insist=False))[0]

    def opening(self, url: str, most: int) -> tuple[bytes, Version]:
        """The first bytes, as many as there are up to `most`, and the file that they are of."""
        return self._part(url, Span(0, most, exact=False))

    def size(self, url: str) -> int:
        """Bytes that the file has. One is read: signed URLs and object stores may refuse HEAD."""
        return self.opening(url, 1)[1].size

    def get_json(self, url: str) -> Any:
        """The JSON value at a URL."""
        request = Request(url, _at_most(MOST), headers={"Accept": "application/json, */*;q=0.5"})
        body = self._read(url, request, _whole, None, MOST)[0]
        return _parsed(url, body)

    def post_json(self, url: str, body: Any) -> Any:
        """The JSON answer to a question that changes nothing (a search): it may be asked twice."""
        request = Request(
            url,
            _at_most(MOST),
            method="POST",
            headers={"Content-Type": "application/json", "Accept": "application/json, */*;q=0.5"},
            body=json.dumps(body, separators=(",", ":"), allow_nan=False).encode(),
        )
        return _parsed(url, self._ask(request, lambda answer: answer.body))

    def exchange(
        self,
        url: str,
        method: str = "GET",
        headers: Headers | None = None,
        body: bytes | None = None,
        most: int = MOST,
    ) -> Answer:
        """The answer with its status and headers, for who keeps them; the question may be asked twice.

        A `Fault` tells in the service's own words why it was refused.
        """
        request = Request(
            url, _at_most(most), method=method, headers=headers or {}, body=body, explained=True
        )
        return self._ask(request, lambda answer: answer)

    def signer_for(self, href: str) -> Signer:
        """What signs the href. Calls sign by themselves; this is for readers of another kind."""
        return self._signers.signer_for(href)

    def counts(self) -> Counts:
        """What this client has done so far."""
        return self._tally.counts()

    def _part(self, url: str, span: Span) -> Part:
        request = Request(url, span.judge, headers=span.headers)
        return self._read(url, request, span.cut, span, 0)

    def _read(
        self,
        url: str,
        request: Request,
        accept: Callable[[Answer], Part | Outcome],
        span: Span | None,
        most: int,
    ) -> Part:
        """A GET; of an object as anybody may, then with credentials when that is refused."""
        place = place_of(url)
        if place is None:
            return self._ask(request, accept)
        refused: Fault | None = None
        if not self._stores.knows(place):
            try:
                return self._ask(replace(request, url=place.url), accept)
            except Fault as fault:
                refused = fault
        if refused is not None and not (refused.code == "auth" and has_credentials(place.scheme)):
            raise refused
        return self._with_credentials(place, span, most)

    def _with_credentials(self, place: Place, span: Span | None, most: int) -> Part:
        host = self._wire.hosts.of(place.root)

        def once(until: float) -> Part | Outcome:
            self._tally.add(requests=1)
            found = host.turn(until, lambda: self._stores.read(place, span, most))
            if not isinstance(found, Outcome):
                self._tally.add(bytes=len(found[0]))
            return found

        result = persist(once, lambda: False, self._policy, self._clock, self._tally)
        if isinstance(result, Outcome):
            raise result.fault(f"{place.root}/{place.key}")
        return result

    def _ask(self, request: Request, accept: Callable[[Answer], T | Outcome]) -> T:
        """What `accept` makes of the answer, after as many attempts as it takes.

        Raises:
            Fault: see the class.
        """
        signer, signed, renewed = self.signer_for(request.url), Signed(request.url), False

        def once(until: float) -> T | Outcome:
            nonlocal signed
            signed = signer.sign(request.url)
            this = replace(request, url=signed.url, signed=signed.token is not None)
            answer = self._wire.send(this, until)
            return answer if isinstance(answer, Outcome) else accept(answer)

        def renew() -> bool:
            nonlocal renewed
            renewed = signer.renew(signed)
            self._tally.add(renewed=int(renewed))
            return renewed

        result = persist(once, renew, self._policy, self._clock, self._tally)
        if not isinstance(result, Outcome):
            return result
        if result.then is Then.RENEW and renewed:
            signer.failed(signed)
        raise result.fault(bare(request.url))


def _whole(answer: Answer) -> Part:
    """All of a file."""
    return answer.body, version_of(answer.headers, len(answer.body))


def _at_most(most: int) -> Callable[[int, Headers], Outcome | int]:
    """A judge that refuses what says it is longer."""

    def judge(status: int, headers: Headers) -> Outcome | int:
        if status not in (200, 201, 203):
            return Outcome(f"http_{status}", f"the server answered {status}")
        length = headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > most:
            return Outcome("too_large", f"has {int(length):,} bytes, more than {most:,}")
        return most

    return judge


def _parsed(url: str, body: bytes) -> Any:
    """The JSON value.

    Raises:
        Fault: `not_json`.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        fault = Fault("not_json", f"{bare(url)}: the server sent no JSON")
    raise fault


_CLIENTS: dict[int, Client] = {}


def client() -> Client:
    """This process's client. A forked process gets its own: sockets and locks are not shared."""
    found = _CLIENTS.get(os.getpid())
    return found if found is not None else _CLIENTS.setdefault(os.getpid(), Client())
