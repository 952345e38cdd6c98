"""The split promise, recomputed: distance, overlap, shared objects, look-alikes across splits."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from catalogs.files import read_json
from catalogs.releases.sorting import batches
from catalogs.releases.stats import NEAR_BITS, NEAR_M
from catalogs.releases.verify.findings import Report
from schemas.near import alike_pairs, cosines, cross_split_pairs, parse
from schemas.spacing import breaches, circles, nearest
from schemas.tables import array
from schemas.windows import arcs, unit_vectors

SAMPLES = "metadata/samples.parquet"
QUALITY = "stats/quality.json"
Ints = npt.NDArray[np.int64]


def check_promise(release: Path, manifest: dict[str, Any], report: Report) -> None:
    """No two samples of different splits are near, overlap, share an object or look alike."""
    table = release / SAMPLES
    names = set(pq.read_schema(table).names)
    columns = ["key", "split", *sorted({"osm_type", "osm_id"} & names)]
    facts = pq.read_table(table, columns=columns)
    keys = facts["key"].combine_chunks()
    splits = sorted(pc.unique(facts["split"]).to_pylist())
    codes = pc.index_in(facts["split"], value_set=pa.array(splits)).to_numpy().astype(np.int64)
    xyz, radius = _circles(table, report)
    report.counts["buffer"] += len(keys)
    buffer_m = float(manifest["split_rule"]["buffer_m"])
    pairs, gaps = breaches(xyz, radius, codes, max(buffer_m, 0.0))
    for (a, b), apart in zip(pairs, gaps, strict=True):
        if apart < buffer_m - 1e-3:
            report.fault(
                "buffer", SAMPLES,
                f"{keys[a]} ({splits[codes[a]]}) and {keys[b]} ({splits[codes[b]]}) lie "
                f"{apart:.0f} m apart, the buffer is {buffer_m:.0f} m",
            )  # fmt: skip
    _overlaps(table, pairs[gaps < 0], keys, splits, codes, report)
    stated: dict[str, Any] = {}
    with report.reading("quality", QUALITY):
        stated = read_json(release / QUALITY)
        _gaps(stated, nearest(xyz, radius, codes), splits, report)
    if {"osm_type", "osm_id"} <= names:
        _objects(facts, keys, splits, codes, report)
    if "phash" in names:
        _twins(table, xyz, keys, splits, codes, report)
    _alike(stated, table, names, xyz, keys, splits, codes, report)


def _circles(
    table: Path, report: Report
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Circles of all samples from their grids; footprints that lie elsewhere are reported."""
    found = [(np.empty((0, 3)), np.empty(0))]
    columns = ["key", "crs", "transform", "width", "height", "geometry"]
    for batch in batches([table], columns, rows=4096):
        affine = batch.column("transform").flatten().to_numpy(zero_copy_only=False)
        xyz, radius = circles(
            batch.column("crs").to_pylist(), affine.reshape(-1, 6),
            batch.column("width").to_numpy(), batch.column("height").to_numpy(),
        )  # fmt: skip
        shapes = shapely.from_wkb(batch.column("geometry").to_numpy(zero_copy_only=False))
        points, rows = shapely.get_coordinates(shapes, return_index=True)
        away = arcs(np.linalg.norm(unit_vectors(*points.T) - xyz[rows], axis=1))
        reach = np.zeros(len(shapes))
        np.maximum.at(reach, rows, away)
        for row in np.flatnonzero(np.abs(reach - radius) > 0.02 * radius + 1):
            key = batch.column("key")[int(row)]
            text = f"{key}: its footprint is not that of its grid (crs, transform, width, height)"
            report.fault("footprints", SAMPLES, text)
        found.append((xyz, radius))
    return np.concatenate([xyz for xyz, _ in found]), np.concatenate([r for _, r in found])


