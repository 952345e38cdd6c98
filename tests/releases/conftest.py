"""Fixtures of the release tests: a packed world, and one finished release to read."""

import shutil
from pathlib import Path

import pytest

import release_world
from catalogs.releases.write import write_release

EPOCH = "1700000000"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished release; tests must not change it (use `release` for that)."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    world = release_world.build(tmp_path_factory.mktemp("world"), release_world.usual())
    write_release(*world.inputs())
    patch.undo()
    return world.stage


@pytest.fixture
def release(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished release to spoil."""
    return Path(shutil.copytree(finished, tmp_path / "v1.0.0"))
