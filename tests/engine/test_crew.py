"""Worker processes: the same bytes as threads, no orphans, and a fault in one is a sentence here."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import building
from building import PARTS, SMALL, arguments, main, release, tree, work
from catalogs.processes import portable
from pipelines.acts.crew import CLOSING, Worker
from pipelines.acts.lanes import Blocks
from pipelines.acts.make import State, make_named
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
    assert len(marked(mark)) >= 6, "parent, its tracker, the server and three workers"
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
    if name == "source":
        raise SourceError("cut")
    if name == "late":
        later(lambda: 1 / 0)
    elif name.startswith("slow"):
        later(partial(closed, name, state.folder))
    else:
        later(lambda: name.upper())


def closed(name: str, folder: Path) -> str:
    """A slow disk: says so, and waits until it may go on."""
    (folder / name).touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return name


@dataclass
class Job:
    """What `serve` itself asks of a job."""

    folder: Path = Path()
    workers: int = 2
    slice: tuple[int, int] = (0, 1)


def given(*names: str, folder: Path = Path()) -> list[Any]:
    """What a worker answered to blocks of these names."""
    left, done = list(names), list[Any]()
    worker = Worker(Job(folder), plain, block)  # type: ignore[arg-type]
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


def test_a_slow_disk_holds_the_worker_back(tmp_path: Path) -> None:
    names = [f"slow{i}" for i in range(12)]
    left, done = list(names), list[Any]()
    worker = Worker(Job(tmp_path), plain, block)  # type: ignore[arg-type]
    thread = threading.Thread(
        target=worker.work, args=(lambda: left.pop(0) if left else None, done.append)
    )
    thread.start()
    while not (tmp_path / "slow0").exists():
        assert thread.is_alive()
        time.sleep(0.01)
    time.sleep(0.3)  # long enough to take all of them, if it could
    assert len(left) >= 12 - 2 - CLOSING
    (tmp_path / "go").touch()
    thread.join(20)
    worker.close()
    assert done == names


def test_a_block_that_is_made_already_is_answered(world: World, tmp_path: Path) -> None:
    sizes = {**SMALL, "solo": 1}
    assert main(arguments(world, tmp_path, "--until", "make"), sizes) == 0
    job = building.LAST[0]
    names = [p.stem for p in sorted((work(tmp_path) / "make").glob("*.json"))]
    left, done = list(names), list[Any]()
    worker = Worker(job, State, make_named)
    worker.work(lambda: left.pop(0) if left else None, done.append)
    worker.close()
    assert len(done) == len(names) == 14 and all(commit.rows for commit in done)


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 5, 8])
def test_every_block_is_taken_once_and_lanes_end_together(lanes: int) -> None:
    names = [str(i) for i in range(120)]
    blocks = Blocks(names, lanes)
    taken: list[list[str]] = [[] for _ in range(lanes)]
    for turn in range(lanes * 121):
        if (name := blocks.take(turn % lanes)) is not None:
            taken[turn % lanes].append(name)
    assert sorted(chain(*taken), key=int) == names
    assert max(map(len, taken)) - min(map(len, taken)) <= 1


def test_a_lane_left_alone_takes_the_others_blocks() -> None:
    blocks = Blocks([str(i) for i in range(10)], 4)
    assert len([name for _ in range(11) if (name := blocks.take(3))]) == 10


def test_a_script_without_a_guard(world: World, tmp_path: Path) -> None:
    """A caller's script is not run again in the workers."""
    argv = arguments(world, tmp_path / "out", "--until", "make", "--quiet")
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"import building\nopen({str(tmp_path / 'runs')!r}, 'a').write('run ')\n"
        f"code = building.main({argv!r}, {{**building.SMALL, 'solo': 1}})\nsys.exit(code)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(building.ROOT)}
    for command in ([str(script)], ["-"]):
        text = script.read_text() if command == ["-"] else None
        done = subprocess.run(
            [sys.executable, *command], env=env, input=text, text=True, capture_output=True,
            cwd=tmp_path, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs").read_text() == "run run "


def test_a_temporary_folder_with_a_long_path(world: World, tmp_path: Path) -> None:
    """Sockets' paths may have 107 bytes; workers start all the same."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    argv = arguments(world, tmp_path / "out", "--until", "make", "--quiet")
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import building\n"
        f"sys.exit(building.main({argv!r}, {{**building.SMALL, 'solo': 1}}))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(building.ROOT), "TMPDIR": str(deep)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, text=True, capture_output=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(deep.iterdir()) == []


def test_errors_travel_as_they_are_where_they_can() -> None:
    full = portable(OSError(28, "No space left on device", "x.bin"))
    assert isinstance(full, OSError) and full.filename == "x.bin"
    assert str(portable(Odd())) == "Odd: odd"
