"""Worlds to build from, services that write texts, and models where their libraries are installed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for folder in ("engine", "net"):  # helpers of other tests
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

import small_world  # noqa: E402
from chat_server import ChatServer  # noqa: E402


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> small_world.World:
    """The small world; not to be changed."""
    return small_world.make(tmp_path_factory.mktemp("small") / "world")


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """A service that writes good texts unless told otherwise."""
    here = ChatServer()
    yield here
    here.close()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, key or list of hosts of the machine reaches a test."""
    for name in ("EARTHLOOM_ALLOW_HOSTS", "EARTHLOOM_PROXY", "EARTHLOOM_CAPTIONER_KEY"):
        monkeypatch.delenv(name, raising=False)
