"""One build of `sen4agrinet` on the sample world for all tests of it."""

import pytest

from catalogs.world import ensure
from pipelines.commands.build import main
from sen4agrinet_release import Built


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """`python -m pipelines.build --dataset sen4agrinet`, offline, with its defaults; it is verified."""
    out = tmp_path_factory.mktemp("sen4agrinet")
    assert main(["--dataset", "sen4agrinet", "--out", str(out), "--quiet"]) == 0
    return Built(out / "sen4agrinet" / "v1.0.0", ensure())
