"""Shards: which samples ship, where each goes, and the tar files themselves.

Only sidecar columns are held (some twenty bytes a sample); pixels are copied from block to shard by
offset. Every choice is a threshold or a hash, so the same blocks give the same shards.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic
from schemas.chance import rank
from schemas.errors import BuildError
from schemas.near import cross_split_pairs, parse
from schemas.recipes import Recipe
from schemas.samples import KEY
from schemas.scenes import Scene
from schemas.tables import BAND_STATS, json_schema, member_columns, samples_schema
from schemas.windows import unit_vectors
from transforms.making import pixel_members
from transforms.planning.rows import column

SPLIT_NAMES = ("train", "val", "test")
KEPT, UNMADE = 0, 255
TEXT_ROOM = 4096  # bytes set aside for a sample's text members when shards are sized


@dataclass(frozen=True)
class TopShare:
    """Keep the best share of samples by a score column of the sidecars; ties go to the lower key.

    Attributes:
        column: a float fact; samples without a score (null, NaN) are cut.
        share: in (0, 1].
    """

    column: str
    share: float

    @property
    def code(self) -> str:
        """Reason code of what is cut."""
        return f"below_top_{round(self.share * 100):g}pct_{self.column}"


def top_share(
    scores: npt.NDArray[np.float64], keys: Sequence[str], share: float
) -> npt.NDArray[np.bool_]:
    """Which rows are among the best `share` (rounded up), ties broken by key.

    A smaller share is always a subset of a larger one.
    """
    scored = np.flatnonzero(~np.isnan(scores))
    most = int(np.ceil(share * len(scored) - 1e-9))
    order = sorted(scored.tolist(), key=lambda i: (-scores[i], keys[i]))
    keep = np.zeros(len(scores), bool)
    keep[order[:most]] = True
    return keep


@dataclass
class Survey:
    """What `pack` must know of every made sample, as small columns in block order.

    Attributes:
        blocks: sidecar paths in order.
        starts: first row of each block in the columns, and the end.
        verdict: `KEPT`, `UNMADE`, or 1 + index into `reasons`.
    """

    blocks: list[Path]
    starts: npt.NDArray[np.int64]
    order: npt.NDArray[np.uint64]
    split: npt.NDArray[np.int8]
    size: npt.NDArray[np.int32]
    verdict: npt.NDArray[np.uint8]
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def drop(self, rows: npt.NDArray[Any], code: str, message: str) -> None:
        """Take rows out with a reason."""
        if (code, message) not in self.reasons:
            self.reasons.append((code, message))
        self.verdict[rows] = 1 + self.reasons.index((code, message))


def survey(blocks: list[Path], recipe: Recipe, seed: int) -> Survey:
    """Read the few columns that global choices need, block by block, and make those choices."""
    sizes = [member_columns(ext)[1] for ext in pixel_members(recipe)]
    counts = [pq.read_metadata(b).num_rows for b in blocks]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    total = int(starts[-1])
    found = Survey(
        blocks, starts, np.zeros(total, np.uint64), np.full(total, -1, np.int8),
        np.zeros(total, np.int32), np.full(total, UNMADE, np.uint8),
    )  # fmt: skip
    for number, block in enumerate(blocks):
        rows = slice(int(starts[number]), int(starts[number + 1]))
        table = pq.read_table(block, columns=["key", "split", "outcome", *sizes])
        made = table["outcome"].to_numpy(zero_copy_only=False) == "made"
        found.verdict[rows] = np.where(made, KEPT, UNMADE)
        found.order[rows] = [rank(seed, "order", k) for k in table["key"].to_pylist()]
        found.split[rows] = [SPLIT_NAMES.index(s) for s in table["split"].to_pylist()]
        for name in sizes:
            found.size[rows] += table[name].fill_null(0).to_numpy().astype(np.int32)
    if len(np.unique(found.order)) != total:
        raise BuildError("two planned samples have the same key; please report this as a bug")
    _rank_cuts(found, recipe)
    _near_duplicates(found, recipe)
    return found


def _columns(found: Survey, names: list[str]) -> pa.Table:
    return pa.concat_tables([pq.read_table(b, columns=names) for b in found.blocks])


def _rank_cuts(found: Survey, recipe: Recipe) -> None:
    for cut in recipe.pack.keep:
        table = _columns(found, ["key", cut.column])
        scores = table[cut.column].to_numpy(zero_copy_only=False).astype(float)
        scores[found.verdict != KEPT] = np.nan
        keep = top_share(scores, table["key"].to_pylist(), cut.share)
        message = f"not among the best {cut.share:.0%} by {cut.column}"
        found.drop((found.verdict == KEPT) & ~keep, cut.code, message)


def _near_duplicates(found: Survey, recipe: Recipe) -> None:
    """Of two near-duplicates in different splits the train member goes, else the val member."""
    if "phash" not in recipe.columns() or len(np.unique(found.split[found.verdict == KEPT])) < 2:
        return
    table = _columns(found, ["phash", "centre_lon", "centre_lat"])
    hashes, usable = parse(table["phash"].to_pylist())
    usable &= found.verdict == KEPT
    xyz = unit_vectors(table["centre_lon"].to_numpy(), table["centre_lat"].to_numpy())
    pairs = cross_split_pairs(hashes, usable, found.split.astype(np.int64), xyz)
    if len(pairs):
        lower = np.where(
            found.split[pairs[:, 0]] < found.split[pairs[:, 1]], pairs[:, 0], pairs[:, 1]
        )
        found.drop(np.unique(lower), "near_duplicate", "looks like a sample of another split")


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
    blocks: Sequence[Path],
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
        table = pq.read_table(block)
        rows = slice(at, at + len(table))
        at += len(table)
        table = table.append_column("_shard", pa.array(shard_of[rows]))
        table = table.append_column("_place", pa.array(place[rows]))
        table = table.append_column("_verdict", pa.array(verdict[rows]))
        name = column([block.stem] * len(table), pa.string())
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


def class_weights(counts: Mapping[str, int]) -> dict[str, float]:
    """Inverse class frequency, mean 1 over all samples."""
    everyone = sum(counts.values())
    return {name: everyone / (len(counts) * n) for name, n in sorted(counts.items())}


def header(name: str, size: int) -> bytes:
    """A USTAR header: mode 0644, no owner, mtime 0."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.USTAR_FORMAT)


