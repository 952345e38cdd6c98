"""Answers that real catalogues gave, and real items: Planetary Computer, Earth Search, USGS."""

import json
from pathlib import Path
from typing import Any

import pytest

from catalogs.sources.area import Area
from catalogs.sources.harvest import Harvest
from catalogs.sources.stac_api import api_of
from catalogs.sources.stac_asker import matched
from catalogs.sources.stac_fields import Lost
from recorded import MIXED, cassette, gathered, read
from schemas.collections import COLLECTIONS, PRESETS, provider_of
from schemas.licences import licence
from schemas.scenes import Scene
from stub_api import Asked, Json, landing, serving

pytestmark = pytest.mark.realdata


class Recorded:
    """An API that answers a search with recorded pages, one after the other by their tokens."""

    def __init__(self, pages: list[Json], home: str) -> None:
        self.home = home
        links = [next((n for n in p.get("links", []) if n["rel"] == "next"), None) for p in pages]
        tokens = [self.mark(link["body"]) if link else None for link in links]
        self.pages = dict(zip([None, *tokens], [*pages, None], strict=True))

    @staticmethod
    def mark(body: Json) -> str | None:
        return body.get("token") or body.get("next")

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/":
            return 200, landing(asked.base)
        page = self.pages.get(self.mark(asked.body or {}))
        if page is None:
            return 200, {"type": "FeatureCollection", "features": [], "links": []}
        return 200, json.loads(json.dumps(page).replace(self.home, asked.base))


def replayed(recorded: Recorded, names: str) -> tuple[Harvest, Lost, int]:
    """What is found, lost, and how many searches it took."""
    from catalogs.sources.stac_api import scenes_of_api

    lost: Lost = []
    with serving(recorded) as log:
        api = api_of(f"{log.url}#{names}")
        assert api is not None
        found = scenes_of_api(api, Area.of_box((0, 0, 1, 1)), None, lost)
        assert found.scenes == () or all("127.0.0.1" not in b.href for b in found.scenes[0].bands)
        return found, lost, len(log.searches())


def test_planetary_computer_pages_are_followed_by_their_tokens(real: Path) -> None:
    pages = [read(real / f"search-page-{n}.json") for n in (1, 2)]
    found, lost, asked = replayed(
        Recorded(pages, PRESETS["planetary-computer"].url), "sentinel-2-l2a"
    )
    assert (asked, lost) == (3, [])
    assert found.facts["given"] == 2
    assert found.facts["outside"] == 2, "neither recorded scene lies in the Gulf of Guinea"


def test_earth_search_pages_are_followed_and_counted(real: Path) -> None:
    recorded = cassette(real / "cassettes" / f"{MIXED}.yaml")
    pages = [answer for request, answer in recorded if request["uri"].endswith("/search")]
    names = "sentinel-2-l2a,sentinel-2-c1-l2a"
    found, _, asked = replayed(Recorded(pages, PRESETS["earth-search"].url), names)
    assert asked == 2 * (len(pages) + 1)
    assert found.facts["matched"] == 2 * pages[0]["numberMatched"] > 200_000_000
    assert found.facts["given"] == 40
    assert any("counts" in note for note in found.notes)


def test_the_root_of_earth_search_is_an_api(real: Path) -> None:
    recorded = cassette(real / "cassettes" / f"{MIXED}.yaml")
    home = PRESETS["earth-search"].url
    assert recorded[0][0]["uri"] == home

    def answer(asked: Asked) -> tuple[int, Any]:
        if asked.path == "/":
            return 200, json.loads(json.dumps(recorded[0][1]).replace(home, asked.base))
        return 200, {"type": "FeatureCollection", "features": [], "links": []}

    from catalogs.sources.stac_api import scenes_of_api

    with serving(answer) as log:
        api = api_of(f"{log.url}#sentinel-2-l2a")
        assert api is not None
        assert scenes_of_api(api, Area.of_box((0, 0, 1, 1)), (2020, 2020), []).scenes == ()
        assert log.searches()[0]["datetime"] == "2020-01-01T00:00:00Z/2021-01-01T00:00:00Z"


