"""What the client reads, how, and in which process."""

import ast
import gzip
import json
import os
import time as real
from pathlib import Path

import pytest

from catalogs.sources.net import client as module
from catalogs.sources.net.client import Client
from catalogs.sources.net.exchange import user_agent
from catalogs.sources.net.hosts import Policy
from catalogs.sources.net.ranges import SMALL
from catalogs.sources.net.retry import backoff_s
from fake_time import FakeTime
from fault_server import FaultServer, Handler, answer, file, page, tag_of
from schemas.errors import Fault
from schemas.sources import Version

DATA = bytes(range(256)) * 40
ROOT = Path(__file__).resolve().parents[2]
NETWORKED = ("catalogs/sources/net/", "catalogs/sources/earth_engine/transport.py")
"""The Earth Engine library brings its own client; one module hands it a transport."""


def code_of(call: object) -> str:
    """The code of the fault that a call ends in."""
    with pytest.raises(Fault) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def test_parts_of_a_file_over_one_connection(server: FaultServer, client: Client) -> None:
    url = server.on("/a.tif", file(DATA))
    assert client.size(url) == len(DATA)
    assert client.opening(url, 100) == (DATA[:100], Version(len(DATA), tag_of(DATA)))
    assert client.opening(url, 1 << 20) == (DATA, Version(len(DATA), tag_of(DATA)))
    assert client.get_range(url, 0, len(DATA)) == DATA
    assert client.get_range(url, len(DATA) - 1, len(DATA)) == DATA[-1:]
    assert client.get(url) == DATA
    assert len({hit.connection for hit in server.hits}) == 1
    assert server.hits[3].headers["Range"] == f"bytes=0-{len(DATA) - 1}"
    assert {hit.headers["User-Agent"] for hit in server.hits} == {user_agent()}
    assert user_agent().startswith("earthloom/")
    counts = client.counts()
    assert (counts.requests, counts.retries) == (6, 0)
    assert counts.bytes == 1 + 100 + 3 * len(DATA) + 1


def test_an_empty_file_has_a_size(server: FaultServer, client: Client) -> None:
    assert client.size(server.on("/empty", file(b""))) == 0


def test_a_range_past_the_end_is_a_fault(server: FaultServer, client: Client) -> None:
    url = server.on("/a.tif", file(DATA))
    for start in (0, len(DATA) - 1, len(DATA) + 5):
        assert code_of(lambda s=start: client.get_range(url, s, len(DATA) + 9)) == "bad_range"
    assert len(server.hits) == 3
    with pytest.raises(ValueError, match="no range"):
        client.get_range(url, 5, 5)


@pytest.mark.parametrize(
    "span", ["bytes 1-10/100", "bytes 0-9/*", "bytes */100", "items 0-9/9", ""]
)
def test_another_part_than_asked_for_is_refused(
    server: FaultServer, client: Client, span: str
) -> None:
    url = server.on("/a", answer(206, bytes(10), Content_Range=span))
    assert code_of(lambda: client.get_range(url, 0, 10)) == "no_ranges"


def test_a_server_without_ranges_may_send_small_files_whole(
    server: FaultServer, client: Client
) -> None:
    assert client.get_range(server.on("/small", answer(200, DATA)), 7, 99) == DATA[7:99]
    assert code_of(lambda: client.get_range(server.url("/small"), 0, 1 << 20)) == "bad_range"

    def large(handler: Handler) -> None:
        handler.reply(200, b"x", Content_Length=SMALL + 1)
        handler.close_connection = True

    assert code_of(lambda: client.get_range(server.on("/large", large), 0, 4)) == "no_ranges"
    assert client.counts().bytes < 3 * len(DATA)


