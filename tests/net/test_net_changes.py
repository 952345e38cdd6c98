"""Images that change on their server while a build runs: a release is made of one version of each."""

import json
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio

from catalogs.files import read_json, write_json
from fault_server import FaultServer, Handler, Step, file, tag_of
from net_world import built, items, release, same
from schemas.text import counted
from small_world import World

TURNING = "train-d"
"""The scene whose image changes."""

DAYS = ("Mon, 05 Jan 2026 10:00:00 GMT", "Tue, 06 Jan 2026 10:00:00 GMT")


@pytest.fixture(scope="module")
def later(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The small world with other pixels in one image, of the same size and shape."""
    made = world.copy(tmp_path_factory.mktemp("later") / "world")
    path = made.imagery / f"{TURNING}.tif"
    with rasterio.open(path) as source:
        pixels, profile = source.read(), source.profile
    ground = pixels > 0
    pixels = np.where(ground, np.clip(255 - pixels, 1, 255), 0).astype("uint8")
    path.unlink()
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels)
    return made


@pytest.fixture(scope="module")
def from_later(later: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of an undisturbed build of the later world."""
    out = tmp_path_factory.mktemp("calm")
    done = built(later, items(later, out / "items.json", str), out / "out")
    assert done.returncode == 0, done.stderr
    return release(out / "out")


class Turning:
    """An image that is another one from its n-th request on.

    Attributes:
        asked: requests so far.
    """

    def __init__(self, old: Step, new: Step, at: float) -> None:
        self.old, self.new, self.at, self.asked = old, new, at, 0
        self.lock = threading.Lock()

    def __call__(self, handler: Handler) -> None:
        with self.lock:
            step = self.new if self.asked >= self.at else self.old
            self.asked += 1
        step(handler)


def heedless(step: Step) -> Step:
    """The same from a server that does not know If-Match."""

    def serve(handler: Handler) -> None:
        handler.hit.headers.pop("If-Match", None)
        step(handler)

    return serve


def tagged(data: bytes, day: str) -> Step:
    return file(data)


def tagged_only(data: bytes, day: str) -> Step:
    return heedless(file(data))


def dated(data: bytes, day: str) -> Step:
    return file(data, ETag="", Last_Modified=day)


def turning(
    server: FaultServer, world: World, later: World, tmp: Path, at: float, serve: Any = tagged
) -> tuple[Path, Turning]:
    """Items of the world on a server where one image turns into the later one."""
    images = [(w.imagery / f"{TURNING}.tif").read_bytes() for w in (world, later)]
    turn = Turning(*(serve(data, day) for data, day in zip(images, DAYS, strict=True)), at)

    def href(path: Path) -> str:
        step = turn if path.stem == TURNING else file(path.read_bytes())
        return server.on(f"/{path.name}", step)

    return items(world, tmp / "items.json", href), turn


def versions(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Files by scene, as the release's provenance has them."""
    rows = pq.read_table(release(out) / "provenance" / "sources.parquet").to_pylist()
    found = [(row["id"].partition("/")[2], row["files"]) for row in rows]
    return {scene: files for scene, files in found if scene}


@pytest.mark.parametrize(("at", "serve"), [(1, tagged), (2, tagged_only), (3, dated)])
def test_an_image_that_changes_in_mid_build(
    at: int, serve: Callable[[bytes, str], Step], world: World, later: World, from_later: Path,
    server: FaultServer, tmp_path: Path,
) -> None:  # fmt: skip
    """Between header and tiles, between two blocks: what is released is the later image, whole."""
    place, turn = turning(server, world, later, tmp_path, at, serve)
    done = built(world, place, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert turn.asked > at, "it was read before and after it changed"
    same(release(tmp_path / "out"), from_later)


def test_an_interrupted_build_that_resumes_on_another_image(
    world: World, later: World, from_later: Path, server: FaultServer, tmp_path: Path
) -> None:
    place, turn = turning(server, world, later, tmp_path, float("inf"))
    out, one = tmp_path / "out", ("--workers", "1")
    assert built(world, place, out, "--until", "plan").returncode == 0
    names = blocks_of(out, TURNING)
    done = built(world, place, out, *one, EARTHLOOM_FAIL_POINT=f"before-record:{names[-1]}")
    assert done.returncode == -signal.SIGKILL
    assert (
        len(names) >= 2 and record(out, names[0]).exists() and not record(out, names[-1]).exists()
    )
    turn.at = 0
    done = built(world, place, out, *one)
    assert done.returncode == 0, done.stderr
    blocks = counted(len(names) - 1, "block")
    said = f"{TURNING}.tif changed while the build ran; {blocks} to be made anew"
    assert said in done.stderr
    same(release(out), from_later)


def record(out: Path, block: str) -> Path:
    """A block's commit record."""
    return out / "skyscript" / ".work" / "make" / f"{block}.json"


def blocks_of(out: Path, scene: str) -> list[str]:
    """Blocks of a plan whose windows show a scene, in plan order."""
    planned = out / "skyscript" / ".work" / "plan"
    listed = [block["id"] for block in read_json(planned / "plan.json")["blocks"]]
    keys = {
        name: pq.read_table(planned / "blocks" / f"{name}.parquet")["scene_ids"].to_pylist()
        for name in listed
    }
    return [name for name in listed if any(f"small/{scene}" in ids for ids in keys[name])]


@pytest.mark.slow
def test_slices_that_saw_two_versions_are_not_packed(
    world: World, from_disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    """The slice whose block is older makes it anew; no other slice does, and none packs before."""
    out = tmp_path / "out"
    place = items(
        world, tmp_path / "items.json", lambda p: server.on(f"/{p.name}", file(p.read_bytes()))
    )
    assert built(world, place, out, "--until", "make").returncode == 0
    names = [b["id"] for b in read_json(out / "skyscript/.work/plan/plan.json")["blocks"]]
    old, new = blocks_of(out, TURNING)[:2]
    entry = read_json(record(out, old))
    (href,) = entry["read"]
    entry["read"][href][1] = '"of-yesterday"'
    write_json(record(out, old), entry)

    def slice_of(block: str, *more: str) -> Any:
        return built(world, place, out, "--slice", f"{names.index(block)}/{len(names)}", *more)

    done = slice_of(new, "--until", "pack")
    assert done.returncode == 1
    assert f"pack: {href} changed while the blocks were made" in done.stderr
    assert read_json(record(out, old)) == entry
    done = slice_of(old, "--until", "make")
    assert done.returncode == 0
    assert f"{href} changed while the build ran; 1 block to be made anew" in done.stderr
    done = built(world, place, out)
    assert done.returncode == 0 and "made anew" not in done.stderr
    same(release(out), from_disk)


@pytest.mark.slow
def test_an_image_that_is_never_the_same_fails_by_name(
    world: World, later: World, server: FaultServer, tmp_path: Path
) -> None:
    """Two mirrors that differ, one of them for openings: its chips fail, and the others are shipped."""
    images = [(w.imagery / f"{TURNING}.tif").read_bytes() for w in (world, later)]
    steps = [heedless(file(data)) for data in images]

    def either(handler: Handler) -> None:
        opening = handler.hit.headers["Range"].startswith("bytes=0-")
        steps[0 if opening else 1](handler)

    def href(path: Path) -> str:
        step = either if path.stem == TURNING else file(path.read_bytes())
        return server.on(f"/{path.name}", step)

    place = items(world, tmp_path / "items.json", href)
    done = built(world, place, tmp_path / "out", "--error-budget", "0.5")
    assert done.returncode == 0, done.stderr
    drops = pq.read_table(release(tmp_path / "out") / "metadata" / "drops.parquet").to_pylist()
    failed = [row for row in drops if row["outcome"] == "failed"]
    assert len(failed) == 12 and {row["code"] for row in failed} == {"changed_source"}
    said = f"{server.url(f'/{TURNING}.tif')}: the file changed while it was read; --retry-failed"
    assert all(row["message"].startswith(said) for row in failed)


def test_provenance_names_the_versions_that_were_read_and_nothing_is_asked_again(
    world: World, server: FaultServer, tmp_path: Path
) -> None:
    def href(path: Path) -> str:
        return server.on(f"/{path.name}", file(path.read_bytes())) + "?key=value"

    place = items(world, tmp_path / "items.json", href)
    document = json.loads(place.read_text())
    document["features"][0]["assets"]["image"]["file:checksum"] = "1220" + "ab" * 32
    place.write_text(json.dumps(document))
    done = built(world, place, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found = versions(tmp_path / "out")
    assert len(found) >= 6
    for scene, files in found.items():
        data = (world.imagery / f"{scene}.tif").read_bytes()
        first = scene == document["features"][0]["id"]
        assert files == [{
            "href": server.url(f"/{scene}.tif"), "etag": tag_of(data), "modified": "",
            "size": len(data), "checksum": "ab" * 32 if first else "",
        }]  # fmt: skip
    asked = len(server.hits)
    done = built(world, place, tmp_path / "out")
    assert done.returncode == 0 and "up to date" in done.stderr
    shutil.rmtree(release(tmp_path / "out"))
    assert built(world, place, tmp_path / "out").returncode == 0
    assert len(server.hits) == asked, "neither when it is released nor when its blocks are made"
