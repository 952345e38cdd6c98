"""Parcels in a release: each in one split, known by its key, its numbers with its own label."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.releases.verify.findings import Report

SAMPLES = "metadata/samples.parquet"
NUMBERS = "metadata/patch_parcels.parquet"
PARCELS = "metadata/parcels.parquet"
STATISTICS = "metadata/oad.parquet"
SCENARIOS = "metadata/scenarios.parquet"

APART = {"scenario_2": ("patch_tile",), "scenario_3": ("patch_tile", "year")}
"""Of what, in these scenarios, nothing may be both learnt from and tested."""


def check_parcels(release: Path, good: set[str], report: Report) -> None:
    """Recompute what a release of parcels promises; nothing to do in one without.

    Args:
        good: files that are there and unaltered.
    """
    if NUMBERS in good:
        with report.reading("parcels", NUMBERS):
            rows = _rows(release, report)
            _one_split(rows, report)
            if PARCELS in good:
                _known(release, rows, report)
            if STATISTICS in good:
                _statistics(release, rows, report)
    if SCENARIOS in good:
        with report.reading("scenarios", SCENARIOS):
            _scenarios(release, report)


def _rows(release: Path, report: Report) -> pa.Table:
    """Parcels of patches with the split of the patch; of patches that are not shipped null."""
    rows = pq.read_table(release / NUMBERS, columns=["patch", "parcel_id", "parcel", "label"])
    samples = pq.read_table(release / SAMPLES, columns=["key", "split"])
    place = pc.index_in(rows["patch"], value_set=samples["key"].combine_chunks())
    for patch in pc.unique(rows["patch"].filter(pc.is_null(place))).to_pylist():
        report.fault("parcels", NUMBERS, f"{patch} is no sample of this release")
    return rows.append_column("split", samples["split"].take(place))


def _one_split(rows: pa.Table, report: Report) -> None:
    """No parcel lies in patches of two splits."""
    found = rows.group_by("parcel").aggregate([("split", "min"), ("split", "max")])
    report.counts["parcels"] += len(found)
    torn = found.filter(pc.not_equal(found["split_min"], found["split_max"]))
    for row in torn.sort_by("parcel").to_pylist():
        said = f"{row['parcel']} is shown in {row['split_max']} and in {row['split_min']}"
        report.fault("parcels", NUMBERS, said)


def _known(release: Path, rows: pa.Table, report: Report) -> None:
    """Every parcel of a patch stands in the table of parcels."""
    ids = pq.read_table(release / PARCELS, columns=["id"])["id"].combine_chunks()
    strange = rows.filter(pc.invert(pc.is_in(rows["parcel"], value_set=ids)))
    for name in pc.unique(strange["parcel"]).to_pylist():
        report.fault("parcels", PARCELS, f"has no parcel {name}, which a patch shows")


def _statistics(release: Path, rows: pa.Table, report: Report) -> None:
    """One row for each parcel and patch, in the same order, with the same label."""
    told = pq.read_table(release / STATISTICS, columns=["parcel_id", "label"])
    same = told["parcel_id"].equals(rows["parcel_id"])
    said = (
        f"{len(told)} rows are not those of {NUMBERS} ({len(rows)}), one for each parcel and patch"
    )
    if report.expect(same, "parcels", STATISTICS, said):
        wrong = pc.not_equal(told["label"], rows["label"])
        for name in told["parcel_id"].filter(wrong).to_pylist():
            report.fault("parcels", STATISTICS, f"{name}: its label is not that of {NUMBERS}")


def _scenarios(release: Path, report: Report) -> None:
    """Every sample has its place, scenario 1 is the split, no tile or year is on both sides of others."""
    table = pq.read_table(release / SCENARIOS).sort_by("key")
    names = ["key", "split", *APART["scenario_3"]]
    samples = pq.read_table(release / SAMPLES, columns=names).sort_by("key")
    same = table["key"].to_pylist() == samples["key"].to_pylist()
    if not report.expect(same, "scenarios", SCENARIOS, f"its keys are not those of {SAMPLES}"):
        return
    first = table["scenario_1"].to_pylist() == samples["split"].to_pylist()
    report.expect(first, "scenarios", SCENARIOS, "scenario_1 is not the column `split`")
    for name, column in ((name, column) for name, own in APART.items() for column in own):
        sides: dict[bool, set[Any]] = {True: set(), False: set()}
        for split, value in zip(table[name].to_pylist(), samples[column].to_pylist(), strict=True):
            if split:
                sides[split == "test"].add(value)
        for value in sorted(sides[True] & sides[False]):
            said = f"{name}: {column.removeprefix('patch_')} {value} is learnt from and tested"
            report.fault("scenarios", SCENARIOS, said)
