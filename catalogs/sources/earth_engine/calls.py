"""Requests to Earth Engine: few at a time, repeated where that can help, failures as `Fault`."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TypeVar

from catalogs.sources.earth_engine.limits import Limits
from catalogs.sources.net.clock import Clock
from catalogs.sources.net.counts import Tally
from catalogs.sources.net.hosts import Host, Policy
from catalogs.sources.net.outcomes import Outcome, Then
from catalogs.sources.net.redact import scrub
from catalogs.sources.net.retry import persist
from schemas.errors import Fault, SourceError

T = TypeVar("T")

POLICY = Policy(attempts=1_000, deadline_s=600.0, base_s=1.0, cap_s=60.0)
"""As many attempts as fit into ten minutes: the service itself works on an answer for up to five."""

CROWDED = (
    "too many concurrent aggregations",
    "too many requests",
    "rate limit",
    "quota exceeded",
    "resource_exhausted",
)
"""What the service says when it asks for patience, whatever the status."""

SLOW = ("computation timed out", "deadline exceeded")

REFUSED = (
    "register the project for Earth Engine, or, if it is a non-commercial one, "
    "verify its eligibility anew (asked of all registered before 2025-04-15)"
)


class Service:
    """One process's dealings with Earth Engine, shared by its threads.

    While the service is down, all wait together (`net.hosts`). It is given up, instead of one sample
    after the other, when it refuses access or has left `policy.failures` calls in a row unanswered.
    """

    def __init__(
        self, limits: Limits | None = None, policy: Policy = POLICY, clock: Clock | None = None
    ) -> None:
        self.limits = limits or Limits.of()
        self.policy = replace(policy, per_host=self.limits.requests)
        self.clock = clock or Clock()
        self._tally = Tally()
        self._host = Host("earth-engine", self.policy, self.clock, self._tally)
        self._lock = threading.Lock()
        self._unanswered = 0

    def call(self, request: Callable[[], T], what: str, deadline_s: float | None = None) -> T:
        """What `request` gives; repeated with growing pauses while the service is busy or down.

        A pause holds no place among the requests under way.

        Args:
            what: names the request in messages.
            deadline_s: seconds after which no further attempt is made; the policy's when None.

        Raises:
            Fault: `ee_not_found`, `ee_invalid`; retryable: `ee_quota`, `ee_timeout`.
            SourceError: access is refused, or too many calls in a row had no answer.
        """

        def attempt() -> T | Outcome:
            try:
                return request()
            except _errors() as error:
                return outcome_of(error)

        policy = replace(self.policy, deadline_s=deadline_s or self.policy.deadline_s)
        result = persist(
            lambda until: self._host.turn(until, attempt), lambda: False, policy, self.clock,
            self._tally,
        )  # fmt: skip
        again = isinstance(result, Outcome) and result.then is not Then.STOP
        with self._lock:
            self._unanswered = self._unanswered + 1 if again else 0
            silent = self._unanswered
        if not isinstance(result, Outcome):
            return result
        told = f"earth-engine: {what}: {result.what}"
        if result.code == "ee_refused":
            raise SourceError(f"{told}; {REFUSED}")
        if not again:
            raise Fault(result.code, told)
        if silent >= policy.failures:
            raise SourceError(
                f"{told}; {silent} requests in a row had no answer within "
                f"{policy.deadline_s:,.0f} s each; try again later"
            )
        code = result.code if result.code.startswith("ee_") else "ee_timeout"
        why = f"no answer within {policy.deadline_s:,.0f} s ({result.what}); try again later"
        raise Fault(code, f"earth-engine: {what}: {why}", retryable=True)


def service() -> Service:
    """That of this process (a forked one has its own)."""
    return _service(os.getpid(), Limits.of())


@cache
def _service(pid: int, limits: Limits) -> Service:
    return Service(limits)


def _errors() -> tuple[type[Exception], ...]:
    """What the client library and the layers below it raise for a failed request."""
    from ee.ee_exception import EEException
    from google.auth.exceptions import GoogleAuthError
    from googleapiclient.errors import Error

    return EEException, Error, GoogleAuthError, OSError


def outcome_of(error: Exception) -> Outcome:
    """What a failed request means. The library hides the status in the exception's context."""
    from google.auth.exceptions import GoogleAuthError, TransportError

    text = scrub(" ".join(str(error).split()))[:300] or type(error).__name__
    status, wait = _answer(error)
    said = text.lower()
    if status == 429 or any(words in said for words in CROWDED):
        return Outcome("ee_quota", text, Then.AGAIN, wait_s=wait)
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return Outcome("ee_refused", text)
    if any(words in said for words in SLOW):
        return Outcome("ee_timeout", text, Then.AGAIN, wait_s=wait)
    if status >= 500 or status == 408:
        return Outcome("ee_timeout", f"{status} {text}", Then.AGAIN, sick=True, wait_s=wait)
    if status == 404 or "not found" in said:
        return Outcome("ee_not_found", text)
    if status in (401, 403):
        return Outcome("ee_refused", text)
    if status or not isinstance(error, OSError | TransportError):
        return Outcome("ee_invalid", text)
    return Outcome("ee_timeout", text, Then.AGAIN, sick=True)


def _answer(error: BaseException | None) -> tuple[int, float | None]:
    """(HTTP status, seconds of Retry-After) of the answer behind an exception; 0, None without one."""
    while error is not None:
        answer = getattr(error, "resp", None)
        if answer is not None:
            after = str(answer.get("retry-after", ""))
            return int(answer.status), float(after) if after.isdecimal() else None
        error = error.__cause__ or error.__context__
    return 0, None
