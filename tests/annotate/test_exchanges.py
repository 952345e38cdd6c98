"""The request cache: acceptance checks 1 to 6 of the specification, by number, and what else breaks."""

import base64
import hashlib
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from catalogs.sources.exchanges import Kept, Recorder, Shelf, asked
from catalogs.sources.net.exchange import Answer
from schemas.errors import BuildError, Fault, SourceError, UsageError

URL = "https://api.example.org/v1/texts?b=2&a=1"
BODY = {"model": "m", "messages": [{"role": "user", "content": "Grüße"}], "seed": 7}


class Service:
    """Answers each request with its number, or raises what it is told to."""

    def __init__(self, *faults: Fault | None) -> None:
        self.faults, self.sent = list(faults), []

    def exchange(
        self, url: str, method: str = "GET", headers: Any = None, body: bytes | None = None
    ) -> Answer:
        self.sent.append((method, url, dict(headers or {}), body))
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        return Answer(200, {"Server": "stub/1"}, b'{"n": %d}' % len(self.sent))


def recorder(tmp_path: Path, mode: str, service: Any = None, *secrets: str) -> Recorder:
    return Recorder(mode, Shelf(tmp_path / "shelf"), service, secrets)


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "shelf").glob("*/*/*.json"))


def test_1_replay_gives_the_same_without_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole builds are compared in test_replay.py."""
    first = recorder(tmp_path, "record", Service()).ask("POST", URL, {}, BODY)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a replay opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    again = [recorder(tmp_path, "replay").ask("POST", URL, {}, BODY) for _ in range(2)]
    assert again == [first, first]
    assert first.body == b'{"n": 1}' and first.server == "stub/1" and first.status == 200


def test_2_order_and_case_do_not_change_the_key() -> None:
    key = asked("POST", URL, {"Accept": "x", "Content-Type": "y"}, BODY).key
    same = [
        asked("post", URL, {"content-type": "y", "ACCEPT": " x "}, BODY),
        asked("POST", "HTTPS://API.Example.org:443/v1/texts?a=1&b=2#top", {"accept": "x", "content-type": "y"}, BODY),
        asked("POST", URL, {"Accept": "x", "Content-Type": "y"}, dict(reversed(BODY.items()))),
        asked("POST", URL.replace("//", "//user:pass@"), {"Accept": "x", "Content-Type": "y"}, BODY),
    ]  # fmt: skip
    assert {one.key for one in same} == {key}
    assert key == hashlib.sha256(same[0].text.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        ("GET", URL, {"Accept": "x"}, BODY),
        ("POST", URL.replace("a=1", "a=2"), {"Accept": "x"}, BODY),
        ("POST", URL.replace("https", "http"), {"Accept": "x"}, BODY),
        ("POST", URL, {"Accept": "z"}, BODY),
        ("POST", URL, {"Accept": "x"}, {**BODY, "seed": 8}),
        ("POST", URL, {"Accept": "x"}, {**BODY, "messages": BODY["messages"] * 2}),
        ("POST", URL, {"Accept": "x"}, None),
    ],
)
def test_3_another_question_has_another_key(other: Any) -> None:
    assert asked(*other).key != asked("POST", URL, {"Accept": "x"}, BODY).key


def test_3_pictures_tell_questions_apart_and_are_not_kept() -> None:
    def shown(data: bytes) -> Any:
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        return asked("POST", URL, {}, {"content": [{"image_url": {"url": url}}]})

    one, other = shown(b"\x89PNG one" * 1000), shown(b"\x89PNG two" * 1000)
    assert one.key != other.key and one.key == shown(b"\x89PNG one" * 1000).key
    assert hashlib.sha256(b"\x89PNG one" * 1000).hexdigest() in one.text
    assert len(one.text) < 400


def test_4_no_secret_is_kept(tmp_path: Path) -> None:
    """Not of headers, address, body or answer; not even when the service repeats it."""
    key = "sk-verysecret123"

    class Telltale(Service):
        def exchange(self, url: str, *rest: Any, **more: Any) -> Answer:
            super().exchange(url, *rest, **more)
            return Answer(200, {"Server": f"gate {key}"}, f'{{"you": "{key}"}}'.encode())

    service = Telltale()
    ask = recorder(tmp_path, "record", service, key)
    headers = {"X-Api-Key": "other1", "Cookie": "other2", "Authorization": "Bearer other3"}
    ask.ask("POST", f"{URL}&key={key}&sig=other4&access_token=other5", headers,
            {"text": f"my key is {key}"}, private={"Authorization": f"Bearer {key}"})  # fmt: skip
    assert service.sent[0][2]["Authorization"] == f"Bearer {key}", "the service itself is given it"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "shelf").rglob("*") if path.is_file())
    for secret in (key, "other1", "other2", "other3", "other4", "other5"):
        assert secret.encode() not in kept
    assert key not in repr(ask)


@pytest.mark.parametrize("key", ["sk/a+b=c d", 'sk"quoted\\', "sk-é", "sk&x%y"])
def test_4_a_secret_in_another_spelling_is_not_kept(key: str, tmp_path: Path) -> None:
    """As addresses and JSON write it; nor as a field's name, nor in a field that says it is one."""
    echoed = [key, quote(key), quote_plus(key), json.dumps(key).replace("/", "\\/")]

    class Telltale(Service):
        def exchange(self, url: str, *rest: Any, **more: Any) -> Answer:
            return Answer(200, {}, json.dumps({"you": key}).encode() + " ".join(echoed).encode())

    ask = recorder(tmp_path, "record", Telltale(), key)
    body = {"api_key": "other1", "nested": [{"password": "other2"}], key: 1, "max_tokens": 7}
    ask.ask("POST", f"{URL}&about={quote_plus(key)}", {}, body)
    (path,) = files(tmp_path)
    entry = json.loads(path.read_text())
    said = json.dumps(entry["request"], ensure_ascii=False) + entry["body"]
    for secret in (*echoed, json.dumps(key)[1:-1], "other1", "other2"):
        assert secret not in said
    assert entry["request"]["body"]["max_tokens"] == 7


