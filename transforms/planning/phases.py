"""A plan's steps, cut into phases at those that must see a neighbourhood or the classes' counts.

Within a phase every partition is independent. Between phases only small tables on disk are shared.
"""

import re
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from catalogs.sources.net.redact import scrub
from schemas.errors import BuildError, Fault, LoomError, Reject
from schemas.recipes import Recipe, name_of
from schemas.samples import Drop, Sample
from schemas.scenes import Scene
from schemas.tables import TYPES
from schemas.text import shown
from transforms.context import Context
from transforms.planning import rows

NEAR = ("key", "lon", "lat", "centre_lon", "centre_lat", "radius_m", "gsd_m", "rank")
"""Columns of the surroundings that every neighbourhood step is given, besides its own `reads`."""

FOLDERS = re.compile(r'File "[^"]*[/\\]([^"]+)"')
"""Where code lies differs from machine to machine, and is nobody's business in a release."""


@dataclass(frozen=True)
class Phase:
    """Some steps of a plan that run together.

    Attributes:
        first: a neighbourhood step (`settle`) or a counting step (`decide`), or None.
        steps: row-wise steps (`__call__`) and partition-wise steps (`across`) after it.
        counts: the counting step that begins the next phase, or None.
    """

    first: Any
    steps: tuple[Any, ...]
    counts: Any = None


def cut(steps: Iterable[Any]) -> list[Phase]:
    """The phases of a plan."""
    phases = [Phase(None, ())]
    for step in steps:
        if hasattr(step, "settle") or hasattr(step, "decide"):
            if hasattr(step, "decide"):
                phases[-1] = replace(phases[-1], counts=step)
            phases.append(Phase(step, ()))
        else:
            phases[-1] = replace(phases[-1], steps=(*phases[-1].steps, step))
    return phases


@dataclass
class Outcome:
    """What one phase made of one partition.

    Attributes:
        table: surviving samples, sorted by key.
        drops: (drop, lon, lat, split or None).
        counts: samples by class for the next phase's quota.
    """

    table: pa.Table
    drops: list[tuple[Drop, float, float, str | None]]
    counts: Counter[str]


def fact_types(recipe: Recipe) -> dict[str, pa.DataType]:
    """Arrow types of the facts that the plan gives (a later act's facts are not yet columns)."""
    found: dict[str, str] = {}
    for step in (recipe.start, *recipe.plan):
        found.update({k: v for k, v in step.gives.items() if v != "noun"})
    return {name: TYPES[kind] for name, kind in found.items()}


def begin(table: pa.Table, phase: Phase, recipe: Recipe, ctx: Context) -> Outcome:
    """The first phase: start rows become samples and meet the first steps."""
    samples: list[Sample] = []
    drops: list[tuple[Drop, float, float, str | None]] = []
    last = ""
    for sample in rows.start_samples(table):
        if sample.id == last:
            again = Drop(
                f"{sample.id}", name_of(recipe.start), "duplicate", "the same object twice"
            )
            drops.append((again, sample.lon, sample.lat, None))
        else:
            samples.append(sample)
        last = sample.id
    return _run(samples, drops, phase, recipe, ctx)


def go_on(
    table: pa.Table,
    near: pa.Table,
    totals: Mapping[str, int],
    phase: Phase,
    recipe: Recipe,
    ctx: Context,
    scenes: Mapping[str, Scene],
) -> Outcome:
    """A later phase: its first step drops rows, the rest run on what is left.

    Args:
        table: the partition as the phase before left it.
        near: rows of other partitions within the first step's halo.
        totals: counts by class over all partitions (for a counting step).
    """
    step = phase.first
    columns: dict[str, list[Any]] = {}
    if hasattr(step, "settle"):
        lost = step.settle(table, near, ctx)
        if hasattr(step, "columns"):
            columns = step.columns(table, ctx)
    else:
        lost = step.decide(table, totals, ctx)
    types = fact_types(recipe)
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, rows.column(values, types[name]))
    drops = _drops(table, lost, name_of(step))
    keep = np.ones(len(table), bool)
    keep[list(lost)] = False
    kept = table.filter(pa.array(keep))
    if not phase.steps:
        return Outcome(kept, drops, _count(phase, kept))
    return _run(rows.from_table(kept, scenes), drops, phase, recipe, ctx)


def _drops(
    table: pa.Table, lost: Mapping[int, tuple[str, str]], step: str
) -> list[tuple[Drop, float, float, str | None]]:
    found = []
    order = sorted(lost)
    picked = table.take(pa.array(order, pa.int64()))
    splits = picked["split"].to_pylist() if "split" in table.column_names else [None] * len(order)
    for row, key, lon, lat, split in zip(
        order, picked["key"].to_pylist(), picked["lon"].to_pylist(), picked["lat"].to_pylist(),
        splits, strict=True,
    ):  # fmt: skip
        found.append((Drop(key, step, *lost[row]), lon, lat, split))
    return found


def _run(
    samples: list[Sample],
    drops: list[tuple[Drop, float, float, str | None]],
    phase: Phase,
    recipe: Recipe,
    ctx: Context,
) -> Outcome:
    for step in phase.steps:
        if hasattr(step, "across"):
            before = len(samples)
            samples = step.across(samples, ctx)
            if len(samples) != before:
                raise BuildError(f"{name_of(step)}: {before} samples in, {len(samples)} out")
        else:
            passed: list[Sample] = []
            for sample in samples:
                had = len(passed)
                dropped = attempt(step, sample, ctx, passed)
                if dropped is None and len(passed) == had:
                    raise BuildError(f"{name_of(step)}: {sample.id} vanished without a reason")
                if dropped is not None:
                    drops.append((dropped, sample.lon, sample.lat, None))
            samples = passed
    samples.sort(key=lambda sample: sample.id)
    table = rows.with_radii(rows.to_table(samples, fact_types(recipe), ctx.seed))
    return Outcome(table, drops, _count(phase, table))


def _count(phase: Phase, table: pa.Table) -> Counter[str]:
    return Counter(phase.counts.count(table)) if phase.counts is not None else Counter()


def attempt(step: Any, sample: Sample, ctx: Context, passed: list[Any]) -> Drop | None:
    """Run a step or an encoder on one sample: results go to `passed`, a loss comes back as a row.

    The one place where a step's bug is caught: it becomes a failed row with its traceback.

    Raises:
        LoomError: the whole build cannot go on: a source refuses access, or a setting is wrong.
    """
    try:
        result = step(sample, ctx)
        passed.extend([result] if isinstance(result, Sample | bytes) else result)
    except Reject as reject:
        return Drop(sample.id, name_of(step), reject.code, shown(reject.message))
    except Fault as fault:
        said = shown(scrub(fault.message))
        return Drop(sample.id, name_of(step), fault.code, said, "failed", fault.retryable)
    except LoomError:
        raise
    except Exception:
        trace = shown(FOLDERS.sub(r'File "\1"', scrub(traceback.format_exc(limit=-4))))
        return Drop(sample.id, name_of(step), "unexpected", trace[-2000:], "failed", False)
    return None
