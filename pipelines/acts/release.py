"""release: tables, catalogue, card, statistics, manifest; then the proof, the place and the pointer."""

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic
from catalogs.releases.manifest import point
from catalogs.releases.verify import verify
from catalogs.releases.write import Progress, write_release
from pipelines.acts.annotate import told
from pipelines.acts.blocks import records
from pipelines.acts.drops import reasons
from pipelines.acts.versions import known
from pipelines.job import Job, scenes_of
from schemas.errors import BuildError, VerifyError
from schemas.recipes import name_of
from schemas.release import SplitRule, Staging
from schemas.scenes import Scene
from schemas.sources import Credit
from schemas.tables import SPLITS
from transforms.blocks import fail_point


def release(
    job: Job,
    planned: dict[str, Any],
    packed: dict[str, Any],
    credits: tuple[Credit, ...],
    settings: dict[str, Any],
    run: dict[str, Any],
    target: Path,
    replace: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the release beside its place, move it there whole, and point at it.

    Args:
        replace: whether a release that stands at `target` may be replaced (after a retry).

    Returns:
        the manifest, with `funnel` and `counts` added for the summary.

    Raises:
        BuildError: samples are unaccounted for, or something else lies at `target`.
    """
    drops, splits = _gather(job)
    funnel = _funnel(drops, job)
    shipped = sum(packed["splits"].values())
    lost = Counter[str]()
    for _, _, _, outcome, count in funnel:
        lost[outcome] += count
    counts = {"planned": planned["planned"], "shipped": shipped,
              "rejected": lost["rejected"], "failed": lost["failed"]}  # fmt: skip
    if counts["planned"] != shipped + lost["rejected"] + lost["failed"]:
        raise BuildError(f"samples are unaccounted for: {counts}; please report this as a bug")
    scenes = scenes_of(job.planned / "scenes.jsonl")
    names = [entry["id"] for entry in planned["blocks"]]
    models, asked = told(job, names) if job.recipe.annotate else ([], [])
    shown = {key: scenes[key] for key in packed["scenes"]}
    staging = Staging(
        recipe=job.recipe,
        credits=tuple(c for c in credits if _used(c, shown)),
        scenes=shown,
        split_rule=split_rule(job),
        counts=counts,
        funnel=tuple(funnel),
        settings=settings,
        run=run,
        models=tuple(models),
        asked=tuple(asked),
        files=known(records(job, names).values()),
    )
    manifest = write_release(
        job.stage, job.packed / "rows", drops, splits, staging, progress, ctx=job.context()
    )
    proven(job.stage)
    _place(job.stage, target, replace)
    fail_point("before-latest", target.name)
    point(target.parent, target.name.removeprefix("v"))
    return {**manifest, "counts": counts, "funnel": funnel}


def _used(credit: Credit, scenes: Mapping[str, Scene]) -> bool:
    """Whether a source has gone into the release: of imagery only collections with a shipped scene."""
    if credit.role != "imagery":
        return True
    terms = (credit.licence, credit.attribution)
    return any(
        (scene.licence, scene.attribution) == terms and scene.collection in (credit.title, "local")
        for scene in scenes.values()
    )


def proven(stage: Path) -> None:
    """Recompute every promise before anyone can see the release.

    Raises:
        VerifyError: with the first findings; the release stays in the work area.
    """
    found = verify(stage)
    if found:
        shown = "; ".join(f"{f.path}: {f.message}" for f in found[:3])
        raise VerifyError(f"{stage}: verify found {len(found)} faults: {shown}")


def _place(stage: Path, target: Path, replace: bool) -> None:
    """Move the release to its place; one that it replaces stands until the very move."""
    aside = stage.with_name(f"{stage.name}.replaced")
    if target.exists():
        if not replace:
            raise BuildError(f"{target} exists already; give another --out, or --overwrite")
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
    target.parent.mkdir(parents=True, exist_ok=True)
    stage.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def split_rule(job: Job) -> SplitRule:
    """The rule of the recipe's split step; a recipe without one puts everything into train."""
    for step in job.recipe.plan:
        if name_of(step) == "tile_splits.ByTile":
            shares = {"val": step.val, "test": step.test}  # type: ignore[attr-defined]
            shares["train"] = 1 - sum(shares.values())
            cells = "MGRS tiles of 100 km"
            if step.table:  # type: ignore[attr-defined]
                cells += ", of which those of a published table keep the split that it gives them"
            return SplitRule(100.0, step.buffer_km * 1000, shares, job.seed, cells)  # type: ignore[attr-defined]
        if name_of(step) == "splits.ByCell":
            shares = {"val": step.val, "test": step.test}  # type: ignore[attr-defined]
            shares["train"] = 1 - sum(shares.values())
            return SplitRule(step.km, step.buffer_km * 1000, shares, job.seed)  # type: ignore[attr-defined]
    return SplitRule(0.0, 0.0, {"train": 1.0}, job.seed)


def _gather(job: Job) -> tuple[Path, Path]:
    """All drops and all split rows, each in one folder (buffer losses of the plan among the splits)."""
    drops, splits = job.packed / "all-drops", job.packed / "all-splits"
    for folder, sources in ((drops, (job.planned / "drops", job.packed / "drops")),
                            (splits, (job.packed / "splits",))):  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for source in sources:
            for path in sorted(source.glob("*.parquet")):
                shutil.copyfile(path, folder / f"{source.parent.name}-{path.name}")
    for path in sorted((job.planned / "drops").glob("*.parquet")):
        table = pq.read_table(path, filters=[("code", "=", "buffer")])
        if len(table):
            _buffer_rows(splits / f"buffer-{path.name}", table)
    return drops, splits


def _buffer_rows(path: Path, table: pa.Table) -> None:
    count = len(table)
    arrays = [
        table["key"], table["split"], pa.nulls(count, pa.string()),
        pa.array([True] * count, pa.bool_(), from_pandas=False), table["code"],
    ]  # fmt: skip
    with atomic(path) as stream:
        pq.write_table(pa.Table.from_arrays(arrays, schema=SPLITS), stream, compression="zstd")


def _funnel(drops: Path, job: Job) -> list[tuple[str, str, str, str, int]]:
    """(act, step, code, outcome, count) in the order in which the recipe meets them."""
    found = reasons(drops.glob("*.parquet"), ("act", "step", "code", "outcome"))
    order = [name_of(step) for _, step in job.recipe.steps()] + ["pack"]
    acts = ("plan", "make", "annotate", "pack")

    def place(key: tuple[str, ...]) -> tuple[Any, ...]:
        step = order.index(key[1]) if key[1] in order else len(order)
        return acts.index(key[0]), step, key

    return [
        (act, step, code, outcome, found[act, step, code, outcome])
        for act, step, code, outcome in sorted(found, key=place)
    ]
