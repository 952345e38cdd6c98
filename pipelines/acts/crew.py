"""Worker processes of `make`: each makes blocks of the plan, and ends when its parent does.

They are forked from a server that has the imports done (`warm`), so that one starts in some
hundredths of a second. Threads would share one interpreter lock and one memory map, which costs a
fifth of two cores and more of many (docs/decisions/0002-runner-choice.md).
"""

import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection, get_all_start_methods, get_context, parent_process
from typing import TYPE_CHECKING, Any

from schemas.errors import BuildError

if TYPE_CHECKING:
    from pipelines.job import Job

Block = Callable[[str, Any, Callable[[Callable[[], Any]], object]], None]
"""Makes the block of a name within a worker's state, and hands on the work that closes it."""

CACHE_MB = 1024
"""Decoded tiles kept by all workers together; each has at least an eighth of it."""

PRELOADED = ["pipelines.acts.make", "rasterio", "PIL.JpegImagePlugin", "deflate"]


def possible() -> bool:
    """Whether this system can fork from a server (Windows cannot)."""
    return "forkserver" in get_all_start_methods()


def warm() -> None:
    """Start the server, which imports on a core of its own what workers will need."""
    from multiprocessing import forkserver

    if possible():
        get_context("forkserver").set_forkserver_preload(PRELOADED)
        forkserver.ensure_running()


class Worker:
    """One process, which opens its state with `open_state(job)` and then makes blocks."""

    def __init__(self, job: "Job", open_state: Callable[["Job"], Any], block: Block) -> None:
        warm()
        context = get_context("forkserver")
        self._pipe, far = context.Pipe()
        self._process = context.Process(
            target=serve, args=(job, open_state, block, far), daemon=True
        )
        self._process.start()
        far.close()

    def work(self, take: Callable[[], str | None], done: Callable[[Any], None]) -> None:
        """Give it blocks until `take` has no more; `done` gets what closing each of them returned.

        Raises:
            BuildError: the process died.
            Exception: what it raised.
        """
        under_way: list[str] = []
        idle = True
        try:
            while True:
                if idle and (name := take()) is not None:
                    self._pipe.send(name)
                    under_way.append(name)
                    idle = False
                if idle and not under_way:
                    return
                answer = self._pipe.recv()
                if isinstance(answer, BaseException):
                    raise answer
                if answer is None:
                    idle = True
                else:
                    under_way.pop(0)
                    done(answer)
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._process.join(5)
            raise BuildError(
                f"a worker process ended ({_ending(self._process.exitcode)}) in block "
                f"{' or '.join(under_way)}; run again to resume, with fewer --workers if memory was "
                "short"
            ) from error

    def close(self) -> None:
        """Let it end."""
        self._pipe.close()
        self._process.join()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def serve(job: "Job", open_state: Callable[["Job"], Any], block: Block, pipe: Any) -> None:
    """The process: make blocks by name until the pipe closes.

    It sends None when it can take another block, and what closing a block returned once that block
    is on disk; the next one is read in the meantime.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["GDAL_CACHEMAX"] = str(max(CACHE_MB // job.workers, CACHE_MB // 8))
    sending = threading.Lock()

    def send(value: Any) -> None:
        with sending:
            pipe.send(value)

    def close(work: Callable[[], Any]) -> None:
        try:
            send(work())
        except Exception as error:
            send(_portable(error))

    try:
        state = open_state(job)
        with ThreadPoolExecutor(1) as closing:
            while True:
                block(pipe.recv(), state, lambda work: closing.submit(close, work))
                send(None)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        send(_portable(error))


def _portable(error: Exception) -> Exception:
    """The error, or its text where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return BuildError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """Wait until the parent is gone, however it went, and end this process at once."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
