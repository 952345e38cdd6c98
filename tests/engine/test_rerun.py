"""Running again: what is done stays done, what was asked differently is refused by name."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import building
from building import PARTS, arguments, main, release, tree, work
from catalogs.files import read_json
from pipelines.workdir import Lock
from schemas.errors import BuildError
from small_world import World

Capture = pytest.CaptureFixture[str]


def lock_of(path: Path, **changed: Any) -> None:
    entry = {"pid": os.getpid(), "host": socket.gethostname(), "since": "x", "born": "", **changed}
    path.write_text(json.dumps(entry))


def test_fault_05_stale_locks_are_taken_over(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait(timeout=20)
    path = tmp_path / "lock"
    lock_of(path, pid=dead.pid)
    with Lock(path) as lock:
        assert str(dead.pid) in lock.note
    lock_of(path, born="1")  # this pid, but of a process that began at another time
    with Lock(path) as lock:
        assert "took over" in lock.note
    for broken in ("", "{}", "5", "[1]"):
        path.write_text(broken)
        with Lock(path) as lock:
            assert "took over" in lock.note
    assert not path.exists()


@pytest.mark.parametrize("changed", [{}, {"host": "elsewhere"}])
def test_fault_04_a_living_or_foreign_lock_stands(changed: Any, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock_of(path, **changed)
    with pytest.raises(BuildError, match="is locked by process"), Lock(path):
        pass
    assert path.exists()


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("lock", "lock-1-of-2"), ("lock-0-of-2", "lock"), ("lock-0-of-2", "lock-0-of-3")],
)
def test_fault_04_a_build_and_its_slices_exclude_each_other(
    mine: str, theirs: str, tmp_path: Path
) -> None:
    peers = "" if mine == "lock" else "-of-2"
    lock_of(tmp_path / theirs)
    with pytest.raises(BuildError, match="is locked by process"), Lock(tmp_path / mine, peers):
        pass
    assert [p.name for p in tmp_path.iterdir()] == [theirs], "its own lock is given back"
    lock_of(tmp_path / theirs, pid=0)
    with Lock(tmp_path / mine, peers):
        pass


def test_slices_share_a_folder(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock-0-of-2", "-of-2"), Lock(tmp_path / "lock-1-of-2", "-of-2"):
        assert len(list(tmp_path.iterdir())) == 2


def test_a_lock_is_whole_as_soon_as_it_is_seen(tmp_path: Path) -> None:
    seen: list[Any] = []
    opened = os.open

    def spying(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        handle = opened(path, flags, *rest, **more)
        if (tmp_path / "lock").exists():
            seen.append((tmp_path / "lock").read_text())
        return handle

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", spying)
        with Lock(tmp_path / "lock"):
            seen.append((tmp_path / "lock").read_text())
    assert all(json.loads(text)["pid"] == os.getpid() for text in seen)


def test_fault_06_rerun_changes_nothing(world: World, built: Any) -> None:
    before = building.times(built.out)
    code = (
        "import sys; from pipelines.commands.build import main; code = main(sys.argv[1:])\n"
        "sys.exit(99 if 'apache_beam' in sys.modules or 'rasterio' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments(world, built.out)], cwd=building.ROOT,
        env={**os.environ, "PYTHONPATH": str(building.ROOT)}, text=True, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stderr
    assert building.times(built.out) == before


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--set", "windows.px=32"), ("set:", "windows.px")),
        (("--seed", "1"), ("seed: 0 -> 1",)),
        (("--limit", "5", "--years", "2020", "2023"), ("limit: 0 -> 5", "years:")),
    ],
)
def test_fault_07_changed_settings_are_named(
    more: tuple[str, ...], named: tuple[str, ...], world: World, built: Any, capsys: Capture
) -> None:
    before = building.times(built.out)
    assert main(arguments(world, built.out, *more)) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in named) and "--overwrite" in said
    assert building.times(built.out) == before


def test_fault_07_a_changed_source_file_is_noticed(
    world: World, tmp_path: Path, capsys: Capture
) -> None:
    own = world.copy(tmp_path / "own")
    assert main(arguments(own, tmp_path / "out", "--until", "plan")) == 0
    os.utime(next(own.imagery.iterdir()), ns=(0, 0))
    assert main(arguments(own, tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert "size or time of imagery changed" in said and "--overwrite" in said


def test_fault_09_output_that_cannot_be_written(
    world: World, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("in the way")
    missing = World(tmp_path / "nowhere")  # found out about before any source is read
    assert main(arguments(missing, tmp_path / "file")) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "in the way"


def test_fault_10_something_else_at_the_destination(
    world: World, tmp_path: Path, capsys: Capture
) -> None:
    target = release(tmp_path)
    target.mkdir(parents=True)
    (target / "mine.txt").write_text("keep")
    assert main(arguments(world, tmp_path)) == 1
    assert "exists already" in capsys.readouterr().err
    assert tree(target).keys() == {"mine.txt"}
    assert not (target.parent / "latest.json").exists()
    assert not (work(tmp_path) / "make").exists(), "said before the work, not after it"


def test_limit_then_overwrite(world: World, built: Any, tmp_path: Path, capsys: Capture) -> None:
    assert main(arguments(world, tmp_path, "--limit", "10")) == 0
    counts = read_json(release(tmp_path) / "manifest.json")["counts"]
    assert counts["planned"] == 10 + 13, "ten through every act, and the losses of the plan"
    assert counts["shipped"] + counts["rejected"] == counts["planned"]
    assert counts["shipped"] >= 8
    assert main(arguments(world, tmp_path)) == 2
    assert "holds a taste (--limit 10)" in capsys.readouterr().err
    assert main(arguments(world, tmp_path, "--overwrite")) == 0
    assert tree(release(tmp_path), PARTS) == built.parts


def test_blocks_of_other_plans_are_removed(world: World, built: Any, tmp_path: Path) -> None:
    assert main(arguments(world, tmp_path, "--set", "windows.margin=1", "--until", "make")) == 0
    assert main(arguments(world, tmp_path, "--overwrite", "--plan")) == 0  # destroys nothing
    (work(tmp_path) / "settings.json").unlink()
    stale = {p.stem for p in (work(tmp_path) / "make").glob("*.bin")}
    assert main(arguments(world, tmp_path)) == 0
    kept = {p.stem for p in (work(tmp_path) / "make").glob("*.bin")}
    assert kept == {p.stem for p in (work(tmp_path) / "plan" / "blocks").glob("*.parquet")}
    assert stale and not stale & kept
    assert tree(release(tmp_path), PARTS) == built.parts


def test_until_stops_after_each_act(world: World, built: Any, tmp_path: Path) -> None:
    assert main(arguments(world, tmp_path, "--until", "plan")) == 0
    assert (work(tmp_path) / "plan" / "plan.json").exists()
    assert not (work(tmp_path) / "make").exists()
    assert main(arguments(world, tmp_path, "--until", "make")) == 0
    made = building.times(work(tmp_path) / "make")
    assert made and not (work(tmp_path) / "pack").exists()
    assert main(arguments(world, tmp_path)) == 0
    assert building.times(work(tmp_path) / "make") == made
    assert tree(release(tmp_path), PARTS) == built.parts


def test_a_job_array_ends_well_in_any_order(
    world: World, built: Any, tmp_path: Path, capsys: Capture
) -> None:
    def run(*more: str) -> str:
        assert main(arguments(world, tmp_path, *more)) == 0
        return capsys.readouterr().err

    run("--until", "plan")
    assert "pack waits for" in run("--slice", "1/2")
    assert "slice done" in run("--slice", "0/2")
    assert "slice done" in run("--slice", "1/2")
    run()
    assert tree(release(tmp_path), PARTS) == built.parts


def test_slices_equal_one_run(world: World, built: Any, tmp_path: Path, capsys: Capture) -> None:
    def run(*more: str) -> int:
        return main(arguments(world, tmp_path, *more))

    assert run("--slice", "0/2", "--until", "make") == 2  # there is no plan yet
    assert run("--until", "plan") == 0
    assert run("--slice", "1/2", "--until", "make") == 0
    first = len(list((work(tmp_path) / "make").glob("*.json")))
    assert 0 < first < 14
    capsys.readouterr()
    assert run("--slice", "1/2", "--until", "pack") == 1
    assert f"{14 - first} of 14 blocks are not made yet" in capsys.readouterr().err
    assert run("--slice", "0/2", "--until", "make") == 0
    assert run("--slice", "0/2", "--until", "pack") == 0
    shards = len(list((work(tmp_path) / "pack" / "commits").glob("*.json")))
    assert run("--slice", "1/2", "--until", "pack") == 0
    assert 0 < shards < len(list((work(tmp_path) / "pack" / "commits").glob("*.json")))
    assert run() == 0
    assert tree(release(tmp_path), PARTS) == built.parts
