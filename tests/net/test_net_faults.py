"""Cases 22, 23 and 27 to 29 of the fault matrix: what the reader gets, and what the server saw."""

from typing import Any

import pytest

from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from fake_time import START, FakeTime
from fault_server import FaultServer, answer, cut, drip, file, page, reset
from schemas.errors import Fault

DATA = bytes(range(256)) * 40


def fault_of(call: Any, *args: Any) -> Fault:
    """The fault that a call ends in."""
    with pytest.raises(Fault) as caught:
        call(*args)
    assert "?" not in caught.value.message
    return caught.value


def test_fault_22_retry_after_is_waited_for(
    server: FaultServer, client: Client, time: FakeTime
) -> None:
    date = (
        "Tue, 14 Nov 2023 22:13:39 GMT"  # 19 s after the clock's start, 12 s after the first wait
    )
    url = server.on("/a.tif", answer(429, Retry_After=7), answer(429, Retry_After=date), file(DATA))
    assert client.get_range(url, 10, 300) == DATA[10:300]
    assert len(server.hits) == 3
    assert client.counts().retries == 2
    spread = 0.5 * Policy().base_s
    assert time.naps == [7 + spread, pytest.approx(START + 19 - (START + 7 + spread) + spread)]
    assert client.counts().waited_s == pytest.approx(sum(time.naps))


def test_fault_22_a_wait_beyond_the_deadline_is_not_begun(
    server: FaultServer, time: FakeTime
) -> None:
    client = Client(Policy(deadline_s=60, retry_after_s=3600), time.clock())
    fault = fault_of(client.get, server.on("/a", answer(429, Retry_After=1800)))
    assert (fault.code, fault.retryable) == ("http_429", True)
    assert (len(server.hits), time.naps) == (1, [])


def test_fault_22_an_absurd_wait_is_capped(
    server: FaultServer, client: Client, time: FakeTime
) -> None:
    client.get(server.on("/a", answer(503, Retry_After=86_400), answer(200, b"data")))
    assert time.naps == [Policy().retry_after_s + 0.5 * Policy().base_s]


def test_fault_23_down_for_ever_ends_with_its_code(server: FaultServer, time: FakeTime) -> None:
    client = Client(Policy(attempts=4, failures=3, pause_s=20), time.clock())
    fault = fault_of(client.get_range, server.on("/a.tif", answer(503)), 0, 9)
    assert (fault.code, fault.retryable) == ("http_503", True)
    assert len(server.hits) == 4
    assert client.counts().opened == 2  # after the third failure, and again after the probe
    assert time.naps[:3] == [0.25, 0.5, 1.0]  # half of a bound that doubles
    assert time.naps[3] == pytest.approx(19.0)  # the rest of the pause


def test_fault_23_pauses_double_up_to_their_cap(server: FaultServer, time: FakeTime) -> None:
    """A host that comes back is asked again soon, however long it was away."""
    policy = Policy(attempts=7, failures=1, pause_s=10, pause_cap_s=25, base_s=0.02, deadline_s=9e3)
    fault_of(Client(policy, time.clock()).get, server.on("/a.tif", answer(503)))
    pauses = [round(nap) for nap in time.naps if nap > 1]
    assert pauses == [10, 20, 25, 25, 25, 25]


def test_fault_23_another_reader_waits_for_the_host_instead_of_failing(
    server: FaultServer, time: FakeTime
) -> None:
    client = Client(Policy(attempts=3, failures=3, pause_s=20), time.clock())
    fault_of(client.get, server.on("/down", answer(503)))
    before = time.passed
    assert client.get(server.on("/up", answer(200, b"data"))) == b"data"
    assert time.passed - before == pytest.approx(20)
    assert server.paths() == ["/down"] * 3 + ["/up"]


def test_fault_23_a_host_that_stays_down_is_not_asked_past_the_deadline(
    server: FaultServer, time: FakeTime
) -> None:
    client = Client(Policy(attempts=3, failures=3, pause_s=20, deadline_s=10), time.clock())
    fault_of(client.get, server.on("/down", answer(503)))
    fault = fault_of(client.get, server.on("/up", answer(200, b"data")))
    assert (fault.code, fault.retryable) == ("http_503", True)
    assert "failed 3 times in a row" in fault.message
    assert "/up" not in server.paths()


