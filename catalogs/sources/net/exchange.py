"""One request and its answer, redirects followed; every failure comes back as an `Outcome`.

Nothing is raised from inside a handler here: an exception of the HTTP library holds the signed
URL, and would travel along as the context of ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urljoin, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from catalogs.sources.net import outcomes, sockets
from catalogs.sources.net.clock import Clock
from catalogs.sources.net.counts import Tally
from catalogs.sources.net.hosts import Hosts, Policy
from catalogs.sources.net.outcomes import Outcome
from catalogs.sources.net.rules import check

REDIRECTS = 5
_CHUNK = 1 << 18
_EXPLAINED = 1 << 16  # bytes of a refusal that are read

Headers = Mapping[str, str]
Judge = Callable[[int, Headers], "Outcome | int"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask.

    Attributes:
        url: signed, if it has to be.
        judge: given status and headers of a 2xx, 304 or 416, the most bytes of body to read, or
            the outcome that makes reading it pointless.
        method: GET or POST.
        headers: beside those that every request carries.
        body: of a POST.
        signed: whether the URL carries a signature that can be renewed.
        explained: whether a refusal's own words are read and told.
    """

    url: str
    judge: Judge
    method: str = "GET"
    headers: Headers = field(default_factory=dict)
    body: bytes | None = None
    signed: bool = False
    explained: bool = False

    @property
    def secret(self) -> bool:
        """Whether it carries a key that only its own host may see."""
        return any(name.lower() == "authorization" for name in self.headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Headers
    body: bytes


@cache
def user_agent() -> str:
    """`earthloom/VERSION`."""
    try:
        return f"earthloom/{version('earthloom')}"
    except PackageNotFoundError:
        return "earthloom/0"


class Wire:
    """Sends requests; safe for many threads."""

    def __init__(self, policy: Policy, clock: Clock, tally: Tally) -> None:
        self.hosts = Hosts(policy, clock, tally)
        self._policy, self._clock, self._tally = policy, clock, tally
        self._pools: PoolManager = sockets.pools(policy.per_host)

    def send(self, request: Request, until: float) -> Answer | Outcome:
        """The answer to one attempt, or what went wrong.

        Raises:
            Fault: `blocked_href`, by the request itself or by a redirect.
        """
        for _ in range(REDIRECTS + 1):
            result = self._hop(request, until)
            if not isinstance(result, str):
                return result
            request = replace(request, url=result)
        return Outcome("redirects", f"more than {REDIRECTS} redirects")

    def _hop(self, request: Request, until: float) -> Answer | Outcome | str:
        """One request on the wire; the next URL when it is redirected."""
        target = check(request.url, self._policy.named)
        host = self.hosts.of(f"{target.host}:{target.port}")
        return host.turn(until, lambda: self._exchange(request, until))

    def _exchange(self, request: Request, until: float) -> Answer | Outcome | str:
        left = max(0.001, min(self._policy.request_s, until - self._clock.now()))
        connect_s, read_s = min(self._policy.connect_s, left), min(self._policy.read_s, left)
        sockets.set_limit(read_s, left, self._policy.named)
        self._tally.add(requests=1)
        headers = {"User-Agent": user_agent(), "Accept-Encoding": "identity", **request.headers}
        response: BaseHTTPResponse | None = None
        try:
            response = self._pools.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=headers,
                timeout=Timeout(connect=connect_s, read=read_s),
                redirect=False,
                retries=False,
                preload_content=False,
            )
            return self._received(request, response)
        except (HTTPError, OSError) as error:
            found = outcomes.of_error(error)
            if response is not None and found is not None and found.code == "unreachable":
                found = outcomes.SHORT
            if found is None:
                raise
            return found
        finally:
            if response is not None:
                if not response.closed:
                    response.close()  # unread bytes must not be taken for the next answer
                response.release_conn()

    def _received(self, request: Request, response: BaseHTTPResponse) -> Answer | Outcome | str:
        status, headers = response.status, response.headers
        if status in (301, 302, 303, 307, 308) and "Location" in headers:
            return self._redirected(request, response)
        failure = outcomes.of_status(status, headers, signed=request.signed, utc=self._clock.utc())
        if failure is not None and status != 416:
            if request.explained and failure.code != "auth":  # what refuses a key may repeat it
                said = outcomes.reason(self._body(response, _EXPLAINED))
                failure = replace(failure, what=f"{failure.what}{said and f': {said}'}")
            return failure
        most = request.judge(status, headers)
        if isinstance(most, Outcome):
            return most
        body = self._body(response, most)
        self._tally.add(bytes=len(body))
        if len(body) > most:
            return Outcome("too_large", f"the answer is longer than {most:,} bytes")
        return Answer(status, headers, body)

    def _redirected(self, request: Request, response: BaseHTTPResponse) -> Outcome | str:
        if request.method != "GET" and response.status not in (307, 308):
            return Outcome("redirects", f"answers a {request.method} with a redirect")
        self._body(response, 1 << 16)  # read to its end, so that the connection can be kept
        to = urljoin(request.url, response.headers["Location"])
        if request.secret and urlsplit(to)[:2] != urlsplit(request.url)[:2]:
            return Outcome("redirects", "sends a request that carries a key to another host")
        return to

    def _body(self, response: BaseHTTPResponse, most: int) -> bytes:
        """The body, one byte more than `most` at the longest."""
        stated = response.length_remaining
        if stated is not None and stated <= most and "Content-Encoding" not in response.headers:
            return response.read()  # in one piece: a third of the time of parts
        parts: list[bytes] = []
        size = 0
        while size <= most and (part := response.read(min(_CHUNK, most + 1 - size))):
            parts.append(part)
            size += len(part)
        return b"".join(parts)
