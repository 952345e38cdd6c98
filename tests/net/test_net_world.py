"""Whole builds from real STAC servers and images over HTTP: the bytes of a build from disk."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "stac"))

import building
import catalogs.world
from building import release, tree
from catalogs.files import read_json
from fault_server import FaultServer, file, stored
from net_world import built, features
from small_world import World
from stac_servers import RUSTAC, pgstac, rustac, served, why_no_pgstac

NAMED = {
    "ATTRIBUTION.md": "names the sources by their locations",
    "SHA256SUMS": "sums of these files",
    "manifest.json": "sums of these files",
    "provenance/sources.parquet": "locations, entity tags and the search",
    "stac/collection.json": "`derived_from` leads to the catalogue",
    "stac/items.parquet": "holds the collection in its metadata",
}
"""Files that tell where the sources lie, and may differ from those of a build from disk."""

Server = Callable[[Path, list[Any], list[Any]], AbstractContextManager[str]]


def same_but_for_locations(one: Path, disk: Path) -> None:
    """Equal bytes in every file that does not name locations; those equal but for them."""
    sums = [tree(folder) for folder in (one, disk)]
    differ = {
        name for name in sums[0].keys() | sums[1].keys() if sums[0].get(name) != sums[1].get(name)
    }
    assert differ <= NAMED.keys()
    both = [read_json(folder / "stac" / "collection.json") for folder in (one, disk)]
    for document in both:
        document["links"] = [k for k in document["links"] if k["rel"] != "derived_from"]
    assert both[0] == both[1]
    tables = [pq.read_table(folder / "stac" / "items.parquet") for folder in (one, disk)]
    assert tables[0].replace_schema_metadata().equals(tables[1].replace_schema_metadata())
    facts = [table.schema.metadata for table in tables]
    assert facts[0].keys() == facts[1].keys()
    assert {k for k in facts[0] if facts[0][k] != facts[1][k]} <= {b"stac-geoparquet"}
    rows = [
        pq.read_table(folder / "provenance" / "sources.parquet").to_pylist()
        for folder in (one, disk)
    ]
    for found in rows:
        for row in found:
            for name in ("href", "title", "files", "search", "size"):  # size: of the assets kept
                del row[name]
    scenes = [[row for row in found if not row["id"].startswith("role:")] for found in rows]
    assert scenes[0] == scenes[1]
    counts = [read_json(folder / "manifest.json")["counts"] for folder in (one, disk)]
    assert counts[0] == counts[1] and counts[0]["failed"] == 0


needs_rustac = pytest.mark.skipif(RUSTAC is None, reason="rustac is not installed")
SMALL = {
    "type": "Collection", "stac_version": "1.1.0", "id": "small", "description": "Small world",
    "license": "other", "links": [],
    "extent": {"spatial": {"bbox": [[0, 40, 20, 50]]}, "temporal": {"interval": [["2023-01-01T00:00:00Z", None]]}},
}  # fmt: skip


@needs_rustac
def test_the_small_world_from_a_stac_server(
    world: World, from_disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    def href(path: Path) -> str:
        return server.on(f"/{path.name}", file(path.read_bytes()))

    with rustac(tmp_path, [SMALL], features(world, href)) as url:
        done = built(world, f"{url}#small", tmp_path / "out", EARTHLOOM_ALLOW_HOSTS="127.0.0.1")
    assert done.returncode == 0, done.stderr
    same_but_for_locations(release(tmp_path / "out"), from_disk)


@pytest.fixture(scope="module")
def whole() -> catalogs.world.World:
    """The sample world."""
    return catalogs.world.ensure()


def build(imagery: str, whole: catalogs.world.World, out: Path) -> Path:
    """The release of a build of the sample world, in a process of its own."""
    env = {
        **os.environ, "PYTHONPATH": str(building.ROOT), "SOURCE_DATE_EPOCH": building.EPOCH,
        "EARTHLOOM_ALLOW_HOSTS": "127.0.0.1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.build", "--dataset", "skyscript", "--imagery", imagery,
         "--osm", str(whole.osm), "--out", str(out)],
        cwd=building.ROOT, env=env, text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((release(out) / "manifest.json").read_text())["counts"]["shipped"] > 3000
    return release(out)


@pytest.fixture(scope="module")
def whole_from_disk(whole: catalogs.world.World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of the sample world from its catalogue on disk."""
    return build(str(whole.catalog), whole, tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
@pytest.mark.parametrize("serve", [rustac, pgstac])
def test_the_sample_world_from_a_stac_server(
    serve: Server, whole: catalogs.world.World, whole_from_disk: Path, server: FaultServer,
    tmp_path: Path,
) -> None:  # fmt: skip
    if serve is pgstac and (why := why_no_pgstac()):
        pytest.skip(why)
    if serve is rustac and RUSTAC is None:
        pytest.skip("rustac is not installed")

    def href(path: Path) -> str:
        return server.on(f"/{path.relative_to(whole.root).as_posix()}", stored(path))

    with serve(tmp_path, *served(whole, href)) as url:
        found = build(f"{url}#aerial,sentinel-2-l2a", whole, tmp_path / "out")
    same_but_for_locations(found, whole_from_disk)
    shipped = read_json(found / "manifest.json")["counts"]["shipped"]
    assert 100 < len(server.hits) < 0.3 * shipped, "a request for several chips"
