"""make: pixels are read, judged and encoded, one block at a time. No shuffle."""

import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from catalogs.rasters import is_remote, session
from catalogs.sources.remote import Chunk, ahead
from pipelines.acts.crew import Worker, possible
from pipelines.job import Job, scenes_of
from pipelines.runners import run
from schemas.chance import digest
from schemas.errors import BudgetError
from schemas.scenes import Scene
from transforms.blocks import Paths
from transforms.commits import Commit, committed
from transforms.fetching import fetch_ahead
from transforms.making import make_block

BLOCK = re.compile(r"[0-9a-f]{20}")
"""The form of a block's id."""


def block_digest(block: str) -> str:
    """What a block's commit record must carry: the block id is its content address already."""
    return digest("block", block)


def make(job: Job, listed: list[dict[str, Any]]) -> dict[str, int]:
    """Run the act over this slice's blocks; returns the counts of all blocks committed so far.

    Raises:
        BudgetError: more samples failed than the budget allows; the work is kept.
    """
    names = [entry["id"] for entry in listed]
    done = {name for name in names if _record(job, name)}
    todo = [name for name in job.part(names) if name not in done]
    total = sum(entry["rows"] for entry in listed)
    allowed = job.budget * total
    if tally(job, names)["failed"] <= allowed:
        with suppress(OverBudget):  # said below, over all runs and with its reasons
            run("make", [tuple(todo)] if todo else [], Make(job, allowed))
    counts = tally(job, names)
    if counts["failed"] > allowed:
        raise BudgetError(
            f"{counts['failed']:,} of {total:,} samples failed so far, more than the error budget of "
            f"{job.budget:.1%}: {_reasons(job, names)}; what is made is kept: mend the source and "
            "run again with --retry-failed, or allow more with --error-budget"
        )
    return counts


class OverBudget(Exception):
    """One process has seen more failures than the whole build may have."""


def _reasons(job: Job, names: list[str], most: int = 3) -> str:
    """The most frequent reasons of failure with an example each, from the sidecars."""
    found: Counter[str] = Counter()
    example: dict[str, str] = {}
    for name in names:
        record = _record(job, name)
        if record is None or not record.failed:
            continue
        columns = ["key", "outcome", "code", "message"]
        for row in pq.read_table(Paths(job.made, name).sidecar, columns=columns).to_pylist():
            if row["outcome"] == "failed":
                found[row["code"]] += 1
                message = row["message"].strip().splitlines()[-1:]  # of a traceback: the error
                example.setdefault(row["code"], ": ".join((row["key"], *message)))
    return ", ".join(f"{code} {n:,} (e.g. {example[code]})" for code, n in found.most_common(most))


def sweep(job: Job, names: list[str]) -> None:
    """Remove blocks of earlier plans: they are addressed by content, and nothing names them any more."""
    kept = set(names)
    for folder in (job.made, job.planned / "blocks"):
        for path in folder.glob("*.*"):
            if BLOCK.fullmatch(path.stem) and path.stem not in kept:
                path.unlink()


def _record(job: Job, name: str) -> Commit | None:
    paths = Paths(job.made, name)
    found = committed(paths.record, paths.payload, block_digest(name))
    return found if paths.sidecar.exists() else None


def tally(job: Job, names: list[str]) -> dict[str, int]:
    """Sums over the commit records of these blocks."""
    found = [record for name in names if (record := _record(job, name))]
    return {
        "blocks": len(found),
        "rows": sum(r.rows for r in found),
        "shipped": sum(r.shipped for r in found),
        "rejected": sum(r.rejected for r in found),
        "failed": sum(r.failed for r in found),
        "retryable": sum(r.retryable for r in found),
        "bytes": sum(r.bytes for r in found),
    }


def retry(job: Job, names: list[str]) -> int:
    """Forget the records of blocks with failures that another attempt may mend; returns how many."""
    again = [n for n in names if (record := _record(job, n)) and record.retryable]
    for name in again:
        Paths(job.made, name).retry()
    return len(again)


