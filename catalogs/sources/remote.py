"""Remote rasters as files: bytes are fetched ahead of the reader, in few large ranges.

GDAL sees an ordinary file (`opened`); what it reads has mostly arrived already. Which ranges a
block of windows needs is known beforehand from the tile index, so latency is paid once and not for
each tile. What was not foreseen is fetched when it is read: fetching ahead changes time, never pixels.

A file may change while it is read. All bytes of a `File` are of one version; once the server shows
another, its reads fail (`changed_source`), and what opens the file anew reads the new one.
"""

import io
import os
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, wait
from functools import cache, partial
from typing import Protocol

from catalogs.sources.chunks import Chunk, Range, Remote, waves
from catalogs.sources.errands import Errands
from catalogs.sources.net.outcomes import CHANGED
from catalogs.sources.net.redact import bare
from schemas.errors import Fault
from schemas.sources import Version

HEADER = 1 << 16
"""Bytes fetched when a file is opened: the directories of most cloud-optimised GeoTIFFs."""

NEAREST = 1 << 15
"""Bytes fetched at least when a read was not foreseen."""

BUDGET = 192 << 20
"""Bytes fetched ahead and not yet read, at most, in one process."""

WAVE = 4
"""Parts of the budget: only ranges that are needed within one of them share a request."""

WAVE = 4
"""Parts of the budget: only ranges that are needed within one of them share a request."""

CONNECTIONS = 16
"""Requests under way at once, at most, in one process."""

FILES = 2048
"""Files whose first bytes are kept, at most, in one process: 128 MB."""


class Fetch(Protocol):
    """Where bytes come from."""

    def opening(self, url: str, most: int) -> tuple[bytes, Version]:
        """The first bytes of a file, at most `most`, and which file it is."""
        ...

    def get_range(self, url: str, start: int, stop: int, like: Version | None = None) -> bytes:
        """Exactly the bytes [start, stop), of that version."""
        ...


@cache
def _ahead(pid: int) -> "Ahead":
    from catalogs.sources.net.client import client

    return Ahead(client())


def ahead() -> "Ahead":
    """The files of this process (a forked one has its own)."""
    return _ahead(os.getpid())


def opened(remote: Remote) -> Callable[[str, str], "File"]:
    """An opener of one file and nothing else: GDAL asks for a dozen sidecars that are not there."""

    def opener(path: str, mode: str = "rb") -> "File":
        if path != remote.url:
            raise FileNotFoundError(path)
        return File(ahead(), remote)

    return opener


