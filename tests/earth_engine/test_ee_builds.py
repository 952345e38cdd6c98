"""Whole builds from Earth Engine: the bytes of a build from files, whatever the service does meanwhile."""

import json
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from rasterio.windows import Window as Box

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))

import building
import ee_small_world
from building import release, tree, work
from catalogs.files import read_json
from catalogs.releases.provenance import SOURCES
from catalogs.sources.earth_engine import calls
from earth_engine_server import Refusal, Request, World, graph, serving
from earth_engine_world import PROJECT, S2, whole_graph
from ee_small_world import BOX, NAIP, Small
from schemas.skyscript_names import present_id

PARTS = ("data", "stac", "stats")
ROUTE = "computePixels"
CANARY = "ya29.CANARYcanary-0123456789"
SWISS = "ORTHO/Switzerland/SWISSIMAGE/10cm"

pytest.importorskip("ee", reason="the Earth Engine client (extra `gee`) is not installed")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return ee_small_world.make(tmp_path_factory.mktemp("ee"))


@pytest.fixture
def server(small: Small) -> World:
    """A server that has seen nothing yet."""
    return World(assets=dict(small.server.assets), rasters=dict(small.server.rasters))


def argv(small: Small, imagery: str, out: Path, *more: str) -> list[str]:
    return [
        "--dataset", "skyscript", "--imagery", imagery, "--osm", str(small.osm), "--workers", "2",
        "--bbox", *BOX, "--years", "2019", "2023", "--set", "pack.samples=20", "--out", str(out),
        *more,
    ]  # fmt: skip


@contextmanager
def environment(server: World, **more: str) -> Iterator[dict[str, str]]:
    """What a build must find in its environment while the server runs."""
    with serving(server) as url:
        yield {
            "SOURCE_DATE_EPOCH": building.EPOCH, "EARTHLOOM_EE_URL": url,
            "EARTHLOOM_EE_PROJECT": PROJECT, "GOOGLE_APPLICATION_CREDENTIALS": "", **more,
        }  # fmt: skip


def built(
    small: Small, server: World, out: Path, *more: str, imagery: str = "earth-engine:US", **env: str
) -> Any:
    """A build from the server, in a process of its own with two workers."""
    with environment(server, **env) as found:
        return building.ran(argv(small, imagery, out, *more), found)


