"""Searching an API: what is asked, what a scene says of itself, and what is told."""

from pathlib import Path
from typing import Any

import pytest

from catalogs.sources.imagery import open_imagery
from catalogs.sources.stac_api import api_of
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from searching import HERE, WIDE, facts, look
from stub_api import Catalogue, collection, landing, s2, serving


def test_items_become_scenes_with_unsigned_hrefs_and_known_terms() -> None:
    found, asked = look(Catalogue([s2("a"), s2("b", when="2021-05-01T00:00:00Z")]))
    one, two = found.scenes
    assert [s.id for s in found.scenes] == ["a", "b"]
    assert {b.common: b.href for b in one.bands} == {
        colour: f"https://pixels.example/a/{band}.tif"
        for band, colour in (("B02", "blue"), ("B03", "green"), ("B04", "red"), ("B08", "nir"),
                             ("B11", "swir16"), ("SCL", "scl"))
    }  # fmt: skip
    assert {(b.dtype, b.nodata, b.gsd) for b in one.bands} == {
        ("uint16", 0, 10), ("uint16", 0, 20), ("uint8", 0, 20),
    }  # fmt: skip
    assert (one.baseline, one.cloud, one.provider) == ("05.09", 5.0, "127.0.0.1")
    assert one.licence == "LicenseRef-Copernicus-Sentinel"
    assert one.attribution == "Contains modified Copernicus Sentinel data 2023"
    assert two.attribution == "Contains modified Copernicus Sentinel data 2021"
    assert asked == [
        {"collections": ["sentinel-2-l2a"], "bbox": [10.0, 47.0, 10.9, 47.9], "limit": 250}
    ]


def test_one_search_for_each_cell_and_collection_each_scene_once() -> None:
    items = [s2(f"i{n}", lon=9.4 + n / 5, lat=46.9) for n in range(10)]
    other = s2("n", collection="sentinel-2-c1-l2a")
    found, asked = look(
        Catalogue([*items, other]), "#sentinel-2-l2a,sentinel-2-c1-l2a", WIDE, (2022, 2023)
    )
    assert {s.id for s in found.scenes} == {"n", *(i["id"] for i in items)}
    first = [a for a in asked if "token" not in a]
    assert len(first) == 2 * len(WIDE.cells()) == 18
    assert {a["datetime"] for a in asked} == {"2022-01-01T00:00:00Z/2024-01-01T00:00:00Z"}
    assert not any("sortby" in a or "query" in a or "filter" in a for a in asked)
    assert facts(found)["cells"] == 9


def test_what_the_search_was_is_in_the_credit() -> None:
    found, _ = look(
        Catalogue(
            [s2("a", updated="2024-05-05T00:00:00Z"), s2("b", updated="2023-01-01T00:00:00Z")]
        ),
        years=(2023, 2023),
    )
    (credit,) = found.credits
    told = facts(found)
    assert credit.location == told["url"] and credit.location.startswith("http://127.0.0.1:")
    assert "#" not in credit.location
    assert told["collections"] == ["sentinel-2-l2a"]
    assert told["bounds"] == [[10.0, 47.0, 10.9, 47.9]]
    assert told["years"] == [2023, 2023]
    assert (told["items"], told["scenes"], told["given"], told["repeated"]) == (2, 2, 2, 0)
    assert told["newest_updated"] == "2024-05-05T00:00:00Z"


def test_a_resumed_search_asks_nothing(tmp_path: Path) -> None:
    items = [s2("a"), s2("b", lat=48.0), {**s2("bad"), "assets": {}}]
    with serving(Catalogue(items)) as log:
        name = f"{log.url}#sentinel-2-l2a"
        first = open_imagery(name, Override(), area=WIDE, keep=tmp_path)
        count = len(log.asked)
        again = open_imagery(name, Override(), area=WIDE, keep=tmp_path)
        assert len(log.asked) == count
        assert again == first
        open_imagery(name, Override(), area=WIDE, years=(2023, 2023), keep=tmp_path)
        assert len(log.asked) > count, "another question is asked"


