"""Requests that fail: which are repeated, how long, and what they become."""

import threading
from dataclasses import replace

import pytest

from catalogs.sources.earth_engine.calls import pause
from catalogs.sources.earth_engine.limits import Limits, Patience
from catalogs.sources.earth_engine.pixels import read
from catalogs.sources.earth_engine.session import connect
from earth_engine_server import Refusal, World
from earth_engine_world import S2, TEN, Clock
from schemas.errors import Fault, UsageError
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
    assert read(NAME, ["B4"], GRID, patience=clock.patience()).all()
    assert len(served.sent(ROUTE)) == 3
    first, second = clock.slept
    assert 0.5 <= first <= 1 <= second <= 2


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal(403, "Permission denied on resource project a-test-project"), "ee_refused"),
        (Refusal(401, "Request had invalid authentication credentials"), "ee_refused"),
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
        read(NAME, ["B4"], GRID, patience=clock.patience())
    assert fault.value.code == code
    assert not fault.value.retryable
    said = "Anonymous credentials" if refusal.status == 401 else refusal.message
    assert said in fault.value.message, "the client answers 401 itself, by renewing credentials"
    assert not clock.slept
    assert len(served.sent(ROUTE)) == 1


def test_an_image_that_is_not_there(served: World, clock: Clock) -> None:
    with pytest.raises(Fault, match="does not exist or caller does not have access") as fault:
        read(f"{S2}/none", ["B4"], GRID, patience=clock.patience())
    assert fault.value.code == "ee_not_found"


def test_a_refusal_says_what_to_do(served: World, clock: Clock) -> None:
    served.refuse(ROUTE, Refusal(403, "Project is not registered to use Earth Engine"))
    with pytest.raises(Fault, match=r"not registered.*; register the project.*verify its eligib"):
        read(NAME, ["B4"], GRID, patience=clock.patience())


@pytest.mark.parametrize(
    ("refusal", "code"), [(Refusal(429, BUSY), "ee_quota"), (Refusal(503, "down"), "ee_timeout")]
)
def test_patience_ends_at_the_deadline(
    served: World, clock: Clock, refusal: Refusal, code: str
) -> None:
    served.refuse(ROUTE, *[refusal] * 50)
    with pytest.raises(Fault, match="no answer within 100 s") as fault:
        read(NAME, ["B4"], GRID, patience=clock.patience(deadline=100.0, longest=20.0))
    assert (fault.value.code, fault.value.retryable) == (code, True)
    assert 80 <= clock.time <= 100
    assert max(clock.slept) <= 20


def test_the_servers_own_wish_counts(served: World, clock: Clock) -> None:
    served.refuse(ROUTE, Refusal(429, BUSY, after=7))
    read(NAME, ["B4"], GRID, patience=clock.patience())
    assert clock.slept == [7.0]


def test_requests_refused_together_come_back_apart() -> None:
    waits = {pause(f"image {n}", 3, 0, Patience()) for n in range(100)}
    assert len(waits) == 100
    assert min(waits) >= 4
    assert max(waits) <= 8
    assert pause("image 1", 3, 0, Patience()) == pause("image 1", 3, 0, Patience())


def test_who_waits_holds_no_place(served: World, clock: Clock) -> None:
    """With one place, a request that is told to wait lets another through."""
    limits = Limits(requests=1)
    served.refuse(ROUTE, Refusal(429, BUSY))
    done = threading.Event()

    def meanwhile(seconds: float) -> None:
        other = threading.Thread(
            target=lambda: (read(NAME, ["B2"], GRID, limits=limits), done.set())
        )
        other.start()
        assert done.wait(30)
        other.join()

    patient = replace(clock.patience(), sleep=meanwhile)
    assert read(NAME, ["B4"], GRID, limits=limits, patience=patient).all()
    assert done.is_set()


def test_nobody_answers(served: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_EE_URL", "http://127.0.0.1:9")
    with pytest.raises(Fault) as fault:
        read(NAME, ["B4"], GRID, patience=clock.patience(deadline=10.0))
    assert (fault.value.code, fault.value.retryable) == ("ee_timeout", True)


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits.of({}) == Limits(16, 16_000_000, 10_000, 100)
    given = {"EARTHLOOM_EE_REQUESTS": "4", "EARTHLOOM_EE_REQUEST_BYTES": "1000"}
    assert Limits.of(given) == Limits(4, 1000)
    with pytest.raises(UsageError, match="EARTHLOOM_EE_REQUESTS=many"):
        Limits.of({"EARTHLOOM_EE_REQUESTS": "many"})


def test_the_cap_of_the_environment_holds(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_EE_REQUESTS", "2")
    monkeypatch.setenv("EARTHLOOM_EE_REQUEST_BYTES", "256")
    connect()
    served.together = threading.Barrier(2, timeout=30)
    read(NAME, ["B4"], replace(GRID, width=64, height=16), itemsize=2)
    assert len(served.sent(ROUTE)) == 8
    assert served.most == 2
