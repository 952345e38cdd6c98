"""Parcels in a release: each in one split, known by its key, its numbers with its own label."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.files import read_json
from catalogs.keys import Keys
from catalogs.releases.verify.findings import Report
from schemas.spacing import breaches, circles

SAMPLES = "metadata/samples.parquet"
NUMBERS = "metadata/patch_parcels.parquet"
PARCELS = "metadata/parcels.parquet"
STATISTICS = "metadata/oad.parquet"
SCENARIOS = "metadata/scenarios.parquet"
TOLD = "metadata/scenarios.json"

APART = ("scenario_2", "scenario_3")
"""Scenarios in which no tile may be both learnt from and tested, nor a place within the buffer."""

ROWS = 1 << 14
"""Rows of a table that are held at a time."""


def check_parcels(release: Path, good: set[str], report: Report) -> None:
    """Recompute what a release of parcels promises; nothing to do in one without.

    Of the parcels only their keys are held, as `catalogs.keys` holds them.

    Args:
        good: files that are there and unaltered.
    """
    if NUMBERS in good:
        with report.reading("parcels", NUMBERS):
            shown = _shown(release, report)
            _one_split(shown, report)
            if PARCELS in good:
                _known(release, shown, report)
            if STATISTICS in good:
                _statistics(release, report)
    if SCENARIOS in good:
        with report.reading("scenarios", SCENARIOS):
            _scenarios(release, read_json(release / TOLD) if TOLD in good else {}, report)


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as table:
        yield from table.iter_batches(ROWS, columns=columns)


def _shown(release: Path, report: Report) -> dict[str, Keys]:
    """Parcels by the split of the patches that show them, "" of patches that are not shipped."""
    samples = pq.read_table(release / SAMPLES, columns=["key", "split"])
    keys, splits = (samples[name].combine_chunks() for name in ("key", "split"))
    found: dict[str, Keys] = defaultdict(Keys)
    strange = Keys()
    for batch in _batches(release / NUMBERS, ["patch", "parcel"]):
        place = pc.index_in(batch["patch"], value_set=keys)
        split = pc.fill_null(splits.take(place), "")
        for name in pc.unique(split).to_pylist():
            found[name].add(batch["parcel"].filter(pc.equal(split, name)).to_pylist())
        strange.add(pc.unique(batch["patch"].filter(pc.is_null(place))).to_pylist())
    for patch in strange.names().tolist():
        report.fault("parcels", NUMBERS, f"{patch.decode()} is no sample of this release")
    return found


def _one_split(shown: dict[str, Keys], report: Report) -> None:
    """No parcel lies in patches of two splits."""
    torn: dict[str, set[str]] = defaultdict(set)
    for one, two in combinations(sorted(split for split in shown if split), 2):
        for name in shown[one].shared(shown[two]):
            torn[name] |= {one, two}
    known = sum(len(keys) for split, keys in shown.items() if split)
    report.counts["parcels"] += known - sum(len(splits) - 1 for splits in torn.values())
    for name, splits in sorted(torn.items()):
        said = f"{name} is shown in {max(splits)} and in {min(splits)}"
        report.fault("parcels", NUMBERS, said)


def _known(release: Path, shown: dict[str, Keys], report: Report) -> None:
    """Every parcel of a patch stands in the table of parcels."""
    there = {split: np.zeros(len(keys), bool) for split, keys in shown.items()}
    for batch in _batches(release / PARCELS, ["id"]):
        for split, keys in shown.items():
            places = keys.places(batch["id"].to_pylist())
            there[split][places[places >= 0]] = True
    lost = {name for split, keys in shown.items() for name in keys.names()[~there[split]].tolist()}
    for name in sorted(lost):
        report.fault("parcels", PARCELS, f"has no parcel {name.decode()}, which a patch shows")


def _statistics(release: Path, report: Report) -> None:
    """One row for each parcel and patch, in the same order, with the same label."""

    def pairs(column: str) -> Iterator[tuple[Any, Any]]:
        paths = (release / STATISTICS, release / NUMBERS)
        sides = ((v for b in _batches(path, [column]) for v in b[0].to_pylist()) for path in paths)
        return zip(*sides, strict=False)

    told, rows = (pq.read_metadata(release / name).num_rows for name in (STATISTICS, NUMBERS))
    same = told == rows and all(one == two for one, two in pairs("parcel_id"))
    said = f"{told} rows are not those of {NUMBERS} ({rows}), one for each parcel and patch"
    if report.expect(same, "parcels", STATISTICS, said):
        wrong = (one != two for one, two in pairs("label"))
        for (name, _), differs in zip(pairs("parcel_id"), wrong, strict=True):
            if differs:
                report.fault("parcels", STATISTICS, f"{name}: its label is not that of {NUMBERS}")


def _scenarios(release: Path, told: dict[str, Any], report: Report) -> None:
    """Every sample has its place, scenario 1 is the split, and in the others both sides are apart."""
    names = ["key", "split", "patch_tile", "year", "crs", "transform", "width", "height"]
    table = pq.read_table(release / SCENARIOS).sort_by("key")
    samples = pq.read_table(release / SAMPLES, columns=names).sort_by("key")
    same = table["key"].to_pylist() == samples["key"].to_pylist()
    if not report.expect(same, "scenarios", SCENARIOS, f"its keys are not those of {SAMPLES}"):
        return
    first = table["scenario_1"].to_pylist() == samples["split"].to_pylist()
    report.expect(first, "scenarios", SCENARIOS, "scenario_1 is not the column `split`")
    for name in APART:
        sides = np.array([_side(split) for split in table[name].to_pylist()], np.int64)
        for tile in _both(sides, samples["patch_tile"].to_pylist()):
            said = f"{name}: tile {tile} is learnt from and tested"
            report.fault("scenarios", SCENARIOS, said)
        for year in _both(sides, samples["year"].to_pylist()) if name == APART[1] else ():
            said = f"{name}: year {year} is learnt from and tested"
            report.fault("scenarios", SCENARIOS, said)
        _buffer(name, sides, samples, float(told.get(name, {}).get("buffer_m", 0.0)), report)


def _side(split: str) -> int:
    """1 tested, 0 learnt from, -1 neither."""
    return int(split == "test") if split else -1


def _both(sides: npt.NDArray[np.int64], values: list[Any]) -> list[Any]:
    """Values that stand on both sides, rising."""
    learnt, tested = ({v for v, s in zip(values, sides, strict=True) if s == n} for n in (0, 1))
    return sorted(learnt & tested)


def _buffer(
    name: str, sides: npt.NDArray[np.int64], samples: pa.Table, buffer_m: float, report: Report
) -> None:
    """No patch that is learnt from lies within the buffer of one that is tested."""
    affine = np.asarray(samples["transform"].combine_chunks().flatten()).reshape(-1, 6)
    xyz, radius = circles(
        samples["crs"].to_pylist(),
        affine,
        samples["width"].to_numpy(),
        samples["height"].to_numpy(),
    )
    pairs, gaps = breaches(xyz, radius, sides, buffer_m)
    for (one, two), gap in zip(pairs.tolist(), gaps.tolist(), strict=True):
        if gap < buffer_m - 1e-3:
            report.fault(
                "scenarios", SCENARIOS,
                f"{name}: {samples['key'][one]} and {samples['key'][two]} lie {gap:.0f} m apart, one is "
                f"learnt from and one tested, the buffer is {buffer_m:.0f} m",
            )  # fmt: skip
