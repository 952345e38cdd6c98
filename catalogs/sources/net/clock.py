"""Time and chance as the network layer sees them, to be replaced by a test."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """What waits and deadlines are measured with.

    Attributes:
        now: seconds of a clock that never jumps.
        utc: seconds since 1970, for dates that servers state.
        sleep: wait for some seconds.
        jitter: a number in [0, 1). It shapes when something is asked, never what is written; it
            comes from the system, so that forked workers do not all wait equally long.
    """

    now: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.SystemRandom().random
