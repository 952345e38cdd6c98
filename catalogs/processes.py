"""Worker processes: forked from a server that has the imports done, ended when their parent ends."""

import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from multiprocessing.util import get_temp_dir
from types import ModuleType
from typing import Any

from schemas.errors import BuildError

LONGEST = 107 - len("/pymp-xxxxxxxx/listener-xxxxxxxx")
"""Bytes of the folder for temporary files with which a socket's path still fits (`man 7 unix`)."""

_starting = threading.Lock()


@contextmanager
def quiet_start() -> Iterator[None]:
    """Start processes that leave Ctrl-C to us, and that do not run the caller's script again."""
    with _starting:
        main = sys.modules["__main__"]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def warm(modules: Sequence[str]) -> None:
    """Start the server, which imports on a core of its own what workers will need."""
    from multiprocessing import forkserver

    if sys.platform == "linux":
        sockets()
        with quiet_start():
            get_context("forkserver").set_forkserver_preload(list(modules))
            forkserver.ensure_running()


def sockets() -> str:
    """The folder of this process's sockets: under /tmp where the usual folder's path is too long."""
    with _starting:
        usual = tempfile.tempdir
        try:
            if len(os.fsencode(tempfile.gettempdir())) > LONGEST:
                tempfile.tempdir = "/tmp"
            return get_temp_dir()
        finally:
            tempfile.tempdir = usual


def started(target: Callable[..., None], *args: Any) -> tuple[Any, Any]:
    """A new process that runs `target(*args, pipe, sockets)`, and our end of the pipe.

    Raises:
        BuildError: it did not start.
    """
    context: Any = get_context("forkserver" if sys.platform == "linux" else "spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(*args, theirs, sockets()), daemon=True)
    try:
        with quiet_start():
            process.start()
    except (OSError, EOFError) as error:
        raise BuildError(f"a worker process did not start ({error!r}); try --workers 1") from error
    theirs.close()
    return process, ours


def settle(sockets: str) -> None:
    """What a worker process does first: leave signals to the parent, and end when it does.

    Args:
        sockets: the parent's folder of sockets, which it can no longer remove itself when killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, args=(sockets,), daemon=True).start()


def closed(process: Any, pipe: Any) -> None:
    """Let a worker process end, and see that it does."""
    pipe.close()
    process.join(20)
    if process.is_alive():
        process.terminate()
        process.join()


def ending(code: int | None) -> str:
    """How a process ended, for people."""
    if code is not None and code < 0:
        known = {int(number): number.name for number in signal.Signals}
        return f"killed by {known.get(-code, f'signal {-code}')}"
    return f"exit code {code}"


def portable(error: Exception) -> Exception:
    """The error, or its text where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return BuildError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent(sockets: str) -> None:
    """Wait until the parent is gone, however it went, and end this process at once."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        shutil.rmtree(sockets, ignore_errors=True)
        os._exit(1)


class Crew:
    """Calls methods of a state: of one that each of some processes has, or of one in this process."""

    def __init__(
        self, workers: int, state: Callable[..., Any], *args: Any, preload: Sequence[str] = ()
    ) -> None:
        """`state(*args, name)` is made in each process; arguments must be picklable, names differ.

        Raises:
            BuildError: a process did not start.
        """
        self.state = state(*args, "0") if workers < 2 else None
        self.hands: list[tuple[Any, Any]] = []
        if workers > 1:
            warm(preload)
            self.hands = [started(_serve, state, (*args, str(n))) for n in range(workers)]

    def __enter__(self) -> "Crew":
        """Use it in a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        for process, pipe in self.hands:
            closed(process, pipe)

    def map(self, tasks: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """What the calls return, in any order; each goes to the process that is next free.

        Args:
            tasks: name of the method and arguments of each call.

        Raises:
            BuildError: a process died.
            Exception: what a call raised.
        """
        if self.state is not None:
            yield from (getattr(self.state, method)(*task) for method, *task in tasks)
            return
        waiting, busy = list(tasks)[::-1], dict[Any, Any]()
        for process, pipe in self.hands:
            if waiting:
                self._send(process, pipe, waiting.pop())
                busy[pipe] = process
        while busy:
            for pipe in connection.wait(list(busy)):
                process = busy.pop(pipe)
                answer = self._receive(process, pipe)
                if waiting:
                    self._send(process, pipe, waiting.pop())
                    busy[pipe] = process
                yield answer

    def each(self, method: str) -> list[Any]:
        """What the call returns in each process.

        Raises:
            BuildError: a process died.
            Exception: what a call raised.
        """
        if self.state is not None:
            return [getattr(self.state, method)()]
        for process, pipe in self.hands:
            self._send(process, pipe, (method,))
        return [self._receive(process, pipe) for process, pipe in self.hands]

    @staticmethod
    def _send(process: Any, pipe: Any, message: Any) -> None:
        try:
            pipe.send(message)
        except OSError as error:
            raise _died(process) from error

    @staticmethod
    def _receive(process: Any, pipe: Any) -> Any:
        try:
            answer = pipe.recv()
        except (EOFError, OSError) as error:
            raise _died(process) from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _died(process: Any) -> BuildError:
    process.join(5)
    return BuildError(
        f"a worker process ended ({ending(process.exitcode)}); run again, with fewer --workers if "
        "memory was short"
    )


def _serve(state: Callable[..., Any], args: tuple[Any, ...], pipe: Any, sockets: str) -> None:
    """A process of a `Crew`: call methods of its state until the pipe closes."""
    settle(sockets)
    own, broken = None, None
    try:
        own = state(*args)
    except Exception as error:
        broken = portable(error)
    try:
        while True:
            method, *task = pipe.recv()
            pipe.send(broken or _called(own, method, task))
    except (EOFError, OSError):
        return


def _called(state: Any, method: str, task: Sequence[Any]) -> Any:
    try:
        return getattr(state, method)(*task)
    except Exception as error:
        return portable(error)
