"""Cases 30 and 31: hrefs that lead inwards are refused, and nothing is asked."""

import socket
from typing import Any

import pytest

from catalogs.sources.net.client import Client
from catalogs.sources.net.clock import Clock
from catalogs.sources.net.hosts import Policy
from fault_server import FaultServer, answer, file, redirect
from schemas.errors import Fault

DATA = bytes(range(256)) * 40


def fault_of(call: Any, *args: Any) -> Fault:
    """The fault that a call ends in."""
    with pytest.raises(Fault) as caught:
        call(*args)
    assert "?" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/",
        "https://2852039166/",  # the same address as one number
        "file:///etc/passwd",
        "/vsicurl/http://127.0.0.1/",  # a path on the same server, not found there
        "https://name:word@example.com/",
        "http://example.com/",
    ],
)
def test_fault_30_a_redirect_inwards_is_not_followed(
    server: FaultServer,
    client: Client,
    target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected: list[Any] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        connected.append(address)
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    fault = fault_of(client.get, server.on("/a", redirect(target + "?sig=CANARY")))
    if target.startswith("/"):
        assert fault.code == "not_found"
        return
    assert (fault.code, fault.retryable) == ("blocked_href", False)
    assert server.paths() == ["/a"]
    assert {f"{host}:{port}" for host, port in connected} == {server.place}


def test_fault_30_each_redirect_is_checked(server: FaultServer, client: Client) -> None:
    server.on("/b", redirect("https://127.0.0.2/c"))
    assert fault_of(client.get, server.on("/a", redirect("/b"))).code == "blocked_href"
    assert server.paths() == ["/a", "/b"]


def test_redirects_are_followed_and_counted(server: FaultServer, client: Client) -> None:
    server.on("/b", file(DATA))
    assert client.get_range(server.on("/a", redirect("/b", 307)), 5, 9) == DATA[5:9]
    assert len({hit.connection for hit in server.hits}) == 1  # the connection was kept
    assert fault_of(client.get, server.on("/loop", redirect("/loop"))).code == "redirects"
    assert server.paths().count("/loop") == 6


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/vsicurl/https://example.com/a.tif",
        "ftp://example.com/a.tif",
        "http://example.com/a.tif",
        "https://user@example.com/a.tif",
        "https://@example.com/a.tif",
        "https://127.0.0.1/a.tif",
        "https://127.1/a.tif",
        "https://0x7f000001/a.tif",
        "https://10.1.2.3/a.tif",
        "https://192.168.0.1/a.tif",
        "https://100.64.0.1/a.tif",
        "https://[::1]/a.tif",
        "https://[fe80::1%25eth0]/a.tif",
        "https://[64:ff9b::7f00:1]/a.tif",
        "https://0.0.0.0/a.tif",
        "https://168.63.129.16/a.tif",
        "https://localhost/a.tif",
        "https://example.com\\@127.0.0.1/a.tif",
        "https://example.com/a b.tif",
        "https:///a.tif",
        "s3://bucket",
        "s3://evil.example#/a",
        "s3://bucket/../other/key",
        "gs://UPPER/key",
    ],
)
def test_hrefs_that_are_refused_without_a_request(
    client: Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    fault = fault_of(client.get_range, url + "?sig=CANARY", 0, 4)
    assert (fault.code, fault.retryable) == ("blocked_href", False)
    assert "CANARY" not in fault.message
    assert client.counts().requests == 0


def lookup(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Answer look-ups of names one after the other; the names asked for."""
    asked: list[str] = []
    left = list(answers)
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if not host.endswith(".example"):
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return real(left.pop(0), port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.8", "169.254.169.254"])
def test_fault_31_a_name_that_leads_inwards(
    server: FaultServer, client: Client, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asked = lookup(monkeypatch, address)
    port = server.place.partition(":")[2]
    fault = fault_of(client.get, f"https://tiles.example:{port}/a?sig=CANARY")
    assert (fault.code, fault.retryable) == ("blocked_href", False)
    assert (asked, server.hits) == (["tiles.example"], [])
    assert client.counts().retries == 0


def test_fault_31_the_address_that_was_checked_is_the_one_connected_to(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers with a public address first and a private one then gains nothing."""
    asked = lookup(monkeypatch, "93.184.216.34", "127.0.0.1", "127.0.0.1")
    connected: list[Any] = []

    def connect(_: socket.socket, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    client = Client(Policy(attempts=1))
    assert fault_of(client.get, "https://tiles.example/a").code == "unreachable"
    assert (asked, connected) == (["tiles.example"], [("93.184.216.34", 443)])


def test_a_host_is_named_with_or_without_its_port(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    url = server.on("/a", answer(200, b"data"))
    for allowed, code in (("127.0.0.1", ""), ("127.0.0.1:1", "blocked_href"), (server.place, "")):
        monkeypatch.setenv("EARTHLOOM_ALLOW_HOSTS", f"other.example, {allowed}")
        if code:
            assert fault_of(client.get, url).code == code
        else:
            assert client.get(url) == b"data"


def test_jitter_of_the_usual_clock_is_a_share() -> None:
    assert all(0 <= Clock().jitter() < 1 for _ in range(100))
