"""pack: global choices on the sidecars, then shards, copied out of the blocks by offset. No network."""

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic, read_json, write_json
from catalogs.sources.net.redact import bare
from pipelines.acts import annotate as models
from pipelines.acts.blocks import records, tally
from pipelines.acts.drops import Lost, write_drops
from pipelines.acts.versions import mixed
from pipelines.job import Job, scenes_of
from pipelines.runners import run
from schemas.chance import digest
from schemas.errors import BuildError
from schemas.samples import Drop
from schemas.tables import SPLITS
from schemas.text import counted
from transforms.blocks import Paths
from transforms.commits import Commit, committed
from transforms.making import checksum
from transforms.packing import (
    UNMADE,
    Payloads,
    Rows,
    Shard,
    assign,
    build_shard,
    class_weights,
    gather,
    scatter,
    survey,
)
from transforms.planning.blocks import step_settings
from transforms.planning.rows import column

GROUP = 5_000  # rows scattered together at least: the memory of one step


def pack(job: Job, listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Run the act, or find it done; returns `pack.json`.

    Raises:
        BuildError: blocks are missing (another slice has not finished), were made from two versions of
            a remote file, or leave no train sample.
    """
    names = [entry["id"] for entry in listed]
    counts = tally(job, names)
    if counts["blocks"] < len(names):
        raise BuildError(
            f"pack: {len(names) - counts['blocks']} of {len(names)} blocks are not made yet; "
            "run make (every slice of it) first"
        )
    if hrefs := mixed(records(job, names).values()):
        raise BuildError(
            f"pack: {bare(hrefs[0])} changed while the blocks were made, and some were made from one "
            "version of it and some from another; run make (every slice of it) again, which makes the "
            "older ones anew"
        )
    if missing := _unannotated(job, names):
        raise BuildError(
            f"pack: {missing} of {len(names)} blocks are not annotated yet; "
            "run annotate (every slice of it) first"
        )
    key = pack_digest(job, names)
    record = job.packed / "pack.json"
    if not (record.exists() and read_json(record)["pack"] == key):
        if job.slice[0] > 0:
            raise BuildError("pack: slice 0 deals the samples to shards; run it first")
        shutil.rmtree(job.packed, ignore_errors=True)
        shutil.rmtree(job.stage, ignore_errors=True)
        _choose(job, names, key)
    summary: dict[str, Any] = read_json(record)
    shards = [Shard(**entry) for entry in summary["shards"]]
    if not any(shard.split == "train" for shard in shards):
        raise BuildError(
            "empty split train: every sample was dropped or fell to another split; "
            "see what was dropped and why, loosen the recipe's gates or give a larger area"
        )
    todo = [s for s in job.part(shards) if not _shard_record(job, s, key)]
    run("pack: shards", todo, Build(job, key))
    built = sum(1 for s in shards if _shard_record(job, s, key))
    return {**summary, "built": built}


def waits_for(job: Job, names: list[str]) -> str:
    """What a slice's pack must wait for: blocks of other slices, or the dealing; "" for nothing."""
    missing = len(names) - tally(job, names)["blocks"]
    if missing:
        return f"{counted(missing, 'block')} of other slices"
    if missing := _unannotated(job, names):
        return f"the annotations of {counted(missing, 'block')} of other slices"
    record = job.packed / "pack.json"
    dealt = record.exists() and read_json(record)["pack"] == pack_digest(job, names)
    return "" if dealt or job.slice[0] == 0 else "slice 0, which deals the samples to shards"


def _unannotated(job: Job, names: list[str]) -> int:
    """Blocks that models have not been asked about yet."""
    if not job.recipe.annotate:
        return 0
    return len(names) - models.tally(job, names)["blocks"]


def block_rows(job: Job, names: list[str]) -> list[Rows]:
    """The rows of the blocks, in plan order."""
    further = job.annotated if job.recipe.annotate else None
    return [Rows(Paths(job.made, n).sidecar, further and Paths(further, n).sidecar) for n in names]


def pack_digest(job: Job, names: list[str]) -> str:
    """What the shards are made from: blocks, their content, pack rules."""
    sums = [(read_json(job.made / f"{n}.json")["checksum"], _retries(job, n)) for n in names]
    further = [
        (read_json(job.annotated / f"{n}.json")["checksum"], models.address(job, n)) for n in names
    ] if job.recipe.annotate else []  # fmt: skip
    members = [(ext, step_settings([enc])) for ext, enc in job.recipe.pack.members.items()]
    rules = (
        job.recipe.pack.samples,
        job.recipe.pack.megabytes,
        step_settings(job.recipe.pack.keep),
    )
    return digest(job.plan, job.seed, names, sums, further, members, rules)


def _intact(job: Job, name: str) -> None:
    """Compare a block's payload with its commit record before anything is copied out of it.

    Raises:
        BuildError: it was altered; its record is removed, so that a rerun makes it again.
    """
    paths = Paths(job.made, name)
    if checksum(paths.payload) != read_json(paths.record)["checksum"]:
        paths.record.unlink()
        raise BuildError(f"{paths.payload} is not what was written; run again to make it anew")


def _retries(job: Job, name: str) -> int:
    path = Paths(job.made, name).retries
    return int(read_json(path)) if path.exists() else 0


def _shard_record(job: Job, shard: Shard, key: str) -> Commit | None:
    tar = job.stage / "data" / f"{shard.name}.tar"
    return committed(job.packed / "commits" / f"{shard.name}.json", tar, key)


def _choose(job: Job, names: list[str], key: str) -> None:
    """Survey the sidecars, deal samples to shards, and scatter their rows."""
    for name in names if job.recipe.annotate else ():
        models.intact(job, name)
    sidecars = block_rows(job, names)
    found = survey(sidecars, job.recipe, job.seed)
    shards, shard_of, place = assign(found, job.recipe.pack.samples, job.recipe.pack.megabytes)
    folder = job.packed / "columns"
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("shard", shard_of), ("place", place), ("verdict", found.verdict)):
        np.save(folder / f"{name}.npy", values)
    groups: list[tuple[int, int, int, int]] = []
    begin, room = 0, max(GROUP, len(found.order) // 128)
    for stop in range(1, len(sidecars) + 1):
        if stop == len(sidecars) or found.starts[stop] - found.starts[begin] >= room:
            groups.append((len(groups), begin, stop, int(found.starts[begin])))
            begin = stop
    reasons = [list(r) for r in found.reasons]
    del found, shard_of, place
    run("pack: scatter", groups, Scatter(job, tuple(names), reasons))
    done = [read_json(path) for path in sorted(job.packed.glob("group-*.json"))]
    counts: Counter[str] = sum((Counter(group["labels"]) for group in done), Counter())
    summary = {
        "pack": key,
        "shards": [vars(s) for s in shards],
        "splits": dict(sum((Counter({s.split: s.samples}) for s in shards), Counter())),
        "scenes": sorted(set().union(*(group["scenes"] for group in done))),
        "weights": class_weights(counts),
    }
    write_json(job.packed / "pack.json", summary)


@dataclass(frozen=True)
class Scatter:
    """Rows of a group of blocks, sorted by shard; what does not ship goes to the drops."""

    job: Job
    names: tuple[str, ...]
    reasons: list[list[str]]

    def __call__(self, group: tuple[int, int, int, int]) -> None:
        """Write `scatter/`, `drops/`, `splits/` of the group and the scenes it ships."""
        number, begin, stop, start = group
        load = self._column
        for name in self.names[begin:stop]:
            _intact(self.job, name)
        out = self.job.packed / "scatter" / f"{number:05d}.arrow"
        lost, every = scatter(
            block_rows(self.job, list(self.names[begin:stop])),
            start, load("shard"), load("place"), load("verdict"), out,
        )  # fmt: skip
        path = self.job.packed / "drops" / f"{number:05d}.parquet"
        write_drops(path, [self._drop(row) for row in _plain(lost)])
        kept = every.filter(pa.array(every["_shard"].to_numpy() >= 0))
        write_splits(self.job.packed / "splits" / f"{number:05d}.parquet", kept)
        scenes = {key for keys in kept["scene_ids"].to_pylist() for key in keys}
        label = self.job.recipe.label
        labels = Counter(kept[label].to_pylist()) if label else {}
        facts = {"scenes": sorted(scenes), "labels": labels}
        write_json(self.job.packed / f"group-{number:05d}.json", facts)

    def _column(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(np.load(self.job.packed / "columns" / f"{name}.npy", mmap_mode="r"))

    def _drop(self, row: dict[str, Any]) -> Lost:
        if row["_verdict"] == UNMADE:
            drop = Drop(row["key"], row["step"], row["code"], row["message"] or "", row["outcome"],
                        bool(row["retryable"]))  # fmt: skip
        else:
            code, message = self.reasons[row["_verdict"] - 1]
            drop = Drop(row["key"], "pack", code, message)
        act = row["_act"] if row["_verdict"] == UNMADE else "pack"
        return Lost(drop, act, row["lon"], row["lat"], row["split"], row["retries"] + 1)


def _plain(table: pa.Table) -> list[dict[str, Any]]:
    names = ["key", "lon", "lat", "split", "step", "code", "message", "outcome", "retryable",
             "retries", "_verdict", "_act"]  # fmt: skip
    return list(table.select(names).to_pylist())


def write_splits(path: Path, table: pa.Table, reason: str = "") -> None:
    """A `SPLITS` table of rows with key, split, cell."""
    cells = table["cell"] if "cell" in table.column_names else pa.nulls(len(table), pa.string())
    dropped = reason == "buffer"
    arrays = [
        table["key"], table["split"], cells,
        column([dropped] * len(table), pa.bool_()), column([reason] * len(table), pa.string()),
    ]  # fmt: skip
    with atomic(path) as stream:
        pq.write_table(pa.Table.from_arrays(arrays, schema=SPLITS), stream, compression="zstd")


@dataclass(frozen=True)
class Build:
    """One shard."""

    job: Job
    key: str

    def __call__(self, shard: Shard) -> None:
        """Write the tar file, its rows, and then its commit record."""
        job = self.job
        table = gather(job.packed / "scatter", shard.number)
        payloads = Payloads(job.made)
        tar = job.stage / "data" / f"{shard.name}.tar"
        scenes = scenes_of(job.planned / "scenes.jsonl")
        weights = read_json(job.packed / "pack.json")["weights"]
        try:
            rows, total = build_shard(table, shard, job.recipe, scenes, payloads, tar, weights)
        finally:
            payloads.close()
        with atomic(job.packed / "rows" / f"{shard.name}.parquet") as stream:
            pq.write_table(rows, stream, compression="zstd", row_group_size=5_000)
        commit = Commit(self.key, len(rows), len(rows), 0, 0, 0, tar.stat().st_size, total)
        commit.write(job.packed / "commits" / f"{shard.name}.json")
