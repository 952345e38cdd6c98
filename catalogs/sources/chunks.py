"""Parts of remote files: which requests cover what is wanted, and which of them are under way."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from catalogs.sources.errands import Errand
from schemas.sources import Version

GAP = 1 << 17
"""Ranges this near are fetched as one: at 40 ms and 25 MB/s a request costs as much as 1 MB."""

LONGEST = 4 << 20
"""Bytes of one request at most, so that many connections share the work."""


Range = tuple[str, int, int]
"""(url, start, stop): the bytes [start, stop) of a file."""


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


@dataclass(eq=False)
class Chunk:
    """A range of a file: the errand for its bytes, and who has yet to read them.

    Attributes:
        needed: bytes that are yet to be read.
        wanted: how many have asked for any of it and not let go.
    """

    remote: "Remote"
    start: int
    stop: int
    needed: int
    errand: Errand[bytes]
    wanted: int = 1


class Remote:
    """What is known of one version of a file: its first bytes, and the chunks under way.

    Attributes:
        current: False once its server has shown another version; nothing is then read of it any
            more, and whoever asks for the file gets a `Remote` of what is there now.
    """

    def __init__(self, url: str, version: Version, header: bytes) -> None:
        self.url, self.version, self.header = url, version, header
        self.current = True
        self.starts: list[int] = []
        self.chunks: dict[int, Chunk] = {}

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.version.size

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

    def cover(
        self, spans: list[tuple[int, int]], fetch: Callable[[int, int], bytes]
    ) -> tuple[list[Chunk], list[Chunk]]:
        """Chunks for ranges: those announced here, and those of others that hold the rest.

        Where a joint request would run across another's chunk, ranges are asked for one by one.

        Args:
            fetch: gets the bytes [start, stop) of this file.
        """
        joined: dict[Chunk, int] = {}
        fresh: list[tuple[int, int]] = []
        for start, stop in sorted(set(spans)):
            if stop <= len(self.header) or stop > self.size:
                continue  # there already; or no part of the file, as its read will tell
            chunk = self.find(start, stop)
            if chunk is None:
                fresh.append((start, stop))
            else:
                joined[chunk] = joined.get(chunk, 0) + stop - start
        for chunk, asked in joined.items():
            chunk.needed += asked
            chunk.wanted += 1
        return list(self._announced(fresh, fetch)), list(joined)

    def _announced(
        self, fresh: list[tuple[int, int]], fetch: Callable[[int, int], bytes]
    ) -> Iterator[Chunk]:
        at = 0
        for start, stop, asked in coalesced(fresh):
            first, at = at, bisect_left(fresh, (stop, stop))
            chunk = self._chunk(start, stop, asked, fetch)
            if self.add(chunk):
                yield chunk
                continue
            for span in fresh[first:at]:
                alone = self._chunk(*span, span[1] - span[0], fetch)
                if self.add(alone):
                    yield alone

    def _chunk(
        self, start: int, stop: int, needed: int, fetch: Callable[[int, int], bytes]
    ) -> Chunk:
        return Chunk(self, start, stop, needed, Errand(stop - start, partial(fetch, start, stop)))

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
