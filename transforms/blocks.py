"""The files of a block, which `make` writes and the acts after it read."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.files import read_json, write_json
from schemas.recipes import Recipe

OUTCOME = pa.schema(
    [
        ("outcome", pa.string()),  # made | rejected | failed
        ("step", pa.string()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("retryable", pa.bool_()),
        ("retries", pa.int32()),
    ]
)
"""What became of each window of a block."""


def pixel_members(recipe: Recipe) -> dict[str, Any]:
    """Encoders that need pixels; the others are rendered from facts when a shard is packed."""
    return {ext: enc for ext, enc in recipe.pack.members.items() if "image" in enc.needs}


@dataclass(frozen=True)
class Paths:
    """Files of one block."""

    folder: Path
    id: str

    @property
    def payload(self) -> Path:
        """Member bytes, one after the other."""
        return self.folder / f"{self.id}.bin"

    @property
    def sidecar(self) -> Path:
        """One row for each window: facts, offsets, outcome."""
        return self.folder / f"{self.id}.parquet"

    @property
    def record(self) -> Path:
        """The commit record."""
        return self.folder / f"{self.id}.json"

    @property
    def retries(self) -> Path:
        """How often `--retry-failed` has asked for it again."""
        return self.folder / f"{self.id}.retries"

    def retry(self) -> None:
        """Forget the record, so that the block is made again."""
        write_json(self.retries, retries_of(self) + 1)
        self.record.unlink(missing_ok=True)


def retries_of(out: Paths) -> int:
    """How often this block's failures have been retried on demand."""
    with suppress(OSError, ValueError):
        return int(read_json(out.retries))
    return 0


def fail_point(name: str, detail: str) -> None:
    """Die here, as if killed, when a test asks for it in EARTHLOOM_FAIL_POINT ("name" or "name:id")."""
    wanted = os.environ.get("EARTHLOOM_FAIL_POINT", "")
    if wanted and wanted in (name, f"{name}:{detail}"):
        os.kill(os.getpid(), 9)
