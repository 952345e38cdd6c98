"""Searching an API: which of the items are believed, which are lost, and why."""

from datetime import UTC, datetime
from typing import Any

import pytest

from catalogs.sources.area import Area
from searching import facts, look
from stub_api import Catalogue, s2


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
