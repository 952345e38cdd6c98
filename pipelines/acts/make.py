"""make: pixels are read, judged and encoded, one block at a time. No shuffle."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from catalogs.rasters import is_remote
from catalogs.sources.remote import Chunk, ahead
from pipelines.acts.crew import possible
from pipelines.acts.lanes import Lanes, OverBudget
from pipelines.acts.records import reasons, sums
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
            run("make", [tuple(todo)] if todo else [], lanes(job, len(todo), allowed))
    counts = tally(job, names)
    if counts["failed"] > allowed:
        raise BudgetError(
            f"{counts['failed']:,} of {total:,} samples failed so far, more than the error budget of "
            f"{job.budget:.1%}: {reasons(made(job, names))}; what is made is kept: mend the source and "
            "run again with --retry-failed, or allow more with --error-budget"
        )
    return counts


def sweep(job: Job, names: list[str]) -> None:
    """Remove blocks of earlier plans: they are addressed by content, and nothing names them any more."""
    kept = set(names)
    for folder in (job.made, job.annotated, job.planned / "blocks"):
        for path in folder.glob("*.*"):
            if BLOCK.fullmatch(path.stem) and path.stem not in kept:
                path.unlink()


def _record(job: Job, name: str) -> Commit | None:
    paths = Paths(job.made, name)
    found = committed(paths.record, paths.payload, block_digest(name))
    return found if paths.sidecar.exists() else None


def made(job: Job, names: list[str]) -> list[tuple[Path, Commit]]:
    """Sidecars and commit records of those of these blocks that are made."""
    found = [(Paths(job.made, name).sidecar, _record(job, name)) for name in names]
    return [(path, record) for path, record in found if record is not None]


def tally(job: Job, names: list[str]) -> dict[str, int]:
    """Sums over the commit records of these blocks."""
    return sums([record for _, record in made(job, names)])


def retry(job: Job, names: list[str]) -> int:
    """Forget the records of blocks with failures that another attempt may mend; returns how many."""
    again = [n for n in names if (record := _record(job, n)) and record.retryable]
    for name in again:
        Paths(job.made, name).retry()
    return len(again)


def lanes(job: Job, blocks: int, allowed: float) -> Lanes:
    """`job.workers` lanes; each with a worker process of its own where the run is long."""
    count = min(job.workers, blocks)
    many = count > 1 and blocks >= job.solo and possible(job)
    far = any_remote(scenes_of(job.planned / "scenes.jsonl")) if blocks else False
    return Lanes(job, allowed, opened, make_named, count, many, ahead=2 if far else 1)


def opened(job: Job, lane: int) -> "State":
    """What a lane keeps."""
    return State(job)


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
