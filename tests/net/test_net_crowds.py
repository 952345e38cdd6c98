"""Many readers of one host: how many at once, and who asks when it is down."""

import threading
import time as real
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from fault_server import FaultServer, Handler, answer, drip, file
from schemas.errors import Fault

DATA = bytes(range(256)) * 40


def code_of(call: object) -> str:
    """The code of the fault that a call ends in."""
    with pytest.raises(Fault) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def test_no_more_at_once_than_agreed(server: FaultServer) -> None:
    client = Client(Policy(per_host=4))
    url = server.on("/a.tif", file(DATA, pause_s=0.01))
    with ThreadPoolExecutor(32) as pool:
        parts = list(pool.map(lambda n: client.get_range(url, n, n + 50), range(96)))
    assert parts == [DATA[n : n + 50] for n in range(96)]
    assert server.most_at_once == 4
    assert len({hit.connection for hit in server.hits}) <= 4
    assert client.counts().requests == 96


def test_a_crowd_waits_for_a_host_that_is_down(server: FaultServer) -> None:
    """The host fails 12 times; 24 readers lose nothing, and do not hammer it meanwhile."""
    client = Client(Policy(failures=4, pause_s=0.05, base_s=0.01, attempts=8, per_host=8))
    url = server.on("/a", *[answer(503)] * 12, answer(200, b"data"))
    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(lambda _: client.get(url), range(24))) == [b"data"] * 24
    assert len(server.hits) == 12 + 24
    assert client.counts().opened >= 1
    assert client.counts().retries == 12


def test_one_reader_tries_a_paused_host_for_all(server: FaultServer) -> None:
    client = Client(Policy(failures=2, attempts=2, pause_s=0.1, base_s=0.01))
    assert code_of(lambda: client.get(server.on("/down", answer(503)))) == "http_503"
    meanwhile: list[int] = []

    def slow(handler: Handler) -> None:
        real.sleep(0.3)
        meanwhile.append(server.paths().count("/a"))
        handler.reply(200, b"data")

    url = server.on("/a", slow, answer(200, b"data"))
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: client.get(url), range(16))) == [b"data"] * 16
    assert meanwhile == [1]
    assert len(server.hits) == 2 + 16


def test_a_reader_that_gives_up_leaves_its_turn(server: FaultServer) -> None:
    """The only turn of a host is free again after every kind of ending."""
    client = Client(Policy(per_host=1, attempts=1, request_s=0.2, failures=1, pause_s=0.01))
    for n, step in enumerate((answer(503), drip(0.1, 9), answer(302, Location="file:///x"))):
        code_of(lambda s=step, n=n: client.get(server.on(f"/{n}", s)))
    done: list[bytes] = []
    reader = threading.Thread(
        target=lambda: done.append(client.get(server.on("/ok", answer(200, b"data")))), daemon=True
    )
    reader.start()
    reader.join(5)
    assert done == [b"data"]
