"""STAC documents on disk: times, links, and no socket."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import raster_world
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.terms import Override
from raster_world import item, noise, write
from schemas.errors import SourceError
from transforms.imagery.choice import usable

FAR = "https://example.invalid/stac"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any use of the network fails the test."""

    def refuse(*args: Any, **more: Any) -> None:
        raise AssertionError(f"a socket was asked for: {args}")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def save(path: Path, document: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def load(path: Path, *items: dict[str, Any]) -> Imagery:
    document = items[0] if len(items) == 1 else {"type": "FeatureCollection", "features": items}
    return open_imagery(str(save(path, document)), Override())


def links(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"rel": rel, "href": href} for rel, href in pairs]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write(tmp_path / "data" / "x.tif", noise())


API = links(("self", f"{FAR}/items/a"), ("root", FAR), ("parent", FAR), ("collection", f"{FAR}/c"))


def test_saved_items_open_no_socket(tmp_path: Path, image: Path) -> None:
    one, two = (item(n, "data/x.tif", links=API, collection="c") for n in "ab")
    alone = load(tmp_path / "a.json", one)
    both = load(tmp_path / "both.json", one, two)
    for found in (alone, both):
        for scene in found.scenes:
            assert Path(scene.bands[0].href) == image, "relative to the document, not to the API"
            assert scene.collection == "c"
    assert [scene.id for scene in both.scenes] == ["a", "b"]


def test_a_catalogue_with_links_to_another_host(tmp_path: Path, image: Path) -> None:
    save(tmp_path / "items" / "a.json", item("a", "../data/x.tif", links=API))
    catalogue = {
        "type": "Catalog", "stac_version": "1.0.0", "id": "all", "description": "x",
        "links": links(("self", f"{FAR}/catalog.json"), ("root", FAR), ("item", "./items/a.json"),
                       ("item", f"{FAR}/b.json"), ("child", f"{FAR}/c.json"),
                       ("item", "./items/none.json"), ("child", "./catalog.json")),
    }  # fmt: skip
    found = open_imagery(str(save(tmp_path / "catalog.json", catalogue)), Override())
    assert [scene.id for scene in found.scenes] == ["a"]
    assert {(Path(name).name, code) for name, code, _ in found.lost} == {
        ("b.json", "stac_remote"), ("c.json", "stac_remote"), ("none.json", "stac_missing"),
    }  # fmt: skip


def test_licence_and_credit_of_a_collection_on_disk(tmp_path: Path, image: Path) -> None:
    terms = {
        "type": "Collection",
        "id": "c",
        "license": "CC-BY-4.0",
        "providers": [{"name": "Ann"}],
    }
    bare = item("a", "../data/x.tif")
    del bare["properties"]["license"]
    save(tmp_path / "c" / "a.json", bare)
    save(tmp_path / "c" / "collection.json", {**terms, "links": links(("item", "a.json"))})
    root = {"type": "Catalog", "id": "r", "links": links(("child", "c/collection.json"))}
    below = open_imagery(str(save(tmp_path / "catalog.json", root)), Override())
    linked = {**bare, "links": links(("collection", "../c/collection.json"))}
    alone = load(tmp_path / "d" / "a.json", linked)
    for found in (below, alone):
        (scene,) = found.scenes
        assert (scene.licence, scene.attribution) == ("CC-BY-4.0", "Ann")


