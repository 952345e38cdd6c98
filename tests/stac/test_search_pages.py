"""Searching an API: pages, their order, their number and their links, and servers that get them wrong."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from catalogs.sources.area import Area
from catalogs.sources.imagery import open_imagery
from catalogs.sources.terms import Override
from schemas.errors import SourceError
from searching import HERE, facts, look
from stub_api import Asked, Catalogue, Json, following, landing, s2, serving


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


def test_no_other_host_is_asked() -> None:
    with serving(Catalogue([])) as other:

        def away(page: Json, *_: Any) -> Json:
            return {**page, "links": [following("http://localhost:1/x", {}, 1)]}

        with pytest.raises(SourceError, match="another host"):
            look(Catalogue([s2("a")], page=away))
        assert other.asked == []
