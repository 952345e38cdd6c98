"""Searching an API: what is asked, what is believed, and what is told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from catalogs.sources.area import Area
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.stac_api import api_of
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from stub_api import Asked, Catalogue, Json, collection, following, landing, s2, serving

HERE = Area.of_box((10.0, 47.0, 10.9, 47.9))
WIDE = Area.of_box((9.5, 46.5, 11.5, 48.5))
Found = tuple[Imagery, list[Json]]


def look(
    catalogue: Any,
    names: str = "#sentinel-2-l2a",
    area: Area | None = HERE,
    years: tuple[int, int] | None = None,
    override: Override | None = None,
    **more: Any,
) -> Found:
    """The imagery of a catalogue, and the searches it was asked for."""
    with serving(catalogue) as log:
        given = override or Override()
        found = open_imagery(log.url + names, given, area=area, years=years, **more)
        return found, log.searches()


def facts(found: Imagery) -> Json:
    return dict(json.loads(found.credits[0].search))


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


def test_pages_are_read_to_the_last() -> None:
    found, asked = look(Catalogue([s2(f"i{n}") for n in range(11)], size=3))
    assert (len(found.scenes), len(asked)) == (11, 4)
    assert facts(found)["matched"] == 11


def test_fault_32_an_empty_page_is_not_the_last_one() -> None:
    def gap(page: Json, start: int, found: list[Json], base: str) -> Json:
        return {**page, "features": []} if start == 3 else page

    found, _ = look(Catalogue([s2(f"i{n}") for n in range(9)], page=gap))
    assert len(found.scenes) == 6


def test_fault_32_repeated_items_are_used_once_and_counted() -> None:
    def again(page: Json, start: int, found: list[Json], base: str) -> Json:
        return {**page, "features": [*found[max(0, start - 1) : start], *page["features"]]}

    found, _ = look(Catalogue([s2(f"i{n}") for n in range(9)], page=again))
    assert len(found.scenes) == 9
    assert facts(found)["repeated"] == 2
    assert "127.0.0.1 gave 2 items more than once; each is used once" in found.notes


@pytest.mark.parametrize("token", ["same", "growing"])
def test_fault_32_a_paging_loop_ends(token: str) -> None:
    turns = 0

    def loop(page: Json, start: int, found: list[Json], base: str) -> Json:
        nonlocal turns
        turns += 1
        mark = 3 if token == "same" else 3 + turns / 1000
        body = {"collections": ["sentinel-2-l2a"], "limit": 250, "token": mark}
        return {**page, "features": found[:3], "links": [following(base, body, mark)]}

    with pytest.raises(SourceError, match="paging loop"):
        look(Catalogue([s2(f"i{n}") for n in range(9)], page=loop))
    assert turns <= 12


def test_a_deaf_server_is_not_believed() -> None:
    items = [
        s2("right"),
        s2("far", lon=50.0),
        s2("early", when="2016-06-01T00:00:00Z"),
        s2("late", when="2024-01-01T00:00:00Z"),
        s2("kind", collection="sentinel-2-l1c"),
    ]
    found, _ = look(Catalogue(items, deaf=True), years=(2022, 2023))
    assert [s.id for s in found.scenes] == ["right"]
    assert facts(found)["outside"] == 4
    assert "4 items lie outside of the area or years asked for" in found.notes


def test_cloud_is_a_number_whatever_the_server_writes() -> None:
    clouds = {"a": "70.1", "b": 8, "c": "many", "d": 250.0}
    found, _ = look(Catalogue([s2(n, **{"eo:cloud_cover": c}) for n, c in clouds.items()]))
    assert {s.id: s.cloud for s in found.scenes} == {"a": 70.1, "b": 8.0, "c": None, "d": None}


def test_across_180_degrees() -> None:
    ring = [[179.9, -17], [-179.9, -17], [-179.9, -16.8], [179.9, -16.8], [179.9, -17]]
    wraps = {
        **s2("wraps", lon=179.9, lat=-17.0),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    items = [wraps, s2("west", lon=179.7, lat=-17.0), s2("east", lon=-179.9, lat=-17.0), s2("far")]
    found, asked = look(Catalogue(items, deaf=True), area=Area.of_box((179.6, -17, -179.6, -16.9)))
    assert [s.id for s in found.scenes] == ["east", "west", "wraps"]
    assert [a["bbox"] for a in asked if "token" not in a] != []
    assert all(a["bbox"][0] < a["bbox"][2] for a in asked)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda i: i.update(geometry=None), "stac_invalid:geometry"),
        (lambda i: i.pop("geometry"), "stac_invalid:geometry"),
        (lambda i: i.update(geometry={"type": "Blob"}), "stac_invalid:geometry"),
        (lambda i: i.update(geometry={"type": "Polygon", "coordinates": []}), "stac_invalid:geometry"),
        (lambda i: i["properties"].update(datetime=None), "stac_invalid:datetime"),
        (lambda i: i["properties"].pop("datetime"), "stac_invalid:datetime"),
        (lambda i: i["properties"].update(datetime="last May"), "stac_invalid:datetime"),
        (lambda i: i.update(assets={}), "stac_invalid:assets"),
        (lambda i: i.update(assets={"B04": {}}), "stac_invalid:assets"),
        (lambda i: i.update(assets={"thumbnail": i["assets"]["B04"]}), "stac_invalid:assets"),
        (lambda i: i.update(assets=None), "stac_invalid:assets"),
        (lambda i: i.pop("assets"), "stac_invalid:assets"),
        (lambda i: i.update(properties=None), "stac_invalid:properties"),
        (lambda i: i.pop("properties"), "stac_invalid:properties"),
        (lambda i: i["assets"]["B04"].update({"eo:bands": ["B04"]}), "stac_invalid"),
        (lambda i: i["assets"]["B04"].update(bands=7), "stac_invalid"),
        (lambda i: i["assets"]["B04"].update(href="file:///etc/passwd"), "blocked_href"),
        (lambda i: i["assets"]["B04"].update(href="/etc/passwd"), "blocked_href"),
        (lambda i: i["assets"]["B04"].update(href="/vsicurl/http://h/x.tif"), "blocked_href"),
        (lambda i: i["assets"]["B04"].update(href="https://me:word@h/x.tif"), "blocked_href"),
        (lambda i: i["properties"].update({"s2:processing_baseline": "99.99"}), "experimental_baseline"),
    ],
)  # fmt: skip
def test_fault_33_a_bad_item_is_lost_with_its_reason(change: Any, code: str) -> None:
    bad = s2("bad")
    change(bad)
    found, _ = look(Catalogue([s2("good"), bad], deaf=True))
    assert [s.id for s in found.scenes] == ["good"]
    assert [(name, c) for name, c, _ in found.lost] == [("bad", code)]
    assert "bad" in found.lost[0][2]


def test_fault_46_an_older_processing_is_left_out_and_told() -> None:
    view = {"s2:mgrs_tile": "32TNT", "s2:datatake_id": "GS2A_20230601T100000_041477_N05.09"}
    old = s2("old", **{**view, "s2:processing_baseline": "05.09"})
    new = s2("new", **{**view, "s2:processing_baseline": "05.11"})
    found, _ = look(Catalogue([old, new]))
    assert [s.id for s in found.scenes] == ["new"]
    assert "1 scenes left out: a newer processing of the same view is there" in found.notes
    assert facts(found)["superseded"] == 1


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


def test_fault_32_items_that_repeat_hide_others() -> None:
    """Where the pages of a growing catalogue overlap, as many items as are repeated are never seen."""

    def shifted(page: Json, start: int, found: list[Json], base: str) -> Json:
        return {**page, "features": found[max(0, start - start // 3) :][:3]}

    found, _ = look(Catalogue([s2(f"i{n}") for n in range(9)], page=shifted))
    assert [s.id for s in found.scenes] == [f"i{n}" for n in range(7)]
    assert (facts(found)["repeated"], facts(found)["short"]) == (2, 2)
    assert any("counts 2 items more than it gave" in note for note in found.notes)


def test_fewer_items_than_the_server_counts_is_told(tmp_path: Path) -> None:
    """Of each search by itself: what one gives too much does not stand for what another lacks."""

    def counted(page: Json, start: int, found: list[Json], base: str) -> Json:
        ids = [item["id"] for item in found]
        return {**page, "numberMatched": {"few": 7, "many": 1}[ids[0]]}

    few, many = s2("few"), [s2("many", lat=48.3), *(s2(f"m{n}", lat=48.3) for n in range(9))]
    with serving(Catalogue([few, *many], size=250, page=counted)) as log:
        name = f"{log.url}#sentinel-2-l2a"
        area = Area.of_box((10.0, 47.0, 10.9, 48.9))
        found = open_imagery(name, Override(), area=area, keep=tmp_path)
        assert len(found.scenes) == 11
        note = "127.0.0.1 counts 6 items more than it gave; scenes may be missing, and --overwrite "
        assert note + "asks it again" in found.notes
        asked = len(log.asked)
        again = open_imagery(name, Override(), area=area, keep=tmp_path)
        assert again == found and len(log.asked) == asked, "what is kept says so too"
    silent = Catalogue([s2("a")], counts=False)
    assert facts(look(silent)[0])["short"] == 0, "a server that does not count misses nothing"


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


@pytest.mark.parametrize("method", ["GET", None])
def test_an_api_that_is_searched_by_get(method: str | None) -> None:
    """POST is optional; a link that names no method means GET."""
    items = [s2(f"i{n}") for n in range(7)]

    def by_get(asked: Asked) -> tuple[int, Any]:
        if asked.path == "/":
            root = landing(asked.base)
            root["links"][-1] |= {"method": method}
            return 200, root
        if asked.method != "GET":
            return 405, {"detail": "method not allowed"}
        start = int(asked.query.get("token", 0))
        page = {"type": "FeatureCollection", "features": items[start : start + 3], "links": []}
        if start + 3 < len(items):
            href = f"{asked.base}/search?{urlencode({**asked.query, 'token': start + 3})}"
            page["links"] = [{"rel": "next", "href": href}]
        return 200, page

    with serving(by_get) as log:
        found = open_imagery(f"{log.url}#sentinel-2-l2a", Override(), area=HERE, years=(2023, 2023))
    assert len(found.scenes) == 7
    asked = [a.query for a in log.asked if a.path == "/search"]
    assert asked[0] == {
        "collections": "sentinel-2-l2a", "bbox": "10.0,47.0,10.9,47.9", "limit": "250",
        "datetime": "2023-01-01T00:00:00Z/2024-01-01T00:00:00Z",
    }  # fmt: skip
    assert [a.get("token") for a in asked] == [None, "3", "6"]


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_gives_fewer_at_once(status: int) -> None:
    """It is asked for half as many until it answers, and the next cell for no more."""
    catalogue = Catalogue([s2(f"i{n}", lat=46.9) for n in range(7)])

    def strict(asked: Asked) -> tuple[int, Any]:
        if asked.path == "/search" and (asked.body or {})["limit"] > 100:
            return status, {"description": "limit must be <= 100"}
        return catalogue(asked)

    found, asked = look(strict)
    assert len(found.scenes) == 7
    assert [a["limit"] for a in asked] == [250, 125, 62, 62, 62]


def test_what_is_refused_whatever_its_size_is_told() -> None:
    def deaf(asked: Asked) -> tuple[int, Any]:
        return (200, landing(asked.base)) if asked.path == "/" else (400, {"detail": "no"})

    with serving(deaf) as log, pytest.raises(SourceError, match="http_400"):
        open_imagery(f"{log.url}#sentinel-2-l2a", Override(), area=HERE)
    assert len(log.searches()) == 5


def test_a_link_that_adds_to_the_question() -> None:
    """`merge`: the body of the link holds only what changes (STAC API 1.0.0, Item Search, paging)."""

    def merged(page: Json, *_: Any) -> Json:
        for link in page["links"]:
            link |= {"merge": True, "body": {"token": link["body"]["token"]}}
        return page

    found, asked = look(Catalogue([s2(f"i{n}") for n in range(7)], page=merged))
    assert len(found.scenes) == 7
    assert [a.pop("token", None) for a in asked] == [None, 3, 6]
    assert all(a == asked[0] for a in asked), "the rest is asked again"


def test_files_that_no_reader_of_ours_opens_cost_their_item() -> None:
    for href in ("az://box/b.tif", "abfs://box@acc.dfs.core.windows.net/b.tif"):
        bad = s2("bad")
        bad["assets"]["B04"]["href"] = href
        found, _ = look(Catalogue([s2("good"), bad]))
        assert [(name, code) for name, code, _ in found.lost] == [("bad", "blocked_href")]


def test_an_item_of_a_range_counts_in_the_year_of_its_middle() -> None:
    turn = s2("turn")
    turn["properties"] |= {
        "datetime": None, "start_datetime": "2021-12-30T00:00:00Z",
        "end_datetime": "2022-01-29T00:00:00Z",
    }  # fmt: skip
    for year, names in ((2021, ["b"]), (2022, ["turn"])):
        other = s2("b", when="2021-05-01T00:00:00Z")
        found, _ = look(Catalogue([turn, other], deaf=True), years=(year, year))
        assert [s.id for s in found.scenes] == names
    assert found.scenes[0].datetime == datetime(2022, 1, 14, tzinfo=UTC)


def test_a_footprint_that_runs_on_past_180_degrees() -> None:
    """Or jumps to -180: it lies on both sides, and is found from both."""
    past = s2("past", lon=179.9, lat=-17.7)
    jump = s2("jump", lon=179.9, lat=-17.7)
    ring = [[-179.9 if x > 180 else x, y] for x, y in past["geometry"]["coordinates"][0]]
    jump["geometry"]["coordinates"] = [ring]
    for box in (
        (179.2, -17.8, -179.2, -17.2),
        (-180, -17.8, -179.2, -17.2),
        (179.2, -17.8, 180, -17),
    ):
        found, _ = look(Catalogue([past, jump], deaf=True), area=Area.of_box(box))
        assert [s.id for s in found.scenes] == ["jump", "past"]
        for lon in (179.95, -179.95):
            assert len(found.over(lon, -17.6)) == 2


@pytest.mark.parametrize(
    ("lat", "code", "move", "kept"),
    [
        (-20.0, 0, 0, True),  # as it should be
        (
            -20.0,
            -100,
            -10_000_000,
            True,
        ),  # the northern zone with northings below 0: the same place
        (-20.0, -100, 0, False),  # the northern zone, northings of the southern one
        (-20.0, 0, -10_000_000, False),
        (47.2, 100, 0, False),
        (47.2, 1, 0, False),  # the zone beside it
    ],
)
def test_pixels_in_another_hemisphere_than_their_outline(
    lat: float, code: int, move: int, kept: bool
) -> None:
    """The item is lost with both places in its reason, not cut where it does not lie."""
    odd = s2("odd", lat=lat)
    for asset in odd["assets"].values():
        asset["proj:epsg"] += code
        asset["proj:transform"] = [*asset["proj:transform"][:5], asset["proj:transform"][5] + move]
    area = Area.of_box((10.0, lat - 0.2, 10.9, lat + 0.7))
    found, _ = look(Catalogue([s2("good", lat=lat), odd]), area=area)
    assert [s.id for s in found.scenes] == (["good", "odd"] if kept else ["good"])
    assert [(name, c) for name, c, _ in found.lost] == ([] if kept else [("odd", "misplaced")])


def test_no_other_host_is_asked() -> None:
    with serving(Catalogue([])) as other:

        def away(page: Json, *_: Any) -> Json:
            return {**page, "links": [following("http://localhost:1/x", {}, 1)]}

        with pytest.raises(SourceError, match="another host"):
            look(Catalogue([s2("a")], page=away))
        assert other.asked == []


@pytest.mark.parametrize(
    "place", ["https://[bad/stac", "https://host:99999/v1", "http://host:abc/v1"]
)
def test_an_address_that_cannot_be_read_is_a_mistake_of_usage(place: str) -> None:
    with pytest.raises(UsageError, match="not the address of a STAC API"):
        api_of(f"{place}#x")
