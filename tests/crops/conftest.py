"""One build of `sen4agrinet` on the sample world for all tests of it."""

from pathlib import Path

import pytest

from catalogs.world import ensure
from pipelines.commands.build import main
from sen4agrinet_release import Built
from tests.once import once


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """`python -m pipelines.build --dataset sen4agrinet`, offline, with its defaults; it is verified."""

    def make(out: Path) -> None:
        assert main(["--dataset", "sen4agrinet", "--out", str(out), "--quiet"]) == 0

    out = once(tmp_path_factory, "sen4agrinet", make)
    return Built(out / "sen4agrinet" / "v1.0.0", ensure())
