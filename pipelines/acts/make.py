"""make: pixels are read, judged and encoded, one block at a time. No shuffle."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from catalogs.readers import is_far
from pipelines.acts.blocks import block_digest, made, records, renew
from pipelines.acts.crew import possible
from pipelines.acts.lanes import Held, Lanes, OverBudget
from pipelines.acts.records import reasons, sums
from pipelines.job import Job, scenes_of
from pipelines.runners import run
from schemas.errors import BudgetError, BuildError, SourceError
from schemas.scenes import Scene
from transforms.blocks import Paths
from transforms.commits import Commit
from transforms.fetching import fetch_ahead
from transforms.making import make_block

ROUNDS = 3
"""How often blocks are made, at most, because files changed under them."""


def make(
    job: Job, listed: list[dict[str, Any]], say: Callable[[str], None] = lambda line: None
) -> dict[str, int]:
    """Run the act over this slice's blocks; returns the counts of all blocks committed so far.

    Args:
        say: takes a line for people.

    Raises:
        BudgetError: more samples failed than the budget allows; the work is kept.
        BuildError: a remote file changed again and again.
        SourceError: nothing can be read from a source any more; the work is kept.
    """
    names = [entry["id"] for entry in listed]
    total = sum(entry["rows"] for entry in listed)
    for _ in range(ROUNDS):
        found = _round(job, names, total)
        if not (changed := renew(job, found, job.part(names), say)):
            return sums(found.values())
    raise BuildError(
        f"{changed} changed again and again while the build ran, and a release is made from one version "
        "of a file; what is made is kept: run again when it no longer changes"
    )


def _round(job: Job, names: list[str], total: int) -> dict[str, Commit]:
    """Make what this slice has not made yet; returns the records of all blocks made so far.

    Raises:
        BudgetError, SourceError: as `make`.
    """
    allowed = job.budget * total
    done = records(job, names)
    todo = [name for name in job.part(names) if name not in done]
    if todo and sums(done.values())["failed"] <= allowed:
        try:
            with suppress(OverBudget):  # said below, over all runs and with its reasons
                run("make", [tuple(todo)], lanes(job, len(todo), allowed))
        except SourceError as error:
            raise SourceError(f"{error}; what is made is kept, run again to go on") from error
        done = records(job, names)
    counts = sums(done.values())
    if counts["failed"] > allowed:
        raise BudgetError(
            f"{counts['failed']:,} of {total:,} samples failed so far, more than the error budget of "
            f"{job.budget:.1%}: {reasons(made(job, done))}; what is made is kept: mend the source and "
            "run again with --retry-failed, or allow more with --error-budget"
        )
    return done


def lanes(job: Job, blocks: int, allowed: float) -> Lanes:
    """`job.workers` lanes; each with a worker process of its own where the run is long."""
    count = min(job.workers, blocks)
    many = count > 1 and blocks >= job.solo and possible(job)
    ahead = 2 if any_remote(scenes_of(job.planned / "scenes.jsonl")) else 1
    return Lanes(job, allowed, opened, make_named, count, many, ahead)


def opened(job: Job, lane: int) -> "State":
    """What a lane keeps."""
    return State(job)


class State(Held):
    """What one lane, or one worker process, opens once.

    Attributes:
        remote: whether any scene is read over the network.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.context = job.context()
        self.scenes = scenes_of(job.planned / "scenes.jsonl")
        self.remote = any_remote(self.scenes)
        self.expected: dict[str, list[Callable[[], None]]] = {}

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
        for let_go in self.expected.pop(name, []):
            let_go()


def any_remote(scenes: Mapping[str, Scene]) -> bool:
    """Whether any scene is read over the network."""
    return any(is_far(band) for scene in scenes.values() for band in scene.bands)


def make_named(name: str, state: State, later: Callable[[Callable[[], Commit]], object]) -> None:
    """Make one block of the plan; `later` takes the work that closes it."""
    job = state.job
    make_block(
        state.windows(name), state.scenes, job.recipe, state.context, Paths(job.made, name),
        block_digest(name), later,
    )  # fmt: skip
    state.finished(name)
