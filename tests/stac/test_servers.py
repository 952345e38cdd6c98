"""Real servers on loopback: rustac's, and pgstac where PostgreSQL with PostGIS is installed."""

import json
from pathlib import Path

import pytest

from catalogs.sources.area import Area
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.terms import Override
from catalogs.world import World, ensure
from stac_servers import RUSTAC, pgstac, rustac, served, why_no_pgstac
from stub_api import collection, s2

HREF = "https://pixels.example/"


def far(path: Path) -> str:
    """An address on a host that nobody asks."""
    return f"{HREF}{path.parent.name}/{path.name}"


@pytest.fixture(scope="session")
def world() -> World:
    return ensure()


needs_rustac = pytest.mark.skipif(RUSTAC is None, reason="rustac is not installed")


@needs_rustac
def test_the_sample_world_from_a_server(tmp_path: Path, world: World) -> None:
    """What a server gives is what the catalogue on disk holds, but for hrefs and terms."""
    disk = open_imagery(str(world.catalog), Override())
    collections, items = served(world, far)
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


@pytest.mark.slow
def test_pgstac_agrees_with_rustac(tmp_path: Path, world: World) -> None:
    """Two servers with the same items give the same scenes; neither is trusted with more."""
    if why := why_no_pgstac():
        pytest.skip(why)
    if RUSTAC is None:
        pytest.skip("rustac is not installed")
    collections, items = served(world, far)
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