MAY = "2023-05-01T00:00:00Z"
JUNE = "2023-06-01T00:00:00+02:00"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"datetime": None, "start_datetime": MAY, "end_datetime": JUNE},
         datetime(2023, 5, 16, 11, tzinfo=UTC)),
        ({"datetime": None, "start_datetime": MAY}, datetime(2023, 5, 1, tzinfo=UTC)),
        ({"datetime": None, "end_datetime": JUNE}, datetime(2023, 5, 31, 22, tzinfo=UTC)),
        ({"datetime": None}, None),
        ({"datetime": JUNE}, datetime(2023, 5, 31, 22, tzinfo=UTC)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("many", [False, True])
def test_items_without_a_time(
    tmp_path: Path, image: Path, properties: dict[str, Any], expected: datetime | None, many: bool
) -> None:
    made = item("a", "data/x.tif", properties=properties)
    found = load(tmp_path / "x.json", *([made] * (1 + many)))
    assert {scene.datetime for scene in found.scenes} == {expected}


@pytest.mark.parametrize(
    ("change", "code"),
    [({"properties": {"datetime": "last May"}}, "stac_invalid:datetime"),
     ({"geometry": None}, "stac_invalid:geometry"),
     ({"geometry": {"type": "Blob"}}, "stac_invalid:geometry"),
     ({"assets": 7}, "stac_invalid:assets"), ({"assets": {}}, "stac_invalid:assets"),
     ({"assets": {"x": {}}}, "stac_invalid:assets"),
     ({"properties": {"proj:shape": "wide", "proj:epsg": 4326,
                      "proj:transform": [1, 0, 0, 0, 1, 0]}}, "stac_invalid"),
     ({"properties": None}, "stac_invalid:properties")],
)  # fmt: skip
def test_fault_33_one_bad_item_costs_itself_only(
    tmp_path: Path, image: Path, change: dict[str, Any], code: str
) -> None:
    bad = {**item("bad", "data/x.tif"), **change}
    found = load(tmp_path / "x.json", item("good", "data/x.tif"), bad)
    assert [scene.id for scene in found.scenes] == ["good"]
    ((name, told, message),) = found.lost
    assert (name, told) == ("bad", code) and "bad" in message


@pytest.mark.parametrize("field", ["geometry", "properties", "assets"])
def test_fault_33_an_item_that_lacks_a_member(tmp_path: Path, image: Path, field: str) -> None:
    bad = item("bad", "data/x.tif")
    del bad[field]
    found = load(tmp_path / "x.json", item("good", "data/x.tif"), bad)
    assert [scene.id for scene in found.scenes] == ["good"]
    assert [(name, code) for name, code, _ in found.lost] == [("bad", f"stac_invalid:{field}")]


def test_fault_33_an_item_without_an_id(tmp_path: Path, image: Path) -> None:
    for name in ("", 7, None):
        bad = {**item("x", "data/x.tif"), "id": name}
        found = load(tmp_path / "x.json", item("good", "data/x.tif"), bad)
        assert [code for _, code, _ in found.lost] == ["stac_invalid:id"]


@pytest.mark.parametrize(
    ("stated", "cloud"), [("12.5", 12.5), (12.5, 12.5), ("some", None), (120, None), (None, None)]
)
def test_cloud_on_disk_is_a_number(
    tmp_path: Path, image: Path, stated: Any, cloud: float | None
) -> None:
    """As that of an API's items is, so that scenes can be compared by it."""
    told = [item(name, "data/x.tif", properties={"eo:cloud_cover": stated}) for name in "ab"]
    found = load(tmp_path / "x.json", *told)
    assert {scene.cloud for scene in found.scenes} == {cloud}
    assert len(usable(found.scenes, None, 20)[0]) == 2


@pytest.mark.parametrize("collection", ["HLSL30_2.0", "hls2-l30", "HLSL30.v2.0"])
def test_bands_of_landsat_in_hls_have_its_names(
    tmp_path: Path, image: Path, collection: str
) -> None:
    """Without a word of the item: B05 is near infrared there, red edge in Sentinel-2."""
    write(tmp_path / "data" / "one.tif", noise()[:1])
    told = item("a", "data/one.tif", collection=collection)
    told["assets"] = dict.fromkeys(("B05", "B10"), told["assets"]["image"])
    (scene,) = load(tmp_path / "x.json", told).scenes
    assert {b.name: b.common for b in scene.bands} == {"B05": "nir", "B10": "lwir11"}


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"type": "Feature"'])
def test_what_is_no_stac_document(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"x\.json"):
        open_imagery(str(path), Override())


def test_an_item_whose_file_is_cut(tmp_path: Path, image: Path) -> None:
    (tmp_path / "data" / "cut.tif").write_bytes(image.read_bytes()[:-600])
    found = load(tmp_path / "x.json", item("a", "data/x.tif"), item("b", "data/cut.tif"))
    assert [(name, code) for name, code, _ in found.lost] == [("b", "raster_truncated")]


def test_assets_that_are_not_on_disk_give_no_bands(tmp_path: Path, image: Path) -> None:
    made = item("a", "data/x.tif")
    grid = {"proj:epsg": 32632, "proj:shape": [64, 64],
            "proj:transform": [*raster_world.PLACE][:6]}  # fmt: skip
    made["properties"].update(grid)
    made["assets"]["other"] = {**made["assets"]["image"], "href": "data/none.tif"}
    (scene,) = load(tmp_path / "x.json", made).scenes
    assert {Path(band.href).name for band in scene.bands} == {"x.tif"}
