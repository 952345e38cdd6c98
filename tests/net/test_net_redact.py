"""Case 34: a token reaches the server it is for, and no message, traceback or log."""

import io
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from urllib3.exceptions import MaxRetryError

from blobs import CANARY, Blobs
from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from catalogs.sources.net.redact import Redact, bare, guard_logging, scrub, shown
from fake_time import FakeTime
from fault_server import FaultServer, Handler, answer, cut, drip, page, redirect, reset
from schemas.errors import Fault

SPAN = {"Content_Range": "bytes 0-99/100"}


def damaged(handler: Handler) -> None:
    handler.reply(200, b"no gzip at all", Content_Encoding="gzip")


FAULTS: list[tuple[str, Any]] = [
    ("auth", answer(403)),
    ("not_found", answer(404)),
    ("http_400", answer(400, b"bad query: sig=" + CANARY.encode())),
    ("http_429", answer(429)),
    ("http_503", answer(503)),
    ("unreachable", reset),
    ("short_body", cut(bytes(100), 50)),
    ("timeout", drip(0.05, 50)),
    ("not_a_raster", page()),
    ("blocked_href", redirect(f"http://169.254.169.254/?token={CANARY}")),
    ("blocked_href", redirect(f"https://{CANARY}@10.0.0.1/")),
    ("redirects", redirect("?again=1")),
    ("too_large", answer(200, bytes(9999))),
    ("short_body", damaged),
]


@pytest.mark.parametrize(("code", "step"), FAULTS, ids=lambda v: v if isinstance(v, str) else "")
def test_fault_34_no_token_in_any_output(
    server: FaultServer,
    time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: str,
    step: Any,
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(log)])
    caplog.set_level(logging.DEBUG)
    blobs = Blobs(server, time.utc)
    blobs.use(monkeypatch)
    server.on("/acc/data/a.tif", step)
    client = Client(Policy(attempts=2, request_s=0.3, read_s=0.2, base_s=0), time.clock())
    with pytest.raises(Fault) as caught:
        client.get(server.url("/acc/data/a.tif"), most=1000)
    logging.getLogger("caller").exception("failed", exc_info=caught.value)
    assert caught.value.code == code
    assert any(CANARY in hit.query for hit in server.hits)  # it was really used
    everything = [log.getvalue(), "".join(traceback.format_exception(caught.value))]
    for link in chain(caught.value):
        everything += [str(link), repr(link), repr(link.args), repr(vars(link))]
    assert "GET" in log.getvalue()  # the library did log its requests
    assert [text for text in everything if CANARY in text] == []
    assert caught.value.__cause__ is None


def test_fault_34_a_server_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, time: FakeTime
) -> None:
    here = FaultServer()
    here.close()
    monkeypatch.setenv("EARTHLOOM_ALLOW_HOSTS", here.place)
    with pytest.raises(Fault) as caught:
        Client(Policy(), time.clock()).get(here.url(f"/a?sig={CANARY}"))
    assert caught.value.code == "unreachable"
    assert all(CANARY not in repr(link) + str(link) for link in chain(caught.value))