def _overlaps(
    table: Path, pairs: Ints, keys: pa.Array, splits: list[str], codes: Ints, report: Report
) -> None:
    """Of pairs whose circles overlap, those whose footprints do."""
    report.counts["overlap"] += len(keys)
    if not len(pairs):
        return
    rows = np.unique(pairs)
    wkb = pq.read_table(table, columns=["geometry"])["geometry"].take(rows)
    shapes = dict(zip(rows.tolist(), shapely.from_wkb(wkb.to_numpy()), strict=True))
    for a, b in pairs.tolist():
        if shapely.area(shapely.intersection(shapes[a], shapes[b])) > 0:
            report.fault(
                "overlap", SAMPLES,
                f"footprints of {keys[a]} ({splits[codes[a]]}) and {keys[b]} ({splits[codes[b]]}) "
                "overlap",
            )  # fmt: skip


def _gaps(
    quality: dict[str, Any], found: dict[tuple[int, int], float], splits: list[str], report: Report
) -> None:
    stated = quality["splits"]["least_gap_m"]
    measured = {f"{splits[a]}-{splits[b]}": gap for (a, b), gap in found.items()}
    same = stated.keys() == measured.keys() and all(
        abs(stated[pair] - gap) < 1 for pair, gap in measured.items()
    )
    said = f"least distances between splits are {measured}, the report says {stated}"
    report.expect(same, "quality", QUALITY, said)


def _objects(
    facts: pa.Table, keys: pa.Array, splits: list[str], codes: Ints, report: Report
) -> None:
    """No OpenStreetMap object serves two splits."""
    there = pc.is_valid(facts["osm_id"]).to_numpy()
    kind = pc.fill_null(facts["osm_type"].combine_chunks().dictionary_encode().indices, -1)
    ids = np.stack([kind.to_numpy(), pc.fill_null(facts["osm_id"], 0).to_numpy()], axis=1)
    rows = np.flatnonzero(there)
    report.counts["objects"] += len(rows)
    order = rows[np.lexsort((codes[rows], ids[rows, 1], ids[rows, 0]))]
    same = (ids[order[1:]] == ids[order[:-1]]).all(axis=1) & (codes[order[1:]] != codes[order[:-1]])
    for place in np.flatnonzero(same):
        a, b = int(order[place]), int(order[place + 1])
        report.fault(
            "objects", SAMPLES,
            f"{keys[a]} ({splits[codes[a]]}) and {keys[b]} ({splits[codes[b]]}) show the same "
            f"object {facts['osm_type'][a]}/{facts['osm_id'][a]}",
        )  # fmt: skip


def _twins(
    table: Path, xyz: npt.NDArray[np.float64], keys: pa.Array, splits: list[str], codes: Ints,
    report: Report,
) -> None:  # fmt: skip
    """No two pictures of different splits look alike and lie near."""
    column = pq.read_table(table, columns=["phash"])["phash"]
    phash, valid = parse(column.to_pylist())
    report.counts["near_duplicates"] += int(valid.sum())
    for a, b in cross_split_pairs(phash, valid, codes, xyz, NEAR_BITS, NEAR_M).tolist():
        bits = int(np.bitwise_count(phash[a] ^ phash[b]))
        report.fault(
            "near_duplicates", SAMPLES,
            f"{keys[a]} ({splits[codes[a]]}) and {keys[b]} ({splits[codes[b]]}) look alike "
            f"({bits} of 64 bits differ)",
        )  # fmt: skip


def _alike(
    quality: dict[str, Any], table: Path, names: set[str], xyz: npt.NDArray[np.float64], keys: pa.Array,
    splits: list[str], codes: Ints, report: Report,
) -> None:  # fmt: skip
    """No two vectors of different splits are as alike as the release promises they are not."""
    for rule in quality.get("near_duplicates", {}).get("vectors", []):
        name = rule["column"]
        if not report.expect(name in names, "near_duplicates", SAMPLES, f"has no column {name}"):
            continue
        vectors = array(pq.read_table(table, columns=[name])[name])
        report.counts["near_duplicates"] += len(vectors)
        for a, b in alike_pairs(vectors, codes, xyz, rule["cosine"], rule["radius_m"]).tolist():
            found = cosines(vectors[[a]], vectors[[b]])[0]
            report.fault(
                "near_duplicates", SAMPLES,
                f"{keys[a]} ({splits[codes[a]]}) and {keys[b]} ({splits[codes[b]]}) look alike "
                f"(cosine of {name} {found:.3f})",
            )  # fmt: skip
