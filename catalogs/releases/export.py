"""A release as the original SkyScript was published: pictures in folders, captions as CSV, metadata.

DIR/images/train-000000/KEY.jpg
DIR/train.csv                  filepath,title,title_multi_objects   (what open_clip's CSV reader takes)
DIR/train-meta.jsonl           filepath, box, time, center_tags, surrounding_tags
DIR/LICENSE.md ...             terms and credits, as in the release

A release with questions gives `DIR/train.parquet` in GAEA's layout of conversations instead, one with
biomass `DIR/train.parquet` and `DIR/train.h5` in AGBD's.
"""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from catalogs.files import atomic
from catalogs.releases.biomass import export_biomass, has_biomass
from catalogs.releases.conversations import export_questions, has_questions
from schemas.errors import UsageError

TERMS = ("LICENSE.md", "ATTRIBUTION.md", "CITATION.cff")
"""What goes with every copy of the pictures."""

COLUMNS = ("filepath", "title", "title_multi_objects")


FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""Beginnings that make a cell a formula, with their full-width forms."""


def cell(text: str) -> str:
    """A CSV cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ")[:1] in FORMULA else text


def meta(row: dict[str, Any]) -> dict[str, Any]:
    """The four fields of the original's metadata: box (W, S, E, N), time to the minute, tags."""
    when, box = row["datetime"], row["bbox"]
    return {
        "box": [box["xmin"], box["ymin"], box["xmax"], box["ymax"]],
        "time": [when.year, when.month, when.day, when.hour, when.minute] if when else [],
        "center_tags": json.loads(row["center_tags"]),
        "surrounding_tags": json.loads(row["surrounding_tags"]),
    }


def export(release: Path, target: Path) -> dict[str, int]:
    """Write pictures and texts of every split; returns image-text pairs by split.

    Raises:
        UsageError: `target` holds something, or the release has no captions of this kind.
    """
    if target.resolve().is_relative_to(release.resolve()):
        raise UsageError(
            f"{target}: lies in the release, which must stay as it is; give a new folder"
        )
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target}: is not empty; give a new folder")
    table = release / "metadata" / "samples.parquet"
    if has_questions(table):
        counts = export_questions(release, target)
        _terms(release, target)
        return counts
    if has_biomass(table):
        counts = export_biomass(release, target)
        _terms(release, target)
        return counts
    names = set(pq.read_schema(table).names)
    if not {"title", "title_multi_objects", "rgb_jpg_offset", "center_tags"} <= names:
        raise UsageError(f"{release}: has no captions and pictures to export")
    rows = sorted(_rows(table), key=lambda row: (row["shard"], row["index"]))
    counts = {}
    for split in sorted({row["split"] for row in rows}):
        chosen = [row for row in rows if row["split"] == split]
        counts[split] = len(chosen)
        _split(release, target, split, chosen)
    _terms(release, target)
    return counts


def _terms(release: Path, target: Path) -> None:
    for name in TERMS:
        if (release / name).exists():
            shutil.copy(release / name, target / name)


def _rows(table: Path) -> Iterator[dict[str, Any]]:
    wanted = ["key", "split", "shard", "index", "rgb_jpg_offset", "rgb_jpg_size", "title",
              "title_multi_objects", "datetime", "bbox", "center_tags", "surrounding_tags"]  # fmt: skip
    for batch in pq.ParquetFile(table).iter_batches(columns=wanted):
        yield from batch.to_pylist()


def _split(release: Path, target: Path, split: str, rows: list[dict[str, Any]]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        table = stack.enter_context(atomic(target / f"{split}.csv"))
        lines = stack.enter_context(atomic(target / f"{split}-meta.jsonl"))
        table.write((",".join(COLUMNS) + "\n").encode())
        for row in rows:
            place = f"images/{Path(row['shard']).stem}/{row['key']}.jpg"
            _picture(release / "data" / row["shard"], row, target / place)
            table.write(_line([place, cell(row["title"]), cell(row["title_multi_objects"])]))
            entry = {"filepath": place, **meta(row)}
            lines.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")


def _line(cells: list[str]) -> bytes:
    import io

    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()


def _picture(shard: Path, row: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(shard, os.O_RDONLY)
    try:
        path.write_bytes(os.pread(handle, row["rgb_jpg_size"], row["rgb_jpg_offset"]))
    finally:
        os.close(handle)