def one(found: Harvest, collection: str) -> Scene:
    return next(scene for scene in found.scenes if scene.collection == collection)


def test_earth_search_items(real: Path) -> None:
    recorded = cassette(real / "cassettes" / f"{MIXED}.yaml")
    items = [item for _, answer in recorded for item in answer.get("features", [])]
    found, lost = gathered(items, ("sentinel-2-l2a", "sentinel-2-c1-l2a"))
    assert lost == []
    cogs, first = one(found, "sentinel-2-l2a"), one(found, "sentinel-2-c1-l2a")
    assert cogs.offset_applied is True and first.offset_applied is None
    for scene in (cogs, first):
        assert all(b.href.startswith("https://") and b.href.endswith(".tif") for b in scene.bands)
        assert (scene.provider, scene.baseline) == ("earth-search", "05.11")
        assert scene.licence == "LicenseRef-Copernicus-Sentinel"
        assert (scene.grid.width, scene.grid.height) == (10_980, 10_980)


@pytest.mark.parametrize(
    "name", ["TestItemSearch.test_intersects_results", "TestItemSearchQuery.test_query_json_syntax"]
)
def test_naip_items(real: Path, name: str) -> None:
    (_, answer), *_ = cassette(real / "cassettes" / f"{name}.yaml")
    found, lost = gathered(answer["features"], ("naip",))
    assert (lost, len(found.scenes)) == ([], 42)
    scene = found.scenes[0]
    assert [(b.common, b.index, b.dtype) for b in scene.bands] == [
        ("red", 1, "uint8"), ("green", 2, "uint8"), ("blue", 3, "uint8"), ("nir", 4, "uint8"),
    ]  # fmt: skip
    assert (scene.provider, scene.licence) == ("planetary-computer", "LicenseRef-US-PD")
    assert scene.datetime is not None and str(scene.datetime.year) in scene.attribution
    assert scene.display == (0.0, 255.0)


def test_planetary_computer_items_keep_their_baselines(real: Path) -> None:
    documents = [
        read(real / name)
        for name in ("two-sentinel-2-items.json", "site2-2020_jun_jul-35MNM.geojson")
    ]
    items = [item for document in documents for item in document["features"]]
    items.append(read(real / "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531.json"))
    found, lost = gathered(items)
    assert (lost, len(found.scenes)) == ([], 16)
    assert {s.baseline for s in found.scenes} == {"02.12", "05.11"}
    assert {s.provider for s in found.scenes} == {"planetary-computer"}
    assert all("?" not in b.href for s in found.scenes for b in s.bands)


def test_landsat_of_its_own_producer(real: Path) -> None:
    landsat = read(real / "LC08_L2SP_028030_20200114_20200824_02_T1_SR.json")
    found, lost = gathered([landsat])
    assert lost == []
    scene = found.scenes[0]
    assert scene.provider == "landsatlook.usgs.gov"
    assert scene.attribution == "Landsat image courtesy of the U.S. Geological Survey, 2020"


def test_matched_by_either_field() -> None:
    assert matched({"numberMatched": 7}) == 7
    assert matched({"context": {"matched": 8}}) == 8
    assert matched({"context": None}) is matched({}) is matched({"numberMatched": "many"}) is None


def test_every_known_licence_can_be_used_and_every_preset_collection_is_known() -> None:
    for name, known in COLLECTIONS.items():
        assert licence(known.licence, name).redistribute
        assert "2019" in known.credit.format(year=2019)
    for name, preset in PRESETS.items():
        assert set(preset.imagery) <= set(COLLECTIONS)
        assert provider_of(preset.url.split("/")[2]) == name
        found = api_of(name)
        assert found is not None
        assert (found.url, found.collections, found.provider) == (preset.url, preset.imagery, name)
        chosen = api_of(f"{name}#naip,x")
        assert chosen is not None and chosen.collections == ("naip", "x")
        assert api_of(f"{preset.url}/#x").provider == name  # type: ignore[union-attr]
    assert provider_of("example.org") == "example.org"
