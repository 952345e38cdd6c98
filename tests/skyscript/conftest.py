"""One build of the sample world for all tests of this folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from catalogs.world import World, ensure
from pipelines.commands.build import main
from tests.once import once


@dataclass(frozen=True)
class Built:
    """The release and the world it shows."""

    release: Path
    world: World
    rows: list[dict[str, Any]]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """`python -m pipelines.build --dataset skyscript`, offline, with its defaults."""

    def make(out: Path) -> None:
        assert main(["--dataset", "skyscript", "--out", str(out), "--quiet"]) == 0

    out = once(tmp_path_factory, "skyscript", make)
    release = out / "skyscript" / "v1.0.0"
    rows = pq.read_table(release / "metadata" / "samples.parquet").to_pylist()
    return Built(release, ensure(), rows)


def manifest(built: Built) -> dict[str, Any]:
    """The release's manifest."""
    return json.loads((built.release / "manifest.json").read_text())
