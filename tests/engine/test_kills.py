"""A build that is killed, cut or told to stop leaves work that the next run completes."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

import building
from building import PARTS, arguments, release, tree, work
from catalogs.files import read_json, write_json
from small_world import World


def wait_for(child: Any, folder: Path, pattern: str, count: int) -> list[Path]:
    """Until `count` files are there; fails when the process ends before."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found = sorted(folder.glob(pattern))
        if len(found) >= count:
            return found
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.002)
    raise AssertionError(f"no {count} files {pattern} within a minute")


MOMENTS = (
    ("plan/phase-1/*.parquet", 1),
    ("make/*.json", 2),
    ("make/*.json", 7),
    ("pack/commits/*.json", 1),
    ("v1.0.0/stac/*", 1),
)
"""What must have appeared when the process is killed."""


def test_fault_01_kill_minus_nine(world: World, built: Any, tmp_path: Path) -> None:
    records: dict[Path, int] = {}
    for pattern, count in MOMENTS:
        child = building.started(arguments(world, tmp_path))
        wait_for(child, work(tmp_path), pattern, count)
        child.kill()
        assert child.wait(timeout=20) == -signal.SIGKILL
        assert not release(tmp_path).exists()
        now = {p: p.stat().st_mtime_ns for p in work(tmp_path).glob("make/*.json")}
        assert records.items() <= now.items(), "a committed block was made again"
        records = now
    assert len(records) == 14
    assert building.main(arguments(world, tmp_path)) == 0
    assert tree(release(tmp_path), PARTS) == built.parts
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("solo", [99, 1])
def test_fault_02_kill_between_data_and_record(
    solo: int, world: World, built: Any, tmp_path: Path
) -> None:
    sizes = {**building.SMALL, "solo": solo}
    names = [b["id"] for b in read_json(work(built.out) / "plan" / "plan.json")["blocks"]]
    made = work(tmp_path) / "make"
    for point in ("after-payload", "before-record"):
        name = next(
            n for n in names if not (made / f"{n}.json").exists()
        )  # the other worker's stand
        env = {"EARTHLOOM_FAIL_POINT": f"{point}:{name}"}
        done = building.ran(arguments(world, tmp_path), env, sizes)
        if solo == 1:  # a worker process died, not the build
            assert done.returncode == 1 and "ended (killed by SIGKILL) in block" in done.stderr
        else:
            assert done.returncode == -signal.SIGKILL
        assert (made / f"{name}.bin").exists()
        assert (made / f"{name}.parquet").exists() == (point == "before-record")
        assert not (made / f"{name}.json").exists()
    assert building.main(arguments(world, tmp_path)) == 0
    assert tree(release(tmp_path), PARTS) == built.parts


def test_fault_03_kill_between_manifest_and_pointer(
    world: World, built: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pointer = release(tmp_path).parent / "latest.json"
    write_json(pointer, {"version": "0.9.0"})
    env = {"EARTHLOOM_FAIL_POINT": "before-latest"}
    assert building.ran(arguments(world, tmp_path), env).returncode == -signal.SIGKILL
    assert read_json(pointer) == {"version": "0.9.0"}, "the old release must still be served"
    before = building.times(release(tmp_path))
    assert building.main(arguments(world, tmp_path)) == 0
    assert "up to date" in capsys.readouterr().err
    assert read_json(pointer)["version"] == "1.0.0"
    assert building.times(release(tmp_path)) == before
    assert tree(release(tmp_path), PARTS) == built.parts


def test_fault_19_signals_leave_resumable_work(world: World, built: Any, tmp_path: Path) -> None:
    for number, pattern in (
        (signal.SIGTERM, "make/*.json"),
        (signal.SIGINT, "pack/commits/*.json"),
    ):
        child = building.started(arguments(world, tmp_path))
        wait_for(child, work(tmp_path), pattern, 1)
        child.send_signal(number)
        _, said = child.communicate(timeout=10)
        assert child.returncode == 128 + number
        assert "run again to resume" in said
        assert not (work(tmp_path) / "lock").exists()
    assert building.main(arguments(world, tmp_path)) == 0
    assert tree(release(tmp_path), PARTS) == built.parts


def test_fault_04_two_runs_on_one_folder(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = building.started(arguments(world, tmp_path))
    wait_for(child, work(tmp_path), "lock", 1)
    assert building.main(arguments(world, tmp_path)) == 1
    said = capsys.readouterr().err
    child.kill()
    child.wait(timeout=20)
    assert f"locked by process {child.pid} on " in said and "since 2" in said
    # fault 5: the same lock, its process now dead
    assert building.main(arguments(world, tmp_path, "--until", "plan")) == 0
    assert f"took over the lock of process {child.pid}" in capsys.readouterr().err
