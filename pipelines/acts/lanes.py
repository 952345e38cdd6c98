"""Blocks shared by lanes: threads that work themselves, or that each have a worker process work."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from catalogs.rasters import session
from catalogs.sources.share import share_among
from pipelines.acts.crew import Block, Worker
from pipelines.job import Job
from transforms.commits import Commit


class OverBudget(Exception):
    """One process has seen more failures than the whole build may have."""


class Held:
    """What a lane, or its worker process, keeps from block to block."""

    def expect(self, name: str) -> None:
        """Begin to prepare a block that comes soon."""

    def finished(self, name: str) -> None:
        """Let go of what was prepared for a block."""


@dataclass(frozen=True)
class Lanes:
    """A run of blocks, shared by `count` lanes.

    A lane reads on where it stopped, so that its tiles are still decoded (`Blocks`).

    Attributes:
        job: the build.
        allowed: samples that may fail.
        open_state: opens what a lane, or its process, keeps; given the job and the lane's number.
        block: works on a block of a name within that state, and hands on the work that closes it.
        count: lanes.
        remote: whether each has a worker process.
        ahead: blocks that a lane is told of at a time, see `Worker`.
    """

    job: Job
    allowed: float
    open_state: Callable[..., Held]
    block: Block
    count: int
    remote: bool
    ahead: int = 1

    def __call__(self, names: tuple[str, ...]) -> None:
        """Work on every block of the run that is not yet committed.

        Raises:
            OverBudget: as soon as this run alone exceeds the budget.
        """
        share_among(self.job.slice[1])
        tally = Tally(self.allowed)
        blocks = Blocks(names, self.count)
        lanes = [
            threading.Thread(
                target=self._lane, args=(lane, partial(blocks.take, lane), tally), daemon=True
            )
            for lane in range(self.count)
        ]
        with ThreadPoolExecutor(1) as closing:  # waits for the disk while the lanes read on
            tally.closing = closing
            for thread in lanes:
                thread.start()
            for thread in lanes:
                thread.join()
        if tally.error is not None:
            raise tally.error

    def _lane(self, lane: int, take: Callable[[], str | None], tally: "Tally") -> None:
        """Work until no block is left or something failed."""

        def coming() -> str | None:
            return take() if tally.error is None else None

        try:
            if self.remote:
                self._far(lane, coming, tally)
            else:
                self._near(lane, coming, tally)
        except BaseException as error:  # carried to the thread that asked
            tally.error = tally.error or error

    def _near(self, lane: int, take: Callable[[], str | None], tally: "Tally") -> None:
        """Work in this thread."""
        with session():
            state = self.open_state(self.job, lane)
            told: deque[str] = deque()
            try:
                while True:
                    while len(told) < self.ahead and (name := take()) is not None:
                        told.append(name)
                        state.expect(name)
                    if not told:
                        return
                    self.block(told[0], state, tally.close)
                    told.popleft()
            finally:
                for name in told:
                    state.finished(name)

    def _far(self, lane: int, take: Callable[[], str | None], tally: "Tally") -> None:
        """Have a process of its own work."""
        worker = Worker(self.job, partial(self.open_state, lane=lane), self.block, ahead=self.ahead)
        try:
            worker.work(take, tally.add)
        finally:
            worker.close()


class Tally:
    """Failures seen by one run, and the first error of any of its lanes.

    Attributes:
        closing: the thread that syncs and commits the lanes' own blocks, in the order they come.
    """

    closing: ThreadPoolExecutor

    def __init__(self, allowed: float) -> None:
        self.allowed, self.failed = allowed, 0
        self.error: BaseException | None = None
        self.waiting = threading.BoundedSemaphore(2)
        self.counting = threading.Lock()

    def add(self, commit: Commit) -> None:
        """Count a finished block.

        Raises:
            OverBudget: more samples failed than may.
        """
        with self.counting:
            self.failed += commit.failed + commit.spared
        if self.failed > self.allowed:
            raise OverBudget(f"{self.failed} samples failed, {self.allowed:.0f} may")

    def close(self, work: Callable[[], Commit]) -> None:
        """Commit a block in the closing thread; at most two blocks wait there."""
        self.waiting.acquire()
        self.closing.submit(self._close, work)

    def _close(self, work: Callable[[], Commit]) -> None:
        try:
            self.add(work())
        except BaseException as error:
            self.error = self.error or error
        finally:
            self.waiting.release()


class Blocks:
    """Blocks to be made, in stretches that two lanes share from both ends; one lane has its own.

    A lane whose stretch is empty takes from the end of the longest other one.
    """

    def __init__(self, names: Sequence[str], lanes: int) -> None:
        ends = [min(2 * pair + 2, lanes) * len(names) // lanes for pair in range(-(-lanes // 2))]
        starts = [0, *ends]
        self.stretches = [deque(names[a:b]) for a, b in zip(starts, ends, strict=False)]
        self.lock = threading.Lock()

    def take(self, lane: int) -> str | None:
        """The next block of a lane; None when there is none left."""
        with self.lock:
            own = self.stretches[lane // 2]
            stretch = own or max(self.stretches, key=len)
            if not stretch:
                return None
            return stretch.popleft() if stretch is own and lane % 2 == 0 else stretch.pop()
