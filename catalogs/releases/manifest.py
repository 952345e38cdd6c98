"""`SHA256SUMS`, `manifest.json` (the commit mark of a release) and the `latest.json` pointer."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from catalogs.files import json_bytes, read_json, sha256, write_bytes, write_json
from catalogs.releases.survey import Survey
from schemas.release import Staging
from schemas.tables import facts_schema, json_groups, json_schema

SCHEMA_VERSION = "1.0"
READERS = {
    "python": "3.11",
    "webdataset": "1.0.2",
    "datasets": "5.2.0",
    "pyarrow": "25.0",
    "duckdb": "2.0.0",
    "geopandas": "1.2.0",
    "rasterio": "1.4.4",
    "pystac": "1.15",
    "stac-geoparquet": "0.8.3",
    "rustac": "0.9.18",
}
"""Versions of the readers that the tests open a release with."""


def sums_text(files: list[dict[str, Any]]) -> bytes:
    """`SHA256SUMS` in the form that `sha256sum -c` reads."""
    lines = [f"{entry['sha256']}  {entry['path']}" for entry in files]
    return ("\n".join(sorted(lines, key=lambda line: line[66:])) + "\n").encode()


def listed(stage: Path, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Every file below `stage` but the sums and the manifest, by path.

    Args:
        known: entries (bytes, sha256, rows, split) already measured, by path.
    """
    found = []
    for path in sorted(stage.rglob("*")):
        name = path.relative_to(stage).as_posix()
        if not path.is_file() or name in ("SHA256SUMS", "manifest.json"):
            continue
        entry = known.get(name) or {"bytes": path.stat().st_size, "sha256": sha256(path)}
        if path.suffix == ".parquet":
            entry = {**entry, "rows": pq.read_metadata(path).num_rows}
        found.append({"path": name, **entry})
    return found


def manifest(
    staging: Staging,
    found: Survey,
    files: list[dict[str, Any]],
    sums: str,
    config: str,
    previous: str,
) -> dict[str, Any]:
    """The manifest.

    Args:
        files: of `listed`.
        sums: sha256 of `SHA256SUMS`.
        config: sha256 of `provenance/config.yaml`.
        previous: version before this one, "" for the first.
    """
    card, run = staging.recipe.card, staging.run
    rule = staging.split_rule
    return {
        "schema_version": SCHEMA_VERSION,
        "dataset": card.name,
        "version": card.version,
        "previous_version": previous,
        "created": created(),
        "generated": staging.generated,
        "pipeline": {
            "name": str(run.get("pipeline", "")),
            "version": str(run.get("version", "")),
            "git_sha": str(run.get("git_sha", "")),
        },
        "config_sha256": config,
        "splits": {
            split: {
                "shards": sum(s.split == split for s in found.shards.values()),
                "samples": samples,
                "bytes": sum(
                    e["bytes"]
                    for e in files
                    if e.get("split") == split and e["path"].startswith("data/")
                ),
            }
            for split, samples in found.samples.items()
        },
        "split_rule": {
            "cell_km": rule.cell_km,
            "buffer_m": rule.buffer_m,
            "shares": rule.shares,
            "seed": rule.seed,
        },
        "counts": staging.counts,
        "content": content(staging),
        "totals": {
            "samples": sum(found.samples.values()),
            "shards": len(found.shards),
            "files": len(files),
            "bytes": sum(entry["bytes"] for entry in files),
        },
        "readers": READERS,
        "sha256sums_sha256": sums,
        "files": files,
    }


def content(staging: Staging) -> dict[str, Any]:
    """What a sample holds: members in order and, of its JSON member, the fixed schema."""
    facts = set(facts_schema(staging.recipe).names)
    members = []
    for ext, encoder in staging.recipe.pack.members.items():
        feature = getattr(encoder, "feature", "binary")
        columns = [need for need in encoder.needs if need in facts]
        text = columns[0] if feature == "string" and columns else ""
        members.append(
            {
                "extension": ext,
                "media_type": getattr(encoder, "media_type", "application/octet-stream"),
                "feature": feature,
                "column": text,
                "bands": list(getattr(encoder, "bands", ())),
            }
        )
    return {
        "label": staging.recipe.label,
        "members": members,
        "json_schema": json_schema(staging.recipe),
        "json_groups": json_groups(staging.recipe),
    }


def created() -> str:
    """Now, or the time that `SOURCE_DATE_EPOCH` fixes; UTC with Z."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def commit(stage: Path, body: dict[str, Any]) -> None:
    """Write the manifest, with its own sum: from here on the release exists."""
    own = hashlib.sha256(json_bytes(body)).hexdigest()
    write_json(stage / "manifest.json", {**body, "self_sha256": own})


def write_sums(stage: Path, files: list[dict[str, Any]]) -> str:
    """Write `SHA256SUMS`; returns its own sha256."""
    write_bytes(stage / "SHA256SUMS", sums_text(files))
    return sha256(stage / "SHA256SUMS")


def point(dataset_dir: Path, version: str) -> None:
    """Let `latest.json` name `version` (folder `v{version}`), in one step.

    Raises:
        FileNotFoundError: when that release has no manifest, so does not exist.
    """
    path = dataset_dir / f"v{version}" / "manifest.json"
    body = read_json(path)
    write_json(
        dataset_dir / "latest.json",
        {"dataset": body["dataset"], "version": version, "manifest_sha256": sha256(path)},
    )
