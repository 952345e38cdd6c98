"""Requests that fail: which are repeated, how long, and what they become."""

import threading
from dataclasses import replace

import pytest

from catalogs.sources.earth_engine.limits import Limits
from catalogs.sources.earth_engine.pixels import read
from catalogs.sources.earth_engine.session import connect
from earth_engine_server import Refusal, World
from earth_engine_world import S2, TEN, Clock
from schemas.errors import Fault, SourceError, UsageError
from schemas.windows import Grid

NAME = f"{S2}/T32TMT_2"
GRID = Grid("EPSG:32632", tuple(TEN)[:6], 8, 8)
ROUTE = "computePixels"
BUSY = "Too many concurrent aggregations."


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(429, "Too Many Requests"),
        Refusal(400, BUSY),
        Refusal(403, "Quota exceeded for quota metric 'Requests' of this minute"),
        Refusal(500, "An internal error has occurred"),
        Refusal(503, "The service is currently unavailable"),
        Refusal(400, "Computation timed out."),
    ],
    ids=lambda r: f"{r.status} {r.message[:20]}",
)
def test_what_may_pass_is_tried_again(served: World, clock: Clock, refusal: Refusal) -> None:
    served.refuse(ROUTE, refusal, refusal)
    pixels, valid = read(NAME, ["B4"], GRID, by=clock.service())
    assert pixels.all() and valid.all()
    assert len(served.sent(ROUTE)) == 3
    assert clock.slept == [0.5, 1.0], "half of one second, half of two"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal(404, "Requested entity was not there"), "ee_not_found"),
        (Refusal(400, "Image.select: Band pattern 'B99' did not match any bands"), "ee_invalid"),
    ],
    ids=lambda v: v if isinstance(v, str) else str(v.status),
)
def test_what_stays_is_told_at_once(
    served: World, clock: Clock, refusal: Refusal, code: str
) -> None:
    served.refuse(ROUTE, refusal)
    with pytest.raises(Fault) as fault:
        read(NAME, ["B4"], GRID, by=clock.service())
    assert fault.value.code == code
    assert not fault.value.retryable
    assert refusal.message in fault.value.message
    assert not clock.slept
    assert len(served.sent(ROUTE)) == 1


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (Refusal(403, "Permission denied on resource project a-test-project"), "Permission denied"),
        (Refusal(401, "Request had invalid authentication credentials"), "Anonymous credentials"),
    ],
    ids=["403", "401"],
)
def test_refused_access_is_no_matter_of_a_sample(
    served: World, clock: Clock, refusal: Refusal, says: str
) -> None:
    """The client answers 401 itself, by renewing credentials, which anonymous ones cannot."""
    served.refuse(ROUTE, refusal)
    with pytest.raises(SourceError, match=f"{says}.*; register the project.*verify its elig") as e:
        read(NAME, ["B4"], GRID, by=clock.service())
    assert "\n" not in str(e.value)
    assert not clock.slept
    assert len(served.sent(ROUTE)) == 1


def test_an_image_that_is_not_there(served: World, clock: Clock) -> None:
    with pytest.raises(Fault, match="does not exist or caller does not have access") as fault:
        read(f"{S2}/none", ["B4"], GRID, by=clock.service())
    assert fault.value.code == "ee_not_found"


@pytest.mark.parametrize(
    ("refusal", "code"), [(Refusal(429, BUSY), "ee_quota"), (Refusal(503, "down"), "ee_timeout")]
)
def test_patience_ends_at_the_deadline(
    served: World, clock: Clock, refusal: Refusal, code: str
) -> None:
    served.refuse(ROUTE, *[refusal] * 50)
    with pytest.raises(Fault, match="no answer within 100 s") as fault:
        read(NAME, ["B4"], GRID, by=clock.service(deadline_s=100.0, cap_s=20.0))
    assert (fault.value.code, fault.value.retryable) == (code, True)
    assert 80 <= clock.time <= 100


