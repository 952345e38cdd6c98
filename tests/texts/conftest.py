"""One build of questions over the sample world, made once."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from asked_world import Asked
from pipelines.commands.build import main
from tests.once import once


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """`python -m pipelines.build --dataset gaea`, offline, of 600 samples."""

    def make(out: Path) -> None:
        assert main(["--dataset", "gaea", "--out", str(out), "--limit", "600", "--quiet"]) == 0

    out = once(tmp_path_factory, "gaea", make)
    release = out / "gaea" / "v1.0.0"
    return Asked(release, pq.read_table(release / "metadata" / "samples.parquet").to_pylist())