def test_bodies_are_bounded(server: FaultServer, client: Client) -> None:
    url = server.on("/a", answer(200, DATA))
    assert client.get(url, most=len(DATA)) == DATA
    assert code_of(lambda: client.get(url, most=len(DATA) - 1)) == "too_large"

    def unstated(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(bytes(5000))
        handler.close_connection = True

    assert code_of(lambda: client.get(server.on("/b", unstated), most=4999)) == "too_large"
    bomb = gzip.compress(bytes(50 << 20))
    url = server.on("/bomb", answer(200, bomb, Content_Encoding="gzip"))
    assert code_of(lambda: client.get(url, most=1 << 20)) == "too_large"
    assert len(server.hits) == 4


def test_json_is_asked_and_answered(server: FaultServer, client: Client) -> None:
    url = server.on("/search", answer(503), answer(200, b'{"features": []}'))
    assert client.post_json(url, {"limit": 5}) == {"features": []}
    assert [json.loads(hit.body) for hit in server.hits] == [{"limit": 5}] * 2
    assert server.hits[0].headers["Content-Type"] == "application/json"
    packed = gzip.compress(b"[1, 2]")
    assert client.get_json(server.on("/c", answer(200, packed, Content_Encoding="gzip"))) == [1, 2]
    for step in (page(), answer(200, b"{"), answer(200, b"[" * 100_000), answer(200, b"\xff")):
        assert code_of(lambda s=step: client.get_json(server.on("/bad", s))) == "not_json"


def test_a_question_is_not_turned_into_another_by_a_redirect(
    server: FaultServer, client: Client
) -> None:
    server.on("/new", answer(200, b"{}"))
    assert client.post_json(server.on("/a", answer(307, Location="/new")), [1]) == {}
    assert server.hits[-1].body == b"[1]"
    assert code_of(lambda: client.post_json(server.on("/b", answer(302, Location="/new")), 1)) == (
        "redirects"
    )


def test_backoff_doubles_up_to_its_cap() -> None:
    policy = Policy(base_s=0.5, cap_s=3)
    assert [backoff_s(n, policy, 1.0) for n in range(1, 6)] == [0.5, 1, 2, 3, 3]
    assert backoff_s(3, policy, 0.25) == 0.5


def test_the_deadline_ends_the_attempts(server: FaultServer, time: FakeTime) -> None:
    client = Client(Policy(attempts=99, deadline_s=10, failures=999), time.clock(jitter=1.0))
    assert code_of(lambda: client.get(server.on("/a", answer(500)))) == "http_500"
    assert time.passed <= 10
    assert len(server.hits) == len(time.naps) + 1 == 5  # 0.5 + 1 + 2 + 4 s, and no room for 8


def test_only_the_projects_own_proxy_is_used(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = FaultServer()
    url = server.on("/a", answer(200, b"direct"))
    proxy.on("/a", answer(200, b"through"))
    monkeypatch.setenv("HTTP_PROXY", proxy.url(""))
    monkeypatch.setenv("http_proxy", proxy.url(""))
    assert Client().get(url) == b"direct"
    monkeypatch.setenv("EARTHLOOM_PROXY", proxy.url("").replace("://", "://me:word@"))
    behind = Client(Policy(attempts=1))
    assert behind.get(url) == b"through"
    assert proxy.hits[-1].headers["Proxy-Authorization"].startswith("Basic ")
    assert code_of(lambda: behind.get("https://169.254.169.254/")) == "blocked_href"
    assert len(proxy.hits) == 1
    proxy.close()


def test_a_forked_process_has_a_client_of_its_own(server: FaultServer) -> None:
    url = server.on("/a", answer(200, b"data"))
    ours = module.client()
    assert ours is module.client()
    assert ours.get(url) == b"data"
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        theirs = module.client()
        fine = theirs is not ours and theirs.counts().requests == 0 and theirs.get(url) == b"data"
        os.write(send, b"1" if fine else b"0")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(receive, 1) == b"1"
    assert ours.get(url) == b"data"  # on its own connection, still open
    assert len({hit.connection for hit in server.hits}) == 2


def test_only_this_package_uses_the_network() -> None:
    """Libraries that open connections are imported nowhere else."""
    banned = {"urllib3", "requests", "http", "aiohttp", "httpx", "obstore", "planetary_computer"}
    wrong = []
    for layer in ("schemas", "catalogs", "transforms", "pipelines"):
        for path in (ROOT / layer).rglob("*.py"):
            if path.relative_to(ROOT).as_posix().startswith(NETWORKED):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found = [n for n in names if n.split(".")[0] in banned or n == "urllib.request"]
                wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in found]
    assert not wrong


def test_a_kept_connection_that_the_server_closed_is_replaced(
    server: FaultServer, client: Client
) -> None:
    def last(handler: Handler) -> None:
        handler.reply(200, b"data")
        handler.close_connection = True

    url = server.on("/a", last)
    for _ in range(3):
        assert client.get(url) == b"data"
        real.sleep(0.05)  # the end of the connection has to arrive
    assert client.counts().retries == 0
