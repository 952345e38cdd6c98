"""Every answer follows from what the release stores; the counts table is the sum of its parts."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq

from catalogs.files import read_json
from catalogs.releases.conversations import count_questions, totals
from catalogs.releases.verify.findings import Report
from schemas.questions import attributes, faults

SAMPLES, STATS = "metadata/samples.parquet", "stats/stats.json"

NEEDED = frozenset((
    "key", "split", "lon", "lat", "center_tags", "surrounding_tags", "surrounding_ids", "present_tags",
    "near_places", "osm_type", "osm_id", "focus_geometry", "questions",
))  # fmt: skip
"""Columns that answers rest on, as far as a release has them."""


def check_questions(release: Path, report: Report) -> None:
    """Answer every question again; nothing to do in a release without questions."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with report.reading("questions", SAMPLES), pq.ParquetFile(release / SAMPLES) as file:
        names = file.schema_arrow.names
        if "questions" not in names:
            return
        for batch in file.iter_batches(4096, columns=[n for n in names if n in NEEDED]):
            count_questions(batch, counts)
            for row in batch.to_pylist():
                known = attributes(row)
                for question in json.loads(row["questions"] or "[]"):
                    report.counts["questions"] += 1
                    for fault in faults(question, known):
                        report.fault("questions", SAMPLES, f"{row['key']}: {fault}")
    with report.reading("questions", STATS):
        stated = read_json(release / STATS).get("questions")
        said = f"counts {stated}, {SAMPLES} holds {totals(counts)}"
        report.expect(stated == totals(counts), "questions", STATS, said)
