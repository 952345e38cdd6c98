"""Remote rasters as files: bytes are fetched ahead of the reader, in few large ranges.

GDAL sees an ordinary file (`Ahead.open`); what it reads has mostly arrived already. Which ranges a
block of windows needs is known beforehand from the tile index, so latency is paid once and not for
each tile. What was not foreseen is fetched when it is read: fetching ahead changes time, never pixels.
"""

import io
import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

from catalogs.sources.errands import Errand, Errands
from schemas.errors import Fault

HEADER = 1 << 16
"""Bytes fetched when a file is opened: the directories of most cloud-optimised GeoTIFFs."""

NEAREST = 1 << 15
"""Bytes fetched at least when a read was not foreseen."""

GAP = 1 << 17
"""Ranges this near are fetched as one: at 40 ms and 25 MB/s a request costs as much as 1 MB."""

LONGEST = 4 << 20
"""Bytes of one request at most, so that many connections share the work."""

BUDGET = 192 << 20
"""Bytes fetched ahead and not yet read, at most, in one process."""

CONNECTIONS = 16
"""Requests under way at once, at most, in one process."""


class Fetch(Protocol):
    """Where bytes come from."""

    def opening(self, url: str, most: int) -> tuple[bytes, int]:
        """The first bytes of a file, at most `most`, and how many it has."""
        ...

    def get_range(self, url: str, start: int, stop: int) -> bytes:
        """Exactly the bytes [start, stop)."""
        ...


@dataclass(eq=False)
class Chunk:
    """A range of a file: the errand for its bytes, and how many of them are yet to be read."""

    url: str
    start: int
    stop: int
    needed: int
    errand: Errand[bytes]


@cache
def _ahead(pid: int) -> "Ahead":
    from catalogs.sources.net.client import client

    return Ahead(client())


def ahead() -> "Ahead":
    """The files of this process (a forked one has its own)."""
    return _ahead(os.getpid())


def opened(url: str) -> Callable[[str, str], "File"]:
    """An opener of one URL and nothing else: GDAL asks for a dozen sidecars that are not there."""

    def opener(path: str, mode: str = "rb") -> "File":
        if path != url:
            raise FileNotFoundError(path)
        return File(ahead(), url)

    return opener


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

    def __init__(self, url: str, fetch: Fetch, size: int, header: bytes) -> None:
        self.url, self.fetch = url, fetch
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

    def missing(self, spans: list[tuple[int, int]]) -> Iterator[Chunk]:
        """Chunks, announced here, for the ranges that nobody has asked for yet.

        Where a joint request would run across another's chunk, ranges are asked for one by one.
        """
        fresh = [s for s in spans if s[1] > len(self.header) and self.find(*s) is None]
        for start, stop, asked in coalesced(fresh):
            chunk = self.chunk(start, stop, asked)
            if self.add(chunk):
                yield chunk
                continue
            for span in sorted({s for s in fresh if start <= s[0] < stop}):
                alone = self.chunk(*span, span[1] - span[0])
                if self.add(alone):
                    yield alone

    def chunk(self, start: int, stop: int, needed: int) -> Chunk:
        """A chunk that nobody knows of yet."""
        errand = Errand(stop - start, partial(self.fetch.get_range, self.url, start, stop))
        return Chunk(self.url, start, stop, needed, errand)

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


