"""Requests to Earth Engine: few at a time, repeated where that can help, failures as `Fault`."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from catalogs.sources.earth_engine.limits import Limits, Patience
from schemas.chance import unit
from schemas.errors import Fault

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request failed.

    Attributes:
        code: reason code of the fault it becomes.
        text: the server's own words.
        again: whether another attempt can help.
        wait: seconds that the server asks to wait, 0 when it does not say.
    """

    code: str
    text: str
    again: bool = False
    wait: float = 0.0


def call(
    request: Callable[[], T],
    what: str,
    limits: Limits | None = None,
    patience: Patience | None = None,
) -> T:
    """What `request` gives; repeated with growing pauses while the service is busy or out of reach.

    The pauses are spread by a hash of `what`, so that requests refused together do not return
    together. A pause holds no place among the requests under way.

    Args:
        what: names the request, in messages too.

    Raises:
        Fault: `ee_not_found`, `ee_refused`, `ee_invalid`; retryable: `ee_quota`, `ee_timeout`.
    """
    limits, patience = limits or Limits.of(), patience or Patience()
    places = _places(os.getpid(), limits.requests)
    started: float | None = None
    attempt = 0
    while True:
        with places:
            started = patience.now() if started is None else started
            try:
                return request()
            except _errors() as error:
                problem = problem_of(error)
        if not problem.again:
            hint = f"; {REFUSED}" if problem.code == "ee_refused" else ""
            raise Fault(problem.code, f"earth-engine: {what}: {problem.text}{hint}")
        wait = pause(what, attempt, problem.wait, patience)
        if patience.now() - started + wait > patience.deadline:
            raise Fault(
                problem.code,
                f"earth-engine: {what}: no answer within {patience.deadline:,.0f} s and "
                f"{attempt + 1} attempts ({problem.text}); try again later",
                retryable=True,
            )
        patience.sleep(wait)
        attempt += 1


@cache
def _places(pid: int, requests: int) -> threading.BoundedSemaphore:
    """The places for requests of one process (a forked one has its own)."""
    return threading.BoundedSemaphore(requests)


def pause(what: str, attempt: int, asked: float, patience: Patience) -> float:
    """Seconds to wait after attempt number `attempt`: half to whole of a doubling time, or as asked."""
    whole: float = min(patience.longest, patience.first * 2**attempt)
    return max(asked, whole * (0.5 + unit(0, what, str(attempt)) / 2))


def _errors() -> tuple[type[Exception], ...]:
    """What the client library and the layers below it raise for a failed request."""
    from ee.ee_exception import EEException
    from google.auth.exceptions import GoogleAuthError
    from googleapiclient.errors import Error

    return EEException, Error, GoogleAuthError, OSError


def problem_of(error: Exception) -> Problem:
    """What a failed request means. The library hides the status in the exception's context."""
    from google.auth.exceptions import GoogleAuthError, TransportError

    text = " ".join(str(error).split())[:300] or type(error).__name__
    status, wait = _answer(error)
    said = text.lower()
    if status == 429 or any(words in said for words in CROWDED):
        return Problem("ee_quota", text, True, wait)
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return Problem("ee_refused", text)
    if status >= 500 or status == 408 or any(words in said for words in SLOW):
        return Problem("ee_timeout", f"{status} {text}" if status else text, True, wait)
    if status == 404 or "not found" in said:
        return Problem("ee_not_found", text)
    if status in (401, 403):
        return Problem("ee_refused", text)
    if status or not isinstance(error, OSError | TransportError):
        return Problem("ee_invalid", text)
    return Problem("ee_timeout", text, True)


def _answer(error: BaseException | None) -> tuple[int, float]:
    """(HTTP status, seconds of Retry-After) of the answer behind an exception, 0 where there is none."""
    while error is not None:
        answer = getattr(error, "resp", None)
        if answer is not None:
            after = str(answer.get("retry-after", ""))
            return int(answer.status), float(after) if after.isdecimal() else 0.0
        error = error.__cause__ or error.__context__
    return 0, 0.0
