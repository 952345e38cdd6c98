"""Access tokens: kept for each container, renewed by one thread while the others wait for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import parse_qs

from catalogs.sources.net.clock import Clock
from catalogs.sources.net.redact import scrub
from schemas.errors import Fault

EARLY_S = 300.0
"""A token with less time left than this is renewed before use."""
SPARE_S = 10.0
"""A token with less time left than this counts as expired: the request has to arrive, too."""
NO_EXPIRY_S = 60.0
"""How long a token that states no end is kept, and a young one with little time left."""
BARREN_S = 60.0
"""How long refusals renew nothing after a fresh token was refused."""
TRIES = 3

Fetch = Callable[[str], tuple[str, float | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A container's token; two tokens are the same only when they are one object.

    Attributes:
        container: what it opens.
        text: the signature's query string; empty when the container needs none.
        renew_at: when to ask for the next, seconds since 1970.
        expiry: when it ends, seconds since 1970.
    """

    container: str
    text: str = field(repr=False)
    renew_at: float
    expiry: float


@dataclass(slots=True)
class _Cell:
    token: Token | None = None
    flight: "Future[Token | Fault] | None" = None
    barren_until: float = float("-inf")


class Tokens:
    """Tokens by container.

    Args:
        fetch: asks for a container's token: its text, and its end if it states one.
        clock: time.
    """

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._cells: dict[str, _Cell] = {}
        self._lock = threading.Lock()
        self.fetched = 0

    def get(self, container: str) -> Token:
        """A token that is valid now and for some minutes, if such a one is to be had.

        Raises:
            Fault: that of the endpoint, or `auth` when it gives expired tokens only.
        """
        with self._lock:
            cell = self._cells.setdefault(container, _Cell())
            if cell.token is not None and self._clock.utc() < cell.token.renew_at:
                return cell.token
            flight, mine = cell.flight, cell.flight is None
            if flight is None:
                flight = cell.flight = Future()
        if mine:
            self._land(container, cell, flight)
        found = flight.result()
        if isinstance(found, Fault):  # a new one for each thread: tracebacks are not shared
            raise Fault(found.code, found.message, retryable=found.retryable)
        return found

    def refused(self, token: Token) -> bool:
        """Forget a token that a server refused, once; False when a new one would not help."""
        with self._lock:
            cell = self._cells[token.container]
            if cell.token is not token:
                return True  # another thread was first; its token is to be tried
            if self._clock.utc() < cell.barren_until:
                return False
            cell.token = None
            return True

    def barren(self, token: Token) -> None:
        """Take note that a token got after a refusal was refused as well."""
        with self._lock:
            self._cells[token.container].barren_until = self._clock.utc() + BARREN_S

    def _land(self, container: str, cell: _Cell, flight: "Future[Token | Fault]") -> None:
        """Fetch for everyone who waits."""
        found: Token | Fault = Fault("auth", f"{container}: no token", retryable=True)
        try:
            found = self._fresh(container)
        except Fault as fault:
            found, old, now = fault, cell.token, self._clock.utc()
            if old is not None and old.expiry > now + SPARE_S:
                found = replace(old, renew_at=now + SPARE_S)  # it does for a few minutes more
        finally:
            with self._lock:
                cell.token = found if isinstance(found, Token) else None
                cell.flight = None
            flight.set_result(found)

    def _fresh(self, container: str) -> Token:
        """A new token; one that is expired on arrival, or states no end, is asked for again."""
        for tried in range(1, TRIES + 1):
            text, expiry = self._fetch(container)
            self.fetched += 1
            now = self._clock.utc()
            if expiry is not None and expiry > now + SPARE_S:
                soon = now + min(NO_EXPIRY_S, (expiry - now) / 2)
                return Token(container, text, max(expiry - EARLY_S, soon), expiry)
            if tried < TRIES:
                self._clock.sleep(2.0 ** (tried - 1))
        if expiry is None:
            return Token(container, text, now + NO_EXPIRY_S, now + NO_EXPIRY_S)
        raise Fault(
            "auth",
            f"{container}: the token service gave {TRIES} expired tokens; "
            "is this machine's clock right?",
            retryable=True,
        )


def expiry_of(text: str, stated: object) -> float | None:
    """The end of a token in seconds since 1970: the earlier of its `se` and what came with it.

    Raises:
        Fault: `auth` when an end is given that is no time.
    """
    ends = [*parse_qs(text.lstrip("?")).get("se", []), *([stated] if stated else [])]
    try:
        times = [datetime.fromisoformat(str(end)) for end in ends]
    except ValueError:
        raise Fault("auth", f"a token ends at {scrub(str(stated))!r}, no time") from None
    if any(time.tzinfo is None for time in times):
        raise Fault("auth", f"a token ends at {scrub(str(stated))!r}, without a time zone")
    return min((time.timestamp() for time in times), default=None)
