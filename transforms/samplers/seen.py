"""Which keys have been met before, without keeping them: eight bytes of a hash for each."""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


class Seen:
    """Hashes of keys in sorted runs, each at least twice as long as the next one.

    Of a million keys two share a hash with a chance of 1 in 30 million.
    """

    def __init__(self) -> None:
        self.runs: list[npt.NDArray[np.uint64]] = []

    def again(self, keys: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Which keys have been met in an earlier call, or earlier in this one."""
        found = b"".join(hashlib.sha256(key.encode()).digest()[:8] for key in keys)
        marks = np.frombuffer(found, "<u8")
        fresh, first = np.unique(marks, return_index=True)
        twice = np.ones(len(marks), bool)
        twice[first] = False
        for run in self.runs:
            place = np.minimum(np.searchsorted(run, marks), len(run) - 1)
            twice |= run[place] == marks
        if len(fresh):
            self.runs.append(fresh)
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            self.runs[-2:] = [np.union1d(self.runs[-2], self.runs[-1])]
        return twice
