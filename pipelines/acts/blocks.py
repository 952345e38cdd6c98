"""The blocks of a plan on disk: which are made, and which are made again."""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from catalogs.sources.net.client import client
from catalogs.sources.net.redact import bare
from pipelines.acts.records import sums
from pipelines.acts.versions import mixed, outdated
from pipelines.job import Job
from schemas.chance import digest
from schemas.text import counted
from transforms.blocks import Paths
from transforms.commits import Commit, committed

BLOCK = re.compile(r"[0-9a-f]{20}")
"""The form of a block's id."""


def block_digest(block: str) -> str:
    """What a block's commit record must carry: the block id is its content address already."""
    return digest("block", block)


def _record(job: Job, name: str) -> Commit | None:
    paths = Paths(job.made, name)
    found = committed(paths.record, paths.payload, block_digest(name))
    return found if paths.sidecar.exists() else None


def records(job: Job, names: list[str]) -> dict[str, Commit]:
    """Commit records of those of these blocks that are made."""
    return {name: record for name in names if (record := _record(job, name))}


def made(job: Job, found: Mapping[str, Commit]) -> list[tuple[Path, Commit]]:
    """Sidecars and commit records of these blocks."""
    return [(Paths(job.made, name).sidecar, record) for name, record in found.items()]


def tally(job: Job, names: list[str]) -> dict[str, int]:
    """Sums over the commit records of these blocks."""
    return sums(records(job, names).values())


def retry(job: Job, names: list[str]) -> int:
    """Forget the records of blocks with failures that another attempt may mend; returns how many."""
    again = [name for name, record in records(job, names).items() if record.retryable]
    for name in again:
        Paths(job.made, name).retry()
    return len(again)


def renew(
    job: Job, made: Mapping[str, Commit], mine: Collection[str], say: Callable[[str], None]
) -> str:
    """Forget blocks that were made from a version of a remote file that is gone, if others saw another.

    Args:
        made: records of all blocks made so far.
        mine: the blocks that this process may make.
        say: takes a line for people.

    Returns:
        one of the files, "" when nothing was forgotten.

    Raises:
        BuildError: as `outdated`.
    """
    hrefs = mixed(made.values())
    old = outdated(made, hrefs, lambda href: client().opening(href, 1)[1]) if hrefs else []
    again = sorted(set(old) & set(mine))
    for name in again:
        Paths(job.made, name).record.unlink(missing_ok=True)
    if not again:
        return ""
    more = f" and {counted(len(hrefs) - 1, 'further file')}" if len(hrefs) > 1 else ""
    say(
        f"make: {bare(hrefs[0])}{more} changed while the build ran; "
        f"{counted(len(again), 'block')} to be made anew from what is there now"
    )
    return bare(hrefs[0])


def sweep(job: Job, names: list[str]) -> None:
    """Remove blocks of earlier plans: they are addressed by content, and nothing names them any more."""
    kept = set(names)
    for folder in (job.made, job.annotated, job.planned / "blocks"):
        for path in folder.glob("*.*"):
            if BLOCK.fullmatch(path.stem) and path.stem not in kept:
                path.unlink()
