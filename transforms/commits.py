"""Commit records: a piece of work counts as done when its record, written last, agrees with its file."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from catalogs.files import read_json, write_json
from schemas.sources import Version


@dataclass(frozen=True)
class Commit:
    """What a finished piece of work left.

    Attributes:
        plan: digest of what it was made from; a record of another plan counts as absent.
        rows: samples in it.
        shipped, rejected, failed: what became of them.
        retryable: failed ones that `--retry-failed` may mend.
        bytes: size of its payload file.
        checksum: of its payload file; CRC-32 of a block, which stays in the work area, SHA-256 of a
            shard, which is released.
        read: versions of the remote files that a block was made from, by href: the fields of `Version`.
        spared: of those shipped, samples that a fault would have cost: something stands in for what
            it should have given.
    """

    plan: str
    rows: int
    shipped: int
    rejected: int
    failed: int
    retryable: int
    bytes: int
    checksum: str
    read: dict[str, list[Any]] = field(default_factory=dict)
    spared: int = 0

    def versions(self) -> dict[str, Version]:
        """`read` as versions."""
        return {href: Version(*row) for href, row in self.read.items()}

    def write(self, path: Path) -> None:
        """Write the record; nothing of the work may be written after it."""
        write_json(path, asdict(self))


def committed(record: Path, payload: Path, plan: str) -> Commit | None:
    """The record of finished work, or None when it must be done (again)."""
    try:
        found = Commit(**read_json(record))
        size = payload.stat().st_size
    except (OSError, ValueError, TypeError):
        return None
    return found if found.plan == plan and found.bytes == size else None