@dataclass(frozen=True)
class Make:
    """A run of blocks, shared by `job.workers` lanes.

    A lane is a thread that makes blocks itself, or has a worker process make them where the run is
    long. It reads on where it stopped, so that its tiles are still decoded (`Blocks`).
    """

    job: Job
    allowed: float

    def __call__(self, names: tuple[str, ...]) -> None:
        """Make every block of the run that is not yet committed.

        Raises:
            OverBudget: as soon as this run alone exceeds the budget.
        """
        tally = Tally(self.allowed)
        count = min(self.job.workers, len(names))
        many = count > 1 and len(names) >= self.job.solo and possible(self.job)
        blocks = Blocks(names, count)
        lanes = [
            threading.Thread(
                target=self._lane,
                args=(partial(blocks.take, lane), self._remote if many else self._local, tally),
                daemon=True,
            )
            for lane in range(count)
        ]
        with ThreadPoolExecutor(1) as closing:  # waits for the disk while the lanes read on
            tally.closing = closing
            for thread in lanes:
                thread.start()
            for thread in lanes:
                thread.join()
        if tally.error is not None:
            raise tally.error

    def _lane(
        self, take: Callable[[], str | None], work: Callable[..., None], tally: "Tally"
    ) -> None:
        """Work until no block is left or something failed."""
        try:
            work(lambda: take() if tally.error is None else None, tally)
        except BaseException as error:  # carried to the thread that asked
            tally.error = tally.error or error

    def _local(self, take: Callable[[], str | None], tally: "Tally") -> None:
        """Make blocks in this thread."""
        with session():
            state = State(self.job)
            coming = take()
            while (name := coming) is not None:
                state.expect(name)
                if state.remote and (coming := take()) is not None:
                    state.expect(coming)
                make_named(name, state, tally.close)
                coming = coming if state.remote else take()

    def _remote(self, take: Callable[[], str | None], tally: "Tally") -> None:
        """Have a process of its own make them."""
        remote = any_remote(scenes_of(self.job.planned / "scenes.jsonl"))
        worker = Worker(self.job, State, make_named, ahead=2 if remote else 1)
        try:
            worker.work(take, tally.add)
        finally:
            worker.close()


class State:
    """What one lane, or one worker process, opens once.

    Attributes:
        remote: whether any scene is read over the network.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.context = job.context()
        self.scenes = scenes_of(job.planned / "scenes.jsonl")
        self.remote = any_remote(self.scenes)
        self.expected: dict[str, list[Chunk]] = {}

    def windows(self, name: str) -> Path:
        """The planned windows of a block."""
        return self.job.planned / "blocks" / f"{name}.parquet"

    def expect(self, name: str) -> None:
        """Begin to fetch what a block will read, if it is read over the network."""
        if self.remote and name not in self.expected:
            self.expected[name] = []
            self.expected[name] = fetch_ahead(self.windows(name), self.scenes, self.job.recipe)

    def finished(self, name: str) -> None:
        """Let go of what was fetched and not read."""
        if chunks := self.expected.pop(name, []):
            ahead().forget(chunks)


def any_remote(scenes: Mapping[str, Scene]) -> bool:
    """Whether any scene is read over the network."""
    return any(is_remote(band.href) for scene in scenes.values() for band in scene.bands)


def make_named(name: str, state: State, later: Callable[[Callable[[], Commit]], object]) -> None:
    """Make one block of the plan; `later` takes the work that closes it."""
    job = state.job
    make_block(
        state.windows(name), state.scenes, job.recipe, state.context, Paths(job.made, name),
        block_digest(name), later,
    )  # fmt: skip
    state.finished(name)


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
            self.failed += commit.failed
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


def block_paths(job: Job, names: list[str]) -> list[Path]:
    """Sidecars of the blocks, in plan order."""
    return [Paths(job.made, name).sidecar for name in names]