class Ahead:
    """Files at URLs, shared by all threads of a process. Chunks come in the order they are wanted."""

    def __init__(self, fetch: Fetch, budget: int = BUDGET, connections: int = CONNECTIONS) -> None:
        self.fetch = fetch
        self.remotes: dict[str, Remote] = {}
        self.lock = threading.Lock()
        self.opening: dict[str, threading.Lock] = {}
        self.errands: Errands[bytes] = Errands("fetch", budget, connections)

    def remote(self, url: str) -> Remote:
        """A file, its first bytes fetched once.

        Raises:
            Fault: as `Fetch.get_range`.
        """
        found = self.remotes.get(url)
        if found is None:
            with self.lock:
                turn = self.opening.setdefault(url, threading.Lock())
            with turn:
                found = self.remotes.get(url)
                if found is None:
                    header, size = self.fetch.opening(url, HEADER)
                    found = self.remotes[url] = Remote(url, self.fetch, size, header)
        return found

    def prepare(self, urls: Iterable[str]) -> None:
        """Open files together, rather than one after the other; a fault waits for the read."""
        missing = [url for url in urls if url not in self.remotes]
        if len(missing) > 1:
            wait(self.errands.run_together(partial(self.remote, url) for url in missing))

    def want(self, ranges: Iterable[tuple[str, int, int]]) -> list[Chunk]:
        """Begin to fetch byte ranges [start, stop) of files, given in the order of need.

        Returns:
            what is under way, for `forget`.
        """
        need: dict[tuple[str, int], int] = {}
        by_file: dict[str, list[tuple[int, int]]] = {}
        for place, (url, start, stop) in enumerate(ranges):
            by_file.setdefault(url, []).append((start, stop))
            need.setdefault((url, start), place)
        placed: list[tuple[int, Chunk]] = []
        for url, spans in by_file.items():
            remote = self.remote(url)
            with self.lock:
                for chunk in remote.missing(spans):
                    first = min(need[url, s] for s, _ in spans if chunk.start <= s < chunk.stop)
                    placed.append((first, chunk))
        chunks = [chunk for _, chunk in sorted(placed, key=lambda entry: entry[0])]
        self.errands.send(chunk.errand for chunk in chunks)
        return chunks

    def forget(self, chunks: Iterable[Chunk]) -> None:
        """Let go of what has not been read."""
        for chunk in chunks:
            self._drop(chunk)

    def read(self, url: str, start: int, stop: int) -> bytes:
        """The bytes [start, stop) of a file: fetched ahead, or now.

        Raises:
            Fault: as `Fetch.get_range`.
        """
        remote = self.remote(url)
        stop = min(stop, remote.size)
        if stop <= len(remote.header):
            return remote.header[start:stop]
        with self.lock:
            chunk = remote.find(start, stop)
        if chunk is None:
            return self.fetch.get_range(url, start, stop)
        data = self.errands.result(chunk.errand)[start - chunk.start : stop - chunk.start]
        with self.lock:
            chunk.needed -= stop - start
        if chunk.needed <= 0:
            self._drop(chunk)
        return data

    def knows(self, url: str, start: int, stop: int) -> bool:
        """Whether a range has been fetched or is under way."""
        remote = self.remote(url)
        with self.lock:
            return stop <= len(remote.header) or remote.find(start, stop) is not None

    def open(self, url: str) -> "File":
        """A file for one thread."""
        return File(self, url)

    def close(self) -> None:
        """Stop fetching."""
        self.errands.close()

    def _drop(self, chunk: Chunk) -> None:
        with self.lock:
            self.remotes[chunk.url].drop(chunk)
        self.errands.let_go(chunk.errand)


class Faults(threading.local):
    """Why the latest read of a URL failed in this thread: GDAL only knows that it did."""

    def __init__(self) -> None:
        self.by_url: dict[str, Fault] = {}

    def take(self, url: str) -> Fault | None:
        """The reason, once."""
        return self.by_url.pop(url, None)


FAULTS = Faults()


class File(io.RawIOBase):
    """A remote file as GDAL's file systems want one: `read`, `seek`, `tell`, `close`."""

    def __init__(self, ahead: Ahead, url: str) -> None:
        super().__init__()
        self.ahead, self.url = ahead, url
        self.size = ahead.remote(url).size
        self.position = 0
        self.near = (0, b"")

    def read(self, length: int = -1) -> bytes:
        """At most `length` bytes from the position on; none, and a note in `FAULTS`, where they
        cannot be had: an exception would be lost between GDAL and Python."""
        stop = self.size if length < 0 else min(self.position + length, self.size)
        start, self.position = self.position, max(stop, self.position)
        try:
            return self._read(start, stop)
        except Fault as fault:
            FAULTS.by_url[self.url] = fault
            return b""

    def _read(self, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        first, near = self.near
        if first <= start and stop <= first + len(near):
            return near[start - first : stop - first]
        if stop - start < NEAREST and not self.ahead.knows(self.url, start, stop):
            near = self.ahead.read(self.url, start, start + NEAREST)  # directories come in pieces
            self.near = (start, near)
            return near[: stop - start]
        return self.ahead.read(self.url, start, stop)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place, as `io` files do."""
        base = (0, self.position, self.size)[whence]
        self.position = base + offset
        return self.position

    def tell(self) -> int:
        """The position."""
        return self.position

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True