def test_a_service_that_is_silent_is_given_up(served: World, clock: Clock) -> None:
    """One request without an answer is one sample; ten in a row are no matter of samples."""
    by = clock.service(deadline_s=30.0)
    served.refuse(ROUTE, *[Refusal(503, "down")] * 500)
    for _ in range(9):
        with pytest.raises(Fault) as fault:
            read(NAME, ["B4"], GRID, by=by)
        assert fault.value.retryable
    with pytest.raises(SourceError, match="10 requests in a row had no answer"):
        read(NAME, ["B4"], GRID, by=by)
    served.refusals[ROUTE].clear()
    clock.time += 600
    assert read(NAME, ["B4"], GRID, by=by)[1].all(), "an answer makes up for all of them"
    served.refuse(ROUTE, *[Refusal(503, "down")] * 500)
    with pytest.raises(Fault):
        read(NAME, ["B4"], GRID, by=by)


def test_while_it_is_down_all_wait_together(served: World, clock: Clock) -> None:
    """After ten failures in a row one request asks now and then, for everybody."""
    by = clock.service()
    served.refuse(ROUTE, *[Refusal(503, "down")] * 14)
    assert read(NAME, ["B4"], GRID, by=by)[1].all()
    assert clock.time >= 15 + 30 + 60 + 120 + 120, "each pause is twice the last, up to two minutes"


def test_the_servers_own_wish_counts(served: World, clock: Clock) -> None:
    served.refuse(ROUTE, Refusal(429, BUSY, after=7))
    read(NAME, ["B4"], GRID, by=clock.service())
    assert clock.slept == [7.5], "and a little more, so that all do not return at once"


def test_who_waits_holds_no_place(served: World, clock: Clock) -> None:
    """With one place, a request that is told to wait lets another through."""
    served.refuse(ROUTE, Refusal(429, BUSY))
    done = threading.Event()

    def meanwhile(seconds: float) -> None:
        other = threading.Thread(target=lambda: (read(NAME, ["B2"], GRID, by=by), done.set()))
        other.start()
        assert done.wait(30)
        other.join()

    by = clock.service(Limits(requests=1), sleep=meanwhile)
    assert read(NAME, ["B4"], GRID, by=by)[1].all()
    assert done.is_set()


def test_nobody_answers(served: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    connect()
    served.trouble = lambda request: Refusal(200, "cut", cut=True)
    with pytest.raises(Fault) as fault:
        read(NAME, ["B4"], GRID, by=clock.service(deadline_s=10.0))
    assert (fault.value.code, fault.value.retryable) == ("ee_timeout", True)
    monkeypatch.setenv("EARTHLOOM_EE_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="try again later"):
        read(NAME, ["B4"], GRID, by=clock.service(deadline_s=10.0))


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits.of({}) == Limits(40, 16_000_000, 10_000, 100)
    given = {"EARTHLOOM_EE_REQUESTS": "4", "EARTHLOOM_EE_REQUEST_BYTES": "1000"}
    assert Limits.of(given) == Limits(4, 1000)
    shares = [Limits.of({"EARTHLOOM_PROCESSES": str(n)}).requests for n in (1, 2, 3, 40, 64)]
    assert shares == [40, 20, 13, 1, 1], "of all processes together, never more than there may be"
    with pytest.raises(UsageError, match="EARTHLOOM_EE_REQUESTS=many"):
        Limits.of({"EARTHLOOM_EE_REQUESTS": "many"})


def test_the_cap_of_the_environment_holds(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_EE_REQUESTS", "2")
    monkeypatch.setenv("EARTHLOOM_EE_REQUEST_BYTES", "384")
    connect()
    served.together = threading.Barrier(2, timeout=30)
    read(NAME, ["B4"], replace(GRID, width=64, height=16), itemsize=2)
    assert len(served.sent(ROUTE)) == 8
    assert served.most == 2
