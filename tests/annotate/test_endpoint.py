"""A service that writes texts: what it is sent, and every way in which it can fail."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from catalogs.sources.chat import Chat, base_of, place_of
from catalogs.sources.exchanges import Recorder, Shelf
from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from chat_server import CHAT, MODELS, ChatServer, caption, completion, saying
from fake_time import FakeTime
from fault_server import FaultServer, answer, drip, page, redirect, reset
from schemas.errors import BuildError, Fault, SourceError, UsageError
from transforms.texts.captioner import Captioner, key_of
from transforms.texts.endpoint import Endpoint, called
from transforms.texts.questions import Question, Sampling

SAMPLING = Sampling(0.7, 0.9, 64)
QUESTION = Question("w1", "You write.", "FACTS: water", 5)


def endpoint(chat: ChatServer, tmp_path: Path, key: str = "", **more: Any) -> Endpoint:
    """With the usual patience, on fake time."""
    policy = Policy(named=frozenset({chat.place}))
    client = Client(policy, FakeTime().clock())
    recorder = Recorder("record", Shelf(tmp_path), client, (key,) if key else ())
    return Endpoint(Chat(chat.url("/v1"), recorder, key), "writer-1", **more)


def ask(chat: ChatServer, tmp_path: Path, **more: Any) -> Any:
    return endpoint(chat, tmp_path, **more).write([QUESTION], SAMPLING)[0]


def test_the_request_is_that_of_the_protocol(chat: ChatServer, tmp_path: Path) -> None:
    reply = ask(chat, tmp_path, key="sk-1", extra='{"cache_prompt": false, "top_p": null, "n": 1}')
    (hit,), (body,) = chat.asked(), chat.bodies()
    assert body == {
        "model": "writer-1", "max_tokens": 64, "temperature": 0.7, "seed": 5, "stream": False,
        "cache_prompt": False, "n": 1,
        "messages": [
            {"role": "system", "content": "You write."}, {"role": "user", "content": "FACTS: water"}
        ],
    }  # fmt: skip
    assert hit.headers["Authorization"] == "Bearer sk-1"
    assert (reply.text, reply.cut, reply.fault) == (caption(body), False, None)
    assert (reply.model, reply.revision) == ("writer-1", "fp-7")
    assert reply.exchange["status"] == 200 and reply.exchange["bytes"] > 0


def test_a_picture_goes_along_as_a_data_url(chat: ChatServer, tmp_path: Path) -> None:
    shown = Question("w1", "", "What is it?", 5, b"\xff\xd8jpeg", "image/jpeg")
    endpoint(chat, tmp_path).write([shown], SAMPLING)
    (message,) = chat.bodies()[0]["messages"]
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9hqcGVn"}},
        {"type": "text", "text": "What is it?"},
    ]


def test_a_schema_is_asked_for(chat: ChatServer, tmp_path: Path) -> None:
    schema = '{"type": "object"}'
    endpoint(chat, tmp_path).write([QUESTION], Sampling(0, 1, 8, schema))
    assert chat.bodies()[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "text", "strict": True, "schema": {"type": "object"}},
    }


def test_order_is_kept_and_requests_overlap(chat: ChatServer, tmp_path: Path) -> None:
    inside, together = threading.Semaphore(0), 4

    def meet(handler: Any) -> None:  # nobody is answered before four have asked
        inside.release()
        with turn:
            for _ in range(together):
                inside.acquire(timeout=10)
            for _ in range(together):
                inside.release()
        handler.reply(200, completion(caption(json.loads(handler.hit.body))))

    turn = threading.Lock()
    chat.says(meet)
    questions = [Question(f"w{i}", "", f"FACTS: number {i}", i) for i in range(together)]
    replies = endpoint(chat, tmp_path, parallel=together).write(questions, SAMPLING)
    assert [f"number {i} on" in reply.text for i, reply in enumerate(replies)] == [True] * together
    assert chat.most_at_once == together


def test_busy_and_broken_services_are_asked_again(chat: ChatServer, tmp_path: Path) -> None:
    chat.says(
        answer(429, Retry_After=7),
        answer(503),
        reset,
        answer(500),
        saying("A lake, seen from above."),
    )
    assert ask(chat, tmp_path).text == "A lake, seen from above."
    assert len(chat.asked()) == 5


@pytest.mark.parametrize(
    ("step", "code", "retryable", "requests"),
    [
        (answer(503), "http_503", True, 6),
        (answer(429), "http_429", True, 6),
        (answer(401), "auth", True, 1),
        (answer(400), "http_400", False, 1),
        (answer(404), "not_found", False, 1),
        (page(200), "bad_answer", True, 1),
        (answer(200, b"{"), "bad_answer", True, 1),
        (answer(200, b'{"choices": []}'), "bad_answer", True, 1),
        (answer(200, b'{"choices": [{"message": null}]}'), "bad_answer", True, 1),
        (answer(200, b'{"error": {"message": "out of memory"}}'), "bad_answer", True, 1),
        (answer(200, b"[" * 100_000), "bad_answer", True, 1),
    ],
)
def test_faults_are_told_and_never_raised(
    step: Any, code: str, retryable: bool, requests: int, chat: ChatServer, tmp_path: Path
) -> None:
    chat.says(step)
    reply = ask(chat, tmp_path)
    assert (reply.text, reply.fault.code, reply.fault.retryable) == ("", code, retryable)
    assert len(chat.asked()) == requests


def test_a_refusal_is_told_in_its_own_words(chat: ChatServer, tmp_path: Path) -> None:
    body = {"error": {"message": "context length\nexceeded, token=abcdef", "code": 400}}
    chat.says(answer(400, json.dumps(body).encode()))
    said = ask(chat, tmp_path).fault.message
    assert said.endswith("the server answered 400: context length exceeded, token=[redacted]")


def test_a_refusal_of_the_key_is_not(chat: ChatServer, tmp_path: Path) -> None:
    chat.says(answer(401, b'{"error": {"message": "Incorrect API key provided: sk-12**"}}'))
    assert "sk-1" not in ask(chat, tmp_path, key="sk-1234").fault.message


def test_a_slow_service_runs_into_the_limit(chat: ChatServer, tmp_path: Path) -> None:
    chat.says(drip(0.05, 1000))
    policy = Policy(
        attempts=2, request_s=0.3, read_s=0.3, base_s=0.01, named=frozenset({chat.place})
    )
    recorder = Recorder("record", Shelf(tmp_path), Client(policy))
    reply = Endpoint(Chat(chat.url("/v1"), recorder), "m").write([QUESTION], SAMPLING)[0]
    assert (reply.fault.code, reply.fault.retryable) == ("timeout", True)


def test_a_key_is_not_sent_on_to_another_host(chat: ChatServer, tmp_path: Path) -> None:
    other = FaultServer()
    try:
        other.on("/steal", saying("thanks"))
        chat.says(redirect(other.url("/steal"), 307))
        assert ask(chat, tmp_path, key="sk-1").fault.code == "redirects"
        assert other.hits == []
    finally:
        other.close()


def test_only_the_named_host_may_be_private(tmp_path: Path) -> None:
    other = FaultServer()
    try:
        other.on(CHAT, saying("hello"))
        client = Client(Policy(named=frozenset({"127.0.0.1:1"})), FakeTime().clock())
        chat = Chat(other.url("/v1"), Recorder("record", Shelf(tmp_path), client))
        assert Endpoint(chat, "m").write([QUESTION], SAMPLING)[0].fault.code == "blocked_href"
        assert other.hits == []
    finally:
        other.close()


def test_what_ends_a_text_is_told(chat: ChatServer, tmp_path: Path) -> None:
    chat.says(saying("A lake with", "length"), saying("", "content_filter"))
    first = endpoint(chat, tmp_path).write([QUESTION], SAMPLING)[0]
    assert first.cut and first.fault is None
    other = Question("w2", "", "FACTS: x", 6)
    assert endpoint(chat, tmp_path).write([other], SAMPLING)[0].fault.code == "content_filter"


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, ""), ([{"type": "text", "text": "A "}, {"text": "lake"}], "A lake")],
)
def test_odd_contents(content: Any, text: str, chat: ChatServer, tmp_path: Path) -> None:
    chat.says(answer(200, completion(content)))
    assert ask(chat, tmp_path).text == text


@pytest.mark.parametrize(
    ("url", "base", "place"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1", "localhost:8000"),
        ("http://localhost:8000/", "http://localhost:8000/v1", "localhost:8000"),
        ("https://api.example.org/v1/", "https://api.example.org/v1", "api.example.org:443"),
        ("https://h.org/llm/v1/chat/completions", "https://h.org/llm/v1", "h.org:443"),
        ("http://[::1]:8080", "http://[::1]:8080/v1", "[::1]:8080"),
    ],
)
def test_addresses(url: str, base: str, place: str) -> None:
    assert (base_of(url), place_of(url)) == (base, place)


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://h/v1", "http://", "http://u:p@h/v1", "http://h/v1?key=1"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError):
        base_of(url)


def captioner(chat: ChatServer, tmp_path: Path, **more: Any) -> Captioner:
    return Captioner(url=chat.url("/v1"), shelf=str(tmp_path), timeout_s=1.0, **more)


def test_the_first_model_is_taken_where_none_is_named(chat: ChatServer, tmp_path: Path) -> None:
    assert captioner(chat, tmp_path).found() == "writer-1"
    assert captioner(chat, tmp_path, model="writer-2").found() == "writer-2"
    chat.close()
    assert captioner(chat, tmp_path, mode="replay").found() == "writer-1", "as it was recorded"


def test_what_runs_now_counts_not_what_was_recorded(chat: ChatServer, tmp_path: Path) -> None:
    captioner(chat, tmp_path).found()
    chat.on(MODELS, answer(200, b'{"data": [{"id": "another"}]}'))
    assert captioner(chat, tmp_path).found() == "another"


def test_a_model_that_is_not_offered(chat: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"writer-9: .* offers writer-1, writer-2"):
        captioner(chat, tmp_path, model="writer-9").found()


def test_a_service_without_a_list(chat: ChatServer, tmp_path: Path) -> None:
    chat.on(MODELS, answer(404))
    assert captioner(chat, tmp_path, model="mine").found() == "mine"
    with pytest.raises(BuildError, match="name the model"):
        captioner(chat, tmp_path).found()


def test_a_service_that_is_not_there(chat: ChatServer, tmp_path: Path) -> None:
    chat.close()
    with pytest.raises(BuildError, match=r"start it, .* or leave --captioner away"):
        captioner(chat, tmp_path, model="writer-1").found()


def test_no_secret_in_what_workers_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    monkeypatch.setenv("EARTHLOOM_CAPTIONER_KEY", "sk-verysecret")
    given = Captioner(url="https://h.org/v1", model="m")
    assert b"verysecret" not in pickle.dumps(given) and "verysecret" not in repr(given)
    chat = given.chat("replay", 1.0)
    assert chat.key == "sk-verysecret" and "verysecret" not in repr(chat)


def test_a_fault_is_a_fault(tmp_path: Path) -> None:
    """A double of the client may raise anything that the client does."""

    class Down:
        def exchange(self, *_: Any, **__: Any) -> Any:
            raise Fault("unreachable", "down", retryable=True)

    chat = Chat("http://h/v1", Recorder("record", Shelf(tmp_path), Down()))
    assert Endpoint(chat, "m").write([QUESTION], SAMPLING)[0].fault.code == "unreachable"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("/srv/models/small.Q4_1.gguf", "small.Q4_1.gguf"),
        (r"C:\models\small.gguf", "small.gguf"),
        ("org/name", "org/name"),
        ("org/name@1234", "org/name@1234"),
        ("gpt-small", "gpt-small"),
    ],
)
def test_no_folders_of_a_server_in_a_release(model: str, name: str) -> None:
    """llama.cpp calls a model by its path."""
    assert called(model) == name


@pytest.mark.parametrize(("text", "key"), [("sk-1\n", "sk-1"), (" sk-1\r\n", "sk-1"), ("", "")])
def test_keys_are_sent_without_what_files_bring_along(text: str, key: str) -> None:
    assert key_of(text) == key


@pytest.mark.parametrize("text", ["sk 1", "sk-\u20ac", "sk-1\nsk-2", "sk-\x00"])
def test_no_key_is_told_in_the_refusal(text: str) -> None:
    with pytest.raises(UsageError, match="EARTHLOOM_CAPTIONER_KEY: holds") as told:
        key_of(text)
    assert "sk" not in str(told.value)


def test_a_service_that_never_answers_ends_the_act(chat: ChatServer, tmp_path: Path) -> None:
    """After four questions, if that is wanted; one that has answered once is given more time."""

    def asked(count: int, start: int) -> list[Question]:
        return [Question(f"w{i}", "", f"FACTS: {i}", i) for i in range(start, start + count)]

    chat.says(answer(500))
    writer = endpoint(chat, tmp_path, parallel=1, insists=True)
    assert [reply.fault.code for reply in writer.write(asked(3, 0), SAMPLING)] == ["http_500"] * 3
    with pytest.raises(SourceError, match=r"/v1: 4 requests and no answer, the last one: .*500"):
        writer.write(asked(1, 3), SAMPLING)
    chat.says(saying(caption))
    assert writer.write(asked(1, 4), SAMPLING)[0].fault is None
    chat.says(answer(500))
    assert all(reply.fault for reply in writer.write(asked(9, 10), SAMPLING))
    patient = endpoint(chat, tmp_path, parallel=1)
    assert all(reply.fault for reply in patient.write(asked(9, 20), SAMPLING))


def test_a_wrong_key_is_told_with_its_cure(chat: ChatServer, tmp_path: Path) -> None:
    chat.says(answer(401))
    reply = ask(chat, tmp_path, key="sk-1")
    assert reply.fault.code == "auth" and "EARTHLOOM_CAPTIONER_KEY" in reply.fault.message
    assert "sk-1" not in reply.fault.message
