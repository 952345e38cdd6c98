"""Questions of a release: how many of which kind, and a copy in the layout of GAEA's tables."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic
from schemas.questions import KINDS, conversation, tally

TURN = pa.struct([("from", pa.string()), ("value", pa.string())])

LAYOUT = pa.schema(
    [
        ("dataset", pa.string()),
        ("image", pa.string()),  # relative path of the picture
        ("file_name", pa.binary()),  # its bytes, as the original has it
        ("conversations", pa.list_(TURN)),
        ("question_type", pa.string()),
        ("osm_ids", pa.string()),  # what the answer rests on
    ]
)
"""One row for each question; the last two columns are ours."""

ROWS = 256
"""Samples read at a time."""


def count_questions(batch: pa.RecordBatch, counts: dict[str, Counter[str]]) -> None:
    """Add the questions of packed rows to `counts`, by split and kind."""
    for split, text in zip(
        batch.column("split").to_pylist(), batch.column("questions").to_pylist(), strict=True
    ):
        found = tally(json.loads(text or "[]"))
        counts[split].update({kind: found[kind] for kind in KINDS})


def totals(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """The counts table: kinds and their `total` for each split, and for `all` of them."""
    every: Counter[str] = Counter()
    for split in counts.values():
        every.update(split)
    found = {**{split: counts[split] for split in sorted(counts)}, "all": every}
    return {
        name: {**{kind: row.get(kind, 0) for kind in KINDS}, "total": sum(row.values())}
        for name, row in found.items()
    }


def has_questions(table: Path) -> bool:
    """Whether a release's `samples.parquet` holds questions and pictures."""
    return {"questions", "rgb_jpg_offset"} <= set(pq.read_schema(table).names)


def export_questions(release: Path, target: Path) -> dict[str, int]:
    """Write `<split>.parquet` of `LAYOUT` for every split; returns questions by split."""
    table = release / "metadata" / "samples.parquet"
    name = json.loads((release / "manifest.json").read_text(encoding="utf-8"))["dataset"]
    target.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    for split in sorted(set(pq.read_table(table, columns=["split"])["split"].to_pylist())):
        with (
            atomic(target / f"{split}.parquet") as stream,
            pq.ParquetWriter(stream, LAYOUT, compression="zstd") as writer,
        ):
            for rows in _batches(table, split):
                found = [turn for row in rows for turn in _turns(release, name, row)]
                counts[split] = counts.get(split, 0) + len(found)
                writer.write_table(pa.Table.from_pylist(found, LAYOUT))
    return counts


def _batches(table: Path, split: str) -> Iterator[list[dict[str, Any]]]:
    wanted = ["key", "split", "shard", "rgb_jpg_offset", "rgb_jpg_size", "questions"]
    for batch in pq.ParquetFile(table).iter_batches(ROWS, columns=wanted):
        yield [row for row in batch.to_pylist() if row["split"] == split]


def _turns(release: Path, name: str, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    handle = os.open(release / "data" / row["shard"], os.O_RDONLY)
    try:
        picture = os.pread(handle, row["rgb_jpg_size"], row["rgb_jpg_offset"])
    finally:
        os.close(handle)
    for question in json.loads(row["questions"] or "[]"):
        yield {
            "dataset": name,
            "image": f"{name}/{Path(row['shard']).stem}/{row['key']}.jpg",
            "file_name": picture,
            "conversations": conversation(question),
            "question_type": question["kind"],
            "osm_ids": question["ids"],
        }