def test_fault_23_one_host_down_does_not_pause_another(server: FaultServer, time: FakeTime) -> None:
    client = Client(Policy(attempts=3, failures=3, pause_s=20), time.clock())
    fault_of(client.get, server.on("/down", answer(503)))
    asleep = time.passed
    with pytest.MonkeyPatch.context() as patch:
        other = FaultServer()
        patch.setenv("EARTHLOOM_ALLOW_HOSTS", other.place)
        assert client.get(other.on("/up", answer(200, b"data"))) == b"data"
        other.close()
    assert time.passed == asleep


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_asked_once(server: FaultServer, client: Client, status: int) -> None:
    fault = fault_of(client.get, server.on("/a", answer(status)))
    assert (fault.code, fault.retryable, len(server.hits)) == ("not_found", False, 1)


def test_a_reset_connection_is_asked_again(server: FaultServer, client: Client) -> None:
    url = server.on("/a", reset, answer(200, b"data"))
    assert client.get(url) == b"data"
    assert len(server.hits) == 2


def test_fault_27_a_short_body_is_read_again(server: FaultServer, client: Client) -> None:
    span = {"Content_Range": f"bytes 0-999/{len(DATA)}"}
    url = server.on("/a.tif", cut(DATA[:1000], 1, **span), file(DATA))
    assert client.get_range(url, 0, 1000) == DATA[:1000]
    assert len(server.hits) == 2


@pytest.mark.parametrize("missing", [1, 500, 1000])
def test_fault_27_always_short_ends_with_its_code(
    server: FaultServer, client: Client, missing: int
) -> None:
    span = {"Content_Range": f"bytes 0-999/{len(DATA)}"}
    fault = fault_of(
        client.get_range, server.on("/a.tif", cut(DATA[:1000], missing, **span)), 0, 1000
    )
    assert (fault.code, fault.retryable) == ("short_body", True)
    assert len(server.hits) == Policy().attempts
    assert client.counts().opened == 0  # a cut file is no reason to pause its host


def test_fault_27_a_whole_body_may_be_short_too(server: FaultServer, client: Client) -> None:
    assert fault_of(client.get, server.on("/a", cut(DATA, 1))).code == "short_body"
    assert len(server.hits) == Policy().attempts


def test_fault_28_a_web_page_is_no_raster(server: FaultServer, client: Client) -> None:
    for path, step in (("/typed", page()), ("/untyped", page(kind="image/tiff"))):
        url = server.on(path, step)
        for call in ((client.get_range, url, 0, 64), (client.get, url)):
            fault = fault_of(*call)
            assert (fault.code, fault.retryable) == ("not_a_raster", False)
    assert server.paths() == ["/typed"] * 2 + ["/untyped"] * 2  # asked once each


@pytest.mark.parametrize("head", [False, True], ids=["body", "header"])
def test_fault_29_a_slow_drip_ends(server: FaultServer, head: bool) -> None:
    """Every byte comes in time, all of them never would. Real time: it is the socket's."""
    client = Client(Policy(attempts=2, request_s=0.4, read_s=0.2, base_s=0))
    fault = fault_of(client.get, server.on("/a", drip(0.05, 200, head)))
    assert (fault.code, fault.retryable) == ("timeout", True)
    assert len(server.hits) == 2


def test_fault_29_a_hang_ends(server: FaultServer) -> None:
    client = Client(Policy(attempts=2, request_s=5, read_s=0.15, base_s=0))
    fault = fault_of(client.get, server.on("/a", file(DATA, pause_s=0.6)))
    assert (fault.code, fault.retryable) == ("timeout", True)
    assert len(server.hits) == 2


def test_fault_29_bytes_after_a_timeout_are_not_taken_for_the_next_answer(
    server: FaultServer,
) -> None:
    client = Client(Policy(attempts=2, request_s=5, read_s=0.2, base_s=0))
    url = server.on("/a", file(b"old" * 9, pause_s=0.4), answer(200, b"new"))
    assert client.get(url) == b"new"
    assert len({hit.connection for hit in server.hits}) == 2
