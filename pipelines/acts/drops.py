"""Losses as rows."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic
from schemas.samples import Drop
from schemas.tables import DROPS
from schemas.text import shown
from transforms.planning.rows import column

FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^/\s:]+/)+")
"""Folders of an absolute path: where a build ran is nobody's business and differs between machines."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A drop with the act and place it happened in.

    Attributes:
        lon, lat: anchor in degrees, None where no position is known.
        split: None where none had been decided.
    """

    drop: Drop
    act: str
    lon: float | None = None
    lat: float | None = None
    split: str | None = None
    attempts: int = 1


def write_drops(path: Path, lost: list[Lost]) -> None:
    """A `DROPS` table, atomically."""
    values: list[list[Any]] = [
        [entry.drop.id for entry in lost],
        [entry.act for entry in lost],
        [entry.drop.step for entry in lost],
        [entry.drop.code for entry in lost],
        [FOLDERS.sub("", shown(entry.drop.message)) for entry in lost],
        [entry.drop.outcome for entry in lost],
        [entry.drop.retryable for entry in lost],
        [entry.attempts for entry in lost],
        [entry.lon for entry in lost],
        [entry.lat for entry in lost],
        [entry.split for entry in lost],
    ]
    arrays = [column(v, f.type) for v, f in zip(values, DROPS, strict=True)]
    with atomic(path) as stream:
        pq.write_table(pa.Table.from_arrays(arrays, schema=DROPS), stream, compression="zstd")