class Ahead:
    """Files at URLs, shared by all threads of a process. Chunks come in the order they are wanted."""

    def __init__(self, fetch: Fetch, budget: int = BUDGET, connections: int = CONNECTIONS) -> None:
        self.fetch = fetch
        self.remotes: OrderedDict[str, Remote] = OrderedDict()
        self.lock = threading.Lock()
        self.opening: dict[str, threading.Lock] = {}
        self.errands: Errands[bytes] = Errands("fetch", budget, connections)

    def remote(self, url: str) -> Remote:
        """A file as it is now, its first bytes fetched once.

        Raises:
            Fault: as `Fetch.get_range`.
        """
        with self.lock:
            if (found := self.remotes.get(url)) is not None:
                self.remotes.move_to_end(url)
                return found
            turn = self.opening.setdefault(url, threading.Lock())
        with turn:
            if (found := self.remotes.get(url)) is None:
                header, version = self.fetch.opening(url, HEADER)
                found = Remote(url, version, header)
                with self.lock:
                    self.remotes[url] = found
                    self.opening.pop(url, None)
                    self._forget_oldest()
        return found

    def prepare(self, urls: Iterable[str]) -> set[str]:
        """Open files together, rather than one after the other; returns those that cannot be."""
        missing = [url for url in dict.fromkeys(urls) if url not in self.remotes]
        if not missing:
            return set()
        opened = self.errands.run_together(partial(self.remote, url) for url in missing)
        wait(opened)
        return {url for url, done in zip(missing, opened, strict=True) if done.exception()}

    def want(self, ranges: Iterable[Range]) -> list[Chunk]:
        """Begin to fetch byte ranges [start, stop) of files, given in the order of need.

        Returns:
            what is under way, also for others, for `forget`: once for each time that it was asked for.
        """
        chunks: list[Chunk] = []
        known: list[Chunk] = []
        for wave in waves(ranges, self.errands.budget // WAVE):
            announced, joined = self._cover(wave)
            chunks += announced
            known += joined
        self.errands.send(chunk.errand for chunk in chunks)
        return [*chunks, *known]

    def _cover(self, ranges: list[Range]) -> tuple[list[Chunk], list[Chunk]]:
        """Chunks for ranges: new ones in the order of need, and those that hold the rest."""
        need: dict[tuple[str, int], int] = {}
        by_file: dict[str, list[tuple[int, int]]] = {}
        for place, (url, start, stop) in enumerate(ranges):
            by_file.setdefault(url, []).append((start, stop))
            need.setdefault((url, start), place)
        placed: list[tuple[int, Chunk]] = []
        known: list[Chunk] = []
        for url, spans in by_file.items():
            remote = self.remote(url)
            starts = sorted({start for start, _ in spans})
            with self.lock:
                announced, joined = remote.cover(spans, partial(self._get, remote))
            known += joined
            for chunk in announced:
                inside = starts[bisect_left(starts, chunk.start) : bisect_left(starts, chunk.stop)]
                placed.append((min(need[url, start] for start in inside), chunk))
        return [chunk for _, chunk in sorted(placed, key=lambda entry: entry[0])], known

    def forget(self, chunks: Iterable[Chunk]) -> None:
        """Let go of what has not been read, unless somebody else wants it too."""
        for chunk in chunks:
            with self.lock:
                chunk.wanted -= 1
                unwanted = not chunk.wanted
            if unwanted:
                self._drop(chunk)

    def read(self, remote: Remote, start: int, stop: int) -> bytes:
        """The bytes [start, stop) of a file: fetched ahead, or now.

        Raises:
            Fault: as `Fetch.get_range`.
        """
        stop = min(stop, remote.size)
        if stop <= len(remote.header):
            return remote.header[start:stop]
        with self.lock:
            chunk = remote.find(start, stop)
        if chunk is None:
            return self._get(remote, start, stop)
        try:
            data = self.errands.result(chunk.errand)[start - chunk.start : stop - chunk.start]
        except (Fault, CancelledError):  # of the request that it shares with others, or let go
            self._drop(chunk)
            return self._get(remote, start, stop)
        with self.lock:
            chunk.needed -= stop - start
            used = chunk.needed <= 0
        if used:
            self._drop(chunk)
        return data

    def knows(self, remote: Remote, start: int, stop: int) -> bool:
        """Whether a range has been fetched or is under way."""
        with self.lock:
            return stop <= len(remote.header) or remote.find(start, stop) is not None

    def close(self) -> None:
        """Stop fetching."""
        self.errands.close()

    def _get(self, remote: Remote, start: int, stop: int) -> bytes:
        """Bytes of this version of a file.

        Raises:
            Fault: as `Fetch.get_range`; `changed_source` at once when the file is known to be another.
        """
        if remote.current:
            try:
                return self.fetch.get_range(remote.url, start, stop, remote.version)
            except Fault as fault:
                if fault.code != CHANGED.code:
                    raise
            with self.lock:
                remote.current = False
                if self.remotes.get(remote.url) is remote:
                    del self.remotes[remote.url]
        raise CHANGED.fault(bare(remote.url))

    def _drop(self, chunk: Chunk) -> None:
        with self.lock:
            chunk.remote.drop(chunk)
        self.errands.let_go(chunk.errand)

    def _forget_oldest(self) -> None:
        """Keep the files of late; one that is still being fetched or read stays with its reader."""
        while len(self.remotes) > FILES:
            self.remotes.popitem(last=False)


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

    def __init__(self, ahead: Ahead, remote: Remote) -> None:
        super().__init__()
        self.ahead, self.remote = ahead, remote
        self.size = remote.size
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
            FAULTS.by_url[self.remote.url] = fault
            return b""

    def _read(self, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        first, near = self.near
        if first <= start and stop <= first + len(near):
            return near[start - first : stop - first]
        if stop - start < NEAREST and not self.ahead.knows(self.remote, start, stop):
            near = self.ahead.read(self.remote, start, start + NEAREST)
            self.near = (start, near)  # directories come in pieces
            return near[: stop - start]
        return self.ahead.read(self.remote, start, stop)

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
