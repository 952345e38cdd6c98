"""Remote rasters as files: bytes are fetched ahead of the reader, in few large ranges.

GDAL sees an ordinary file (`Ahead.open`); what it reads has mostly arrived already. Which ranges a
block of windows needs is known beforehand from the tile index, so latency is paid once and not for
each tile. What was not foreseen is fetched when it is read: fetching ahead changes time, never pixels.
"""

import io
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import Protocol

from catalogs.sources.chunks import NOTHING, Chunk, Remote, waves
from schemas.errors import Fault

HEADER = 1 << 16
"""Bytes fetched when a file is opened: the directories of most cloud-optimised GeoTIFFs."""

NEAREST = 1 << 15
"""Bytes fetched at least when a read was not foreseen."""

BUDGET = 192 << 20
"""Bytes fetched ahead and not yet read, at most, in one process."""

WAVE = 4
"""Parts of the budget: only ranges that are needed within one of them share a request."""

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


class Ahead:
    """Files at URLs, shared by all threads of a process. Chunks come in the order they are wanted."""

    def __init__(self, fetch: Fetch, budget: int = BUDGET, connections: int = CONNECTIONS) -> None:
        self.fetch, self.budget = fetch, budget
        self.remotes: dict[str, Remote] = {}
        self.held = 0
        self.lock = threading.Condition()
        self.opening: dict[str, threading.Lock] = {}
        self.order = ThreadPoolExecutor(1, "ranges")
        self.pool = ThreadPoolExecutor(connections, "fetch")

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
                    found = self.remotes[url] = Remote(size, header)
        return found

    def prepare(self, urls: Iterable[str]) -> None:
        """Open files together, rather than one after the other; a fault waits for the read."""
        missing = [url for url in urls if url not in self.remotes]
        if len(missing) > 1:
            wait([self.pool.submit(self.remote, url) for url in missing])

    def want(self, ranges: Iterable[tuple[str, int, int]]) -> list[Chunk]:
        """Begin to fetch byte ranges [start, stop) of files, given in the order of need.

        Returns:
            what is under way, for `forget`.
        """
        chunks: list[Chunk] = []
        for wave in waves(ranges, self.budget // WAVE):
            need: dict[tuple[str, int], int] = {}
            by_file: dict[str, list[tuple[int, int]]] = {}
            for place, (url, start, stop) in enumerate(wave):
                by_file.setdefault(url, []).append((start, stop))
                need.setdefault((url, start), place)
            placed: list[tuple[int, Chunk]] = []
            for url, spans in by_file.items():
                remote = self.remote(url)
                with self.lock:
                    for chunk in remote.missing(url, spans):
                        first = min(need[url, s] for s, _ in spans if chunk.start <= s < chunk.stop)
                        placed.append((first, chunk))
            chunks += [chunk for _, chunk in sorted(placed, key=lambda entry: entry[0])]
        self.order.submit(self._feed, chunks)
        return chunks

    def forget(self, chunks: Iterable[Chunk]) -> None:
        """Let go of what has not been read."""
        for chunk in chunks:
            with self.lock:
                if not chunk.taken:
                    chunk.taken = True
                    chunk.data.set_result(b"")
            self._spent(chunk)

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
            if chunk is not None:
                coming = chunk.data
                if mine := not chunk.taken:  # it is wanted before its turn has come
                    self._take(chunk)
        if chunk is None:
            return self.fetch.get_range(url, start, stop)
        if mine:
            self._fetch(chunk)
        data = coming.result()[start - chunk.start : stop - chunk.start]
        with self.lock:
            chunk.needed -= stop - start
        if chunk.needed <= 0:
            self._spent(chunk)
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
        self.order.shutdown(cancel_futures=True)
        self.pool.shutdown(cancel_futures=True)

    def _feed(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            with self.lock:
                while not chunk.taken and self.held and self.held + chunk.size > self.budget:
                    self.lock.wait()
                if chunk.taken:
                    continue
                self._take(chunk)
            self.pool.submit(self._fetch, chunk)

    def _take(self, chunk: Chunk) -> None:
        chunk.taken = chunk.held = True
        self.held += chunk.size

    def _fetch(self, chunk: Chunk) -> None:
        try:
            chunk.data.set_result(self.fetch.get_range(chunk.url, chunk.start, chunk.stop))
        except BaseException as error:
            chunk.data.set_exception(error)

    def _spent(self, chunk: Chunk) -> None:
        with self.lock:
            self.remotes[chunk.url].drop(chunk)
            if chunk.held:
                chunk.held = False
                self.held -= chunk.size
            if chunk.data.done():
                chunk.data = NOTHING  # a block's list of chunks outlives what they held
            self.lock.notify_all()


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
