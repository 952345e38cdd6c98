"""annotate: captions, scores and vectors by models, on what `make` has left. No source is read."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow.parquet as pq

from catalogs.files import read_json
from catalogs.sources.exchanges.recorder import GIVEN
from catalogs.sources.models import require
from pipelines.acts.blocks import tally as tally_of_make
from pipelines.acts.crew import possible
from pipelines.acts.lanes import Held, Lanes, OverBudget
from pipelines.acts.records import reasons, sums
from pipelines.job import Job, scenes_of
from pipelines.runners import run
from schemas.chance import digest
from schemas.errors import BudgetError, BuildError
from schemas.text import counted
from transforms.annotating import ABOUT, Annotator
from transforms.blocks import Paths, retries_of
from transforms.commits import Commit, committed
from transforms.models.device import gpus
from transforms.planning.blocks import step_settings

SERVICE_LANES = 2
"""Blocks under way at a time with a service, so that it is not idle while one of them ends."""


def annotate(job: Job, listed: list[dict[str, Any]]) -> dict[str, int]:
    """Run the act over this slice's blocks; returns the counts of all blocks committed so far.

    A recipe without annotate steps costs nothing.

    Raises:
        BuildError: blocks of this slice are not made yet.
        BudgetError: more samples failed than the budget allows; the work is kept.
    """
    if not job.recipe.annotate:
        return {}
    GIVEN.clear()
    names = [entry["id"] for entry in listed]
    own = job.part(names)
    if unmade := [name for name in own if not Paths(job.made, name).record.exists()]:
        raise BuildError(
            f"annotate: {counted(len(unmade), 'block')} of {len(own)} not made yet; "
            "run make (every slice of it) first"
        )
    todo = [name for name in own if record_of(job, name) is None]
    before = tally_of_make(job, names)
    total = sum(entry["rows"] for entry in listed)
    allowed = job.budget * total - before["failed"]
    if todo:
        require(local(job))
    if lost(tally(job, names)) <= allowed:
        with suppress(OverBudget):  # said below, over all runs and with its reasons
            run("annotate", [tuple(todo)] if todo else [], lanes(job, len(todo), allowed))
    counts = tally(job, names)
    if lost(counts) > allowed:
        raise BudgetError(
            f"annotate: models gave nothing for {lost(counts):,} of {total:,} samples so far, more than "
            f"the error budget of {job.budget:.1%}: {reasons(annotated(job, names))}; what is done is "
            "kept: mend the cause and run again with --retry-failed, or allow more with --error-budget"
        )
    return counts


def lost(counts: dict[str, int]) -> int:
    """Samples that faults have cost, or would have if nothing stood in for what they cost."""
    return counts["failed"] + counts["spared"]


def local(job: Job) -> list[str]:
    """Identities of the models that run in this machine's memory."""
    found = [model for step in job.recipe.annotate if (model := getattr(step, "model", ""))]
    if job.captioner is not None and not job.captioner.url:
        found.append(job.captioner.model)
    return found


def lanes(job: Job, blocks: int, allowed: float) -> Lanes:
    """A lane for each GPU, with a process that holds the models; one on the CPU; two for a service."""
    if not local(job):
        most = job.captioner.parallel if job.captioner is not None else 1
        return Lanes(job, allowed, opened, annotate_named, min(SERVICE_LANES, most, blocks), False)
    count = max(1, min(gpus(), blocks))
    return Lanes(job, allowed, opened, annotate_named, count, possible(job), ahead=2)


