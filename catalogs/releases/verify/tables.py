"""The tables agree with each other and with the manifest; every sample names its sources."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from catalogs.files import read_json
from catalogs.geoparquet import sides
from catalogs.releases.sorting import batches
from catalogs.releases.verify.findings import Report
from schemas.tables import DROPS, SPLITS
from schemas.text import counted

SAMPLES = "metadata/samples.parquet"
NEVER_NULL = (
    "key", "split", "shard", "index", "sha256", "crs", "transform", "width", "height", "gsd_m",
    "lon", "lat", "scene_ids", "license", "attribution", "bbox", "geometry",
)  # fmt: skip


def check_samples(release: Path, manifest: dict[str, Any], report: Report) -> None:
    """samples.parquet is GeoParquet 1.1 with true bounds; what must be known of a sample is."""
    total = 0
    with report.reading("geoparquet", SAMPLES), pq.ParquetFile(release / SAMPLES) as file:
        geo = json.loads(file.schema_arrow.metadata[b"geo"])
        column = geo["columns"][geo["primary_column"]]
        fine = geo["version"] == "1.1.0" and column["encoding"] == "WKB" and "covering" in column
        report.expect(
            fine, "geoparquet", SAMPLES, "not GeoParquet 1.1 with WKB and a bbox covering"
        )
        total = file.metadata.num_rows
        names = set(file.schema_arrow.names)
        for name in set(NEVER_NULL) - names:
            report.fault("geoparquet", SAMPLES, f"column {name} is missing")
        sources = _sources(release, report)
        for batch in file.iter_batches(batch_size=4096):
            _known(batch, names, sources, report)
            _bounds(batch, column["bbox"], report)
    stated = manifest["totals"]["samples"]
    said = f"{counted(total, 'row')}, the manifest says {counted(stated, 'sample')}"
    report.expect(total == stated, "counts", SAMPLES, said)


def _known(batch: pa.RecordBatch, names: set[str], sources: pa.Array, report: Report) -> None:
    keys = batch.column("key")
    report.counts["provenance"] += batch.num_rows
    for name in NEVER_NULL:
        if name in names:
            _name(keys, pc.is_null(batch.column(name)), f"{name} is not known", report)
    for name in ("license", "attribution", "crs"):
        _name(keys, pc.equal(batch.column(name), ""), f"{name} is empty", report)
    scenes = batch.column("scene_ids")
    _name(keys, pc.equal(pc.list_value_length(scenes), 0), "scene_ids is empty", report)
    if sources is not None:
        missing = pc.invert(pc.is_in(pc.list_flatten(scenes), value_set=sources))
        rows = pc.list_parent_indices(scenes).filter(missing)
        for row in dict.fromkeys(rows.to_pylist()):
            text = f"{keys[row]}: a scene of it is not in provenance/sources.parquet"
            report.fault("provenance", SAMPLES, text)
    if "osm_id" in names:
        there = pc.is_valid(batch.column("osm_id"))
        for name in {"osm_type", "osm_version"} & names:
            lost = pc.and_(there, pc.is_null(batch.column(name)))
            _name(keys, lost, f"{name} of its OpenStreetMap object is not known", report)


def _name(keys: pa.Array, bad: pa.Array, message: str, report: Report) -> None:
    for key in keys.filter(pc.fill_null(bad, False)).to_pylist():
        report.fault("provenance", SAMPLES, f"{key}: {message}")


def _bounds(batch: pa.RecordBatch, whole: list[float], report: Report) -> None:
    """Each row's bbox is that of its geometry, and lies in the file's."""
    shapes = shapely.from_wkb(batch.column("geometry").to_numpy(zero_copy_only=False))
    true = shapely.bounds(shapes)
    stored = np.stack(sides(batch.column("bbox")), axis=1)
    keys = batch.column("key")
    report.counts["footprints"] += len(shapes)
    broad = (stored[:, 0] == -180) & (stored[:, 2] == 180)
    off = np.abs(true - stored) > 1e-6
    off[broad, 0] = off[broad, 2] = False
    bad = off.any(axis=1) | ~shapely.is_valid(shapes) | shapely.is_empty(shapes)
    for row in np.flatnonzero(bad):
        report.fault("footprints", SAMPLES, f"{keys[int(row)]}: bbox is not that of its geometry")
    low, high = np.array(whole[:2]) - 1e-9, np.array(whole[2:]) + 1e-9
    out = (true[:, :2] < low).any(axis=1) | (true[:, 2:] > high).any(axis=1)
    for row in np.flatnonzero(out):
        report.fault("footprints", SAMPLES, f"{keys[int(row)]}: outside the bbox of the file")


def _sources(release: Path, report: Report) -> pa.Array | None:
    path = "provenance/sources.parquet"
    with report.reading("provenance", path):
        table = pq.read_table(release / path, columns=["id", "license"])
        bad = pc.or_(pc.is_null(table["license"]), pc.equal(table["license"], ""))
        for name in table["id"].filter(pc.fill_null(bad, True)).to_pylist():
            report.fault("provenance", path, f"{name}: a source without a licence")
        report.counts["sources"] += table.num_rows
        return table["id"].combine_chunks()
    return None


def check_accounts(release: Path, manifest: dict[str, Any], report: Report) -> None:
    """planned = shipped + rejected + failed, and splits, drops and samples tell the same story."""
    counts, where = manifest["counts"], "manifest.json"
    losses = counts["rejected"] + counts["failed"]
    report.expect(
        counts["planned"] == counts["shipped"] + losses, "accounting", where,
        f"planned {counts['planned']} is not shipped + rejected + failed: {counts}",
    )  # fmt: skip
    same = counts["shipped"] == manifest["totals"]["samples"]
    report.expect(same, "accounting", where, f"shipped {counts['shipped']} is not the sample count")
    keys, splits = _column(release / SAMPLES, "key"), _column(release / SAMPLES, "split")
    report.counts["keys"] += len(keys)
    for key in _repeated(keys):
        report.fault("keys", SAMPLES, f"{key} occurs more than once")
    with report.reading("accounting", "metadata/drops.parquet"):
        _drops(release / "metadata" / "drops.parquet", counts, keys, report)
    with report.reading("splits", "metadata/splits.parquet"):
        _splits(release / "metadata" / "splits.parquet", keys, splits, report)
    found = {entry["values"]: entry["counts"] for entry in pc.value_counts(splits).to_pylist()}
    with report.reading("classes", "metadata/classes.json"):
        _classes(release / "metadata" / "classes.json", found, report)
    with report.reading("stats", "stats/stats.json"):
        stated = read_json(release / "stats" / "stats.json")["samples"]["splits"]
        said = f"counts {stated}, samples.parquet holds {found}"
        report.expect(stated == found, "stats", "stats/stats.json", said)


def _column(path: Path, name: str) -> pa.Array:
    return pq.read_table(path, columns=[name])[name].combine_chunks()


def _repeated(keys: pa.Array) -> list[str]:
    if pc.count_distinct(keys).as_py() == len(keys):
        return []
    counted = pc.value_counts(keys)
    found: list[str] = (
        counted.field("values").filter(pc.greater(counted.field("counts"), 1)).to_pylist()
    )
    return found


def _drops(path: Path, counts: dict[str, int], keys: pa.Array, report: Report) -> None:
    where = "metadata/drops.parquet"
    with pq.ParquetFile(path) as file:
        same = file.schema_arrow.remove_metadata().equals(DROPS)
        report.expect(same, "accounting", where, "its columns are not those of a drops table")
    found = {"rejected": 0, "failed": 0}
    for batch in batches([path], ["key", "outcome"]):
        for entry in pc.value_counts(batch.column("outcome")).to_pylist():
            found[entry["values"]] = found.get(entry["values"], 0) + entry["counts"]
        both = pc.is_in(batch.column("key"), value_set=keys)
        for key in batch.column("key").filter(both).to_pylist():
            report.fault("accounting", where, f"{key} is dropped and shipped")
    stated = {name: counts[name] for name in ("rejected", "failed")}
    report.expect(
        found == stated, "accounting", where, f"holds {found}, the manifest says {stated}"
    )


def _splits(path: Path, keys: pa.Array, splits: pa.Array, report: Report) -> None:
    where = "metadata/splits.parquet"
    table = pq.read_table(path)
    same = table.schema.remove_metadata().equals(SPLITS)
    report.expect(same, "splits", where, "its columns are not those of a splits table")
    for key in _repeated(table["key"].combine_chunks()):
        report.fault("splits", where, f"{key} occurs more than once")
    places = pc.index_in(keys, value_set=table["key"].combine_chunks())
    for key in keys.filter(pc.is_null(places)).to_pylist():
        report.fault("splits", where, f"{key} is shipped but has no split here")
    there = pc.is_valid(places)
    held = table.take(places.filter(there))
    differ = pc.not_equal(pc.fill_null(held["split"], ""), splits.filter(there))
    for key in held["key"].filter(differ).to_pylist():
        report.fault("splits", where, f"{key} has another split here than in samples.parquet")
    for key in held["key"].filter(pc.fill_null(held["buffer_dropped"], False)).to_pylist():
        report.fault("splits", where, f"{key} is shipped though dropped for the buffer")
    cells = held.group_by(["cell", "split"]).aggregate([])["cell"].combine_chunks()
    for cell in _repeated(cells):
        report.fault("splits", where, f"cell {cell} holds samples of two splits")
    report.counts["splits"] += len(keys)


def _classes(path: Path, found: dict[str, int], report: Report) -> None:
    stated: dict[str, int] = {}
    for entry in read_json(path)["classes"]:
        for split, count in entry["count"].items():
            stated[split] = stated.get(split, 0) + count
    report.expect(
        {k: v for k, v in stated.items() if v} == found, "classes", "metadata/classes.json",
        f"counts add up to {stated}, samples.parquet holds {found}",
    )  # fmt: skip
