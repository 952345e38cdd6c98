"""Replay: the bytes of a recorded build without a network, and nothing secret in what was recorded."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from building import EPOCH, arguments, release, tree
from chat_server import ChatServer, caption, saying, words
from fault_server import Handler, answer
from small_world import World
from text_recipes import build, rows, text_recipe

RECIPE = text_recipe()
SECRET = "sk-canary-5309"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only sockets between our own processes."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX:
            raise AssertionError(f"a replay asked {address}")
        return connect(self, address)

    def unknown(*_: Any, **__: Any) -> Any:
        raise AssertionError("a replay looked a name up")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)


def hard(handler: Handler) -> None:
    """Some good texts, some refused at first, some refused always, some faults."""
    body = json.loads(handler.hit.body)
    said = words(body)
    if "water" in said and body["seed"] % 3 == 0:
        answer(503)(handler)
    elif "forest" in said:
        (saying(caption) if body["seed"] % 2 else saying("no"))(handler)
    else:
        saying(caption)(handler)


@pytest.fixture
def recorded(
    world: World, chat: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[str]]:
    """(output of a recorded build, the options that say who wrote)."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    monkeypatch.setenv("EARTHLOOM_CAPTIONER_KEY", SECRET)
    chat.says(hard)
    who = ["--captioner", chat.url(""), "--captioner-timeout", "0.3", "--error-budget", "1"]
    out = tmp_path / "recorded"
    assert build(RECIPE, arguments(world, out, *who)) == 0
    assert all(hit.headers["Authorization"] == f"Bearer {SECRET}" for hit in chat.hits)
    chat.close()
    return out, who


def test_two_replays_are_byte_identical(
    recorded: tuple[Path, list[str]], world: World, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, no_network: None,
) -> None:  # fmt: skip
    """With each other, and with the recorded build; no key is needed."""
    first, who = recorded
    monkeypatch.delenv("EARTHLOOM_CAPTIONER_KEY")
    found = []
    for name in ("b", "c"):
        out = tmp_path / name
        at = str(first / "skyscript" / "requests")
        argv = arguments(world, out, *who, "--requests", "replay", "--requests-at", at)
        assert build(RECIPE, argv) == 0
        found.append(tree(release(out)))
    assert found[0] == found[1] == tree(release(first))
    assert {row["text_faults"] for row in rows(first)} >= {"", "http_503"}
    assert {row["text_source"] for row in rows(first)} == {"model", "template"}


def test_no_secret_is_left_anywhere(recorded: tuple[Path, list[str]]) -> None:
    out, _ = recorded
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) > 100
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path


def test_a_miss_ends_the_build_and_prints_the_request(
    recorded: tuple[Path, list[str]], world: World, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], no_network: None,
) -> None:  # fmt: skip
    first, who = recorded
    shelf = first / "skyscript" / "requests"
    kept = next(p for p in sorted(shelf.glob("*/*/*.json")) if "chat" in p.read_text())
    lost = json.loads(kept.read_text())["request"]
    kept.unlink()
    out = tmp_path / "b"
    argv = arguments(world, out, *who, "--requests", "replay", "--requests-at", str(shelf))
    assert build(RECIPE, argv) == 1
    said = capsys.readouterr().err
    assert "--requests replay: no answer is kept" in said
    assert json.dumps(lost, sort_keys=True, separators=(",", ":")) in said
    assert not release(out).exists()


def test_a_corrupt_answer_ends_the_build(
    recorded: tuple[Path, list[str]], world: World, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], no_network: None,
) -> None:  # fmt: skip
    first, who = recorded
    shelf = first / "skyscript" / "requests"
    path = next(p for p in sorted(shelf.glob("*/*/*.json")) if "open ground" in p.read_text())
    path.write_text(path.read_text().replace("open ground", "open grounds"))
    argv = arguments(
        world, tmp_path / "b", *who, "--requests", "replay", "--requests-at", str(shelf)
    )
    assert build(RECIPE, argv) == 1
    assert f"{path} is not what was stored (its hash differs)" in capsys.readouterr().err
