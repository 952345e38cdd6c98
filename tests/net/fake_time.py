"""A clock that is told."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from catalogs.sources.net.clock import Clock

START = 1_700_000_000.0
"""2023-11-14T22:13:20Z: when fake clocks begin."""


@dataclass
class FakeTime:
    """Time that passes only by sleeping."""

    passed: float = 0.0
    naps: list[float] = field(default_factory=list)
    on_sleep: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.passed += seconds
            self.naps.append(seconds)
        self.on_sleep()

    def utc(self) -> float:
        return START + self.passed

    def clock(self, jitter: float = 0.5) -> Clock:
        return Clock(lambda: self.passed, self.utc, self.sleep, lambda: jitter)
