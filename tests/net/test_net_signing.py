"""Cases 24 to 26: tokens end, are refused, come expired; and 32 readers find out at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import pytest

from blobs import CANARY, Blobs
from catalogs.sources.net.client import Client
from catalogs.sources.net.clock import Clock
from catalogs.sources.net.hosts import Policy
from catalogs.sources.net.signing import PlanetaryComputer, Unsigned, container_of
from catalogs.sources.net.tokens import BARREN_S, expiry_of
from fake_time import START, FakeTime
from fault_server import FaultServer, answer
from schemas.errors import Fault

DATA = bytes(range(256))


@pytest.fixture
def blobs(server: FaultServer, time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    made = Blobs(server, time.utc)
    made.use(monkeypatch)
    return made


def test_a_token_is_shared_by_the_blobs_of_a_container(blobs: Blobs, client: Client) -> None:
    for name in ("a.tif", "b.tif", "c/d.tif"):
        assert client.get_range(blobs.blob(DATA, name), 0, 9) == DATA[:9]
    assert blobs.asked() == (1, 3)
    assert all("sig" in parse_qs(hit.query) for hit in blobs.server.hits[1:])


def test_fault_24_a_refused_token_is_renewed_once(blobs: Blobs, client: Client) -> None:
    url = blobs.blob(DATA)
    client.get(url)
    blobs.revoked = lambda number: number == 1
    assert client.get(url) == DATA
    assert blobs.asked() == (2, 3)  # one refused read, one new token, one good read
    assert client.counts().renewed == 1
    assert client.counts().waited_s == 0
    client.get(url)
    assert blobs.asked() == (2, 4)


def test_fault_25_refused_for_ever(blobs: Blobs, client: Client, time: FakeTime) -> None:
    url = blobs.blob(DATA)
    blobs.revoked = lambda number: True
    with pytest.raises(Fault) as caught:
        client.get_range(url, 0, 9)
    assert (caught.value.code, caught.value.retryable) == ("auth", True)
    assert CANARY not in caught.value.message
    assert blobs.asked() == (2, 2)
    with pytest.raises(Fault):  # the token that was refused a moment ago is not renewed again
        client.get_range(url, 0, 9)
    assert blobs.asked() == (2, 3)
    time.sleep(BARREN_S + 1)
    blobs.revoked = lambda number: number <= 2
    assert client.get(url) == DATA
    assert blobs.asked() == (3, 5)


def test_fault_25_without_a_signature_a_refusal_is_final(
    server: FaultServer, client: Client
) -> None:
    for status in (401, 403):
        with pytest.raises(Fault) as caught:
            client.get(server.on("/a", answer(status)))
        assert (caught.value.code, caught.value.retryable) == ("auth", True)
    assert len(server.hits) == 2


def test_fault_26_an_expired_token_is_never_used(
    blobs: Blobs, client: Client, time: FakeTime
) -> None:
    blobs.lives_s = [-60, 3600]
    assert client.get(blobs.blob(DATA)) == DATA
    assert blobs.asked() == (2, 1)
    assert time.naps == [1.0]


def test_fault_26_a_token_without_end_is_asked_for_again(blobs: Blobs, client: Client) -> None:
    blobs.lives_s = [None, 3600]
    assert client.get(blobs.blob(DATA)) == DATA
    assert blobs.asked() == (2, 1)
    assert blobs.server.hits[-1].query.endswith(f"sig=2-{CANARY}")


def test_fault_26_tokens_never_with_an_end_are_kept_for_a_minute(
    blobs: Blobs, client: Client, time: FakeTime
) -> None:
    blobs.lives_s = [None]
    url = blobs.blob(DATA)
    assert client.get(url) == client.get(url) == DATA
    assert blobs.asked() == (3, 2)
    time.sleep(61)
    client.get(url)
    assert blobs.asked() == (6, 3)


def test_fault_26_only_expired_tokens(blobs: Blobs, client: Client) -> None:
    blobs.lives_s = [-60]
    with pytest.raises(Fault, match="clock") as caught:
        client.get(blobs.blob(DATA))
    assert caught.value.code == "auth"
    assert blobs.asked() == (3, 0)


def test_a_token_is_renewed_before_it_ends(blobs: Blobs, client: Client, time: FakeTime) -> None:
    url = blobs.blob(DATA)
    client.get(url)
    time.sleep(3600 - 301)
    client.get(url)
    assert blobs.asked() == (1, 2)
    time.sleep(2)  # less than five minutes left
    client.get(url)
    assert blobs.asked() == (2, 3)


def test_a_service_that_is_down_does_not_end_a_token_early(blobs: Blobs, time: FakeTime) -> None:
    client = Client(Policy(attempts=2, failures=99), time.clock())
    url = blobs.blob(DATA)
    client.get(url)
    time.sleep(3600 - 200)
    blobs.server.on("/sas/token/acc/data", answer(500))
    assert client.get(url) == DATA
    time.sleep(200)
    with pytest.raises(Fault) as caught:
        client.get(url)
    assert caught.value.code == "http_500"
    assert blobs.asked()[1] == 2


def test_a_container_that_the_service_does_not_know_is_read_unsigned(
    blobs: Blobs, client: Client
) -> None:
    url = blobs.server.on("/acc/open/a.tif", answer(200, b"data"))
    assert client.get(url) == client.get(url) == b"data"
    assert blobs.asked() == (1, 2)
    assert blobs.server.hits[-1].query == ""


def test_a_signed_href_is_left_as_it_is(blobs: Blobs, client: Client) -> None:
    url = blobs.blob(DATA) + "?se=2099-01-01&sig=7-own"
    assert client.get(url) == DATA
    assert blobs.asked() == (0, 1)


def test_one_thread_renews_for_all(blobs: Blobs) -> None:
    """32 readers meet the same refused token at once: one new token, and every read succeeds."""
    url = blobs.blob(DATA, pause_s=0.02)
    client = Client(Policy(), Clock(utc=blobs.utc))
    client.get(url)
    blobs.revoked = lambda number: number == 1
    gate = threading.Barrier(32)

    def read(start: int) -> bytes:
        gate.wait()
        return client.get_range(url, start, start + 8)

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(read, range(32))) == [DATA[i : i + 8] for i in range(32)]
    tokens, reads = blobs.asked()
    assert tokens == 2
    assert reads <= 1 + 2 * 32
    assert 1 <= client.counts().renewed <= 32


def test_a_failed_renewal_fails_everyone_who_waited_for_it(blobs: Blobs) -> None:
    """Not one after the other, each with its own attempts."""
    url = blobs.blob(DATA)
    gate = threading.Event()

    def late(handler: object) -> None:
        gate.wait(5)
        answer(401)(handler)  # type: ignore[arg-type]

    blobs.server.on("/sas/token/acc/data", late)
    client = Client(Policy(), Clock(utc=blobs.utc))

    def code(_: int) -> str:
        try:
            client.get(url)
        except Fault as fault:
            return fault.code
        return "read"

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(code, n) for n in range(8)]
        while not blobs.server.hits:
            pass
        threading.Timer(0.2, gate.set).start()
        assert [job.result() for job in jobs] == ["auth"] * 8
    assert blobs.asked() == (1, 0)


@pytest.mark.parametrize(
    ("href", "container"),
    [
        ("https://acc.blob.core.windows.net/data/a/b.tif", "acc/data"),
        ("https://ACC.blob.core.windows.net/data/b.tif", "acc/data"),
        ("https://acc.blob.core.windows.net/data", None),
        ("https://acc.blob.core.windows.net.evil.example/data/b.tif", None),
        ("https://example.com/data/b.tif", None),
    ],
)
def test_which_hrefs_are_signed(href: str, container: str | None, client: Client) -> None:
    assert container_of(href) == container
    expected = Unsigned if container is None else PlanetaryComputer
    assert isinstance(client.signer_for(href), expected)


def test_the_earlier_end_of_a_token_counts() -> None:
    assert expiry_of("se=2023-11-14T22%3A13%3A20Z&sig=x", "2024-01-01T00:00:00Z") == START
    assert expiry_of("sig=x", "2023-11-14T22:13:20+00:00") == START
    assert expiry_of("sig=x", None) is None
    for bad in ("soon", "2023-11-14T22:13:20"):
        with pytest.raises(Fault, match="a token ends at"):
            expiry_of("sig=x", bad)
