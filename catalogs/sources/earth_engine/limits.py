"""What one process may ask of Earth Engine: size and number of requests, and patience with them."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schemas.errors import UsageError

REQUESTS = "EARTHLOOM_EE_REQUESTS"
"""Environment variable: requests under way at once in one process."""

BYTES = "EARTHLOOM_EE_REQUEST_BYTES"
"""Environment variable: bytes of pixels, uncompressed, in one request."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process.

    Attributes:
        requests: under way at once. A project has 40 on the high-volume endpoint unless it asked
            for more, so lower it where many workers share one project.
        request_bytes: uncompressed pixels of one request; 16 MB, as the REST reference states.
        side: pixels along one side of a request, likewise.
        bands: bands of one request, likewise.
    """

    requests: int = 16
    request_bytes: int = 16_000_000
    side: int = 10_000
    bands: int = 100

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> "Limits":
        """The limits with what the environment says of them.

        Raises:
            UsageError: a value that is no positive whole number.
        """
        return cls(
            requests=_number(environ, REQUESTS, cls().requests),
            request_bytes=_number(environ, BYTES, cls().request_bytes),
        )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{name}={text}: must be a positive whole number")
    return int(text)


@dataclass(frozen=True)
class Patience:
    """How long to wait for an answer.

    Attributes:
        deadline: seconds from the first attempt after which no further one is made.
        first, longest: seconds before the second attempt, doubled with each one up to the longest.
        sleep, now: replaced in tests.
    """

    deadline: float = 600.0
    first: float = 1.0
    longest: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic


ATTEMPT = 330.0
"""Seconds without a byte after which an attempt is given up; Earth Engine itself stops at 300."""
