"""One build of the sample world for all tests of this folder."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from catalogs.world import World, ensure
from pipelines.commands.build import main
from tests import shards
from tests.once import once


@dataclass(frozen=True)
class Built:
    """The release, its rows, and the world that it shows."""

    release: Path
    rows: list[dict[str, Any]]
    world: World

    def samples(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """(key, members by extension) of every sample, in the order of the tar files."""
        return shards.samples(self.release)

    def facts(self) -> dict[str, dict[str, Any]]:
        """The JSON members by key."""
        return {key: json.loads(found["json"]) for key, found in self.samples()}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """`python -m pipelines.build --dataset rsteller`, offline, with its defaults."""

    def make(out: Path) -> None:
        assert main(["--dataset", "rsteller", "--out", str(out), "--quiet"]) == 0

    out = once(tmp_path_factory, "rsteller", make)
    release = out / "rsteller" / "v1.0.0"
    rows = pq.read_table(release / "metadata" / "samples.parquet").to_pylist()
    return Built(release, rows, ensure())