def opened(job: Job, lane: int) -> "State":
    """What a lane keeps: its share of cores, connections and GPUs."""
    count = lanes(job, 1 << 30, 0).count
    if job.captioner is not None:
        share = max(1, job.captioner.parallel // count)
        job = replace(job, captioner=replace(job.captioner, parallel=share))
    ctx = job.context()
    ctx.threads = max(1, job.workers // count)
    ctx.device = f"cuda:{lane}" if count > 1 and local(job) else ""
    scenes = scenes_of(job.planned / "scenes.jsonl")
    return State(job, Annotator(job.recipe, ctx, job.made, job.annotated, scenes))


class State(Held):
    """What one lane, or one worker process, opens once: models loaded."""

    def __init__(self, job: Job, annotator: Annotator) -> None:
        self.job, self.annotator = job, annotator

    def expect(self, name: str) -> None:
        """Begin to prepare a block."""
        self.annotator.expect(name)


def annotate_named(
    name: str, state: State, later: Callable[[Callable[[], Commit]], object]
) -> None:
    """Annotate one block; `later` takes the work that closes it."""
    state.annotator.annotate(name, address(state.job, name), later)


def address(job: Job, name: str) -> str:
    """The content address of a block's annotations: block as made, steps, models, captioner, seed."""
    paths = Paths(job.made, name)
    captioner = job.captioner.identity if job.captioner is not None else None
    steps = [
        (kind, {k: v for k, v in arguments.items() if k != "gives"}, sorted(step.gives.items()))
        for step, (kind, arguments) in zip(
            job.recipe.annotate, step_settings(job.recipe.annotate), strict=True
        )
    ]
    return digest(
        "annotate", name, read_json(paths.record), retries_of(paths), steps, captioner, job.seed
    )


def record_of(job: Job, name: str) -> Commit | None:
    """The commit record of a block's annotations, None where they must be made (again)."""
    if not Paths(job.made, name).record.exists():
        return None
    out = Paths(job.annotated, name)
    return committed(out.record, out.sidecar, address(job, name))


def annotated(job: Job, names: list[str]) -> list[tuple[Path, Commit]]:
    """Tables and commit records of those of these blocks that are annotated."""
    found = [(Paths(job.annotated, name).sidecar, record_of(job, name)) for name in names]
    return [(path, record) for path, record in found if record is not None]


def intact(job: Job, name: str) -> None:
    """Compare a block's table of annotations with its commit record before it is read.

    Raises:
        BuildError: it was altered; its record is removed, so that a rerun makes it again.
    """
    out = Paths(job.annotated, name)
    if f"{crc32(out.sidecar.read_bytes()):08x}" != read_json(out.record)["checksum"]:
        out.record.unlink()
        raise BuildError(f"{out.sidecar} is not what was written; run again to make it anew")


def tally(job: Job, names: list[str]) -> dict[str, int]:
    """Sums over the commit records of these blocks."""
    return sums([record for _, record in annotated(job, names)])


def retry(job: Job, names: list[str]) -> int:
    """Forget the records of blocks with faults that another attempt may mend; returns how many."""
    if not job.recipe.annotate:
        return 0
    again = [n for n in names if (record := record_of(job, n)) and record.retryable]
    for name in again:
        Paths(job.annotated, name).retry()
    return len(again)


def told(job: Job, names: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(what computed each column, the questions that services answered), for the provenance."""
    computed: Counter[str] = Counter()
    writing: list[Any] = [step for step in job.recipe.annotate if hasattr(step, "sampling")]
    by_template = {
        step.text: next(name for name in step.gives if name.endswith("_source")) for step in writing
    }
    asked: list[dict[str, Any]] = []
    for path, record in annotated(job, names):
        about = json.loads((pq.read_schema(path).metadata or {})[ABOUT])
        for fact, entry in about["computed"].items():
            named = json.dumps({"column": fact, **entry}, sort_keys=True)
            computed[named] += (
                _by_model(path, by_template[fact]) if fact in by_template else record.rows
            )
        asked += about["asked"]
    models = [{**json.loads(text), "samples": n} for text, n in sorted(computed.items())]
    return models, sorted(asked, key=lambda e: (e["sample"], e["text"], e["request"]))


def answers(job: Job) -> str:
    """What the captioner's service has answered in this run so far, "" where there is none."""
    if job.captioner is None or not job.captioner.url:
        return ""
    found = [f"{counted(GIVEN['new'], 'new answer')}, {GIVEN['kept']:,} kept"]
    found += [
        f"{code} {count:,}" for code, count in sorted(GIVEN.items()) if code not in ("new", "kept")
    ]
    return ", ".join(found) if any(GIVEN.values()) else "no answer yet"


def _by_model(path: Path, source: str) -> int:
    """Samples of a block whose text a model wrote."""
    return int(pq.read_table(path, columns=[source])[source].to_pylist().count("model"))


def summary(job: Job, names: list[str]) -> str:
    """How many texts have come from whom, and why others were not taken; "" where none was asked for."""
    found: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    texts = [step.gives for step in job.recipe.annotate if hasattr(step, "sampling")]
    if job.captioner is None or not texts:
        return ""
    for path, _ in annotated(job, names):
        intact(job, path.stem)
        for gives in texts:
            who, why = (
                next(n for n in gives if n.endswith(end)) for end in ("annotator", "_faults")
            )
            table = pq.read_table(path, columns=[who, why])
            found.update(table[who].drop_null().to_pylist())
            for codes in table[why].drop_null().to_pylist():
                refused.update(code for code in codes.split(",") if code)
    said = "texts: " + ", ".join(f"{n:,} by {who}" for who, n in found.most_common())
    if refused:
        most = ", ".join(f"{code} {n:,}" for code, n in refused.most_common(5))
        said += f"; a template's where the model's were not taken: {most}"
    return said if set(found) - {"template"} else f"warning: no text of the model was taken; {said}"
