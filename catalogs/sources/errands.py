"""Errands run ahead of whoever needs their result: in order, by several threads, in bounded memory."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class Errand(Generic[T]):
    """Something to be fetched.

    Attributes:
        size: bytes of the result.
        fetch: gets it.
        held: whether it counts against the budget.
        taken: whether somebody is fetching it, has, or need not any more.
    """

    size: int
    fetch: Callable[[], T]
    held: bool = False
    taken: bool = False
    found: Future[T] = field(default_factory=Future)


class Errands(Generic[T]):
    """Errands of one process, begun in the order in which they are sent.

    Its threads never keep a process alive: what nobody waits for any more is not waited for.

    Attributes:
        held: bytes of results that are under way or wait to be used. None is begun ahead while they
            would exceed `budget`, but for a single larger one; whoever needs a result never waits for
            room.
    """

    def __init__(self, name: str, budget: int, threads: int) -> None:
        self.name, self.budget, self.threads, self.held = name, budget, threads, 0
        self._lock = threading.Condition()
        self._sent: SimpleQueue[list[Errand[T]] | None] = SimpleQueue()
        self._begun: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._running = False

    def send(self, errands: Iterable[Errand[T]]) -> None:
        """Begin errands, in this order, as there is room."""
        self._start()
        self._sent.put(list(errands))

    def result(self, errand: Errand[T]) -> T:
        """What an errand fetched; it is run now if its turn has not come.

        Raises:
            CancelledError: it was let go.
            Exception: what `fetch` raised.
        """
        with self._lock:
            mine, errand.taken = not errand.taken, True
            if mine:
                errand.held = True
                self.held += errand.size
            found = errand.found
        if mine:
            _settle(found, errand.fetch)
        return found.result()

    def let_go(self, errand: Errand[T]) -> None:
        """Free the room of an errand; one that has not begun never will."""
        with self._lock:
            if not errand.taken:
                errand.taken = True
                errand.found.cancel()
            if errand.held:
                errand.held = False
                self.held -= errand.size
            if errand.found.done():
                errand.found = _gone()  # a list of errands may outlive what they held
            self._lock.notify_all()

    def run_together(self, calls: Iterable[Callable[[], Any]]) -> list[Future[Any]]:
        """Other calls, by the same threads."""
        self._start()
        futures = []
        for call in calls:
            futures.append(Future[Any]())
            self._begun.put(partial(_settle, futures[-1], call))
        return futures

    def close(self) -> None:
        """Take nothing more."""
        self._sent.put(None)
        for _ in range(self.threads):
            self._begun.put(None)

    def _start(self) -> None:
        with self._lock:
            if self._running:
                return
            self._running = True
        for work in (self._feed, *[self._work] * self.threads):
            threading.Thread(target=work, name=self.name, daemon=True).start()

    def _feed(self) -> None:
        while (errands := self._sent.get()) is not None:
            for errand in errands:
                with self._lock:
                    while not errand.taken and self.held and self.held + errand.size > self.budget:
                        self._lock.wait()
                    if errand.taken:
                        continue
                    errand.taken = errand.held = True
                    self.held += errand.size
                self._begun.put(partial(_settle, errand.found, errand.fetch))

    def _work(self) -> None:
        while (call := self._begun.get()) is not None:
            call()


def _gone() -> Future[Any]:
    """Stands for what was let go."""
    future: Future[Any] = Future()
    future.cancel()
    return future


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    """Give a future what a call gives."""
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
