"""A build from an API: where it is searched, what is remembered, what the release says."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from catalogs.releases.provenance import SOURCES
from catalogs.sources.osm_bounds import bounds_of
from catalogs.world import World, ensure
from pipelines.commands.build import main
from pipelines.workdir import SEARCHES, clear, forget_searches
from stub_api import Catalogue, Json, collection, serving

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="session")
def world() -> World:
    return ensure()


@pytest.fixture
def catalogue(world: World) -> Catalogue:
    """The sample world's Sentinel-2 scenes as an API has them."""
    items: list[Json] = []
    for path in sorted((world.root / "sentinel-2-l2a").glob("*/*.json")):
        item = json.loads(path.read_text(encoding="utf-8"))
        for asset in item["assets"].values():
            asset["href"] = (
                f"https://pixels.example/{item['id']}/{asset['href'].removeprefix('./')}"
            )
        items.append({**item, "links": []})
    known = collection("sentinel-2-l2a", "http://x")
    return Catalogue(items, size=250, collections=[known])


def plan(out: Path, location: str, world: World, *more: str) -> int:
    where = ["--imagery", location, "--osm", str(world.osm), "--out", str(out)]
    return main(["--dataset", "skyscript", *where, "--plan", *more])


def test_a_plan_from_an_api_asks_once(
    tmp_path: Path, world: World, catalogue: Catalogue, capsys: Capture
) -> None:
    with serving(catalogue) as log:
        place = f"{log.url}#sentinel-2-l2a"
        assert plan(tmp_path, place, world) == 0
        said = capsys.readouterr()
        told = re.search(
            r"about ([\d,]+) requests? to ([\d,]+) files? on other hosts", said.out + said.err
        )
        assert told, "not that there is none"
        requests, files = (int(number.replace(",", "")) for number in told.groups())
        assert requests >= files > 0
        assert "sources: searching 127.0.0.1 for sentinel-2-l2a in" in said.out + said.err
        home = tmp_path / "skyscript" / ".work"
        rows = [
            json.loads(line)
            for path in (home / SEARCHES).glob("*.jsonl")
            for line in path.read_text().splitlines()
        ]
        assert rows and all(row["links"] == [] for row in rows)
        asked = len(log.asked)
        assert len(log.searches()) == len(list((home / SEARCHES).glob("n*.json"))) + len(
            list((home / SEARCHES).glob("s*.json"))
        )
        assert plan(tmp_path, place, world) == 0
        assert len(log.asked) == asked, "a resumed build asks nothing again"
        scenes = [json.loads(line) for line in (home / "plan" / "scenes.jsonl").open()]
        assert {s["provider"] for s in scenes} == {"127.0.0.1"}
        assert "https://pixels.example/" in scenes[0]["bands"][0]["href"]


def test_the_search_keeps_to_the_box(
    tmp_path: Path, world: World, catalogue: Catalogue, capsys: Capture
) -> None:
    west, south, east, north = catalogue.items[0]["bbox"]
    box = [str(v) for v in (west + 0.001, south + 0.001, east - 0.001, north - 0.001)]
    with serving(catalogue) as log:
        assert plan(tmp_path, f"{log.url}#sentinel-2-l2a", world, "--bbox", *box) in (0, 1)
        for search in log.searches():
            w, s, e, n = search["bbox"]
            assert west <= w < e <= east and south <= s < n <= north


def test_a_map_without_bounds_asks_for_a_box(tmp_path: Path, capsys: Capture) -> None:
    empty = tmp_path / "x.osm"
    empty.write_text('<?xml version="1.0"?><osm version="0.6"><node id="1" lat="1" lon="2"/></osm>')
    assert bounds_of(empty) is None
    argv = ["--dataset", "skyscript", "--imagery", "earth-search", "--osm", str(empty)]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 2
    assert "pass --bbox W S E N or --region" in capsys.readouterr().err


def test_bounds_of_every_kind_of_map(tmp_path: Path, world: World) -> None:
    declared = tmp_path / "x.osm"
    declared.write_text(
        '<?xml version="1.0"?><osm version="0.6">'
        '<bounds minlat="1.5" minlon="2" maxlat="3" maxlon="4.5"/></osm>'
    )
    assert bounds_of(declared) == pytest.approx((2, 1.5, 4.5, 3))
    found = bounds_of(world.osm)
    assert found is not None and found[0] < found[2] and found[1] < found[3]
    table = tmp_path / "x.geojson"
    feature = {"type": "Feature", "properties": {"osm_id": 1, "osm_type": "node"},
               "geometry": {"type": "MultiPoint", "coordinates": [[2, 1.5], [4.5, 3]]}}  # fmt: skip
    table.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert bounds_of(table) == pytest.approx((2, 1.5, 4.5, 3))


def test_overwriting_asks_anew_and_keeps_the_new_answers(tmp_path: Path) -> None:
    work, target = tmp_path / ".work", tmp_path / "v1"
    for name in ("plan/search/a.jsonl", "plan/plan.json", "make/x.bin", "lock", "settings.json"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("{}")
    clear(work, target)
    left = {p.relative_to(work).as_posix() for p in work.rglob("*") if p.is_file()}
    assert left == {"plan/search/a.jsonl", "lock"}
    forget_searches(work)
    assert [p.name for p in work.rglob("*") if p.is_file()] == ["lock"]


def test_provenance_has_a_place_for_the_search(tmp_path: Path) -> None:
    assert SOURCES.field("search").type == "string"
    pq.write_table(SOURCES.empty_table(), tmp_path / "x.parquet")
