"""Captions by grammar, and the names of SkyScript's images."""

import random
import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageError
from schemas.scenes import Band, Scene
from schemas.skyscript_names import COLLECTIONS, REMAPPED, make_name, parse_name, present_id
from schemas.visible import load
from schemas.windows import Grid
from transforms.captions import AERIAL, LIMIT, SATELLITE, focus, multi, phrase, single, source

ROAD = {"highway": "residential"}


@pytest.mark.parametrize("kind", "awn")
@pytest.mark.parametrize("alias", COLLECTIONS)
@pytest.mark.parametrize("year", [2000, 2009, 2018, 2023])
def test_check_1_names_round_trip(kind: str, alias: str, year: int) -> None:
    name = make_name(kind, 123456789012, alias, year)
    assert name == f"{kind}123456789012_{alias}_{year % 100:02d}"
    assert parse_name(name) == parse_name(f"{name}.jpg") == (kind, 123456789012, alias, year)


def test_check_1_alias_table_and_remap() -> None:
    assert set(COLLECTIONS) == {"CH", "ES", "DE", "FI", "US", "P3", "P5", "S2", "L8", "L9"}
    assert present_id("CH") == "Switzerland/SWISSIMAGE/orthos/10cm"
    assert list(REMAPPED) == [COLLECTIONS["CH"].id]
    assert present_id("US") == COLLECTIONS["US"].id
    assert all(c.licence and c.attribution and c.gsd_m > 0 for c in COLLECTIONS.values())


@pytest.mark.parametrize("name", ["a1_XX_18", "a1_us_18", "b1_US_18", "a1_US_2018", "a_US_18", ""])
def test_check_1_wrong_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        parse_name(name)


@pytest.mark.parametrize(
    "parts", [("a", 1, "S1", 2018), ("x", 1, "S2", 2018), ("a", -1, "S2", 2018), ("a", 1, "S2", 18)]
)
def test_check_1_wrong_parts_are_refused(parts: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError):
        make_name(*parts)


def test_check_1_unknown_alias_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'S2'"):
        make_name("a", 1, "S22", 2018)


@pytest.mark.parametrize(
    ("tags", "caption"),
    [
        ({"building": "house"}, "building of house"),
        ({"amenity": "shelter", "bench": "yes"}, "amenity of shelter with bench"),
        (ROAD | {"surface": "asphalt"}, "road of residential with surface of asphalt"),
        (
            ROAD | {"lanes": "2", "surface": "fine_gravel"},
            "road of residential with lanes of 2 and surface of fine gravel",
        ),
        ({"building": "yes"}, "building"),
        (
            {"highway": "crossing", "crossing:markings": "zebra:double"},
            "road of crossing with crossing markings of zebra double",
        ),
        ({"highway": "bus_stop"}, "road of bus stop"),
        ({"leisure": "pitch", "sport": "tennis"}, "leisure land of pitch with sport of tennis"),
        ({"highway": "road"}, "road"),
        ({"man_made": "pier;breakwater"}, "man made of pier"),
    ],
)
def test_check_4_single_captions(tags: Mapping[str, str], caption: str) -> None:
    assert focus(tags) == caption
    assert single(tags) == multi(tags, []) == f"a satellite image of {caption}"


@pytest.mark.parametrize(
    ("around", "tail"),
    [
        ([], ""),
        ([{"building": "yes", "roof:shape": "flat"}], ", surrounded by building"),
        (
            [{"building": "yes"}, {"natural": "tree"}, {"building": "yes"}, {"amenity": "parking"}],
            ", surrounded by building; natural of tree; amenity of parking",
        ),
        ([{}, {"highway": "path"}], ", surrounded by road of path"),
    ],
)
def test_check_4_multi_captions(around: list[dict[str, str]], tail: str) -> None:
    assert multi(ROAD, around) == f"a satellite image of road of residential{tail}"


def test_check_4_order_is_stable_under_shuffled_tags() -> None:
    tags = {
        "highway": "residential", "surface": "asphalt", "lanes": "2", "bridge": "yes", "name": "x",
        "sidewalk": "both",
    }  # fmt: skip
    captions = set()
    for seed in range(20):
        items = list(tags.items())
        random.Random(seed).shuffle(items)
        captions.add(single(load().tags(dict(items), 0.1)))
    assert captions == {
        "a satellite image of road of residential with bridge and lanes of 2 and sidewalk of both"
        " and surface of asphalt"
    }


def test_check_5_both_captions_begin_alike() -> None:
    around = [{"building": "house"}, {"landuse": "grass"}]
    one, many = single(ROAD), multi(ROAD, around)
    assert "surrounded by" not in one
    assert many.startswith(one)
    assert many.split(", surrounded by ")[0] == one


@pytest.mark.parametrize(
    ("platform", "collection", "dtype", "gsd", "seen"),
    [
        ("", "local", "uint8", 0.6, AERIAL),
        ("", "local", "uint8", 1.0, SATELLITE),
        ("", "local", "uint16", 0.6, SATELLITE),
        ("", "USDA/NAIP/DOQQ", "uint8", 1.0, AERIAL),
        ("", "Germany/Brandenburg/orthos/20cm", "uint8", 0.2, AERIAL),
        ("", "SKYSAT/GEN-A/PUBLIC/ORTHO/RGB", "uint8", 0.8, SATELLITE),
        ("", "alos-ortho", "uint8", 10.0, SATELLITE),
        ("WV02", "open-data", "uint8", 0.4, SATELLITE),
        ("Drone DJI", "open-data", "uint16", 0.1, AERIAL),
        ("sentinel-2a", "sentinel-2-l2a", "uint16", 10.0, SATELLITE),
    ],
)
def test_the_first_words_name_what_took_the_picture(
    platform: str, collection: str, dtype: str, gsd: float, seen: str
) -> None:
    bands = (Band("red", "a.tif", dtype=dtype),)
    grid = Grid("EPSG:32632", (gsd, 0.0, 0.0, 0.0, -gsd, 0.0), 10, 10)
    scene = Scene("a", collection, None, grid, "", bands, "CC-BY-4.0", "x", platform=platform)
    found = source(scene, gsd)
    assert found == seen
    assert single(ROAD, found) == f"{seen} of road of residential"
    assert (
        multi(ROAD, [ROAD], found) == f"{seen} of road of residential, surrounded by {focus(ROAD)}"
    )


def test_a_caption_needs_a_tag() -> None:
    with pytest.raises(ValueError, match="at least one"):
        single({})


def test_long_captions_end_with_a_whole_phrase() -> None:
    tags = {f"key{i:03}": "value" for i in range(300)}
    around = [{f"near{i}": "x" * 50} for i in range(100)]
    for text in (single(tags), multi(ROAD, around)):
        assert LIMIT - 70 < len(text) <= LIMIT
        assert text.endswith(("value", "x" * 50))


TEXT = st.text(alphabet=st.characters(codec=None), max_size=300)
TAGS = st.dictionaries(TEXT, TEXT, min_size=1, max_size=5)


@given(TAGS, st.lists(TAGS, max_size=5))
def test_fault_54_captions_are_clean_text(tags: dict[str, str], around: list[dict]) -> None:
    for text in (phrase(*next(iter(tags.items()))), single(tags), multi(tags, around)):
        text.encode("utf-8")
        assert unicodedata.is_normalized("NFC", text)
        assert not {unicodedata.category(c) for c in text} & {"Cc", "Cs", "Zl", "Zp"}
        assert not {unicodedata.bidirectional(c) for c in text} & {
            "LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"
        }  # fmt: skip
        assert len(text) <= LIMIT
