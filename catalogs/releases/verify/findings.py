"""What `verify` reports: findings, and how much each check looked at."""

import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import shapely
import yaml

MOST = 25
"""Findings of one check on one path that are listed one by one."""

UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError,
    struct.error, pa.ArrowException, shapely.errors.ShapelyError, yaml.YAMLError,
)  # fmt: skip
"""What reading a damaged file may raise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that the release does not keep.

    Attributes:
        check: which promise, e.g. `buffer`.
        path: file of the release, relative to it.
        message: what is wrong, with the names and numbers.
    """

    check: str
    path: str
    message: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.check}: {self.path}: {self.message}"


@dataclass
class Report:
    """Findings, and what was looked at.

    Attributes:
        findings: in the order in which they were met.
        counts: things looked at, by check.
        notes: limits of this run, e.g. how many pictures were decoded.
    """

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    held: Counter[tuple[str, str]] = field(default_factory=Counter)

    def fault(self, check: str, path: str, message: str) -> None:
        """Add a finding; past `MOST` of one kind they are only counted."""
        self.held[check, path] += 1
        if self.held[check, path] <= MOST:
            self.findings.append(Finding(check, path, message))

    def expect(self, true: object, check: str, path: str, message: str) -> bool:
        """Count one look of `check`, and add a finding unless `true`."""
        self.counts[check] += 1
        if not true:
            self.fault(check, path, message)
        return bool(true)

    def close(self) -> None:
        """Say of each kind of finding how many were held back."""
        for (check, path), count in sorted(self.held.items()):
            if count > MOST:
                self.findings.append(Finding(check, path, f"... and {count - MOST} more"))
        self.held.clear()

    @contextmanager
    def reading(self, check: str, path: str) -> Iterator[None]:
        """Turn a failure to read `path` into a finding."""
        try:
            yield
        except UNREADABLE as error:
            said = " ".join(str(error).split())[:200]
            self.fault(check, path, f"cannot be read: {type(error).__name__} {said}")
