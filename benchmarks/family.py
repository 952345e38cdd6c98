"""Processor time and memory of processes that are no children of ours, such as a server's."""

from __future__ import annotations

import os
import threading
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Family(threading.Thread):
    """Looks at every descendant of this process, and remembers the last it saw.

    Attributes:
        together: MB of memory that all of them had at most at one time; what they share counts once.
    """

    def __init__(self, every: float = 0.2) -> None:
        """Look every so many seconds."""
        super().__init__(daemon=True)
        self.every = every
        self.together = 0.0
        self.cpu: dict[int, float] = {}
        self.peak: dict[int, float] = {}
        self._stop_now = threading.Event()
        self.start()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._stop_now.wait(self.every):
            self.look()

    def look(self) -> None:
        """Note seconds of processor time and MB of largest resident memory of each descendant."""
        parents, now = {}, 0.0
        for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda p: int(p.name)):
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                status = (folder / "status").read_text()
            except OSError:  # it has ended
                continue
            pid = int(folder.name)
            parents[pid] = int(fields[1])
            if self._ours(pid, parents):
                self.cpu[pid] = (int(fields[11]) + int(fields[12])) / TICKS
                high = next((x for x in status.splitlines() if x.startswith("VmHWM")), "x 0")
                self.peak[pid] = int(high.split()[1]) * 1024 / 1e6
                now += share(folder)
        self.together = max(self.together, now)

    @staticmethod
    def _ours(pid: int, parents: dict[int, int]) -> bool:
        """Whether it descends from this process; parents have lower numbers, so they are known."""
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                return True
        return False

    def end(self) -> tuple[float, float]:
        """(seconds of processor time, MB of memory) of all descendants together."""
        self._stop_now.set()
        self.join()
        return sum(self.cpu.values()), sum(self.peak.values())


def share(folder: Path) -> float:
    """MB of a process, pages that it shares with others counted in part (`man proc`, Pss)."""
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6
