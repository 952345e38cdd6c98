"""One view in several processings: the choice, and what it may never do (case 46)."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from catalogs.sources.imagery import open_imagery
from catalogs.sources.reprocessed import Take, baseline_of, newest, same_ground, take_of
from catalogs.sources.terms import Override
from recorded import scenes
from schemas.scenes import Scene
from schemas.sensors import convention
from stub_api import s2

GROUND = {"whole": shapely.box(0, 0, 1, 1), "again": shapely.box(0, 0, 1, 1.01),
          "left": shapely.box(0, 0, 0.4, 1), "right": shapely.box(0.35, 0, 1, 1)}  # fmt: skip


def made(row: tuple[int, int, float, str, str]) -> Take:
    number, view, baseline, when, ground = row
    views = ((), ("c", "a", "t1", "33UVP", "22"), ("c", "a", "t2", "33UVP", "22"))
    return Take(f"i{number}", views[view], baseline, when, 0, GROUND[ground], baseline >= 99)


takes = st.lists(
    st.tuples(
        st.integers(0, 99), st.integers(0, 2), st.sampled_from([-1.0, 2.12, 4.0, 5.0, 5.11, 99.99]),
        st.sampled_from(["", "2020-01-01", "2024-01-01"]), st.sampled_from(sorted(GROUND)),
    ).map(made),
    unique_by=lambda take: take.id, max_size=12,
)  # fmt: skip


@given(takes, st.randoms(use_true_random=False))
def test_the_choice(found: list[Take], chance: random.Random) -> None:
    choice = newest(found)
    by_id = {take.id: take for take in found}
    parts = [set(choice.kept), set(choice.superseded), set(choice.experimental)]
    assert sum(map(len, parts)) == len(found), "each is kept, superseded or experimental"
    assert set().union(*parts) == set(by_id)
    assert all(by_id[name].experimental for name in choice.experimental)
    for worse, better in choice.superseded.items():
        one, two = by_id[worse], by_id[better]
        assert better in choice.kept
        assert one.view == two.view != ()
        assert two.baseline >= one.baseline and two.rank > one.rank
        assert same_ground(one, two)
    kept = [by_id[name] for name in sorted(choice.kept)]
    for i, one in enumerate(kept):
        for two in kept[i + 1 :]:
            assert not (one.view and one.view == two.view and same_ground(one, two))
    mixed = list(found)
    chance.shuffle(mixed)
    assert newest(mixed) == choice, "the order of a catalogue changes nothing"
    assert newest(kept).kept == choice.kept, "choosing twice changes nothing"


def take(name: str, **more: Any) -> Take:
    item = s2(name, **more)
    return take_of(item, "sentinel-2-l2a", shapely.geometry.shape(item["geometry"]))


VIEW = {"s2:mgrs_tile": "33UVP", "sat:relative_orbit": 22,
        "s2:datatake_id": "GS2A_20200101T101010_012345_N02.12"}  # fmt: skip


def test_the_highest_normal_baseline_then_the_newest() -> None:
    old = take("old", **{**VIEW, "s2:processing_baseline": "02.12"})
    new = take(
        "new",
        **{**VIEW, "s2:processing_baseline": "05.00", "s2:generation_time": "2023-01-01T00:00:00Z"},
    )
    late = take(
        "late",
        **{**VIEW, "s2:processing_baseline": "05.00", "s2:generation_time": "2024-01-01T00:00:00Z"},
    )
    test = take("test", **{**VIEW, "s2:processing_baseline": "99.99"})
    choice = newest([old, test, new, late])
    assert choice.kept == {"late"}
    assert choice.superseded == {"old": "late", "new": "late"}
    assert choice.experimental == ("test",)


def test_items_without_a_view_are_not_compared() -> None:
    """Landsat, NAIP and radar: as many steps as items, not as many as pairs."""
    looked: list[str] = []

    class Watched(Take):
        @property
        def view(self) -> tuple[str, ...]:  # type: ignore[override]
            looked.append(self.id)
            return ()

        @view.setter
        def view(self, value: tuple[str, ...]) -> None:
            """Held nowhere."""

    box = shapely.box(0, 0, 1, 1)
    takes = [Watched(f"i{k}", (), -1.0, "", 0, box) for k in range(100)]
    assert len(newest(takes).kept) == 100
    assert len(looked) <= 200


@pytest.mark.parametrize(("joint", "kept"), [(0.95, 1), (0.8, 2), (0.6, 2)])
def test_how_much_ground_one_view_has_in_common(joint: float, kept: int) -> None:
    """Parts that two stations received overlap; what processors round differently does so nearly wholly."""
    one = Take("a", ("view",), 4.0, "", 0, shapely.box(0, 0, 1, 1))
    two = Take("b", ("view",), 5.0, "", 0, shapely.box(0, 0, 1, joint))
    assert len(newest([one, two]).kept) == kept


def test_two_stations_received_a_part_each() -> None:
    west = take("west", side=0.2, **VIEW)
    east = take("east", lon=10.35, side=0.2, **VIEW)
    assert newest([west, east]).kept == {"west", "east"}


def test_other_views_are_left_alone() -> None:
    again = {**VIEW, "s2:datatake_id": "GS2A_20200111T101010_012488_N02.12"}
    other = {**VIEW, "sat:relative_orbit": 65}
    found = [take("a", **VIEW), take("b", **again), take("c", **other), take("d"), take("e")]
    assert len(newest(found).kept) == 5, "items that do not say what they see are all kept"


@pytest.mark.parametrize(
    "fields",
    [
        {"s2:product_uri": "S2A_MSIL2A_20200101T101010_N0212_R022_T33UVP_20200101T120000.SAFE"},
        {"grid:code": "MGRS-33UVP", "sat:relative_orbit": 22,
         "s2:datatake_id": "GS2A_20200101T101010_012345_N02.12"},
        {"mgrs:utm_zone": 33, "mgrs:latitude_band": "U", "mgrs:grid_square": "VP",
         "sat:relative_orbit": 22, "s2:datatake_id": "GS2A_20200101T101010_012345_N02.12"},
        VIEW,
    ],
)  # fmt: skip
def test_every_catalogue_names_the_same_view(fields: dict[str, Any]) -> None:
    found = take("x", **fields)
    assert found.view == ("sentinel-2-l2a", "sentinel2a", "20200101T101010", "33UVP", "22")


PRODUCT = "S2A_MSIL2A_20220629T104631_N0400_R051_T31UFU_20220629T170417"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"s2:processing_baseline": "05.09"}, "05.09"),
        ({"sentinel:processing_baseline": "04.00"}, "04.00"),
        ({"processing:version": "05.10"}, "05.10"),
        ({"s2:product_uri": f"{PRODUCT}.SAFE"}, "04.00"),
        ({"sentinel:product_id": PRODUCT}, "04.00"),
        ({}, ""),
        ({"s2:processing_baseline": "05.09", "sentinel:processing_baseline": "04.00"}, "05.09"),
        ({"sentinel:processing_baseline": "04.00", "processing:version": "05.10"}, "04.00"),
        ({"processing:version": "05.10", "s2:product_uri": PRODUCT}, "05.10"),
        ({"s2:processing_baseline": "", "processing:version": "05.10"}, "05.10"),
        ({"s2:processing_baseline": None, "sentinel:product_id": PRODUCT}, "04.00"),
        ({"processing:version": "unknown", "sentinel:product_id": PRODUCT}, "04.00"),
    ],
)
def test_the_baseline_by_every_field(fields: dict[str, Any], expected: str) -> None:
    """The more particular field is believed first; the product's name where none declares it."""
    assert scene_with(**fields).baseline == expected


