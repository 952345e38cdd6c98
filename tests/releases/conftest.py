"""Fixtures of the release tests: a packed world, and one finished release to read."""

import shutil
import socket
from pathlib import Path
from typing import Any

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


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No reader may use the network."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
