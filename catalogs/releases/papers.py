"""CITATION.cff and CHANGELOG.md."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from catalogs.files import write_bytes
from catalogs.releases.parts import by_part, publisher, whole
from catalogs.releases.survey import Survey
from catalogs.releases.words import number
from schemas.release import Staging


def write_papers(stage: Path, staging: Staging, found: Survey) -> None:
    """Write both; an existing CHANGELOG.md is kept."""
    write_bytes(stage / "CITATION.cff", citation(staging, found))
    if not (stage / "CHANGELOG.md").exists():
        write_bytes(stage / "CHANGELOG.md", changelog(staging, found).encode())


def citation(staging: Staging, found: Survey) -> bytes:
    """Citation File Format 1.2.0; the date only when `SOURCE_DATE_EPOCH` fixes it."""
    card = staging.recipe.card
    body: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this dataset, please cite it.",
        "type": "dataset",
        "title": card.title,
        "version": card.version,
        "abstract": card.summary,
        "authors": [{"name": publisher(staging)}],
    }
    spdx = whole(by_part(staging, found))
    if spdx and not spdx.startswith("LicenseRef-"):
        body["license"] = spdx
    if card.url:
        body["url"] = card.url
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        body["date-released"] = datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    text: str = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
    return text.encode()


def changelog(staging: Staging, found: Survey) -> str:
    """The entry of a first version."""
    samples = ", ".join(f"{name} {number(n)}" for name, n in found.samples.items())
    total = number(sum(found.samples.values()))
    return (
        f"# Changes of {staging.recipe.card.title}\n\n## {staging.recipe.card.version}\n\n"
        f"- first version: {total} samples added ({samples}), 0 removed, 0 changed\n"
    )
