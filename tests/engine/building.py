"""Builds of the small world: in this process, in a process of its own, and what came out of them."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pipelines.acts.plan as plan_act
import pipelines.commands.build as command
import pipelines.job as jobs
import pipelines.sequence as sequence
from catalogs.shelf import SHELF
from small_world import World

ROOT = Path(__file__).resolve().parents[2]
EPOCH = "1700000000"
PARTS = ("data", "metadata", "stac")
SMALL = {"block": 8, "partition": 30}
"""So that even this world has a dozen blocks and several partitions."""

LAST: list[jobs.Job] = []
"""The job of the latest build in this process."""

CHILD = """
import sys
sys.path.insert(0, {here!r})
import building
sys.exit(building.main(sys.argv[1:], {sizes!r}))
"""


def arguments(world: World, out: Path, *more: str) -> list[str]:
    """The command line of a build of `world` into `out`."""
    return [
        "--dataset", "skyscript", "--imagery", str(world.imagery), "--osm", str(world.osm),
        "--license", "imagery=CC-BY-4.0", "--attribution", "imagery=Nobody", "--workers", "2",
        "--set", "pack.samples=20", "--out", str(out), *more,
    ]  # fmt: skip


def main(argv: list[str], sizes: dict[str, int] = SMALL) -> int:
    """`pipelines.build` with small blocks and partitions, as if in a fresh process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    original = sequence.job_of

    def small(*args: Any) -> jobs.Job:
        found = replace(original(*args), **sizes)
        LAST[:] = [found]
        return found

    for cached in (jobs.scenes_of, jobs.imagery_of, plan_act._spool, plan_act._caps):
        cached.cache_clear()
    SHELF.clear()
    sequence.job_of = small
    try:
        return command.main(argv)
    finally:
        sequence.job_of = original
        for number, handler in handlers.items():
            signal.signal(number, handler)


def planned(world: World, out: Path, sizes: dict[str, int] = SMALL, *more: str) -> jobs.Job:
    """Plan only; returns the job that the acts were given."""
    assert main(arguments(world, out, "--until", "plan", "--quiet", *more), sizes) == 0
    return LAST[0]


def started(argv: Iterable[str], env: dict[str, str] | None = None, sizes: Any = SMALL) -> Any:
    """The same in a process of its own, not waited for."""
    code = CHILD.format(here=str(Path(__file__).parent), sizes=sizes)
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv], cwd=ROOT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ran(argv: Iterable[str], env: dict[str, str] | None = None, sizes: Any = SMALL) -> Any:
    """The finished process, with `returncode` and `stderr`."""
    child = started(argv, env, sizes)
    out, err = child.communicate(timeout=120)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def release(out: Path) -> Path:
    """Where the release lies."""
    return out / "skyscript" / "v1.0.0"


def work(out: Path) -> Path:
    """The work area."""
    return out / "skyscript" / ".work"


def tree(folder: Path, parts: Iterable[str] = ("",)) -> dict[str, str]:
    """Path -> SHA-256 of every file below the named parts of a folder."""
    found = {}
    for part in parts:
        for path in sorted((folder / part).rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def times(folder: Path) -> dict[str, int]:
    """Path -> modification time of every file."""
    return {str(p): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}
