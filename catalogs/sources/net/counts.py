"""What the network layer has done, for reports and benchmarks."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals of a client since it was made.

    Attributes:
        requests: sent, each hop of a redirect counted.
        bytes: of bodies received.
        retries: requests that were asked again after a failure.
        waited_s: seconds slept before retries, for hosts that asked for it and for hosts paused.
        renewed: tokens renewed because a server refused the one before.
        opened: how often a host was paused after failures in a row.
    """

    requests: int = 0
    bytes: int = 0
    retries: int = 0
    waited_s: float = 0.0
    renewed: int = 0
    opened: int = 0


class Tally:
    """The same numbers while they grow; any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, float] = {}

    def add(self, **amounts: float) -> None:
        """Add to the totals named."""
        with self._lock:
            for name, amount in amounts.items():
                self._sums[name] = self._sums.get(name, 0) + amount

    def counts(self) -> Counts:
        """The totals now."""
        with self._lock:
            sums = dict(self._sums)
        waited = sums.pop("waited_s", 0.0)
        return Counts(waited_s=waited, **{name: int(total) for name, total in sums.items()})