def test_a_sweep_leaves_the_work_of_others(tmp_path: Path) -> None:
    """Builds may share a shelf: only what has been left long ago goes."""
    shelf = Shelf(tmp_path / "shelf")
    shelf.sweep()
    shelf.parts.mkdir(parents=True)
    old, young = shelf.parts / "old", shelf.parts / "young"
    for part in (old, young):
        part.write_bytes(b"x")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    shelf.sweep()
    assert not old.exists() and young.exists()


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    service = Service()
    for _ in range(2):
        found = recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY)
        assert found.body == b'{"n": 1}'
    assert len(service.sent) == 1


def test_4_no_secret_in_what_a_fault_says(tmp_path: Path) -> None:
    service = Service(Fault("http_400", "your key sk-1 is no good"))
    with pytest.raises(Fault) as caught:
        recorder(tmp_path, "record", service, "sk-1").ask("POST", URL, {}, BODY)
    assert "sk-1" not in str(caught.value) and b"sk-1" not in files(tmp_path)[0].read_bytes()


def test_5_a_miss_in_replay_prints_the_request(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        recorder(tmp_path, "replay").ask("POST", URL, {"Accept": "x"}, BODY)
    said = str(caught.value)
    assert "--requests replay: no answer is kept" in said
    assert asked("POST", URL, {"Accept": "x"}, BODY).text in said
    assert "\n" not in said


@pytest.mark.parametrize("part", ["body", "status", "retrieved", "server", "request"])
def test_6_a_corrupt_entry_is_detected(part: str, tmp_path: Path) -> None:
    recorder(tmp_path, "record", Service()).ask("POST", URL, {}, BODY)
    (path,) = files(tmp_path)
    entry = json.loads(path.read_text())
    changed = {
        "body": '{"n": 2}', "status": 201, "retrieved": "2020-01-01", "server": "x",
        "request": {**entry["request"], "method": "PUT"},
    }  # fmt: skip
    path.write_text(json.dumps({**entry, part: changed[part]}))
    with pytest.raises(SourceError, match=r"is not what was stored \(its hash differs\)"):
        recorder(tmp_path, "replay").ask("POST", URL, {}, BODY)
    service = Service()
    assert recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY).body == b'{"n": 1}'
    assert len(service.sent) == 1, "who can ask, asks anew"
    recorder(tmp_path, "replay").ask("POST", URL, {}, BODY)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\x00", b"null"])