class Payloads:
    """Block payloads, opened once each, read by offset."""

    def __init__(self, folder: Path, most: int = 256) -> None:
        self.folder, self.most = folder, most
        self.open: dict[str, int] = {}

    def read(self, block: str, offset: int, size: int) -> bytes:
        """`size` bytes of a block at `offset`.

        Raises:
            OSError: fewer bytes are there.
        """
        if block not in self.open:
            if len(self.open) >= self.most:
                self.close()
            self.open[block] = os.open(self.folder / f"{block}.bin", os.O_RDONLY)
        data = os.pread(self.open[block], size, offset)
        if len(data) != size:
            raise OSError(f"{block}.bin: {len(data)} of {size} bytes at {offset}")
        return data

    def close(self) -> None:
        """Close all files."""
        for handle in self.open.values():
            os.close(handle)
        self.open.clear()


def build_shard(
    table: pa.Table,
    shard: Shard,
    recipe: Recipe,
    scenes: Mapping[str, Scene],
    payloads: Payloads,
    tar: Path,
    weights: Mapping[str, float] | None = None,
) -> tuple[pa.Table, str]:
    """Write one tar file; returns its rows (`samples_schema` + `band_stats`) and its sha256.

    Args:
        weights: sampling weight of each class, for the column `sampling_weight` where there is one.

    Raises:
        ValueError: a key is not `[a-z0-9_-]+` or stands twice.
    """
    names = json_schema(recipe)
    total = hashlib.sha256()
    out: list[dict[str, Any]] = []
    at = 0
    seen: set[str] = set()
    with atomic(tar) as stream:
        for index, row in enumerate(_rows(table, recipe)):
            key = row["key"]
            if not KEY.fullmatch(key) or key in seen:
                raise ValueError(f"key {key!r} is not [a-z0-9_-]+ or stands twice")
            seen.add(key)
            scene = scenes[row["scene_ids"][0]] if row["scene_ids"] else None
            row.update(
                shard=f"{shard.name}.tar",
                index=index,
                license=scene.licence if scene else "",
                attribution=scene.attribution if scene else "",
                lon=row["centre_lon"],
                lat=row["centre_lat"],
            )
            if weights and "sampling_weight" in row:
                row["sampling_weight"] = weights[row[recipe.label]]
            content = hashlib.sha256()
            for extension, encoder in recipe.pack.members.items():
                begin, length = member_columns(extension)
                if hasattr(encoder, "render"):
                    data = encoder.render(row, names)
                else:
                    data = payloads.read(row["_block"], row[begin], row[length])
                padding = -len(data) % 512
                piece = header(f"{key}.{extension}", len(data)) + data + b"\0" * padding
                content.update(data)
                total.update(piece)
                stream.write(piece)
                row[begin], row[length] = at + 512, len(data)
                at += len(piece)
            row["sha256"] = content.hexdigest()
            out.append(row)
        end = b"\0" * (1024 + -(at + 1024) % 10240)
        total.update(end)
        stream.write(end)
    return _packed(out, table, recipe), total.hexdigest()


def _rows(table: pa.Table, recipe: Recipe) -> Iterator[dict[str, Any]]:
    heavy = [n for n in ("bbox", "band_stats") if n in table.column_names]
    for batch in table.drop_columns(heavy).to_batches(max_chunksize=1000):
        yield from batch.to_pylist()


def _packed(rows: list[dict[str, Any]], table: pa.Table, recipe: Recipe) -> pa.Table:
    schema = samples_schema(recipe)
    arrays: list[Any] = []
    for item in schema:
        if item.name in ("bbox", "geometry"):
            arrays.append(table[item.name])
        else:
            arrays.append(column([row[item.name] for row in rows], item.type))
    stats = table["band_stats"] if "band_stats" in table.column_names else None
    arrays.append(stats if stats is not None else column([[]] * len(rows), BAND_STATS))
    return pa.Table.from_arrays(arrays, names=[*schema.names, "band_stats"])
