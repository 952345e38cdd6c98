"""plan: where and when, which scenes, which split, which block. No pixels."""

import shutil
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic, read_json, write_json
from pipelines.acts.drops import Lost, Sink, dropping, reasons, write_drops
from pipelines.job import Job, fingerprint, forget, scenes_of
from pipelines.maps import map_of
from pipelines.runners import run
from schemas.errors import UsageError
from schemas.recipes import name_of
from schemas.windows import EARTH_M, unit_vectors
from transforms.planning.blocks import block_id, blocks, code_version
from transforms.planning.phases import NEAR, Outcome, begin, cut, go_on
from transforms.planning.spool import Cell, Spool


def _starts_from(job: Job) -> str:
    """Where what the recipe starts from lies.

    Raises:
        UsageError: it was left out.
    """
    role: str = job.recipe.start.role  # type: ignore[attr-defined]
    if role not in job.sources:
        raise UsageError(f"{name_of(job.recipe.start)} takes its places from --{role}: name it")
    return job.sources[role]


def plan(job: Job) -> dict[str, Any]:
    """Run the act, or find it done; returns `plan.json`."""
    forget()
    for known in (_spool, _caps, map_of):
        known.cache_clear()
    record = job.planned / "plan.json"
    if record.exists() and read_json(record)["plan"] == job.plan:
        return dict(read_json(record))
    for folder in ("start", "drops", "blocks", *(p.name for p in job.planned.glob("phase-*"))):
        shutil.rmtree(job.planned / folder, ignore_errors=True)
    run("plan: scan", [_starts_from(job)], Scan(job))
    scanned = read_json(job.planned / "scan.json")
    spool = Spool(job.planned / "start")
    cells = list(spool.partitions(job.partition)) if scanned["rows"] else []
    phases = cut(job.recipe.plan)
    totals: Counter[str] = Counter()
    grown = 0
    for number in range(len(phases)):
        run(f"plan: phase {number}", cells, Settle(job, number, dict(totals)))
        found = [read_json(_phase(job, number) / f"{cell.name}.json") for cell in cells]
        totals = Counter()
        for row in found:
            totals.update(row["counts"])
            grown += row["grown"]
        if number > 1:
            shutil.rmtree(_phase(job, number - 2), ignore_errors=True)
    last = len(phases) - 1
    left_out = _limit(job, last, cells)
    run("plan: blocks", cells, Cut(job, last, code_version()))
    listed = [b for c in cells for b in read_json(job.planned / "blocks" / f"{c.name}.json")]
    summary = {
        "plan": job.plan,
        "seen": scanned["rows"],
        "planned": scanned["rows"] + scanned["lost"] + grown - left_out,
        "left_out": left_out,
        "drops": _drop_counts(job),
        "tags": scanned["tags"],
        "blocks": listed,
        "samples": sum(b["rows"] for b in listed),
        "splits": dict(sum((Counter(b["splits"]) for b in listed), Counter())),
    }
    write_json(record, summary)
    return summary


def _phase(job: Job, number: int) -> Path:
    return job.planned / f"phase-{number}"


def _drop_counts(job: Job) -> list[list[Any]]:
    found = reasons((job.planned / "drops").glob("*.parquet"), ("step", "code", "outcome"))
    return [[*key, count] for key, count in sorted(found.items())]


@dataclass(frozen=True)
class Scan:
    """Start rows of one source, sorted in space on disk."""

    job: Job

    def __call__(self, location: str) -> None:
        """Write `start/`, the scan's drops, and `scan.json`."""
        job = self.job
        ctx = job.context()
        start: Any = job.recipe.start
        if hasattr(start, "open"):
            ctx.sources[start.role] = start.open(location)
        tags: Counter[str] = Counter()

        def tables(lost: Sink) -> Any:
            for table in start.scan(ctx, lost):
                tags.update(start.tally(table) if hasattr(start, "tally") else {})
                yield table

        with dropping(job.planned / "drops" / "scan.parquet", "plan") as lost:
            count = Spool(job.planned / "start").fill(tables(lost))
        row = {"rows": count, "lost": lost.count, "tags": dict(sorted(tags.items()))}
        write_json(job.planned / "scan.json", row)


@lru_cache(maxsize=2)
def _spool(folder: Path) -> Spool:
    return Spool(folder)


@dataclass(frozen=True)
class Settle:
    """One phase on one partition."""

    job: Job
    number: int
    totals: dict[str, int]

    def __call__(self, cell: Cell) -> None:
        """Write the partition's surviving rows, its drops, and its index row."""
        job, ctx = self.job, self.job.context()
        spool = _spool(job.planned / "start")
        ctx.start_rows = spool.meeting
        phase = cut(job.recipe.plan)[self.number]
        if self.number == 0:
            start = spool.rows(cell)
            before = len(start)
            outcome = begin(start, phase, job.recipe, ctx)
        else:
            table = pq.read_table(_phase(job, self.number - 1) / f"{cell.name}.parquet")
            before = len(table)
            near = _near(job, self.number - 1, cell, table, phase.first)
            scenes = scenes_of(job.planned / "scenes.jsonl")
            outcome = go_on(table, near, self.totals, phase, job.recipe, ctx, scenes)
        grown = len(outcome.table) + len(outcome.drops) - before
        self._write(cell, outcome, grown)

    def _write(self, cell: Cell, outcome: Outcome, grown: int) -> None:
        folder = _phase(self.job, self.number)
        with atomic(folder / f"{cell.name}.parquet") as stream:
            pq.write_table(outcome.table, stream, compression="zstd")
        name = f"{cell.name}-{self.number}.parquet"
        lost = [Lost(drop, "plan", lon, lat, split) for drop, lon, lat, split in outcome.drops]
        write_drops(self.job.planned / "drops" / name, lost)
        row = {"counts": outcome.counts, "grown": grown, **_cap(outcome.table)}
        write_json(folder / f"{cell.name}.json", row)


