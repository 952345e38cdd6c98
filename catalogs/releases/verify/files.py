"""Every file is there, whole and unaltered, and nothing else is."""

import hashlib
from pathlib import Path
from typing import Any

from catalogs.files import json_bytes, read_json, sha256
from catalogs.releases.tables import digests
from catalogs.releases.verify.findings import Report

UNSAFE = {".py", ".pyc", ".pkl", ".pickle", ".pt", ".pth", ".npy", ".joblib", ".so", ".exe", ".sh"}
"""Endings of files that run or unpickle code when opened."""

SCHEMA = Path(__file__).parents[3] / "schemas" / "manifest.schema.json"


def read_manifest(release: Path, report: Report) -> dict[str, Any] | None:
    """The manifest, or None when there is none to trust: then no release exists."""
    path = release / "manifest.json"
    if not report.expect(path.is_file(), "manifest", "manifest.json", "missing: no release"):
        return None
    found: dict[str, Any] | None = None
    with report.reading("manifest", "manifest.json"):
        body = read_json(path)
        stated = body.get("self_sha256", "")
        rest = {name: value for name, value in body.items() if name != "self_sha256"}
        same = hashlib.sha256(json_bytes(rest)).hexdigest() == stated
        whole = path.read_bytes() == json_bytes(body)
        report.expect(same and whole, "manifest", "manifest.json", "altered: own sum differs")
        _pointer(release, body, report)
        if _valid(body, report):
            found = body
    return found


def _pointer(release: Path, body: dict[str, Any], report: Report) -> None:
    """`latest.json` beside the release, when it names this version, knows this manifest."""
    path = release.parent / "latest.json"
    if path.is_file():
        pointer = read_json(path)
        if pointer["version"] == body["version"] and pointer["dataset"] == body["dataset"]:
            same = pointer["manifest_sha256"] == sha256(release / "manifest.json")
            said = "its sha256 differs from the one in latest.json"
            report.expect(same, "manifest", "manifest.json", said)


def _valid(body: dict[str, Any], report: Report) -> bool:
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        report.notes.append(
            "jsonschema is not installed: manifest.json not checked against its schema"
        )
        return True
    errors = sorted(Draft202012Validator(read_json(SCHEMA)).iter_errors(body), key=str)
    for error in errors[:10]:
        where = "/".join(str(part) for part in error.absolute_path)
        report.fault("manifest", "manifest.json", f"{where}: {error.message[:200]}")
    return not errors


def check_files(release: Path, manifest: dict[str, Any], report: Report) -> dict[str, str]:
    """Compare disk, manifest and SHA256SUMS; returns the md5 of each file that is as it should."""
    listed = {entry["path"]: entry for entry in manifest["files"]}
    sums = _sums(release, manifest, report)
    for path in sorted(set(listed) ^ set(sums)) if sums is not None else []:
        where = "SHA256SUMS" if path in listed else "manifest.json"
        report.fault("files", path, f"not listed in {where}")
    good: dict[str, str] = {}
    for path, entry in listed.items():
        report.counts["files"] += 1
        full = release / path
        if ".." in Path(path).parts or full.is_symlink() or not full.is_file():
            report.fault("files", path, "missing")
            continue
        found = digests(full)
        if found["bytes"] < entry["bytes"]:
            report.fault("files", path, f"truncated: {found['bytes']} of {entry['bytes']} bytes")
        elif found["sha256"] != entry["sha256"]:
            report.fault("files", path, "altered: sha256 differs from the manifest")
        elif sums is not None and sums.get(path, found["sha256"]) != found["sha256"]:
            report.fault("files", path, "altered: sha256 differs from SHA256SUMS")
        else:
            good[path] = found["md5"]
    _extra(release, set(listed), report)
    _totals(manifest, report)
    return good


def _sums(release: Path, manifest: dict[str, Any], report: Report) -> dict[str, str] | None:
    path = release / "SHA256SUMS"
    if not report.expect(path.is_file(), "files", "SHA256SUMS", "missing"):
        return None
    same = sha256(path) == manifest["sha256sums_sha256"]
    report.expect(same, "files", "SHA256SUMS", "altered: sha256 differs from the manifest")
    found: dict[str, str] = {}
    with report.reading("files", "SHA256SUMS"):
        for line in path.read_text(encoding="utf-8").splitlines():
            digest, name = line.split("  ", 1)
            found[name] = digest
    return found if same else None


def _extra(release: Path, listed: set[str], report: Report) -> None:
    for path in sorted(release.rglob("*")):
        name = path.relative_to(release).as_posix()
        if path.is_symlink():
            report.fault("files", name, "a link; releases hold plain files")
        elif path.is_file() and name not in listed and name not in ("SHA256SUMS", "manifest.json"):
            report.fault("files", name, "extra: not listed in the manifest")
        if path.suffix.lower() in UNSAFE:
            report.fault("safety", name, "a file that can run code has no place in a release")


def _totals(manifest: dict[str, Any], report: Report) -> None:
    files, totals = manifest["files"], manifest["totals"]
    tars = [entry for entry in files if entry["path"].startswith("data/")]
    measured = {
        "files": len(files),
        "bytes": sum(entry["bytes"] for entry in files),
        "shards": len(tars),
        "samples": sum(entry.get("rows", 0) for entry in tars),
    }
    for name, value in measured.items():
        report.expect(
            totals[name] == value, "manifest", "manifest.json",
            f"totals/{name} says {totals[name]}, the files add up to {value}",
        )  # fmt: skip
    for split, stated in manifest["splits"].items():
        own = [entry for entry in tars if entry.get("split") == split]
        same = stated == {
            "shards": len(own),
            "samples": sum(entry.get("rows", 0) for entry in own),
            "bytes": sum(entry["bytes"] for entry in own),
        }
        report.expect(same, "manifest", "manifest.json", f"splits/{split} differs from the files")
