"""What can go wrong, as one flat hierarchy. Every message is one sentence: what, where, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class LoomError(Exception):
    """A fault that ends the command with `exit_code` and its message on one line."""

    exit_code = 1


class UsageError(LoomError):
    """The command line or the configuration asks for something that does not exist."""

    exit_code = 2


class SourceError(LoomError):
    """A source is missing, cut, of another format, or has no licence."""


class BuildError(LoomError):
    """The build cannot go on; its work area is kept."""


class BudgetError(LoomError):
    """More samples failed than the error budget allows."""

    exit_code = 3


class VerifyError(LoomError):
    """A release does not keep its promises."""

    exit_code = 4


class Reject(Exception):
    """An expected loss: the sample is dropped with a reason and counted, the build goes on.

    Attributes:
        code: short machine name of the reason, e.g. `nodata_share`.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Fault(Exception):
    """A sample failed for a reason outside the recipe (unreadable pixels, a host that is down).

    Attributes:
        code: short machine name of the reason, e.g. `raster_unreadable`.
        retryable: whether `--retry-failed` has a chance.
    """

    def __init__(self, code: str, message: str = "", *, retryable: bool = False) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retryable = retryable


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint for a misspelt `name`: the nearest valid one, or all of them."""
    valid = sorted(valid)
    close = get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "valid: " + ", ".join(valid)
