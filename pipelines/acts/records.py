"""What the commit records of many blocks say together."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from transforms.commits import Commit


def sums(records: Iterable[Commit]) -> dict[str, int]:
    """Sums over commit records, and their number as `blocks`."""
    found = list(records)
    names = ("rows", "shipped", "rejected", "failed", "retryable", "bytes", "spared")
    return {"blocks": len(found), **{name: sum(getattr(r, name) for r in found) for name in names}}


def reasons(blocks: Iterable[tuple[Path, Commit]], most: int = 3) -> str:
    """The most frequent reasons of failure with an example each, from the blocks' tables.

    A fault that something stands in for counts too.
    """
    found: Counter[str] = Counter()
    example: dict[str, str] = {}
    for path, record in blocks:
        if not (record.failed or record.spared):
            continue
        for row in pq.read_table(path, columns=["key", "outcome", "code", "message"]).to_pylist():
            if row["code"] and row["outcome"] in ("failed", "made"):
                found[row["code"]] += 1
                message = (
                    (row["message"] or "").strip().splitlines()[-1:]
                )  # of a traceback: the error
                example.setdefault(row["code"], ": ".join((row["key"], *message)))
    return ", ".join(f"{code} {n:,} (e.g. {example[code]})" for code, n in found.most_common(most))
