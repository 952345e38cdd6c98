"""What went wrong with a request, and whether asking again can help."""

import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

from urllib3 import exceptions as lib

from catalogs.sources.net.redact import scrub
from schemas.errors import Fault
from schemas.text import clean

_HTML = re.compile(rb"\s*(?:<!doctype\s+html|<html|<head)", re.IGNORECASE)


class Then(Enum):
    """What to do after a failure: ask again, renew the signature and ask again, or stop.

    LATER stops as well, but another run has a chance.
    """

    AGAIN = "again"
    RENEW = "renew"
    LATER = "later"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A failed attempt. It holds text of our own only, never that of a foreign exception.

    Attributes:
        code: of the `Fault` that it becomes when no retry helps.
        what: one clause that follows the URL.
        then: what to do next.
        sick: whether it speaks against the whole host.
        wait_s: seconds that the server asked to wait, None when it did not.
    """

    code: str
    what: str
    then: Then = Then.STOP
    sick: bool = False
    wait_s: float | None = None

    def fault(self, where: str) -> Fault:
        """The exception for a reader of `where`, a URL without its query."""
        return Fault(self.code, f"{where}: {self.what}", retryable=self.then is not Then.STOP)


def of_status(
    status: int, headers: Mapping[str, str], *, signed: bool, utc: float
) -> Outcome | None:
    """The failure that an HTTP status means; None below 400.

    Args:
        status: of the answer.
        headers: of the answer; `Retry-After` is read.
        signed: whether the request carried a signature that can be renewed.
        utc: seconds since 1970 now.
    """
    if status < 400:
        return None
    what = f"the server answered {status}"
    if status in (401, 403):
        return Outcome("auth", f"access refused ({status})", Then.RENEW if signed else Then.LATER)
    if status in (404, 410):
        return Outcome("not_found", what)
    if status == 412:
        return CHANGED
    wait = retry_after(headers.get("Retry-After"), utc)
    if status == 408:
        return Outcome("timeout", what, Then.AGAIN, wait_s=wait)
    if status in (425, 429):
        return Outcome(f"http_{status}", what, Then.AGAIN, wait_s=wait)
    if status >= 500:
        # Not implemented, version not supported: no later answer will differ.
        then = Then.STOP if status in (501, 505) else Then.AGAIN
        return Outcome(f"http_{status}", what, then, sick=then is Then.AGAIN, wait_s=wait)
    return Outcome(f"http_{status}", what)


def retry_after(value: str | None, utc: float) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110 section 10.2.3): a number or a date."""
    if value is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d+)?\s*", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - utc)
    except (TypeError, ValueError, OverflowError):
        return None


def reason(body: bytes, most: int = 300) -> str:
    """What a refusal says of itself, in one line, without secrets; "" where it says nothing.

    Read are the places where services put it: `error.message`, `error`, `detail`, `message`.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for name in ("error", "detail", "message"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
            if isinstance(found, dict):
                found = found.get("message")
            break
    return clean(scrub(found), most) if isinstance(found, str) else ""


def of_error(error: BaseException) -> Outcome | None:
    """The failure that an exception of the HTTP library means; None for a bug of ours."""
    causes = _causes(error)
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in causes):
        return Outcome("tls", "its certificate is not trusted")
    if any(_late(e) for e in causes):
        return Outcome("timeout", "no answer in time", Then.AGAIN, sick=True)
    if any(isinstance(e, lib.IncompleteRead) for e in causes):
        return SHORT
    if any(isinstance(e, socket.gaierror | lib.NameResolutionError) for e in causes):
        return Outcome("unreachable", "its host name has no address", Then.AGAIN, sick=True)
    if isinstance(error, lib.DecodeError):
        return Outcome("short_body", "the compressed body is damaged", Then.AGAIN)
    if isinstance(error, lib.HTTPError | OSError):
        return Outcome("unreachable", "the connection failed", Then.AGAIN, sick=True)
    return None


SHORT = Outcome("short_body", "the body ended early", Then.AGAIN)
CHANGED = Outcome(
    "changed_source", "the file changed while it was read; --retry-failed reads it anew", Then.LATER
)


def _late(error: BaseException) -> bool:
    """Whether an exception says that time ran out; the library's for "refused" is of that class too."""
    refused = isinstance(error, lib.NewConnectionError)
    return isinstance(error, TimeoutError | lib.TimeoutError) and not refused


def _causes(error: BaseException) -> list[BaseException]:
    """The exception and what it was raised from, args of wrappers included."""
    found: list[BaseException] = []
    todo: list[object] = [error]
    while todo and len(found) < 20:
        this = todo.pop()
        if isinstance(this, BaseException) and this not in found:
            found.append(this)
            todo += [this.__cause__, this.__context__, *this.args]
    return found


def is_html(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer is a web page: by its type, or by how it begins."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") or _HTML.match(body) is not None