def test_fault_34_nothing_that_holds_a_token_shows_it(
    server: FaultServer, client: Client, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs(server, time.utc)
    blobs.use(monkeypatch)
    href = blobs.blob(b"data")
    signed = client.signer_for(href).sign(href)
    assert CANARY in signed.url
    assert CANARY not in repr(signed) + repr(signed.token) + str(signed)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, its causes and contexts and the members of groups, each once."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        this = todo.pop(0)
        if this is None or id(this) in seen:
            continue
        seen.add(id(this))
        yield this
        todo += [this.__cause__, this.__context__]
        if isinstance(this, BaseExceptionGroup):
            todo += this.exceptions


TEXTS = [
    f"https://acc.blob.core.windows.net/data/a.tif?sv=2021&se=2026-11-21T00%3A00%3A00Z&sig={CANARY}",
    f'GET /data/a.tif?sig={CANARY}%2Fx HTTP/1.1" 403',
    f"https://b.s3.amazonaws.com/k?X-Amz-Credential={CANARY}&X-Amz-Signature={CANARY}",
    f"/vsicurl/https://h/k?X-Goog-Signature={CANARY}: 403",
    f"user-info https://me:{CANARY}@host/path",
    f"{{'Authorization': 'Bearer {CANARY}', 'Accept': '*/*'}}",
    f"Authorization: AWS4-HMAC-SHA256 Credential={CANARY}/20261121, Signature={CANARY}",
    f"Bearer {CANARY}-0123456789",
    f'{{"token": "sig={CANARY}", "msft:expiry": "2026-11-21T00:00:00Z"}}',
    f"access_token={CANARY}&x=1",
    f"AWS_SECRET_ACCESS_KEY_token={CANARY}",
    f"sig%3D{CANARY}",
    f"st=1&sig={CANARY}",
    f"x-ms-copy-source: {CANARY}",
    f"api_key: {CANARY}",
    f"aws_secret_access_key={CANARY}",
    f"AWS_ACCESS_KEY_ID: {CANARY}",
    f"AccountKey={CANARY}",
    f"x-api-key: {CANARY}",
    f"url=https%3A%2F%2Fh%2Fa%3Fsig%3D{CANARY}%26se%3D2",
    f"/vsicurl?url=https%3A%2F%2Fh%2Fa.tif%3Fse%3D2%26sig%3D{CANARY}",
    f"a%3fx%3d1%26X-Amz-Signature%3D{CANARY}",
    f"key=AIza{CANARY}",
    f"private_key: -----BEGIN PRIVATE KEY-----\n{CANARY}\n{CANARY}\n-----END PRIVATE KEY-----",
    f"Set-Cookie: session={CANARY}; path=/",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_taken_out(text: str) -> None:
    clean = scrub(text)
    assert CANARY not in clean
    assert scrub(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/collections/s2/items/T31UFU: the server answered 503",
        "planned 1,466 = shipped 732 + rejected 734 + failed 0",
        "did you mean 'osm'? valid: osm, imagery",
        "phase=2 case=7 design=x token counts, a secret garden",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert scrub(text) == text


def test_a_bare_url_has_neither_query_nor_user() -> None:
    assert bare(f"https://u:{CANARY}@h/a.tif?sig={CANARY}#x") == "https://h/a.tif"


def foreign() -> BaseException:
    """An exception as other libraries raise them: the URL stands in its causes."""
    url = f"https://h/a.tif?sig={CANARY}"
    try:
        try:
            raise OSError(5, "read failed", url)
        except OSError as error:
            raise MaxRetryError(None, url, error) from error  # type: ignore[arg-type]
    except MaxRetryError as error:
        try:
            raise ExceptionGroup("several", [ValueError({"url": url}), error])
        except ExceptionGroup as group:
            return group


def test_chains_of_foreign_exceptions_are_cleaned() -> None:
    error = foreign()
    assert len(list(chain(error))) == 4
    assert "".join(traceback.format_exception(error)).count(CANARY) > 2
    assert CANARY not in shown(error)
    assert "https://h/a.tif" in shown(error) and "read failed" in shown(error)


@pytest.mark.parametrize("log", [logging.Logger.error, logging.Logger.exception])
def test_log_records_are_cleaned(log: Callable[..., None]) -> None:
    out = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(out))
    guard_logging(logger)
    guard_logging(logger)
    assert sum(isinstance(f, Redact) for f in logger.handlers[0].filters) == 1
    try:
        raise foreign()
    except BaseException:
        log(logger, "read of %s failed", f"https://h/a.tif?sig={CANARY}", stack_info=True)
    assert "https://h/a.tif" in out.getvalue()
    assert CANARY not in out.getvalue()
    assert logging.lastResort is not None
    logging.lastResort.filters = []


def test_the_filter_stays_out_of_the_way_of_plain_records() -> None:
    record = logging.LogRecord("x", logging.INFO, os.devnull, 1, "%d of %d", (1, 2), None)
    assert Redact().filter(record)
    assert record.getMessage() == "1 of 2"
