"""How many processes make a feature table, and what memory they have for it."""

from collections.abc import Iterable
from pathlib import Path

from catalogs.processes import warm
from schemas.errors import UsageError

PRELOADED = ("catalogs.sources.osm_work", "pyarrow.parquet")
"""Modules that the processes need."""

MB = 1 << 20
LIBRARIES = 120 * MB
"""What a process takes with its libraries before it has read anything, about."""

LEAST = 128 * MB
"""What all processes need beside their libraries, at least."""

SHARE = 4 * MB
"""Bytes of an extract that one process reads in about the time that another one takes to start."""


def processes(extracts: Iterable[Path], cores: int, memory_mb: int) -> int:
    """How many processes are worth starting for the largest of some extracts, and fit the memory."""
    largest = max((path.stat().st_size for path in extracts), default=0)
    fitting = (memory_mb * MB - LEAST) // LIBRARIES - 1
    return max(1, min(cores, largest // SHARE, fitting))


def warmed(workers: int) -> None:
    """Begin the imports of the processes, before the caller does its own."""
    if workers > 1:
        warm(PRELOADED)


def budget(memory_mb: int, workers: int) -> int:
    """Bytes that are left for sorting and positions beside the libraries of all processes.

    Raises:
        UsageError: too few.
    """
    libraries = LIBRARIES * (workers + 1 if workers > 1 else 1)
    if memory_mb * MB < libraries + LEAST:
        least = -(-(libraries + LEAST) // MB)
        raise UsageError(
            f"--memory {memory_mb}: "
            + ("1 process needs" if workers == 1 else f"{workers} processes need")
            + f" at least {least} MB; give more memory"
            + (" or fewer --workers" if workers > 1 else "")
        )
    return memory_mb * MB - libraries
