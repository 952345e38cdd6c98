"""CITATION.cff and CHANGELOG.md."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from catalogs.files import write_bytes
from catalogs.releases.parts import by_part, publisher, whole
from catalogs.releases.survey import Survey
from catalogs.releases.words import number
from schemas.release import Staging
from schemas.text import counted


def write_papers(stage: Path, staging: Staging, found: Survey) -> None:
    """Write both; an existing CHANGELOG.md is kept."""
    write_bytes(stage / "CITATION.cff", citation(staging, found))
    if not (stage / "CHANGELOG.md").exists():
        write_bytes(stage / "CHANGELOG.md", changelog(staging, found).encode())


def citation(staging: Staging, found: Survey) -> bytes:
    """Citation File Format 1.2.0; the date only when `SOURCE_DATE_EPOCH` fixes it.

    The authors are who publishes this release; those of the method's paper stand with the paper,
    under `references`.
    """
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
    if reference := paper(card.cite, card.url):
        body["references"] = [reference]
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        body["date-released"] = datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    text: str = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
    return text.encode()


KINDS = {"article": "article", "inproceedings": "conference-paper", "book": "book"}
"""BibTeX entry -> type of a CFF reference; others are `generic`."""

FIELD = re.compile(r"(\w+)\s*=\s*\{((?:[^{}]|\{[^{}]*\})*)\}")


def paper(bibtex: str, url: str = "") -> dict[str, Any]:
    """A CFF reference from a BibTeX entry with braced fields; {} without title or author."""
    kind = re.match(r"\s*@(\w+)", bibtex)
    fields = {
        name.lower(): " ".join(value.replace("{", "").replace("}", "").split())
        for name, value in FIELD.findall(bibtex)
    }
    if kind is None or not (fields.get("title") and fields.get("author")):
        return {}
    found: dict[str, Any] = {
        "type": KINDS.get(kind[1].lower(), "generic"),
        "title": fields["title"],
        "authors": [person(name) for name in fields["author"].split(" and ")],
    }
    if fields.get("year", "").isdecimal():
        found["year"] = int(fields["year"])
    for field in ("journal", "doi"):
        if fields.get(field):
            found[field] = fields[field]
    if fields.get("booktitle"):
        found["collection-title"] = fields["booktitle"]
    return {**found, "url": url} if url else found


def person(name: str) -> dict[str, str]:
    """`Wang, Zhecheng` or `Zhecheng Wang` as a CFF person; a single word is a family name."""
    family, comma, given = (part.strip() for part in name.partition(","))
    if not comma:
        given, _, family = name.strip().rpartition(" ")
    return {"family-names": family, **({"given-names": given} if given else {})}


def changelog(staging: Staging, found: Survey) -> str:
    """The entry of a first version."""
    samples = ", ".join(f"{name} {number(n)}" for name, n in found.samples.items())
    total = counted(sum(found.samples.values()), "sample")
    return (
        f"# Changes of {staging.recipe.card.title}\n\n## {staging.recipe.card.version}\n\n"
        f"- first version: {total} added ({samples}), 0 removed, 0 changed\n"
    )
