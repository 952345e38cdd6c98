"""Ways to damage a release and to seal it again, so that only `verify` can tell."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import read_json, sha256
from catalogs.releases.manifest import commit, listed, write_sums
from catalogs.releases.verify import Finding, verify


def reseal(release: Path, **changes: Any) -> None:
    """Sums and manifest of whatever lies in the folder now: a fault that no checksum shows."""
    body = read_json(release / "manifest.json")
    known = {e["path"]: e for e in body["files"]}
    files = []
    for entry in listed(release, {}):
        old = known.get(entry["path"], {})
        extra = {k: old[k] for k in ("rows", "split") if k in old and k not in entry}
        files.append({**entry, **extra})
    body |= {"files": files, "sha256sums_sha256": write_sums(release, files), **changes}
    body["totals"] |= {"files": len(files), "bytes": sum(e["bytes"] for e in files)}
    for split, entry in body["splits"].items():
        tars = [e for e in files if e["path"].startswith("data/") and e.get("split") == split]
        entry["bytes"] = sum(e["bytes"] for e in tars)
    body.pop("self_sha256")
    commit(release, body)


def checks(release: Path) -> dict[str, list[Finding]]:
    """Findings by check."""
    found: dict[str, list[Finding]] = {}
    for finding in verify(release):
        found.setdefault(finding.check, []).append(finding)
    return found


def edit(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the rows of a Parquet file in place, schema and metadata kept."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)


def repack(path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """Change the members of a tar file."""
    with tarfile.open(path) as tar:
        entries = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    change(entries)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def change_member(
    release: Path, extension: str, change: Callable[[bytes], bytes], key: str = "way-val-0003"
) -> None:
    """Change one member's bytes and repair offsets, sums and manifest."""
    path = release / "data" / "val-000000.tar"

    def swap(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        for place, (info, data) in enumerate(entries):
            if info.name == f"{key}.{extension}":
                entries[place] = (info, change(data))

    repack(path, swap)
    places: dict[str, dict[str, Any]] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            stem, _, ext = info.name.partition(".")
            entry = places.setdefault(stem, {"sum": hashlib.sha256()})
            column = ext.replace(".", "_")
            entry[f"{column}_offset"], entry[f"{column}_size"] = info.offset_data, info.size
            entry["sum"].update(tar.extractfile(info).read())  # type: ignore[union-attr]

    def move(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["key"] in places:
                entry = dict(places[row["key"]])
                row["sha256"] = entry.pop("sum").hexdigest()
                row.update(entry)

    edit(release / "metadata" / "samples.parquet", move)
    refresh_shard(release, path)
    reseal(release)


def refresh_shard(release: Path, path: Path) -> None:
    """Let STAC and the shard index state the tar file as it is now."""
    item = release / "stac" / "shards" / f"{path.stem}.json"
    body = read_json(item)
    body["assets"]["shard"]["file:size"] = path.stat().st_size
    body["assets"]["shard"]["file:checksum"] = "1220" + sha256(path)
    item.write_text(json.dumps(body))
    index = release / "metadata" / f"wids-{path.name.split('-')[0]}.json"
    body = read_json(index)
    for entry in body["shardlist"]:
        if entry["url"].endswith(path.name):
            entry["filesize"] = path.stat().st_size
            entry["md5sum"] = hashlib.md5(path.read_bytes()).hexdigest()
    index.write_text(json.dumps(body))


def facts(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """A change of a JSON member."""

    def apply(data: bytes) -> bytes:
        body = json.loads(data)
        change(body)
        return json.dumps(body).encode()

    return apply
