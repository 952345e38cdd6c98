"""Servers that fail, a clock that is told, and clients between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from fake_time import FakeTime
from fault_server import FaultServer
from net_world import built, items, release
from small_world import World, make
from tests.once import once


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A server that the client may ask."""
    here = FaultServer()
    monkeypatch.setenv("EARTHLOOM_ALLOW_HOSTS", here.place)
    yield here
    here.close()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def client(time: FakeTime) -> Client:
    """A client on fake time, of the usual patience."""
    return Client(Policy(), time.clock())


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, endpoint or credential of the machine reaches a test."""
    for name in (
        "EARTHLOOM_ALLOW_HOSTS",
        "EARTHLOOM_PROXY",
        "EARTHLOOM_PC_SAS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "STORAGE_EMULATOR_HOST",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SERVICE_ACCOUNT",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The small world; not to be changed."""
    return make(tmp_path_factory.mktemp("small") / "world")


@pytest.fixture(scope="session")
def from_disk(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release made from the files themselves."""

    def make(out: Path) -> None:
        done = built(world, items(world, out / "items.json", str), out / "out")
        assert done.returncode == 0, done.stderr

    return release(once(tmp_path_factory, "disk", make) / "out")
