"""The warning about splits without samples names what may have emptied them."""

import io
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines import sequence
from pipelines.progress import Progress


@pytest.mark.parametrize(("limit", "named"), [(0, False), (20, True)])
def test_an_empty_split_names_the_limit(
    monkeypatch: pytest.MonkeyPatch, limit: int, named: bool
) -> None:
    shares = {"train": 0.8, "val": 0.1, "test": 0.1, "other": 0.0}
    monkeypatch.setattr(sequence, "split_rule", lambda job: SimpleNamespace(shares=shares))
    job: Any = SimpleNamespace(limit=limit)
    stream = io.StringIO()
    packed = {"splits": {"train": 18, "val": 2}}
    sequence._warn_of_empty_splits(job, packed, Progress("plain", stream))
    said = stream.getvalue()
    assert said.startswith("warning: empty split test: ") and said.count("\n") == 1
    assert ("--limit 20" in said) == named == ("--limit" in said)
