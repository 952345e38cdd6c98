"""Manners towards a host: how many requests at once, and a pause when it is down.

A host that fails several times in a row is paused (the breaker opens). Readers then wait instead
of failing one by one; after the pause one of them asks, and its answer opens the way or starts
a longer pause. So an outage costs time, not samples.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from catalogs.sources.net.clock import Clock
from catalogs.sources.net.counts import Tally
from catalogs.sources.net.outcomes import Outcome, Then

R = TypeVar("R")

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient and how polite a client is. Times are seconds.

    Attributes:
        attempts: requests for one read at most.
        deadline_s: for one read, with its retries and waits.
        request_s: for one request, from connecting to the last byte.
        connect_s: to connect.
        read_s: between two bytes.
        base_s: the first backoff is up to this long, each further one up to twice the last.
        cap_s: a backoff's upper bound.
        retry_after_s: the longest `Retry-After` that is honoured in full.
        per_host: requests to one host at once.
        failures: in a row, after which a host is paused.
        pause_s: the first pause; doubles up to `pause_cap_s` while the host stays down.
        pause_cap_s: the longest pause.
        named: `host:port` entries that may be asked although they are not public: those that the
            person who runs the build has named for this client alone.
    """

    attempts: int = 6
    deadline_s: float = 300.0
    request_s: float = 120.0
    connect_s: float = 10.0
    read_s: float = 30.0
    base_s: float = 0.5
    cap_s: float = 30.0
    retry_after_s: float = 120.0
    per_host: int = 32
    failures: int = 10
    pause_s: float = 15.0
    pause_cap_s: float = 120.0
    named: frozenset[str] = frozenset()


class Host:
    """One host's turns."""

    def __init__(self, name: str, policy: Policy, clock: Clock, tally: Tally) -> None:
        self._name = name
        self._policy, self._clock, self._tally = policy, clock, tally
        self._slots = threading.BoundedSemaphore(policy.per_host)
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._pause_s = policy.pause_s
        self._hold_until = float("-inf")
        self._prober: int | None = None
        self._last = self._held = Outcome("unreachable", "")

    def turn(self, until: float, call: Callable[[], R | Outcome]) -> R | Outcome:
        """What `call` returns, after waiting for a turn; an outcome when none comes in time."""
        refused = self._enter(until)
        if refused is not None:
            return refused
        try:
            result = call()
            self._note(result if isinstance(result, Outcome) else None)
        finally:
            self._leave()
        return result

    def _enter(self, until: float) -> Outcome | None:
        """Take a turn, after waiting for one; an outcome when none comes before `until`."""
        if not self._slots.acquire(timeout=max(0.0, until - self._clock.now())):
            return Outcome("timeout", f"no turn at {self._name} in time", Then.LATER)
        try:
            while wait := self._wait_s():
                if self._clock.now() + wait > until:
                    return self._given_up()
                self._tally.add(waited_s=wait)
                self._clock.sleep(wait)
        except BaseException:
            self._slots.release()
            raise
        return None

    def _note(self, outcome: Outcome | None) -> None:
        """Remember what an attempt came to; None is success."""
        now = self._clock.now()
        with self._lock:
            probe = self._prober == threading.get_ident()
            if probe:
                self._prober = None
            if outcome is None or not outcome.sick:
                self._failures, self._open_until = 0, None
                self._pause_s = self._policy.pause_s
            else:
                self._failures, self._last = self._failures + 1, outcome
                if probe:
                    self._pause_s = min(2 * self._pause_s, self._policy.pause_cap_s)
                closed = self._open_until is None
                if probe or (closed and self._failures >= self._policy.failures):
                    self._open_until = now + self._pause_s
                    self._tally.add(opened=1)
            if outcome is not None and outcome.wait_s is not None:
                asked = min(outcome.wait_s, self._policy.retry_after_s)
                self._hold_until, self._held = max(self._hold_until, now + asked), outcome

    def _leave(self) -> None:
        """Give the turn back."""
        with self._lock:
            if self._prober == threading.get_ident():  # it ended without an answer
                self._prober = None
        self._slots.release()

    def _wait_s(self) -> float:
        """Seconds until this thread may ask, 0 for now; may make it the one that probes."""
        now = self._clock.now()
        with self._lock:
            if now < self._hold_until:
                return self._hold_until - now
            if self._open_until is None:
                return 0.0
            if now < self._open_until:
                return self._open_until - now
            if self._prober is None:
                self._prober = threading.get_ident()
                return 0.0
            return _POLL_S

    def _given_up(self) -> Outcome:
        """The outcome of a reader that was never let through; it keeps the host's own code."""
        self._slots.release()
        if self._open_until is None:
            what = f"{self._name} asked to wait longer than there is time"
            return replace(self._held, what=what, then=Then.LATER)
        what = f"not asked, because {self._name} failed {self._failures} times in a row"
        return replace(self._last, what=f"{what} (last: {self._last.what})", then=Then.LATER)


class Hosts:
    """The hosts asked so far."""

    def __init__(self, policy: Policy, clock: Clock, tally: Tally) -> None:
        self._rest = (policy, clock, tally)
        self._hosts: dict[str, Host] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> Host:
        """The host of that name, `host:port`."""
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = Host(name, *self._rest)
            return self._hosts[name]
