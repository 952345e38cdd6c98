"""The small world with a layer of elevation beside it."""

import sys
from pathlib import Path

import pytest

for folder in ("engine", "pixels", "annotate"):  # helpers of other tests
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

import small_world  # noqa: E402


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> small_world.World:
    """The small world; not to be changed."""
    return small_world.make(tmp_path_factory.mktemp("small") / "world")