def test_a_broken_search_goes_on_where_it_ended(tmp_path: Path) -> None:
    down = True
    whole = Catalogue([s2("a"), s2("b", lat=48.0)])

    def flaky(asked: Any) -> tuple[int, Any]:
        north = asked.path == "/search" and asked.body["bbox"][1] >= 48
        return (404, "gone") if down and north else whole(asked)

    with serving(flaky) as log:
        name = f"{log.url}#sentinel-2-l2a"
        with pytest.raises(SourceError, match="the server answered 404"):
            open_imagery(name, Override(), area=WIDE, keep=tmp_path)
        kept = {path.stem for path in tmp_path.glob("*.jsonl")}
        assert kept and all(name.startswith("n4") for name in kept)
        down, before = False, len(log.asked)
        found = open_imagery(name, Override(), area=WIDE, keep=tmp_path)
        assert [s.id for s in found.scenes] == ["a", "b"]
        asked = [a.body["bbox"] for a in log.asked[before:] if a.path == "/search" and a.body]
        assert len(asked) == len(WIDE.cells()) - len(kept)


def test_a_cut_answer_is_asked_for_again(tmp_path: Path) -> None:
    with serving(Catalogue([s2("a"), s2("b")])) as log:
        name = f"{log.url}#sentinel-2-l2a"
        first = open_imagery(name, Override(), area=HERE, keep=tmp_path)
        (rows,) = tmp_path.glob("*.jsonl")
        rows.write_bytes(rows.read_bytes()[:-40])
        assert open_imagery(name, Override(), area=HERE, keep=tmp_path) == first


def test_the_only_collection_is_taken_and_several_are_named(tmp_path: Path) -> None:
    found, _ = look(Catalogue([s2("a")]), "", keep=tmp_path)
    assert [s.id for s in found.scenes] == ["a"]
    with pytest.raises(UsageError, match=r"2 collections \(sentinel-2-c1-l2a, sentinel-2-l2a\).*#"):
        look(Catalogue([s2("a"), s2("b", collection="sentinel-2-c1-l2a")]), "")


def test_terms_of_a_collection_that_is_not_known() -> None:
    own = {"license": "CC-BY-4.0", "providers": [{"name": "Ann"}]}

    def catalogue(**more: Any) -> Catalogue:
        made = s2("a", collection="mine")
        for asset in made["assets"].values():
            asset["raster:bands"] = [{"data_type": "uint16", "nodata": 0}]
        return Catalogue([made], collections=[collection("mine", "http://x", **more)])

    found, _ = look(catalogue(**own), "#mine")
    assert (found.scenes[0].licence, found.scenes[0].attribution) == ("CC-BY-4.0", "Ann")
    with pytest.raises(UsageError, match="carries no licence"):
        look(catalogue(), "#mine")
    given = Override(licence="CC-BY-4.0", attribution="Bob")
    found, _ = look(catalogue(), "#mine", override=given)
    assert (found.scenes[0].licence, found.scenes[0].attribution) == ("CC-BY-4.0", "Bob")


def test_nothing_there() -> None:
    with pytest.raises(SourceError, match="not one usable scene in it in the area and years"):
        look(Catalogue([s2("a", lon=50.0)]))


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("planetary-computer", "pass --bbox"),
        ("ftp://host/x", "not the address of a STAC API"),
        ("https://me:word@host/x", "without a name"),
        ("https://host/x?token=abc", "without a name"),
        ("earth-search#", "no collection after #"),
    ],
)
def test_mistakes(location: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_imagery(location, Override())
    assert "word@" not in str(caught.value) and "abc" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: (200, "<html>welcome</html>"),
        lambda asked: (200, [1]),
        lambda asked: (500, "down"),
        lambda asked: (200, {"type": "Catalog", "id": "x", "stac_version": "1.0.0",
                             "description": "x", "links": []}),
        lambda asked: (200, landing(asked.base) if asked.path == "/" else {"type": "Blob"}),
        lambda asked: (200, landing("https://elsewhere.example")),
    ],
)  # fmt: skip
def test_what_is_no_api_is_one_sentence(answer: Any) -> None:
    with pytest.raises(SourceError) as caught:
        look(answer)
    assert "127.0.0.1" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "place", ["https://[bad/stac", "https://host:99999/v1", "http://host:abc/v1"]
)
def test_an_address_that_cannot_be_read_is_a_mistake_of_usage(place: str) -> None:
    with pytest.raises(UsageError, match="not the address of a STAC API"):
        api_of(f"{place}#x")
