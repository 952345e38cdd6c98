"""What may be asked of Earth Engine at once, and how much of it by one process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from catalogs.sources.share import positive, share_of

REQUESTS = "EARTHLOOM_EE_REQUESTS"
"""Environment variable: requests under way at once in one job, over all of its processes."""

BYTES = "EARTHLOOM_EE_REQUEST_BYTES"
"""Environment variable: bytes of pixels, uncompressed, in one request."""

AT_ONCE = 40
"""Requests that a project may have under way at once on the high-volume endpoint, unless it has
asked for more (Earth Engine quotas page)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process.

    Attributes:
        requests: under way at once.
        request_bytes: uncompressed pixels of one request; the REST reference allows 32 to 48 MB.
        side: pixels along one side of a request, as the REST reference states.
        bands: bands of one request, likewise.
    """

    requests: int = AT_ONCE
    request_bytes: int = 16_000_000
    side: int = 10_000
    bands: int = 100

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> "Limits":
        """The limits with what the environment says of them: a process has its share of the requests.

        Raises:
            UsageError: a value that is no positive whole number.
        """
        return cls(
            share_of(positive(environ, REQUESTS, AT_ONCE), environ),
            positive(environ, BYTES, cls().request_bytes),
        )
