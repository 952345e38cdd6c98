"""Worker processes: the same bytes as threads, no orphans, and a fault in one is a sentence here."""

import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import building
from building import PARTS, SMALL, arguments, main, release, tree, work
from pipelines.acts.crew import Worker, _portable
from schemas.errors import BuildError, SourceError
from small_world import World


@pytest.mark.parametrize(("workers", "solo"), [("1", 99), ("2", 99), ("2", 1), ("3", 1)])
def test_fault_16_threads_and_processes_give_the_same_bytes(
    workers: str, solo: int, world: World, built: Any, tmp_path: Path
) -> None:
    sizes = {**SMALL, "solo": solo}
    assert main(arguments(world, tmp_path, "--workers", workers), sizes) == 0
    assert tree(release(tmp_path), PARTS) == built.parts


def marked(mark: str) -> list[int]:
    """Processes that carry a word in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # gone, or another user's
            continue
    return found


def test_workers_end_with_a_killed_parent(world: World, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    argv = arguments(world, tmp_path, "--workers", "3", "--until", "make")
    child = building.started(argv, {"LOOM_TEST": mark}, {"block": 3, "partition": 30, "solo": 1})
    while not list(work(tmp_path).glob("make/*.json")):
        assert child.poll() is None, "the build must not end before it is killed"
        time.sleep(0.01)
    assert len(marked(mark)) >= 5, "parent, server and three workers"
    child.kill()
    child.wait(timeout=20)
    until = time.monotonic() + 20
    while marked(mark) and time.monotonic() < until:
        time.sleep(0.05)
    assert marked(mark) == []


class Odd(Exception):
    """An error that cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("odd")
        self.held = lambda: None


def plain(job: Any) -> Any:
    """The state of the workers below: what the test wants them to do."""
    return job


def block(name: str, state: Any, later: Callable[[Callable[[], Any]], Any]) -> None:
    """Do as the name says."""
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "odd":
        raise Odd
    if name == "late":
        later(lambda: 1 / 0)
    elif name == "source":
        raise SourceError("cut")
    else:
        later(lambda: name.upper())


class Job:
    """What `serve` itself asks of a job."""

    workers = 2


def given(*names: str) -> list[Any]:
    """What a worker answered to blocks of these names."""
    left, done = list(names), list[Any]()
    worker = Worker(Job(), plain, block)  # type: ignore[arg-type]
    try:
        worker.work(lambda: left.pop(0) if left else None, done.append)
    finally:
        worker.close()
    return done


def test_answers_come_in_order() -> None:
    assert given("a", "b", "c") == ["A", "B", "C"]
    assert given() == []


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("die", BuildError, "killed by SIGKILL.* in block die; run again"),
        ("odd", BuildError, "Odd: odd"),
        ("late", ZeroDivisionError, "division"),
        ("source", SourceError, "cut"),
    ],
)
def test_faults_of_a_worker_are_raised_here(name: str, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        given("a", name, "b")


def test_errors_travel_as_they_are_where_they_can() -> None:
    full = _portable(OSError(28, "No space left on device", "x.bin"))
    assert isinstance(full, OSError) and full.filename == "x.bin"
    assert str(_portable(Odd())) == "Odd: odd"
