"""Losses as rows."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic
from schemas.samples import Drop, Drops
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
    with atomic(path) as stream:
        pq.write_table(_rows(lost), stream, compression="zstd")


def _rows(lost: list[Lost]) -> pa.Table:
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
    return pa.Table.from_arrays(arrays, schema=DROPS)


ROWS = 16_384
"""Rows of losses that are held at once."""


class Sink:
    """Takes losses of an act one by one or as columns and writes them as they come.

    Attributes:
        count: how many it has taken.
    """

    def __init__(self, act: str, write: Callable[[pa.Table], None]) -> None:
        self.act, self.count = act, 0
        self._write, self._held = write, list[Lost]()

    def __call__(self, drop: Drop | Drops) -> None:
        """Take one loss, or many."""
        if isinstance(drop, Drops):
            self.flush()
            self.count += len(drop.ids)
            for start in range(0, len(drop.ids), ROWS):
                self._write(_columns(drop, self.act, slice(start, start + ROWS)))
            return
        self.count += 1
        self._held.append(Lost(drop, self.act))
        if len(self._held) >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            self._write(_rows(self._held))
            self._held = []


def _columns(drop: Drops, act: str, part: slice) -> pa.Table:
    ids = list(drop.ids[part])
    lon, lat = drop.lon[part], drop.lat[part]
    fixed: dict[str, Any] = {
        "act": act,
        "step": drop.step,
        "code": drop.code,
        "message": FOLDERS.sub("", shown(drop.message)),
        "outcome": drop.outcome,
        "retryable": drop.retryable,
        "attempts": 1,
        "split": None,
    }
    arrays = {
        name: pa.repeat(pa.scalar(v, DROPS.field(name).type), len(ids)) for name, v in fixed.items()
    }
    arrays["key"] = column(ids, pa.string())
    arrays["lon"], arrays["lat"] = (pa.array(axis, mask=np.isnan(axis)) for axis in (lon, lat))
    return pa.Table.from_arrays([arrays[f.name] for f in DROPS], schema=DROPS)


@contextmanager
def dropping(path: Path, act: str) -> Iterator[Sink]:
    """A `DROPS` table that grows while an act loses samples; it appears whole or not at all."""
    with atomic(path) as stream, pq.ParquetWriter(stream, DROPS, compression="zstd") as writer:
        sink = Sink(act, writer.write_table)
        yield sink
        sink.flush()


def reasons(paths: Iterable[Path], names: tuple[str, ...]) -> Counter[tuple[str, ...]]:
    """Losses of `DROPS` tables by some of their columns."""
    found: Counter[tuple[str, ...]] = Counter()
    for path in paths:
        table = pq.read_table(path, columns=list(names))
        sums = table.group_by(list(names)).aggregate([([], "count_all")])
        keys = zip(*(sums[name].to_pylist() for name in names), strict=True)
        found.update(dict(zip(keys, sums["count_all"].to_pylist(), strict=True)))
    return found
