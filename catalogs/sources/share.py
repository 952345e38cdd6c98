"""How many processes of a job read at the same time: each takes its share of what a source allows."""

import os
from collections.abc import Mapping

from schemas.errors import UsageError

PROCESSES = "EARTHLOOM_PROCESSES"
"""Environment variable, set for worker processes."""


def share_among(processes: int) -> None:
    """Tell this process, and those that it starts, how many read at the same time."""
    os.environ[PROCESSES] = str(processes)


def share_of(whole: int, environ: Mapping[str, str] = os.environ) -> int:
    """This process's share of a number; at least 1."""
    return max(1, whole // positive(environ, PROCESSES, 1))


def positive(environ: Mapping[str, str], name: str, default: int) -> int:
    """A positive whole number from the environment.

    Raises:
        UsageError: it holds something else.
    """
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{name}={text}: must be a positive whole number")
    return int(text)
