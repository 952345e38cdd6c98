"""No object is in two splits: `splits.OneSide`, over partitions."""

from collections import Counter
from itertools import permutations

import pyarrow as pa
import pytest

from transforms.context import Context
from transforms.splits import OneSide

ROWS = [
    # object, split, metres between the corners of its box
    ("river", "train", 40_000.0), ("river", "test", 40_000.0), ("river", "val", 40_000.0),
    ("forest", "train", 9_000.0), ("forest", "val", 9_000.0), ("forest", "train", 9_000.0),
    ("park", "train", 1_500.0), ("park", "train", 1_500.0),
    ("house", "train", 20.0), ("house", "val", 20.0),
]  # fmt: skip
NAMES = {"river": 1, "forest": 2, "park": 3, "house": 4}


def part(rows: list[tuple[str, str, float]]) -> pa.Table:
    """A partition of samples."""
    return pa.table(
        {
            "osm_type": ["way"] * len(rows),
            "osm_id": [NAMES[name] for name, _, _ in rows],
            "split": [split for _, split, _ in rows],
            "_extent_m": [extent for _, _, extent in rows],
        }
    )


def kept(step: OneSide, parts: list[list[tuple[str, str, float]]]) -> list[tuple[str, str]]:
    """(object, split) of what is left, whatever the partitions."""
    tables = [part(rows) for rows in parts]
    totals = sum((Counter(step.count(table)) for table in tables), Counter[str]())
    found = []
    for rows, table in zip(parts, tables, strict=True):
        lost = step.decide(table, totals, Context())
        assert all(code == "object_shared" for code, _ in lost.values())
        found += [row[:2] for k, row in enumerate(rows) if k not in lost]
    return sorted(found)


EXPECTED = sorted(
    [("river", "test"), ("forest", "val"), ("park", "train"), ("park", "train"),
     ("house", "train"), ("house", "val")]
)  # fmt: skip


def test_the_first_of_test_val_train_keeps_an_object() -> None:
    """What is too short to reach across a buffer is left alone."""
    assert kept(OneSide(), [ROWS]) == EXPECTED
    assert ("house", "train") not in kept(OneSide(reach_m=0), [ROWS])


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_partitions_do_not_matter(order: tuple[int, ...]) -> None:
    """Three partitions in any order give what one gives."""
    thirds = [ROWS[0::3], ROWS[1::3], ROWS[2::3]]
    assert kept(OneSide(), [thirds[k] for k in order]) == EXPECTED


def test_only_long_objects_are_counted() -> None:
    """So that the counts of a large build stay small; samples without an object are none."""
    found = OneSide().count(part(ROWS))
    assert set(found) == {
        "way/1 train",
        "way/1 test",
        "way/1 val",
        "way/2 train",
        "way/2 val",
        "way/3 train",
    }
    nothing = part(ROWS[:1]).set_column(1, "osm_id", pa.array([None], pa.int64()))
    assert OneSide().count(nothing) == {}
    assert OneSide().decide(nothing, {}, Context()) == {}
