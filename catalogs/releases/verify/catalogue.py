"""The STAC part: valid core documents, one Item a shard, one row a sample, the manifest's sums."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.files import read_json
from catalogs.releases.verify.findings import Report
from schemas.text import counted

ITEMS = "stac/items.parquet"


def check_stac(release: Path, manifest: dict[str, Any], report: Report) -> None:
    """Walk from catalog.json by its links, then compare items.parquet with samples.parquet."""
    tars = {e["path"]: e for e in manifest["files"] if e["path"].startswith("data/")}
    seen: set[str] = set()
    with report.reading("stac", "stac"):
        for name in _walk("stac/catalog.json", release, report):
            body = read_json(release / name)
            _core(name, body, report)
            if body["type"] == "Feature":
                seen |= _shard(name, body, release, tars, report)
    for path in sorted(set(tars) - seen):
        report.fault("stac", path, "no STAC Item points to it")
    with report.reading("stac", ITEMS):
        _items(release, report)


def _walk(start: str, release: Path, report: Report) -> list[str]:
    """Documents reached by child and item links, each once."""
    found, queue = [], [start]
    while queue:
        name = queue.pop(0)
        if name in found:
            continue
        if not (release / name).is_file():
            report.fault("stac", name, "a STAC link points to it, but it is missing")
            continue
        found.append(name)
        for link in read_json(release / name).get("links", []):
            if link["rel"] in ("child", "item"):
                full = (release / name).parent / link["href"]
                queue.append(full.resolve().relative_to(release.resolve()).as_posix())
    return found


def _core(name: str, body: dict[str, Any], report: Report) -> None:
    """Against the core schemas that pystac carries; extension schemas would need the network."""
    report.counts["stac"] += 1
    try:
        from pystac.errors import STACError, STACValidationError
        from pystac.validation import validate_dict
    except ImportError:
        note = "pystac is not installed: STAC documents not checked against the core schemas"
        if note not in report.notes:
            report.notes.append(note)
        return
    try:
        validate_dict({**body, "stac_extensions": []}, extensions=[], href=name)
    except (STACValidationError, STACError) as error:
        report.fault("stac", name, " ".join(str(error).split())[:300])


def _shard(
    name: str, body: dict[str, Any], release: Path, tars: dict[str, Any], report: Report
) -> set[str]:
    """An Item agrees with the manifest; returns the tar file that it points to."""
    asset = body["assets"]["shard"]
    full = ((release / name).parent / asset["href"]).resolve()
    path = full.relative_to(release.resolve()).as_posix()
    entry = tars.get(path)
    if entry is None:
        report.fault("stac", name, f"points to {path}, which the manifest does not know")
        return set()
    stated = {
        "file:size": (asset["file:size"], entry["bytes"]),
        "file:checksum": (asset["file:checksum"], "1220" + entry["sha256"]),
        "samples": (body["properties"]["samples"], entry["rows"]),
        "split": (body["properties"]["split"], entry["split"]),
    }
    for what, (said, true) in stated.items():
        report.expect(said == true, "stac", name, f"{what} is {said}, the manifest says {true}")
    return {path}


def _items(release: Path, report: Report) -> None:
    items = pq.read_table(release / ITEMS, columns=["id", "split", "bbox"])
    samples = pq.read_table(
        release / "metadata" / "samples.parquet", columns=["key", "split", "bbox"]
    )
    report.counts["items"] += items.num_rows
    said = f"{counted(items.num_rows, 'item')} for {counted(samples.num_rows, 'row')} of samples"
    if not report.expect(items.num_rows == samples.num_rows, "stac", ITEMS, said):
        return
    places = pc.index_in(samples["key"], value_set=items["id"].combine_chunks())
    for key in samples["key"].filter(pc.is_null(places)).to_pylist():
        report.fault("stac", ITEMS, f"{key} has no item")
    there = pc.is_valid(places)
    held, rows = items.take(places.filter(there)), samples.filter(there)
    differ = pc.not_equal(held["split"], rows["split"])
    for side in ("xmin", "ymin", "xmax", "ymax"):
        one, two = (pc.struct_field(t["bbox"].combine_chunks(), side) for t in (held, rows))
        differ = pc.or_(differ, pa.chunked_array([pc.not_equal(one, two)]))
    for key in held["id"].filter(differ).to_pylist():
        report.fault("stac", ITEMS, f"{key}: split or bbox differs from samples.parquet")
