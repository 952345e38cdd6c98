"""Where samples go: dealt to shards by hash, and their rows sorted by shard."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.files import atomic
from transforms.packing.choose import KEPT, SPLIT_NAMES, Survey
from transforms.packing.joined import Rows
from transforms.planning.rows import column

TEXT_ROOM = 4096  # bytes set aside for a sample's text members when shards are sized


@dataclass(frozen=True)
class Shard:
    """One tar file to be built: rows [0, samples) of shard number `number`."""

    number: int
    split: str
    name: str
    samples: int


def assign(
    found: Survey, most: int, megabytes: int
) -> tuple[list[Shard], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """(shards, shard number of each row or -1, position of each row in its shard).

    Samples of a split are ordered by hash and dealt in equal runs, so shards of one split differ by
    at most one sample and hold places from everywhere.
    """
    shards: list[Shard] = []
    shard_of = np.full(len(found.order), -1, np.int32)
    place = np.zeros(len(found.order), np.int32)
    for code, split in enumerate(SPLIT_NAMES):
        rows = np.flatnonzero((found.verdict == KEPT) & (found.split == code))
        if not len(rows):
            continue
        rows = rows[np.lexsort((rows, found.order[rows]))]
        room = found.size[rows].astype(np.int64) + TEXT_ROOM
        for index, run in enumerate(_runs(room, most, megabytes << 20)):
            number = len(shards)
            shards.append(Shard(number, split, f"{split}-{index:06d}", len(run)))
            shard_of[rows[run]] = number
            place[rows[run]] = np.arange(len(run), dtype=np.int32)
    return shards, shard_of, place


def _runs(room: npt.NDArray[np.int64], most: int, limit: int) -> list[npt.NDArray[np.int64]]:
    """Equal runs (within one) of at most `most` samples and, where one sample allows it, `limit` bytes."""
    every = np.arange(len(room))
    number = max(-(-len(room) // most), -(-int(room.sum()) // limit), 1)
    while True:
        runs = np.array_split(every, number)
        if number >= len(room) or max(int(room[r].sum()) for r in runs) <= limit:
            return [r for r in runs if len(r)]
        number += max(1, number // 50)


def scatter(
    blocks: Sequence[Rows],
    start: int,
    shard_of: npt.NDArray[np.int32],
    place: npt.NDArray[np.int32],
    verdict: npt.NDArray[np.uint8],
    out: Path,
) -> tuple[pa.Table, pa.Table]:
    """Sort the shipped rows of some blocks by shard into one Arrow file, a batch a shard.

    Args:
        start: row of the first block within the columns `shard_of`, `place`, `verdict`.

    Returns:
        the rows that do not ship (with `verdict`), and all rows' key, split, cell.
    """
    tables = []
    at = start
    for block in blocks:
        table = block.read()
        rows = slice(at, at + len(table))
        at += len(table)
        table = table.append_column("_shard", pa.array(shard_of[rows]))
        table = table.append_column("_place", pa.array(place[rows]))
        table = table.append_column("_verdict", pa.array(verdict[rows]))
        name = column([block.block] * len(table), pa.string())
        tables.append(table.append_column("_block", name))
    table = pa.concat_tables(tables)
    shard, where = table["_shard"].to_numpy(), table["_place"].to_numpy()
    order = np.lexsort((where, shard))
    order = order[shard[order] >= 0]
    kept = table.take(pa.array(order)).combine_chunks()
    numbers, starts = np.unique(shard[order], return_index=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out.with_suffix(".npy"), numbers)
    with atomic(out) as stream, pa.ipc.new_file(stream, kept.schema) as writer:
        for start, rows in zip(starts, np.diff([*starts, len(kept)]), strict=True):
            writer.write_table(kept.slice(int(start), int(rows)))
    lost = table.filter(pa.array(shard < 0))
    return lost, table


def gather(folder: Path, number: int) -> pa.Table:
    """The rows of one shard out of every scattered file, in shard order; other rows stay on disk."""
    parts = []
    for path in sorted(folder.glob("*.arrow")):
        numbers = np.load(path.with_suffix(".npy"))
        at = int(np.searchsorted(numbers, number))
        if at < len(numbers) and numbers[at] == number:
            with pa.OSFile(str(path), "rb") as stream:
                parts.append(pa.ipc.open_file(stream).get_batch(at))
    table = pa.Table.from_batches(parts)
    return table.take(pa.array(np.argsort(table["_place"].to_numpy(), kind="stable")))