def _cap(table: pa.Table) -> dict[str, Any]:
    """The smallest easy cap on the sphere that holds a partition's window centres."""
    if not len(table):
        return {"rows": 0, "centre": [0.0, 0.0, 0.0], "reach_m": 0.0, "radius_m": 0.0}
    xyz = unit_vectors(table["centre_lon"].to_numpy(), table["centre_lat"].to_numpy())
    centre = xyz.mean(axis=0)
    centre /= np.linalg.norm(centre)
    reach = 2 * np.arcsin(np.clip(np.linalg.norm(xyz - centre, axis=1).max() / 2, 0, 1)) * EARTH_M
    radius = float(table["radius_m"].to_numpy().max())
    return {
        "rows": len(table),
        "centre": centre.tolist(),
        "reach_m": float(reach),
        "radius_m": radius,
    }


def _near(job: Job, number: int, cell: Cell, table: pa.Table, step: Any) -> pa.Table:
    """Rows of other partitions within the step's halo, with the columns it reads."""
    names = [*NEAR, *getattr(step, "reads", ())]
    nothing = table.select(names).slice(0, 0)
    if not hasattr(step, "settle") or not len(table):
        return nothing
    caps = _caps(_phase(job, number))
    own = caps[cell.name]
    halo = step.halo_m(table)
    found = []
    for name, cap in caps.items():
        if name == cell.name or not cap["rows"]:
            continue
        apart = float(np.linalg.norm(np.subtract(cap["centre"], own["centre"])))
        metres = 2 * np.arcsin(min(apart / 2, 1.0)) * EARTH_M
        room = halo + own["radius_m"] + cap["radius_m"]
        if metres <= own["reach_m"] + cap["reach_m"] + room:
            other = pq.read_table(_phase(job, number) / f"{name}.parquet", columns=names)
            xyz = unit_vectors(other["centre_lon"].to_numpy(), other["centre_lat"].to_numpy())
            away = np.linalg.norm(xyz - np.asarray(own["centre"]), axis=1)
            keep = 2 * np.arcsin(np.clip(away / 2, 0, 1)) * EARTH_M <= own["reach_m"] + room
            found.append(other.filter(pa.array(keep)))
    return pa.concat_tables([nothing, *found])


@lru_cache(maxsize=2)
def _caps(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}


def _limit(job: Job, number: int, cells: list[Cell]) -> int:
    """Mark the `limit` best-ranked samples (one of train at least); returns how many are left out."""
    (job.planned / "limit.json").unlink(missing_ok=True)
    if not job.limit:
        return 0
    ranks, train = [], []
    for cell in cells:
        table = pq.read_table(
            _phase(job, number) / f"{cell.name}.parquet", columns=["rank", "split"]
        )
        ranks.append(table["rank"].to_numpy())
        train.append(np.asarray(table["split"].to_pylist(), dtype=object) == "train")
    every = np.concatenate([np.empty(0, np.int64), *ranks])
    if len(every) <= job.limit:
        return 0
    of_train = every[np.concatenate(train).astype(bool)]
    best = np.sort(every)[: job.limit]
    if len(of_train) and not np.isin(of_train, best).any():
        best[-1] = of_train.min()
    write_json(job.planned / "limit.json", [int(r) for r in best])
    return len(every) - len(best)


@dataclass(frozen=True)
class Cut:
    """The blocks of one partition."""

    job: Job
    number: int
    code: str

    def __call__(self, cell: Cell) -> None:
        """Write the blocks' windows and the list of them."""
        job = self.job
        table = pq.read_table(_phase(job, self.number) / f"{cell.name}.parquet")
        limit = job.planned / "limit.json"
        if limit.exists():
            kept = np.isin(table["rank"].to_numpy(), np.asarray(read_json(limit), np.int64))
            table = table.filter(pa.array(kept))
        scenes = scenes_of(job.planned / "scenes.jsonl")
        roles = {role for step in job.recipe.make for role in getattr(step, "roles", ())}
        read = [job.prints.get(role, "") for role in sorted(roles)]
        listed = []
        for block in blocks(table, min(job.block, job.recipe.block or job.block)):
            seen = (*block["scene_ids"].to_pylist(), *block["layer_ids"].to_pylist())
            names = sorted({key for keys in seen for key in keys})
            prints = [*(fingerprint(scenes[name]) for name in names), *read]
            name = block_id(block, job.recipe, job.seed, self.code, prints)
            with atomic(job.planned / "blocks" / f"{name}.parquet") as stream:
                pq.write_table(block, stream, compression="zstd")
            listed.append(
                {
                    "id": name,
                    "rows": len(block),
                    "splits": dict(Counter(block["split"].to_pylist())),
                }
            )
        write_json(job.planned / "blocks" / f"{cell.name}.json", listed)
