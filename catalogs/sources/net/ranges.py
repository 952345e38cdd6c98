"""Parts of a file: what to ask for, and whether an answer is just that."""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from catalogs.sources.net.exchange import Answer, Headers
from catalogs.sources.net.outcomes import CHANGED, SHORT, Outcome, is_html
from schemas.sources import Version

SMALL = 4 << 20
"""A server without ranges sends the whole file: it is read when it has at most this many bytes."""
PAGE = Outcome("not_a_raster", "the server sent a web page instead of data")
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")

Part = tuple[bytes, Version]
"""Bytes, and the file that they are from."""


def version_of(headers: Headers, size: int) -> Version:
    """Which state of a file an answer is from.

    A weak tag says nothing of bytes; a time counts when the answer is at least a second younger,
    since the file may have changed again within that second (RFC 9110, 8.8.2.2).
    """
    tag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    settled = bool(modified) and _seconds_between(modified, headers.get("Date", "")) >= 1
    return Version(size, tag if tag.startswith('"') else "", modified if settled else "")


def _seconds_between(earlier: str, later: str) -> float:
    """Between two times as headers state them; negative where one is none."""
    try:
        return (parsedate_to_datetime(later) - parsedate_to_datetime(earlier)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return -1.0


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` up to but not including `stop`.

    Attributes:
        start: first byte.
        stop: one past the last.
        exact: whether a file that ends before `stop` is a fault.
        like: the file that they must be of; None: whichever is there.
        insist: whether the server is told so. An answer is held against `like` in any case.
    """

    start: int
    stop: int
    exact: bool = True
    like: Version | None = None
    insist: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"bytes {self.start} to {self.stop}: no range")

    @property
    def tag(self) -> str:
        """The entity tag that the server is told to insist on, "" for none."""
        return self.like.etag if self.like is not None and self.insist else ""

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        condition = {"If-Match": self.tag} if self.tag else {}
        return {"Range": f"bytes={self.start}-{self.stop - 1}", **condition}

    def judge(self, status: int, headers: Headers) -> Outcome | int:
        """How much body to read: that of a 206 for just this range, or of a small 200."""
        if headers.get("Content-Encoding", "identity") != "identity":
            return Outcome("no_ranges", "the server compresses what it sends")
        if status == 206:
            found = _RANGE.fullmatch(headers.get("Content-Range", ""))
            if found is None or found[1] is None or found[3] == "*":
                return Outcome("no_ranges", "the server does not say which bytes it sends")
            first, last, size = int(found[1]), int(found[2]), int(found[3])
            if first != self.start or last != min(self.stop, size) - 1:
                return Outcome("no_ranges", f"sent bytes {first}-{last}, not those asked for")
            return self.refused(version_of(headers, size)) or last + 1 - first
        if status == 416:
            found = _RANGE.fullmatch(headers.get("Content-Range", ""))
            size = int(found[3]) if found and found[3] != "*" else 0
            return self.refused(version_of(headers, size)) or SMALL
        if is_html(headers, b""):
            return PAGE
        length = headers.get("Content-Length", "0")
        if status != 200 or not length.isdigit() or int(length) > SMALL:
            return Outcome("no_ranges", "the server does not send parts of a file")
        return SMALL

    def refused(self, found: Version) -> Outcome | None:
        """The outcome for a file that is another than `like`, or that ends too early."""
        if self.like is not None and not self.like.agrees(found):
            return CHANGED
        if not self.exact or self.stop <= found.size:
            return None
        return Outcome("bad_range", f"has {found.size:,} bytes, not the {self.stop:,} expected")

    def cut(self, answer: Answer) -> Part | Outcome:
        """The part, out of an answer that `judge` let pass."""
        if answer.status == 416:
            return b"", version_of(answer.headers, 0)
        if answer.status == 206:
            found = _RANGE.fullmatch(answer.headers["Content-Range"])
            assert found is not None
            version = version_of(answer.headers, int(found[3]))
            length = min(self.stop, version.size) - self.start
            return (answer.body, version) if len(answer.body) == length else SHORT
        if is_html(answer.headers, answer.body):
            return PAGE
        version = version_of(answer.headers, len(answer.body))
        return self.refused(version) or (answer.body[self.start : self.stop], version)