def test_the_version_of_other_processing_is_no_baseline() -> None:
    """A scene of version 2024.1 is no test product, whose baselines begin at 99."""
    item = s2("x", collection="hls2-s30", **{"processing:version": "2024.1"})
    item["properties"] = without(item)
    assert baseline_of(item) == ""
    assert not take_of(item, "hls2-s30", shapely.box(0, 0, 1, 1)).experimental


def without(item: dict[str, Any]) -> dict[str, Any]:
    """Properties without the baseline that every stub item has."""
    return {k: v for k, v in item["properties"].items() if k != "s2:processing_baseline"}


def scene_with(collection: str = "sentinel-2-l2a", **fields: Any) -> Scene:
    item = s2("x", collection=collection)
    item["properties"] = {**without(item), **fields}
    (found,) = scenes([item])
    return found


@pytest.mark.parametrize(
    ("fields", "applied", "offset"),
    [
        ({}, None, -1000),
        ({"earthsearch:boa_offset_applied": True}, True, 0),
        ({"earthsearch:boa_offset_applied": False}, False, -1000),
        ({"sentinel:boa_offset_applied": True}, True, 0),
        ({"sentinel:boa_offset_applied": False}, False, -1000),
        ({"earthsearch:boa_offset_applied": False, "sentinel:boa_offset_applied": True}, False, -1000),
        ({"earthsearch:boa_offset_applied": True, "sentinel:boa_offset_applied": False}, True, 0),
        ({"earthsearch:boa_offset_applied": None, "sentinel:boa_offset_applied": True}, True, 0),
        ({"earthsearch:boa_offset_applied": "yes"}, None, -1000),
    ],
)  # fmt: skip
def test_the_offset_by_every_field(
    fields: dict[str, Any], applied: bool | None, offset: int
) -> None:
    """An offset that Earth Search v0 has removed is not taken off again."""
    known = {"sentinel:processing_baseline": "04.00", **fields}
    for collection in ("sentinel-s2-l2a-cogs", "sentinel-2-l2a"):
        found = scene_with(collection, **known)
        assert found.offset_applied is applied
        rule = convention(found.collection, found.baseline, found.offset_applied, "earth-search")
        assert rule.offset == offset
    # Collection 1 keeps the offset whatever a flag says
    found = scene_with("sentinel-2-c1-l2a", **known)
    rule = convention(found.collection, found.baseline, found.offset_applied, "earth-search")
    assert rule.offset == -1000


@pytest.mark.parametrize("field", ["sentinel:processing_baseline", "processing:version"])
def test_an_item_on_disk_is_read_alike(field: str, tmp_path: Path) -> None:
    item = s2("x")
    item["properties"] = {**without(item), field: "05.10", "sentinel:boa_offset_applied": True,
                          "license": "CC0-1.0"}  # fmt: skip
    for key, asset in item["assets"].items():
        asset["raster:bands"] = [{"data_type": "uint8" if key == "SCL" else "uint16"}]
    (tmp_path / "x.json").write_text(json.dumps(item))
    (found,) = open_imagery(str(tmp_path / "x.json"), Override()).scenes
    assert (found.baseline, found.offset_applied) == ("05.10", True)
