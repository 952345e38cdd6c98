"""Which ranges of a file are fetched together, and what is known of those under way."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

GAP = 1 << 17
"""Ranges this near are fetched as one: at 40 ms and 25 MB/s a request costs as much as 1 MB."""

LONGEST = 4 << 20
"""Bytes of one request at most, so that many connections share the work."""

Range = tuple[str, int, int]
"""(url, start, stop): the bytes [start, stop) of a file."""

NOTHING: Future[bytes] = Future()
"""Stands for bytes that have been read."""


@dataclass(eq=False)
class Chunk:
    """A range of a file: its bytes, now or soon, and how many of them are yet to be read.

    Attributes:
        held: whether it counts against the budget.
        taken: whether somebody is fetching it, or has.
    """

    url: str
    start: int
    stop: int
    needed: int
    held: bool = False
    taken: bool = False
    data: Future[bytes] = field(default_factory=Future)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stop - self.start


def waves(ranges: Iterable[Range], most: int) -> Iterator[list[Range]]:
    """Ranges in the order of need, cut into lists of about `most` bytes together."""
    found: list[Range] = []
    size = 0
    for one in ranges:
        found.append(one)
        size += one[2] - one[1]
        if size >= most:
            yield found
            found, size = [], 0
    if found:
        yield found


def coalesced(
    ranges: Iterable[tuple[int, int]], gap: int = GAP, longest: int = LONGEST
) -> list[tuple[int, int, int]]:
    """(start, stop, bytes asked for) of few requests that cover many ranges, in order of place.

    Ranges less than `gap` apart share a request as long as it stays below `longest`; one that is
    longer by itself stays whole. Overlapping and repeated ranges are counted once.
    """
    found: list[tuple[int, int, int]] = []
    for start, stop in sorted(set(ranges)):
        if found:
            first, last, asked = found[-1]
            if stop <= last:
                continue
            if start <= last + gap and (stop - first <= longest or start < last):
                found[-1] = (first, stop, asked + stop - max(start, last))
                continue
        found.append((start, stop, stop - start))
    return found


class Remote:
    """What is known of one file: its size, its first bytes, and the chunks under way."""

    def __init__(self, size: int, header: bytes) -> None:
        self.size, self.header = size, header
        self.starts: list[int] = []
        self.chunks: dict[int, Chunk] = {}

    def add(self, chunk: Chunk) -> bool:
        """Announce a chunk; False where part of it is there already."""
        at = bisect_right(self.starts, chunk.start)
        if at and self.chunks[self.starts[at - 1]].stop > chunk.start:
            return False
        if at < len(self.starts) and self.starts[at] < chunk.stop:
            return False
        self.starts.insert(at, chunk.start)
        self.chunks[chunk.start] = chunk
        return True

    def missing(self, url: str, spans: list[tuple[int, int]]) -> Iterator[Chunk]:
        """Chunks, announced here, for the ranges that nobody has asked for yet.

        Where a joint request would run across another's chunk, ranges are asked for one by one.
        """
        fresh = [s for s in spans if s[1] > len(self.header) and self.find(*s) is None]
        for start, stop, asked in coalesced(fresh):
            chunk = Chunk(url, start, stop, asked)
            if self.add(chunk):
                yield chunk
                continue
            for span in sorted({s for s in fresh if start <= s[0] < stop}):
                alone = Chunk(url, *span, span[1] - span[0])
                if self.add(alone):
                    yield alone

    def find(self, start: int, stop: int) -> Chunk | None:
        """The chunk that holds [start, stop)."""
        at = bisect_right(self.starts, start)
        chunk = self.chunks[self.starts[at - 1]] if at else None
        return chunk if chunk is not None and stop <= chunk.stop else None

    def drop(self, chunk: Chunk) -> None:
        """Forget a chunk."""
        if self.chunks.get(chunk.start) is chunk:
            del self.chunks[chunk.start]
            self.starts.remove(chunk.start)
