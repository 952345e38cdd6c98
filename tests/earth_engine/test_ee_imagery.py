"""Earth Engine as `--imagery`: terms, credits, what is said, and what is asked only once."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from affine import Affine

from catalogs.sources.area import Area
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.terms import Override
from earth_engine_server import Refusal, World
from earth_engine_world import S2, SHIFTED, asset, collection, raster
from schemas.errors import SourceError, UsageError

BOX = Area.of_box((8.9, 46.8, 9.1, 47.0))
BOTH = Area.of_box((6.0, 46.0, 14.0, 53.0))
CH = "Switzerland/SWISSIMAGE/orthos/10cm"


def opened(location: str, area: Area | None = BOX, **more: Any) -> Imagery:
    override = more.pop("override", Override())
    return open_imagery(location, override, area=area, years=more.pop("years", None), **more)


def test_scenes_credits_and_how_they_were_found(served: World) -> None:
    found = opened("earth-engine:S2", years=(2020, 2021))
    assert [scene.id for scene in found.scenes] == [f"T32TMT_{n}" for n in (1, 2, 3, 4, 5)]
    assert [(c.title, c.location, c.attribution, c.datetime) for c in found.credits] == [
        (S2, "earth-engine", "Contains modified Copernicus Sentinel data 2020", "2020-12-31"),
        (S2, "earth-engine", "Contains modified Copernicus Sentinel data 2021", "2021-05-05"),
    ]
    assert {(c.licence, c.parts) for c in found.credits} == {
        ("LicenseRef-Copernicus-Sentinel", ("pixels",))
    }
    assert sum(credit.size for credit in found.credits) == sum(s.size for s in found.scenes) > 0
    facts = json.loads(found.credits[0].search)
    assert (facts["collections"], facts["years"], facts["items"]) == ([S2], [2020, 2021], 5)
    assert facts["bounds"] == [[8.9, 46.8, 9.1, 47.0]]
    assert not found.lost and not found.notes


def test_the_dead_swiss_id_is_told_to_people_and_to_the_card(served: World, tmp_path: Path) -> None:
    collection(served, CH)
    path = raster(tmp_path / "ch.tif", "R G B", Affine(0.1, 0, 26e5, 0, -0.1, 12e5), "EPSG:2056")
    asset(served, f"{CH}/2018", path, "2018-01-01T00:00:00Z")
    found = opened("earth-engine:ORTHO/Switzerland/SWISSIMAGE/10cm,S2", BOTH)
    told = (
        "earth-engine: ORTHO/Switzerland/SWISSIMAGE/10cm is no longer available; "
        f"{CH} is read instead"
    )
    assert told in found.notes
    assert all(credit.caveats == (told,) for credit in found.credits)
    assert {credit.title for credit in found.credits} == {CH, S2}


def test_a_collection_that_we_do_not_know_needs_terms(served: World, tmp_path: Path) -> None:
    name = "projects/a-private-one/assets/flights"
    served.assets[name] = {"type": "IMAGE_COLLECTION", "name": name}
    path = raster(tmp_path / "f.tif", "b1 b2", SHIFTED, "EPSG:25833")
    asset(served, f"{name}/1", path, "2021-08-23T00:00:00Z")["name"] = f"{name}/1"
    place = Area.of_box((13.0, 52.0, 14.0, 53.0))
    with pytest.raises(UsageError, match="carries no licence; say it with --license"):
        opened(f"earth-engine:{name}", place)
    found = opened(f"earth-engine:{name}", place, override=Override("CC-BY-4.0", "Someone"))
    assert [(c.licence, c.attribution) for c in found.credits] == [("CC-BY-4.0", "Someone")]
    with pytest.raises(UsageError, match="already declares LicenseRef-Copernicus"):
        opened("earth-engine:S2", override=Override("CC-BY-4.0", "Someone"))


def test_the_same_question_is_asked_once(served: World, tmp_path: Path) -> None:
    """A build that resumes asks nothing, needs no connection, and sees the same scenes."""
    said: list[str] = []
    first = opened("earth-engine:S2", years=(2020, 2020), keep=tmp_path, say=said.append)
    assert said == [f"sources: searching earth-engine for {S2}"]
    asked = len(served.requests)
    served.assets.clear()
    served.trouble = lambda request: Refusal(500, "down")
    again = opened("earth-engine:S2", years=(2020, 2020), keep=tmp_path, say=said.append)
    assert (again.scenes, again.credits) == (first.scenes, first.credits)
    assert (len(served.requests), len(said)) == (asked, 1)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"a-test-project" not in kept
    served.trouble = lambda request: Refusal(404, "Asset not found")
    with pytest.raises(SourceError):
        opened("earth-engine:S2", years=(2021, 2021), keep=tmp_path)


def test_no_area() -> None:
    with pytest.raises(UsageError, match="where should it be searched"):
        opened("earth-engine:S2", None)


def test_nothing_there(served: World) -> None:
    with pytest.raises(SourceError, match="not one usable scene in it in the area and years"):
        opened("earth-engine:S2", Area.of_box((0.0, 0.0, 1.0, 1.0)))


@pytest.mark.parametrize("location", ["earth-engine", "earth-engine:", "earth-engine#"])
def test_no_collection(location: str) -> None:
    with pytest.raises(UsageError, match="name a collection, such as earth-engine:S2"):
        opened(location)


def test_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ee", None)
    monkeypatch.setenv("EARTHLOOM_EE_PROJECT", "not-connected-before")
    with pytest.raises(UsageError, match=r"pip install 'earthloom\[gee\]'"):
        opened("earth-engine:S2")


def test_an_item_of_a_catalogue_never_leads_there(tmp_path: Path) -> None:
    """Whoever writes a catalogue must not make this machine use its owner's access."""
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": "x", "collection": "c",
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        "bbox": [0, 0, 1, 1], "links": [],
        "properties": {
            "datetime": "2023-06-01T00:00:00Z", "license": "CC0-1.0", "proj:code": "EPSG:32632",
            "proj:transform": [10, 0, 5e5, 0, -10, 52e5, 0, 0, 1], "proj:shape": [9, 9], "gsd": 10,
        },
        "assets": {
            "image": {
                "href": f"ee://{S2}/secret", "type": "image/tiff",
                "bands": [{"name": "B4", "data_type": "uint16", "nodata": 0}],
            }
        },
    }  # fmt: skip
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    with pytest.raises(SourceError, match="only --imagery earth-engine"):
        opened(str(path), None)