def test_6_a_cut_entry_is_detected(data: bytes, tmp_path: Path) -> None:
    recorder(tmp_path, "record", Service()).ask("POST", URL, {}, BODY)
    files(tmp_path)[0].write_bytes(data)
    with pytest.raises(SourceError):
        recorder(tmp_path, "replay").ask("POST", URL, {}, BODY)


def test_an_entry_under_another_name_is_detected(tmp_path: Path) -> None:
    ask = recorder(tmp_path, "record", Service())
    ask.ask("POST", URL, {}, BODY)
    other = asked("POST", URL, {}, {**BODY, "seed": 8})
    place = ask.shelf.path(other.key)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(files(tmp_path)[0].read_bytes())
    with pytest.raises(SourceError):
        recorder(tmp_path, "replay").ask("POST", URL, {}, {**BODY, "seed": 8})


def test_record_asks_once(tmp_path: Path) -> None:
    service = Service()
    for _ in range(3):
        recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY)
    assert len(service.sent) == 1 and json.loads(service.sent[0][3]) == BODY


def test_refresh_asks_anew_but_once_a_run(tmp_path: Path) -> None:
    service = Service()
    recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY)
    run = recorder(tmp_path, "refresh", service)
    assert [run.ask("POST", URL, {}, BODY).body for _ in range(2)] == [b'{"n": 2}'] * 2
    assert recorder(tmp_path, "replay").ask("POST", URL, {}, BODY).body == b'{"n": 2}'


def test_a_fault_is_no_answer_but_can_be_replayed(tmp_path: Path) -> None:
    service = Service(Fault("http_503", "busy", retryable=True), Fault("timeout", "late"))
    for code in ("http_503", "timeout"):
        with pytest.raises(Fault) as caught:
            recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY)
        assert caught.value.code == code, "asked anew, not taken from the shelf"
    with pytest.raises(Fault) as caught:
        recorder(tmp_path, "replay").ask("POST", URL, {}, BODY)
    assert (caught.value.code, caught.value.message) == ("timeout", "late")
    assert recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY).body == b'{"n": 3}'
    assert recorder(tmp_path, "replay").ask("POST", URL, {}, BODY).body == b'{"n": 3}'


def test_a_refresh_that_fails_takes_nothing_away(tmp_path: Path) -> None:
    service = Service(None, Fault("http_503", "busy", retryable=True))
    recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY)
    with pytest.raises(Fault):
        recorder(tmp_path, "refresh", service).ask("POST", URL, {}, BODY)
    assert recorder(tmp_path, "replay").ask("POST", URL, {}, BODY).body == b'{"n": 1}'


def test_what_is_no_answer_is_not_kept_as_one(tmp_path: Path) -> None:
    judge = lambda body: Fault("bad_answer", "none", retryable=True)  # noqa: E731
    service = Service()
    for _ in range(2):
        with pytest.raises(Fault):
            recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY, judge=judge)
    assert len(service.sent) == 2


def test_bytes_come_back_as_they_came(tmp_path: Path) -> None:
    class Binary(Service):
        def exchange(self, *_: Any, **__: Any) -> Answer:
            return Answer(200, {}, bytes(range(256)))

    kept = recorder(tmp_path, "record", Binary()).ask("GET", URL)
    assert kept.body == bytes(range(256)) and kept.server == ""
    assert recorder(tmp_path, "replay").ask("GET", URL) == kept


def test_the_first_answer_stands_for_all_who_ask_at_once(tmp_path: Path) -> None:
    service, found = Service(), []
    gate = threading.Barrier(8)

    def one() -> None:
        gate.wait()
        found.append(recorder(tmp_path, "record", service).ask("POST", URL, {}, BODY).body)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(found)) == 1 and len(found) == 8
    assert not list((tmp_path / "shelf" / ".parts").iterdir())


def test_every_answer_can_be_listed(tmp_path: Path) -> None:
    ask = recorder(tmp_path, "record", Service())
    for seed in range(5):
        ask.ask("POST", URL, {}, {**BODY, "seed": seed})
    listed = list(ask.shelf.every())
    assert [one.key for one in listed] == sorted(one.key for one in listed)
    assert len(listed) == 5 and all(isinstance(one, Kept) for one in listed)


def test_unknown_modes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one of record, replay, refresh"):
        recorder(tmp_path, "recrod")
