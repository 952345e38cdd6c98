"""Processor time and memory of processes, by their numbers in `/proc`."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Processes that a process has started and that still run."""
    found: list[int] = []
    with suppress(OSError):
        for threads in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, threads.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that a process has used, 0 where it has ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


def peak_mb(pid: int | str = "self") -> float:
    """MB of a process's largest resident memory so far, 0 where it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


class Family(threading.Thread):
    """Looks at every descendant of this process, and remembers the most it saw.

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
            self.together = max(self.together, self.look(os.getpid()))

    def look(self, parent: int) -> float:
        """Note time and memory of each descendant of a process; MB that they have now."""
        now = 0.0
        for pid in children(parent):
            self.cpu[pid] = max(cpu_seconds(pid), self.cpu.get(pid, 0.0))
            self.peak[pid] = max(peak_mb(pid), self.peak.get(pid, 0.0))
            now += share(pid) + self.look(pid)
        return now

    def end(self) -> tuple[float, list[float]]:
        """Seconds of processor time of all descendants together, and MB of memory of each."""
        self._stop_now.set()
        self.join()
        return sum(self.cpu.values()), list(self.peak.values())


def share(pid: int) -> float:
    """MB of a process, pages that it shares with others counted in part (`man proc`, Pss)."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6
    return 0.0
