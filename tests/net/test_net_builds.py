"""Whole builds over the network: the bytes of a build from disk, whatever the servers do meanwhile."""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))

import building
import small_world
from blobs import CANARY, Blobs
from building import release, tree
from catalogs.files import read_json
from catalogs.sources.headers import describe
from fault_server import FaultServer, Handler, Step, answer, cut, file

PARTS = ("data", "stac", "stats")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> small_world.World:
    return small_world.make(tmp_path_factory.mktemp("small") / "world")


def items(world: small_world.World, path: Path, href: Callable[[Path], str]) -> Path:
    """A FeatureCollection of the world's images, with these hrefs."""
    features = []
    for image in sorted(world.imagery.glob("*.tif")):
        scene = describe(image)
        outline = shapely.from_wkt(scene.footprint)
        bands = [{"name": b.name, "data_type": b.dtype, "nodata": b.nodata} for b in scene.bands]
        features.append({
            "type": "Feature", "stac_version": "1.1.0", "id": image.stem, "collection": "small",
            "geometry": shapely.geometry.mapping(outline), "bbox": list(outline.bounds),
            "properties": {
                "datetime": "2023-06-01T00:00:00Z", "license": "CC-BY-4.0", "attribution": "Nobody",
                "proj:code": scene.grid.crs, "proj:transform": [*scene.grid.transform, 0, 0, 1],
                "proj:shape": [scene.grid.height, scene.grid.width], "gsd": 0.6,
            },
            "links": [],
            "assets": {"image": {"href": href(image), "type": "image/tiff", "bands": bands}},
        })  # fmt: skip
    document = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def built(world: small_world.World, imagery: Path, out: Path, *more: str, **env: str) -> Any:
    """A build of the small world from these items, in a process of its own."""
    argv = [
        "--dataset", "skyscript", "--imagery", str(imagery), "--osm", str(world.osm),
        "--workers", "2", "--set", "pack.samples=20", "--out", str(out), *more,
    ]  # fmt: skip
    return building.ran(argv, {"SOURCE_DATE_EPOCH": building.EPOCH, **env})


@pytest.fixture(scope="module")
def from_disk(world: small_world.World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release made from the files themselves."""
    out = tmp_path_factory.mktemp("disk")
    done = built(world, items(world, out / "items.json", str), out / "out")
    assert done.returncode == 0, done.stderr
    return release(out / "out")


def same(one: Path, other: Path) -> None:
    """Equal bytes, and an equal account of what was lost."""
    assert tree(one, PARTS) == tree(other, PARTS)
    counts = [read_json(path / "manifest.json")["counts"] for path in (one, other)]
    assert counts[0] == counts[1] and counts[0]["failed"] == 0 and counts[0]["shipped"] > 70


def test_the_bytes_of_disk(
    world: small_world.World, from_disk: Path, server: FaultServer, tmp_path: Path
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
    world: small_world.World, from_disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    storm = Storm()

    def href(path: Path) -> str:
        return server.on(f"/{path.name}", storm.file(path.read_bytes()))

    done = built(world, items(world, tmp_path / "items.json", href), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    same(release(tmp_path / "out"), from_disk)
    assert storm.refused > 20


def test_fault_24_34_tokens_end_in_mid_run_and_leave_no_trace(
    world: small_world.World, from_disk: Path, server: FaultServer, tmp_path: Path
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
    world: small_world.World, server: FaultServer, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

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
