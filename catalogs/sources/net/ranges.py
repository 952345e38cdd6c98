"""Parts of a file: what to ask for, and whether an answer is just that."""

import re
from dataclasses import dataclass

from catalogs.sources.net.exchange import Answer, Headers
from catalogs.sources.net.outcomes import SHORT, Outcome, is_html

SMALL = 4 << 20
"""A server without ranges sends the whole file: it is read when it has at most this many bytes."""
PAGE = Outcome("not_a_raster", "the server sent a web page instead of data")
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")

Part = tuple[bytes, int]
"""Bytes, and the size of the file that they are from."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` up to but not including `stop`.

    Attributes:
        start: first byte.
        stop: one past the last.
        exact: whether a file that ends before `stop` is a fault.
    """

    start: int
    stop: int
    exact: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"bytes {self.start} to {self.stop}: no range")

    @property
    def headers(self) -> Headers:
        """The request's header."""
        return {"Range": f"bytes={self.start}-{self.stop - 1}"}

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
            return self.past_end(size) or last + 1 - first
        if status == 416:
            found = _RANGE.fullmatch(headers.get("Content-Range", ""))
            size = int(found[3]) if found and found[3] != "*" else 0
            return self.past_end(size) or SMALL
        if is_html(headers, b""):
            return PAGE
        length = headers.get("Content-Length", "0")
        if status != 200 or not length.isdigit() or int(length) > SMALL:
            return Outcome("no_ranges", "the server does not send parts of a file")
        return SMALL

    def past_end(self, size: int) -> Outcome | None:
        """The outcome for a file of that size, when it ends too early."""
        if not self.exact or self.stop <= size:
            return None
        return Outcome("bad_range", f"has {size:,} bytes, not the {self.stop:,} expected")

    def cut(self, answer: Answer) -> Part | Outcome:
        """The part, out of an answer that `judge` let pass."""
        if answer.status == 416:
            return b"", 0
        if answer.status == 206:
            found = _RANGE.fullmatch(answer.headers["Content-Range"])
            assert found is not None
            size = int(found[3])
            length = min(self.stop, size) - self.start
            return (answer.body, size) if len(answer.body) == length else SHORT
        if is_html(answer.headers, answer.body):
            return PAGE
        size = len(answer.body)
        return self.past_end(size) or (answer.body[self.start : self.stop], size)
