"""The release act: from packed shards and rows to a release, its manifest written last."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from catalogs.files import clean_parts, sha256, write_bytes, write_json
from catalogs.releases.card import write_card
from catalogs.releases.items import write_items
from catalogs.releases.legal import write_legal
from catalogs.releases.manifest import commit, listed, manifest, write_sums
from catalogs.releases.papers import write_papers
from catalogs.releases.provenance import write_provenance
from catalogs.releases.stac import write_stac
from catalogs.releases.stats import balanced, quality, statistics
from catalogs.releases.survey import Survey, survey
from catalogs.releases.tables import (
    digests,
    write_beside,
    write_classes,
    write_drops,
    write_fgb,
    write_index,
    write_samples,
    write_splits,
)  # fmt: skip
from catalogs.releases.times import Clock
from schemas.errors import BuildError, UsageError
from schemas.release import Staging
from schemas.text import counted

Progress = Callable[[str], None]
SCHEMA = Path(__file__).parents[2] / "schemas" / "manifest.schema.json"


def write_release(
    stage: Path,
    rows: Path,
    drops: Path,
    splits: Path,
    staging: Staging,
    progress: Progress | None = None,
    previous: str = "",
    ctx: Any = None,
) -> dict[str, Any]:
    """Turn `stage`, which holds `data/*.tar`, into a release; returns the manifest.

    Order: payload, tables and statistics; then what is made from their sums (STAC, card, terms);
    then SHA256SUMS; then manifest.json, the commit mark.

    Args:
        stage: the folder of the release-to-be.
        rows: folder with one Parquet file for each shard, rows in shard order.
        drops: folder of Parquet files of schema DROPS.
        splits: folder of Parquet files of schema SPLITS.
        staging: see `Staging`.
        progress: called with a short line before each stage of the work.
        ctx: what the recipe's further tables may ask for.
        previous: version before this one, "" for the first.

    Raises:
        BuildError: when counts do not add up, or rows and tar files do not belong together.
        UsageError: when a source has no licence.
    """
    tell = progress or (lambda _: None)
    (stage / "manifest.json").unlink(missing_ok=True)
    clean_parts(stage)
    tell("survey")
    clock = Clock(staging)
    found = survey(rows, staging, clock)
    licensed(staging, found)
    accounted(stage, staging, found)
    tell("checksums of the tar files")
    sums = {path.name: digests(path) for path in sorted((stage / "data").glob("*.tar"))}
    tell("tables")
    _tables(stage, rows, drops, splits, staging, found, sums, ctx)
    stats, checks = statistics(found, staging), quality(found, staging)
    write_json(stage / "stats" / "stats.json", stats)
    write_json(stage / "stats" / "quality.json", checks)
    tell("catalogue")
    body = write_stac(stage / "stac", staging, found, clock, sums)
    table = stage / "metadata" / "samples.parquet"
    write_items(table, stage / "stac" / "items.parquet", staging, body, clock)
    tell("card and provenance")
    write_legal(stage, staging, found)
    write_papers(stage, staging, found)
    write_provenance(stage / "provenance", staging)
    write_bytes(stage / "provenance" / "manifest.schema.json", SCHEMA.read_bytes())
    write_card(stage, staging, found, stats, checks)
    tell("manifest")
    known = {
        f"data/{name}": {
            "bytes": entry["bytes"],
            "sha256": entry["sha256"],
            "rows": found.shards[name].samples,
            "split": found.shards[name].split,
        }
        for name, entry in sums.items()
    }
    files = listed(stage, known)
    config = sha256(stage / "provenance" / "config.yaml")
    final = manifest(staging, found, files, write_sums(stage, files), config, previous)
    commit(stage, final)
    return final


def licensed(staging: Staging, found: Survey) -> None:
    """Refuse a release with a source, or a sample, that has no licence.

    Raises:
        UsageError: naming the source.
    """
    for credit in staging.credits:
        if not credit.licence:
            raise UsageError(f"{credit.role}: {credit.title} has no licence; pass one")
    for key, scene in staging.scenes.items():
        if not scene.licence:
            raise UsageError(f"scene {key} has no licence; pass one for its role")
    if found.licences[""]:
        bare = counted(found.licences[""], "sample")
        raise UsageError(f"{bare} without a licence for the pixels; pass one")


def accounted(stage: Path, staging: Staging, found: Survey) -> None:
    """Rows, tar files and counts must tell the same story.

    Raises:
        BuildError: with the first thing that does not.
    """
    shipped = sum(found.samples.values())
    if not shipped:
        raise BuildError("no sample is left to ship; see the reasons of the drops")
    if not balanced(staging.counts) or staging.counts.get("shipped") != shipped:
        raise BuildError(
            f"counts do not add up: {staging.counts}, {counted(shipped, 'row')} packed"
        )
    tars = {path.name for path in (stage / "data").glob("*.tar")}
    if tars != set(found.shards):
        odd = sorted(tars ^ set(found.shards))
        raise BuildError(f"tar files and rows disagree on {', '.join(odd[:5])}")


def _tables(
    stage: Path, rows: Path, drops: Path, splits: Path, staging: Staging, found: Survey,
    sums: dict[str, dict[str, Any]], ctx: Any,
) -> None:  # fmt: skip
    folder, recipe = stage / "metadata", staging.recipe
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".release-", dir=rows.parent) as scratch:
        write_samples(rows, folder / "samples.parquet", recipe, Path(scratch))
        write_splits(splits, folder / "splits.parquet", Path(scratch))
        write_drops(drops, folder / "drops.parquet", Path(scratch))
        write_beside(rows, folder, recipe, ctx, Path(scratch))
    write_fgb(folder / "samples.parquet", folder / "samples.fgb", recipe.label)
    write_classes(folder / "classes.json", recipe, found.labels)
    for split in found.samples:
        shards = [
            {"name": s.name, "samples": s.samples, **sums[s.name]}
            for s in found.shards.values()
            if s.split == split
        ]
        write_index(folder / f"wids-{split}.json", f"{recipe.card.name}-{split}", shards)