@pytest.fixture(scope="module")
def from_disk(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release made from the files themselves."""
    out = tmp_path_factory.mktemp("disk") / "out"
    done = building.ran(argv(small, str(small.items), out), {"SOURCE_DATE_EPOCH": building.EPOCH})
    assert done.returncode == 0, done.stderr
    return release(out)


def same(one: Path, other: Path) -> None:
    """Equal bytes, and an equal account of what was lost."""
    assert tree(one, PARTS) == tree(other, PARTS)
    counts = [read_json(path / "manifest.json")["counts"] for path in (one, other)]
    assert counts[0] == counts[1] and counts[0]["failed"] == 0 and counts[0]["shipped"] > 70


def drops(out: Path, outcome: str) -> list[dict[str, Any]]:
    rows = pq.read_table(release(out) / "metadata" / "drops.parquet").to_pylist()
    return [row for row in rows if row["outcome"] == outcome]


def chips(folder: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    """(key, bytes) of all members of a kind."""
    for shard in sorted((folder / "data").glob("*.tar")):
        with tarfile.open(shard) as file:
            for member in file:
                key, _, kind = member.name.partition(".")
                if kind == ending:
                    yield key, file.extractfile(member).read()  # type: ignore[union-attr]


def test_the_bytes_of_files(small: Small, server: World, from_disk: Path, tmp_path: Path) -> None:
    server.delay_s = 0.05
    done = built(small, server, tmp_path / "out", EARTHLOOM_EE_REQUESTS="4")
    assert done.returncode == 0, done.stderr
    same(release(tmp_path / "out"), from_disk)
    asked = server.sent(ROUTE)
    for request in asked:
        on_the_assets_own_pixels(request, server)
    made = sum(1 for row in drops(tmp_path / "out", "rejected") if row["act"] == "make")
    made += read_json(from_disk / "manifest.json")["counts"]["shipped"]
    assert len(asked) < 0.7 * made, "neighbours in one request"
    assert 2 <= server.most <= 4, "several at a time, and in both workers together no more than may"
    connections = sum(r.path.endswith("/algorithms") for r in server.requests)
    assert connections == 3, "the build, and each worker by itself"
    table = release(tmp_path / "out") / "provenance" / "sources.parquet"
    rows = {row["id"]: row for row in pq.read_table(table, schema=SOURCES).to_pylist()}
    assert rows[f"{NAIP}/train-a"]["href"] == f"ee://{NAIP}/train-a"
    source = rows["role:imagery"]
    assert (source["title"], source["href"]) == (NAIP, "earth-engine")
    facts = json.loads(source["search"])
    assert facts["collections"] == [NAIP] and facts["newest_updated"] == "2024-05-03T00:00:00Z"


def on_the_assets_own_pixels(request: Request, server: World) -> None:
    """Nothing may be resampled: the grid that is asked for is a part of the asset's."""
    assert request.path == f"/v1alpha/projects/{PROJECT}/image:{ROUTE}"
    assert request.body["fileFormat"] == "NPY" and "Authorization" not in request.headers
    name = next(n for n in server.rasters if f'"{n}"' in json.dumps(request.body["expression"]))
    assert graph(request.body["expression"]) == whole_graph(name, ["R", "G", "B", "N"])
    with rasterio.open(server.rasters[name]) as source:
        own = source.transform
    grid, place = request.body["grid"], request.body["grid"]["affineTransform"]
    assert grid["crsCode"] == "EPSG:32632"
    assert (place["scaleX"], place["scaleY"], place["shearX"]) == (own.a, own.e, 0)
    for at, first, side, length in (
        ("translateX", own.c, own.a, "width"), ("translateY", own.f, own.e, "height")
    ):  # fmt: skip
        offset = (place[at] - first) / side
        assert offset == pytest.approx(round(offset), abs=1e-6)
        assert 0 <= round(offset) <= round(offset) + grid["dimensions"][length] <= 512


def test_black_ground_is_shipped_and_what_is_masked_is_not(small: Small, from_disk: Path) -> None:
    """The release that the other tests compare with holds both."""
    black = masked = 0
    for _, data in chips(from_disk, "ms.geotiff"):
        with rasterio.MemoryFile(data) as file, file.open() as chip:
            pixels, there = chip.read(), chip.dataset_mask() > 0
        black += int((~pixels.any(axis=0) & there).sum())
        masked += int((~there).sum())
    assert black > 100 and masked > 10


def test_a_plan_asks_for_no_pixel_and_twice_for_nothing(
    small: Small, server: World, tmp_path: Path
) -> None:
    first = built(small, server, tmp_path / "out", "--plan")
    assert first.returncode == 0, first.stderr
    assert "files on other hosts" in first.stderr or "file on other hosts" in first.stderr
    assert not server.sent(ROUTE) and len(server.sent("listAssets")) == 1
    asked = len(server.requests)
    second = built(small, server, tmp_path / "out", "--plan")
    assert second.returncode == 0 and len(server.requests) == asked
    lines = [
        [
            line
            for line in done.stderr.splitlines()
            if line.startswith("plan: ") and "sample" in line
        ]
        for done in (first, second)
    ]
    assert lines[0] == lines[1] != []


def test_a_storm_of_429_costs_time_and_nothing_else(
    small: Small, server: World, from_disk: Path, tmp_path: Path
) -> None:
    seen: Counter[str] = Counter()
    lock = threading.Lock()
    refused = 0

    def storm(request: Request) -> Refusal | None:
        nonlocal refused
        if request.route != ROUTE:
            return None
        with lock:
            part = json.dumps(request.body, sort_keys=True)
            seen[part] += 1
            number = list(seen).index(part)
            bad = number % 3 == 0 and seen[part] <= 2
            refused += bad
        if not bad:
            return None
        return [
            Refusal(429, "Too Many Requests"), Refusal(400, "Too many concurrent aggregations."),
            Refusal(503, "unavailable"), Refusal(200, "cut", cut=True),
        ][number // 3 % 4]  # fmt: skip

    server.trouble = storm
    done = built(small, server, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    same(release(tmp_path / "out"), from_disk)
    assert refused >= 10


def test_access_refused_in_mid_run_stops_with_one_sentence_and_loses_nothing(
    small: Small, server: World, from_disk: Path, tmp_path: Path
) -> None:
    answered = 0
    lock = threading.Lock()

    def revoked(request: Request) -> Refusal | None:
        nonlocal answered
        with lock:
            answered += request.route == ROUTE
            late = request.route == ROUTE and answered > 12
        return Refusal(403, "Permission denied on resource project") if late else None

    server.trouble = revoked
    out = tmp_path / "out"
    done = built(small, server, out)
    assert done.returncode == 1
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "earth-engine: USDA/NAIP/DOQQ/" in sentence
    assert "Permission denied" in sentence and "register the project for Earth Engine" in sentence
    assert sentence.endswith("what is made is kept, run again to go on")
    assert "Traceback" not in done.stderr
    assert not release(out).exists()
    records = [read_json(path) for path in (work(out) / "make").glob("*.json")]
    assert sum(record["failed"] for record in records) == 0, "no sample is blamed"
    asked = len(server.sent(ROUTE))
    assert asked < 80, "nobody asks on and on where access is refused"
    server.trouble = lambda request: None
    again = built(small, server, out)
    assert again.returncode == 0, again.stderr
    same(release(out), from_disk)
    assert len(server.sent("listAssets")) == 1, "what was found before is not searched again"


def test_an_asset_that_is_gone_fails_by_name_and_no_secret_is_told(
    small: Small, server: World, tmp_path: Path
) -> None:
    """The server repeats a token; a key file lies at hand. Neither gets into anything."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": CANARY}))

    def gone(request: Request) -> Refusal | None:
        text = json.dumps(request.body)
        if f"{NAIP}/train-d" in text:
            return Refusal(400, f"Image asset not found. {CANARY} Authorization: Bearer {CANARY} "
                                f"(https://x.example/a?access_token={CANARY}&sig={CANARY})")  # fmt: skip
        return None

    server.trouble = gone
    out = tmp_path / "out"
    done = built(
        small, server, out, "--error-budget", "0.5", GOOGLE_APPLICATION_CREDENTIALS=str(key)
    )
    assert done.returncode == 0, done.stderr
    failed = drops(out, "failed")
    assert len(failed) == 12 and {row["code"] for row in failed} == {"ee_not_found"}
    assert all(f"{NAIP}/train-d" in row["message"] for row in failed)
    told = [done.stderr.encode(), done.stdout.encode()]
    files = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert files and not [text for text in (*told, *files) if CANARY.encode() in text]


def test_a_quota_that_stays_spent_is_a_failure_that_may_be_tried_again(
    small: Small, server: World, from_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spent(request: Request) -> Refusal | None:
        busy = f"{NAIP}/train-d" in json.dumps(request.body)
        return Refusal(429, "Quota exceeded for quota metric 'EECU'") if busy else None

    server.trouble = spent
    quick = replace(calls.POLICY, deadline_s=0.3, base_s=0.05, failures=1_000)
    known: dict[Any, calls.Service] = {}
    monkeypatch.setattr(
        calls,
        "_service",
        lambda pid, limits: known.setdefault(limits, calls.Service(limits, quick)),
    )
    out = tmp_path / "out"
    alone = ("--workers", "1", "--quiet")
    with environment(server) as env:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        assert (
            building.main(argv(small, "earth-engine:US", out, "--error-budget", "0.5", *alone)) == 0
        )
        failed = drops(out, "failed")
        assert len(failed) == 12
        assert {(row["code"], row["retryable"]) for row in failed} == {("ee_quota", True)}
        assert all("no answer within" in row["message"] for row in failed)
        server.trouble = lambda request: None
        assert building.main(
            argv(small, "earth-engine:US", out, "--error-budget", "0.5", "--retry-failed", *alone)
        ) == 0  # fmt: skip
    assert not drops(out, "failed")
    assert tree(release(out), ("data",)) == tree(from_disk, ("data",))


def test_two_sensors_in_one_build(small: Small, tmp_path: Path) -> None:
    """8-bit aerial pictures under an id that is gone, and 16-bit reflectance, offset taken off already."""
    server = ee_small_world.two_sensors(small, tmp_path)
    out = tmp_path / "out"
    done = built(small, server, out, imagery=f"earth-engine:{SWISS},S2")
    assert done.returncode == 0, done.stderr
    told = f"earth-engine: {SWISS} is no longer available; {present_id('CH')} is read instead"
    assert f"note: {told}" in done.stderr
    assert f"- {told}." in (release(out) / "README.md").read_text(encoding="utf-8")
    facts = {key: json.loads(data) for key, data in chips(release(out), "json")}
    looked: Counter[str] = Counter()
    for key, data in chips(release(out), "ms.geotiff"):
        row = facts[key]
        (name,) = row["scene_ids"].split(",")
        with rasterio.MemoryFile(data) as file, file.open() as chip:
            pixels, place, there = chip.read(), chip.transform, chip.dataset_mask() > 0
            names = chip.descriptions
        with rasterio.open(server.rasters[name]) as source:
            col, row_ = (
                (place.c - source.transform.c) / place.a,
                (place.f - source.transform.f) / place.e,
            )
            box = Box(round(col), round(row_), pixels.shape[2], pixels.shape[1])
            stored, valid = source.read(window=box), source.dataset_mask(window=box) > 0
        order = [2, 1, 0, 3] if row["collection"] == S2 and names[0] == "blue" else slice(None)
        np.testing.assert_array_equal(pixels, np.where(valid, stored, 0)[order])
        np.testing.assert_array_equal(
            there, valid & (stored.all(axis=0) | (row["collection"] != S2))
        )
        looked[row["collection"]] += 1
        swiss = row["collection"] != S2
        assert pixels.dtype == ("uint8" if swiss else "uint16")
        assert len(names) == (3 if swiss else 4)
        assert row["radiometric_convention"] == ("as_stored" if swiss else "dn_pre04")
        assert row["offset_applied"] == 0
    assert set(looked) == {present_id("CH"), S2} and min(looked.values()) > 30
    credits = (release(out) / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "Source: Federal Office of Topography swisstopo" in credits
    assert "Contains modified Copernicus Sentinel data 2019" in credits


@pytest.mark.parametrize(
    ("location", "env", "says", "code"),
    [
        ("earth-engine:US", {"EARTHLOOM_EE_PROJECT": ""}, "name a Google Cloud project", 2),
        ("earth-engine:USA", {}, "neither an alias nor a collection id; did you mean 'US'?", 2),
        ("earth-engine:CH,US", {}, "--years 2022 2023: Switzerland/SWISSIMAGE/orthos/10cm has", 2),
        ("earth-engine:FI", {}, "Finland/SMK/V/50cm", 1),
    ],
)  # fmt: skip
def test_what_cannot_begin_says_why_in_one_sentence(
    small: Small, server: World, tmp_path: Path, location: str, env: dict[str, str], says: str,
    code: int,
) -> None:  # fmt: skip
    done = built(
        small, server, tmp_path / "out", "--years", "2022", "2023", imagery=location,
        GOOGLE_CLOUD_PROJECT="", **env,
    )  # fmt: skip
    assert done.returncode == code
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert says in sentence and "Traceback" not in done.stderr
    assert not server.sent(ROUTE)


def test_access_refused_at_the_start(small: Small, server: World, tmp_path: Path) -> None:
    server.trouble = lambda request: Refusal(403, "Caller does not have required permission")
    done = built(small, server, tmp_path / "out")
    assert done.returncode == 1
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "required permission" in sentence and "register the project" in sentence
