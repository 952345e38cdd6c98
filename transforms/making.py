"""A block: its windows' pixels are read, judged, encoded and written; only facts leave it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deflate import crc32

from catalogs.files import atomic
from catalogs.shelf import SHELF
from catalogs.sources.net.outcomes import CHANGED
from schemas.recipes import Recipe
from schemas.samples import Drop, Sample
from schemas.scenes import Scene
from schemas.sources import Version
from schemas.tables import BAND_STATS, TYPES, member_columns, plan_schema
from transforms.blocks import OUTCOME, Paths, fail_point, pixel_members, retries_of
from transforms.commits import Commit, committed
from transforms.context import Context
from transforms.planning.phases import attempt
from transforms.planning.rows import column, from_table, moved, outlines
from transforms.statistics import band_stats

CHUNK = 1 << 22


def checksum(payload: Path) -> str:
    """CRC-32 of a payload in hex, as its commit record carries it.

    A guard against rot between two acts, at a fiftieth of the time that SHA-256 takes; what is
    released is hashed when it is packed.
    """
    found = 0
    with payload.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            found = crc32(chunk, found)
    return f"{found:08x}"


@dataclass
class _Results:
    """Results of a block, by row, until they become the sidecar.

    Attributes:
        pending: the payload.
        read: versions of the remote files that were read, by href.
    """

    pending: "Pending"
    read: dict[str, Version] = field(default_factory=dict)
    samples: list[Sample | None] = field(default_factory=list)
    drops: list[Drop | None] = field(default_factory=list)
    members: list[list[tuple[int, int]]] = field(default_factory=list)
    stats: list[list[dict[str, Any]]] = field(default_factory=list)

    def add(
        self,
        sample: Sample | None,
        drop: Drop | None,
        places: list[tuple[int, int]],
        stats: list[dict[str, Any]],
    ) -> None:
        """One more row: a sample, or what became of it."""
        self.samples.append(sample)
        self.drops.append(drop)
        self.members.append(places)
        self.stats.append(stats)


def make_one(
    sample: Sample, recipe: Recipe, ctx: Context
) -> tuple[Sample, list[bytes], list[dict[str, Any]]] | Drop:
    """Run the make steps on one sample and encode its pixel members."""
    for step in recipe.make:
        passed: list[Sample] = []
        dropped = attempt(step, sample, ctx, passed)
        if dropped is not None:
            return dropped
        sample = passed[0]
    encoded: list[bytes] = []
    for encoder in pixel_members(recipe).values():
        dropped = attempt(encoder, sample, ctx, encoded)
        if dropped is not None:
            return dropped
    image = sample.images.get("image")
    stats = band_stats(image) if image is not None else []
    sample.images.clear()
    return sample, encoded, stats


def make_block(
    windows: Path,
    scenes: Mapping[str, Scene],
    recipe: Recipe,
    ctx: Context,
    out: Paths,
    plan: str,
    later: Callable[[Callable[[], Commit]], object] | None = None,
) -> None:
    """Make a block, or find it made.

    Writes `out.payload` (synced, moved into place), then `out.sidecar`, then `out.record`. Running it
    twice, or again after a crash, leaves the same bytes. All windows see the same version of a remote
    file: where it changes meanwhile the block is begun again, once, and where it changes once more the
    windows that saw the change fail (`changed_source`).

    Args:
        windows: Parquet file of the block's planned samples, in reading order.
        scenes: scenes by key, for those that the windows name.
        plan: digest that the commit record must carry.
        later: takes the closing work (sync, sidecar, record), once, so that waiting for the disk can
            overlap the next block's reading; without it that work is done before returning.
    """
    standing = committed(out.record, out.payload, plan)
    if standing is not None and out.sidecar.exists():
        if later is not None:
            later(partial(_same, standing))
        return
    table = pq.read_table(windows)
    made = _made(table, scenes, recipe, ctx, out)
    if any(drop.code == CHANGED.code for drop in made.drops if drop is not None):
        made.pending.discard()
        made = _made(table, scenes, recipe, ctx, out)

    def close() -> Commit:
        return _commit(table, made, recipe, out, plan)

    if later is None:
        close()
    else:
        later(close)


def _made(
    table: pa.Table, scenes: Mapping[str, Scene], recipe: Recipe, ctx: Context, out: Paths
) -> "_Results":
    """All windows of a block made, their members in a payload that is not yet in place."""
    SHELF.begin()
    found = _Results(Pending(out.payload))
    try:
        for sample in from_table(table, scenes):
            made = make_one(sample, recipe, ctx)
            if isinstance(made, Drop):
                found.add(None, made, [], [])
            else:
                kept, members, stats = made
                found.add(kept, None, [found.pending.add(data) for data in members], stats)
    except BaseException:
        found.pending.discard()
        raise
    found.read = dict(SHELF.seen)
    return found


def _same(commit: Commit) -> Commit:
    """A block that stands already needs no closing."""
    return commit


class Pending:
    """A payload under its temporary name, until it is synced and moved into place."""

    def __init__(self, path: Path) -> None:
        self._atomic = atomic(path)
        self.stream = self._atomic.__enter__()
        self.checksum = 0
        self.size = 0

    def add(self, data: bytes) -> tuple[int, int]:
        """Append a member; returns its offset and size."""
        self.stream.write(data)
        self.checksum = crc32(data, self.checksum)
        place = (self.size, len(data))
        self.size += len(data)
        return place

    def finish(self) -> None:
        """Sync and move into place."""
        self._atomic.__exit__(None, None, None)

    def discard(self) -> None:
        """Remove the temporary file."""
        error = InterruptedError("block abandoned")
        with suppress(InterruptedError):
            self._atomic.__exit__(InterruptedError, error, None)


def _commit(table: pa.Table, found: _Results, recipe: Recipe, out: Paths, plan: str) -> Commit:
    """Sync the payload, write the sidecar, and last the commit record."""
    found.pending.finish()
    fail_point("after-payload", out.id)
    with atomic(out.sidecar) as stream:
        pq.write_table(sidecar(table, found, recipe, retries_of(out)), stream, compression="zstd")
    fail_point("before-record", out.id)
    lost = [d for d in found.drops if d is not None]
    failed = [d for d in lost if d.outcome == "failed"]
    commit = Commit(
        plan=plan,
        rows=len(table),
        shipped=len(table) - len(lost),
        rejected=len(lost) - len(failed),
        failed=len(failed),
        retryable=sum(d.retryable for d in failed),
        bytes=found.pending.size,
        checksum=f"{found.pending.checksum:08x}",
        read={href: version.as_row() for href, version in sorted(found.read.items())},
    )
    commit.write(out.record)
    return commit


def sidecar(table: pa.Table, found: _Results, recipe: Recipe, retries: int) -> pa.Table:
    """The planned rows with every fact, `bbox`, `geometry`, outcome, member places, statistics."""
    schema = plan_schema(recipe)
    table = moved(table, found.samples)
    arrays, names = [], []
    for item in schema:
        if item.name in table.column_names and not _changed(item.name, recipe):
            arrays.append(table[item.name])
        else:
            values = [s.facts.get(item.name) if s else None for s in found.samples]
            arrays.append(column(values, item.type))
        names.append(item.name)
    bbox, geometry = outlines(table)
    arrays += [bbox, geometry]
    names += ["bbox", "geometry"]
    outcome = [
        ("made", None, None, None, False) if d is None
        else (d.outcome, d.step, d.code, d.message, d.retryable)
        for d in found.drops
    ]  # fmt: skip
    for i, item in enumerate(list(OUTCOME)[:-1]):
        arrays.append(column([o[i] for o in outcome], item.type))
        names.append(item.name)
    arrays.append(column([retries] * len(outcome), pa.int32()))
    names.append("retries")
    for place, extension in enumerate(pixel_members(recipe)):
        for which, name in enumerate(member_columns(extension)):
            values = [m[place][which] if m else None for m in found.members]
            arrays.append(column(values, pa.int64()))
            names.append(name)
    arrays.append(column(found.stats, BAND_STATS))
    names.append("band_stats")
    return pa.Table.from_arrays(arrays, names=names)


def _changed(name: str, recipe: Recipe) -> bool:
    """Whether a make step gives this fact (a planned value of that name is then replaced)."""
    return any(name in step.gives and step.gives[name] in TYPES for step in recipe.make)
