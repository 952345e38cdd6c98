"""Real servers on loopback: rustac's, and pgstac where PostgreSQL with PostGIS is installed."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from catalogs.sources.area import Area
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.terms import Override
from catalogs.world import World, ensure
from stub_api import Json, collection, s2

HREF = "https://pixels.example/"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: list[str], url: str, **more: Any) -> Iterator[str]:
    """A server process, asked until it answers; ended afterwards."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, f"{command[0]} ended by itself"
                time.sleep(0.1)
        else:
            raise AssertionError(f"{command[0]} does not answer")
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def world() -> World:
    return ensure()


def items_of(world: World) -> tuple[list[Json], list[Json]]:
    """(collections, items) of the sample world, its files as if they lay on a host."""
    collections, items = [], []
    for path in sorted(world.root.glob("*/collection.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        own = [
            json.loads(p.read_text(encoding="utf-8")) for p in sorted(path.parent.glob("*/*.json"))
        ]
        found = [item for item in own if item.get("type") == "Feature"]
        for item in found:
            item["links"] = []
            for asset in item["assets"].values():
                asset["href"] = HREF + item["id"] + "/" + asset["href"].removeprefix("./")
        collections.append({**document, "links": []})
        items += found
    return collections, items


def write(folder: Path, collections: list[Json], items: list[Json]) -> list[str]:
    """Files that a server loads: a collection each, and one of all items."""
    paths = []
    for document in collections:
        paths.append(folder / f"{document['id']}.json")
        paths[-1].write_text(json.dumps(document))
    paths.append(folder / "items.json")
    paths[-1].write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return [str(path) for path in paths]


RUSTAC = shutil.which("rustac", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")


@contextmanager
def rustac(folder: Path, collections: list[Json], items: list[Json]) -> Iterator[str]:
    assert RUSTAC is not None
    place = f"127.0.0.1:{free_port()}"
    command = [RUSTAC, "serve", "-a", place, *write(folder, collections, items)]
    with running(command, f"http://{place}") as url:
        yield url


needs_rustac = pytest.mark.skipif(RUSTAC is None, reason="rustac is not installed")


@needs_rustac
def test_the_sample_world_from_a_server(tmp_path: Path, world: World) -> None:
    """What a server gives is what the catalogue on disk holds, but for hrefs and terms."""
    disk = open_imagery(str(world.catalog), Override())
    collections, items = items_of(world)
    with rustac(tmp_path, collections, items) as url:
        found = open_imagery(
            f"{url}#aerial,sentinel-2-l2a",
            Override(),
            area=Area.of_box((-180, -90, 180, 90)),
            keep=tmp_path / "search",
        )
    best = {scene.key for scene in found.scenes}
    assert best <= {scene.key for scene in disk.scenes}
    assert {s.key for s in disk.scenes if s.collection == "aerial"} <= best
    plain = {scene.key: scene for scene in disk.scenes}
    for scene in found.scenes:
        one = plain[scene.key]
        assert (scene.grid, scene.datetime, scene.cloud, scene.baseline) == (
            one.grid, one.datetime, one.cloud, one.baseline,
        )  # fmt: skip
        assert all(band.href.startswith(HREF) for band in scene.bands)
    assert found.lost == ()


@needs_rustac
def test_area_and_years_of_a_server(tmp_path: Path) -> None:
    items = [
        s2(f"{year}-{n}", lon=10 + n / 10, when=f"{year}-05-0{n + 1}T00:00:00Z")
        for year in range(2016, 2024)
        for n in range(5)
    ] + [s2("far", lon=-60)]
    area = Area.of_box((10.05, 47.0, 10.15, 47.4))
    with rustac(tmp_path, [collection("sentinel-2-l2a", "http://x")], items) as url:
        found = open_imagery(url, Override(), area=area, years=(2018, 2019))
    assert {s.id for s in found.scenes} == {f"{y}-{n}" for y in (2018, 2019) for n in (0, 1)}


BIN = next(
    (p.parent for p in (*Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                        *(Path(f) for f in [shutil.which("postgres")] if f))
     if (p.resolve().parent / "initdb").exists()),
    None,
)  # fmt: skip


def why_no_pgstac() -> str:
    """What is missing for pgstac, "" when nothing is."""
    if BIN is None:
        return "PostgreSQL is not installed"
    if not list(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        return "PostGIS is not installed"
    missing = [m for m in ("stac_fastapi.pgstac", "pypgstac", "uvicorn") if not _there(m)]
    return f"extra `servers` is not installed ({', '.join(missing)})" if missing else ""


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def postgres(folder: Path) -> Iterator[dict[str, str]]:
    """An empty PostgreSQL of its own; yields the environment that leads to it."""
    assert BIN is not None
    port, root = str(free_port()), os.geteuid() == 0
    as_user = ["runuser", "-u", "postgres", "--"] if root else []
    folder.mkdir(parents=True)
    if root:
        shutil.chown(folder, "postgres", "postgres")
    data, sockets = str(folder / "data"), str(folder)
    run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    subprocess.run(  # type: ignore[call-overload]
        [*as_user, BIN / "initdb", "-D", data, "-A", "trust", "-U", "postgres"], **run
    )
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={sockets} -c fsync=off"
    )
    control = [*as_user, BIN / "pg_ctl", "-D", data, "-w", "-l", str(folder / "log")]
    subprocess.run([*control, "start", "-o", options], **run)  # type: ignore[call-overload]
    try:
        yield {
            **os.environ, "PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "postgres",
            "PGPASSWORD": "x", "PGDATABASE": "stac",
        }  # fmt: skip
    finally:
        subprocess.run([*control, "stop", "-m", "immediate"], **run)  # type: ignore[call-overload]


@contextmanager
def pgstac(folder: Path, collections: list[Json], items: list[Json]) -> Iterator[str]:
    """The complete server: PostgreSQL, pgstac and stac-fastapi."""
    import tempfile

    assert BIN is not None
    with tempfile.TemporaryDirectory(prefix="pg") as short:  # sockets want short paths
        Path(short).chmod(0o755)
        with postgres(Path(short) / "pg") as env:
            for name, rows in (("collections", collections), ("items", items)):
                (folder / f"{name}.ndjson").write_text("\n".join(map(json.dumps, rows)) + "\n")
            load = [Path(sys.executable).parent / "pypgstac"]
            subprocess.run([BIN / "createdb", "stac"], env=env, check=True)
            for step in (["migrate"],
                         *(["load", name, str(folder / f"{name}.ndjson"), "--method", "upsert"]
                           for name in ("collections", "items"))):  # fmt: skip
                subprocess.run([*load, *step], env=env, check=True, stdout=subprocess.DEVNULL)
            port = str(free_port())
            server = [sys.executable, "-m", "uvicorn", "stac_fastapi.pgstac.app:create_app",
                      "--factory", "--host", "127.0.0.1", "--port", port]  # fmt: skip
            home = f"http://127.0.0.1:{port}"
            with running(server, f"{home}/_mgmt/ping", env=env):
                yield home


@pytest.mark.slow
def test_pgstac_agrees_with_rustac(tmp_path: Path, world: World) -> None:
    """Two servers with the same items give the same scenes; neither is trusted with more."""
    if why := why_no_pgstac():
        pytest.skip(why)
    if RUSTAC is None:
        pytest.skip("rustac is not installed")
    collections, items = items_of(world)
    area, names = Area.of_box((-180, -90, 180, 90)), "#aerial,sentinel-2-l2a"
    found: list[Imagery] = []
    for server in (rustac, pgstac):
        folder = tmp_path / server.__name__
        folder.mkdir()
        with server(folder, collections, items) as url:
            found.append(open_imagery(url + names, Override(), area=area, years=(2015, 2030)))
    assert [s.key for s in found[0].scenes] == [s.key for s in found[1].scenes]
    assert found[0].scenes == found[1].scenes
    matched = [json.loads(f.credits[0].search)["matched"] for f in found]
    assert matched[1] is None, "pgstac counts only where its `context` is switched on"
