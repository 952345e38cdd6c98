"""Worker processes of `make`: each makes blocks of the plan, and ends when its parent does.

They are forked from a server that has the imports done (`warm`), so that one starts in some
hundredths of a second. Threads would share one interpreter lock and one memory map, which costs a
fifth of two cores and more of many (docs/decisions/0002-runner-choice.md).
"""

import os
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from catalogs import processes
from catalogs.processes import closed, ending, portable, settle, started
from catalogs.rasters import ENVIRONMENT
from catalogs.sources.net.redact import guard_logging
from catalogs.sources.share import share_among
from schemas.errors import BuildError

if TYPE_CHECKING:
    from pipelines.job import Job

Block = Callable[[str, Any, Callable[[Callable[[], Any]], object]], None]
"""Makes the block of a name within a worker's state, and hands on, once, the work that closes it."""

CACHE_MB = 1024
"""Decoded tiles kept by all workers together; each has at least an eighth of it."""

CLOSING = 2
"""Blocks of a worker that may wait for the disk at a time."""

PRELOADED = ("pipelines.acts.make", "rasterio", "PIL.JpegImagePlugin", "deflate")


def possible(job: "Job") -> bool:
    """Whether workers can make this job's blocks: on Linux, with steps that any process can import.

    macOS could fork from a server too, but calls it unsafe with the libraries that we preload.
    """
    return sys.platform == "linux" and b"__main__" not in pickle.dumps(job)


def warm() -> None:
    """Start the server, which imports on a core of its own what workers will need."""
    processes.warm(PRELOADED)


class Worker:
    """One process, which opens its state with `open_state(job)` and then makes blocks.

    Attributes:
        ahead: blocks that it is told of at a time. The state's `expect` is told of each as it comes,
            in a thread of its own, so that bytes of the next block are fetched during this one.
    """

    def __init__(
        self, job: "Job", open_state: Callable[["Job"], Any], block: Block, ahead: int = 1
    ) -> None:
        self.ahead = ahead
        warm()
        self._process, self._pipe = started(serve, job, open_state, block)

    def work(self, take: Callable[[], str | None], done: Callable[[Any], None]) -> None:
        """Give it blocks until `take` has no more; `done` gets what closing each of them returned.

        Raises:
            BuildError: the process died.
            Exception: what it raised.
        """
        under_way: list[str] = []
        room = self.ahead
        try:
            while True:
                while room and (name := take()) is not None:
                    under_way.append(name)
                    self._pipe.send(name)
                    room -= 1
                if room == self.ahead and not under_way:
                    return
                answer = self._pipe.recv()
                if isinstance(answer, BaseException):
                    raise answer
                if answer is None:
                    room += 1
                else:
                    name, result = answer
                    under_way.remove(name)
                    done(result)
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._process.join(5)
            raise BuildError(
                f"a worker process ended ({ending(self._process.exitcode)}) in block "
                f"{' or '.join(under_way)}; run again to resume, with fewer --workers if memory was "
                "short"
            ) from error

    def close(self) -> None:
        """Let it end, and see that it does."""
        closed(self._process, self._pipe)


def serve(
    job: "Job", open_state: Callable[["Job"], Any], block: Block, pipe: Any, sockets: str
) -> None:
    """The process: make blocks by name until the pipe closes.

    It sends None when it can take another block, and (name, what closing the block returned) once
    that block is on disk; the next one is read in the meantime.
    """
    settle(sockets)
    if os.environ.get("GDAL_CACHEMAX") == ENVIRONMENT["GDAL_CACHEMAX"]:  # else it is the user's own
        os.environ["GDAL_CACHEMAX"] = str(max(CACHE_MB // job.workers, CACHE_MB // 8))
    share_among(job.workers * job.slice[1])
    guard_logging()
    sending, room = threading.Lock(), threading.BoundedSemaphore(CLOSING)

    def send(value: Any) -> None:
        with sending:
            pipe.send(value)

    def close(name: str, work: Callable[[], Any]) -> None:
        try:
            send((name, work()))
        except Exception as error:
            send(portable(error))
        finally:
            room.release()

    try:
        state = open_state(job)
        with ThreadPoolExecutor(1) as closing:

            def later(name: str, work: Callable[[], Any]) -> None:
                room.acquire()
                closing.submit(close, name, work)

            names: SimpleQueue[str | None] = SimpleQueue()
            threading.Thread(target=_receive, args=(pipe, names, state), daemon=True).start()
            while (name := names.get()) is not None:
                block(name, state, partial(later, name))
                send(None)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        send(portable(error))


def _receive(pipe: Any, names: "SimpleQueue[str | None]", state: Any) -> None:
    """Pass on the names of blocks as they come, None at the end."""
    try:
        while True:
            name = pipe.recv()
            if hasattr(state, "expect"):
                with suppress(Exception):  # the read itself will tell
                    state.expect(name)
            names.put(name)
    except (EOFError, OSError):
        names.put(None)
