"""Whole builds over the network: the bytes of a build from disk, whatever the servers do meanwhile."""

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from blobs import CANARY, Blobs
from catalogs.files import read_json, write_json
from fault_server import FaultServer, Handler, Step, answer, cut, file, tag_of
from net_world import built, items, release, same
from small_world import World


def test_the_bytes_of_disk(
    world: World, from_disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    def href(path: Path) -> str:
        return server.on(f"/{path.name}", file(path.read_bytes()))

    done = built(world, items(world, tmp_path / "items.json", href), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    same(release(tmp_path / "out"), from_disk)
    rows = read_json(from_disk / "manifest.json")["counts"]["shipped"]
    assert 16 <= len(server.paths()) < 1.2 * rows, "blocks of eight chips: about one request each"


class Storm:
    """A server that is busy, down or cuts short twice for every third part that it is asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, list[int]] = {}
        self.lock = threading.Lock()
        self.refused = 0

    def file(self, data: bytes) -> Step:
        """A file behind it."""
        kinds = [answer(429, Retry_After=0), answer(503), cut(data, 9), answer(503, Retry_After=0)]

        def serve(handler: Handler) -> None:
            part = f"{handler.hit.path} {handler.hit.headers.get('Range')}"
            with self.lock:
                entry = self.asked.setdefault(part, [len(self.asked), 0])
                entry[1] += 1
                bad = entry[0] % 3 == 0 and entry[1] <= 2
                self.refused += bad
            (kinds[entry[0] // 3 % len(kinds)] if bad else file(data))(handler)

        return serve


def test_fault_22_23_27_storms_cost_time_and_nothing_else(
    world: World, from_disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    storm = Storm()

    def href(path: Path) -> str:
        return server.on(f"/{path.name}", storm.file(path.read_bytes()))

    done = built(world, items(world, tmp_path / "items.json", href), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    same(release(tmp_path / "out"), from_disk)
    assert storm.refused > 20


def test_fault_24_34_tokens_end_in_mid_run_and_leave_no_trace(
    world: World, from_disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    blobs = Blobs(server, time.time)
    uses: Counter[int] = Counter()
    plain = blobs.valid

    def valid(hit: Any) -> bool:
        fields = dict(part.split("=", 1) for part in hit.query.split("&") if "=" in part)
        number = int(fields.get("sig", "0-").split("-")[0])
        uses[number] += 1
        return plain(hit) and uses[number] <= 25

    blobs.valid = valid  # type: ignore[method-assign]
    place = items(
        world, tmp_path / "items.json", lambda path: blobs.blob(path.read_bytes(), path.name)
    )
    done = built(
        world, place, tmp_path / "out",
        EARTHLOOM_PC_SAS=f"{server.url('/sas/token')},{server.place}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    same(release(tmp_path / "out"), from_disk)
    assert blobs.given >= 3, "tokens were used up"
    told = [done.stderr.encode(), done.stdout.encode()]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in (*told, *files) if CANARY.encode() in text]


def test_a_file_that_is_gone_fails_by_name(
    world: World, server: FaultServer, tmp_path: Path
) -> None:
    def href(path: Path) -> str:
        if path.stem == "train-d":
            return server.on("/gone.tif", answer(404))
        return server.on(f"/{path.name}", file(path.read_bytes()))

    place = items(world, tmp_path / "items.json", href)
    done = built(world, place, tmp_path / "out", "--error-budget", "0.5")
    assert done.returncode == 0, done.stderr
    drops = pq.read_table(release(tmp_path / "out") / "metadata" / "drops.parquet").to_pylist()
    failed = [row for row in drops if row["outcome"] == "failed"]
    assert len(failed) == 12 and {row["code"] for row in failed} == {"not_found"}
    assert all("gone.tif" in row["message"] for row in failed)


def test_items_that_leave_grid_and_bands_to_the_header(
    world: World, from_disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    """The plan reads headers over the network, and the build is bound to the files that it saw."""

    def href(path: Path) -> str:
        return server.on(f"/{path.name}", file(path.read_bytes()))

    place = items(world, tmp_path / "items.json", href)
    document = read_json(place)
    for feature in document["features"]:
        for name in ("proj:code", "proj:transform", "proj:shape", "gsd"):
            del feature["properties"][name]
        del feature["assets"]["image"]["bands"]
    write_json(place, document)
    done = built(world, place, tmp_path / "out", "--until", "plan")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out/skyscript/.work/plan/scenes.jsonl").read_text().splitlines()
    scenes = [json.loads(line) for line in lines]
    tags = {scene["id"]: {band["etag"] for band in scene["bands"]} for scene in scenes}
    images = {path.stem: {tag_of(path.read_bytes())} for path in world.imagery.glob("*.tif")}
    assert tags == images
    assert built(world, place, tmp_path / "out").returncode == 0
    same(release(tmp_path / "out"), from_disk)


def test_fault_36_files_of_another_size_than_declared(
    world: World, server: FaultServer, tmp_path: Path
) -> None:
    """A size is compared with the file; a checksum of the whole cannot be, which is said once."""

    def href(path: Path) -> str:
        return server.on(f"/{path.name}", file(path.read_bytes()))

    place = items(world, tmp_path / "items.json", href)
    document = read_json(place)
    for feature in document["features"]:
        size = (world.imagery / f"{feature['id']}.tif").stat().st_size
        wrong = feature["id"] == "train-d"
        more = {"file:size": size + wrong, "file:checksum": "1220" + "ab" * 32}
        feature["assets"]["image"] |= more
    write_json(place, document)
    done = built(world, place, tmp_path / "out", "--error-budget", "0.5")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("unverified: 8 of 8 scenes declare checksums") == 1
    drops = pq.read_table(release(tmp_path / "out") / "metadata" / "drops.parquet").to_pylist()
    failed = [row for row in drops if row["outcome"] == "failed"]
    assert len(failed) == 12 and {row["code"] for row in failed} == {"checksum"}
    size = (world.imagery / "train-d.tif").stat().st_size
    said = f"train-d.tif: has {size:,} bytes, its catalogue says {size + 1:,}"
    assert all(said in row["message"] for row in failed)
