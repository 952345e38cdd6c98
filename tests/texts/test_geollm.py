"""Prompts about a place; numbers are the acceptance checks of the method."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from schemas.compass import WORDS, bearings, compass, distances
from schemas.places import nearest, plain_name
from schemas.samples import Sample
from schemas.windows import Grid, Window
from transforms.context import Context
from transforms.place_prompts import (
    PREFACE,
    Point,
    Prompt,
    address,
    lines,
    messages,
    places,
    prompt,
    rows,
)
from transforms.places import Places
from transforms.spread import labels, spread, window_sums

NOMINATIM = {
    "place_id": 1,
    "display_name": "unused",
    "address": {
        "house_number": "12",
        "road": "Kauppalankatu",
        "suburb": "Keskusta",
        "town": "Kouvola",
        "ISO3166-2-lvl4": "FI-09",
        "state": "Kymenlaakso",
        "postcode": "45100",
        "country": "Suomi",
        "country_code": "fi",
    },
}


def node(ident: int, lon: float, lat: float, name: str = "", place: str = "") -> dict[str, Any]:
    """An element of an Overpass answer."""
    tags = {key: value for key, value in (("name", name), ("place", place)) if value}
    return {"type": "node", "id": ident, "lon": lon, "lat": lat, "tags": tags}


OVERPASS = {
    "version": 0.6,
    "elements": [
        node(4, 26.94, 60.46, "Kotka", "city"),
        node(1, 26.7042, 60.8679, "Kouvola", "town"),
        node(2, 26.42, 60.70, "Myllykoski", "village"),
        node(3, 27.19, 60.56, "Hamina", "town"),
        node(5, 26.8, 60.9, "", "hamlet"),
        node(6, 26.7, 60.87, "A kiosk"),
        node(7, 24.94, 60.17, "Helsinki", "city"),
        {"type": "way", "id": 9, "tags": {"name": "Not a node", "place": "town"}},
    ],
}
HERE = Point("p0", 26.69, 60.88)

GOLDEN = """Coordinates: (60.88000, 26.69000)

Address: "Kauppalankatu, Keskusta, Kouvola, Kymenlaakso, Suomi"

Nearby Places:
"
1.6 km South-East: Kouvola
24.9 km South-West: Myllykoski
44.9 km South-East: Hamina
48.8 km South: Kotka
"

Population Density (On a Scale from 0.0 to 9.9):"""


def test_check_1_golden_prompt() -> None:
    answers = {"p0": {"nominatim": NOMINATIM, "overpass": OVERPASS}}
    (row,) = rows([HERE], answers, "Population Density")
    assert row == {"key": "p0", "text": GOLDEN, "reason": None}
    geod = Geod(ellps="WGS84")
    for place in nearest(HERE.lon, HERE.lat, places(OVERPASS)):
        _, _, metres = geod.inv(HERE.lon, HERE.lat, place["lon"], place["lat"])
        assert f"{metres / 1000:.1f} km" in GOLDEN
    assert len(PREFACE.split(". ")) == 3


EDGES = [22.5, 67.5, 112.5, 157.5, 202.5, 247.5, 292.5, 337.5]


@pytest.mark.parametrize(("number", "edge"), list(enumerate(EDGES)))
def test_check_2_the_sector_edges(number: int, edge: float) -> None:
    assert compass(math.nextafter(edge, 0)) == WORDS[number]
    assert compass(edge) == WORDS[(number + 1) % 8]


def test_check_2_bearings_on_the_globe() -> None:
    assert [compass(v) for v in (0, 45, 90, 135, 180, 225, 270, 315, 360, -45)] == [
        *WORDS, "North", "North-West",
    ]  # fmt: skip
    east = bearings(179.9, 10.0, [-179.9, 179.5], [10.0, 10.0])
    assert [compass(v) for v in east] == ["East", "West"]
    assert distances(179.9, 0.0, [-179.9], [0.0]) == pytest.approx([0.2 * 111_319.49], rel=1e-6)
    there = nearest(
        179.95, -16.5, places({"elements": [node(1, -179.95, -16.5, "Taveuni", "island")]})
    )
    assert (there[0]["direction"], there[0]["km"]) == ("East", pytest.approx(10.7, abs=0.05))


@given(
    st.floats(-180, 180), st.floats(-85, 85), st.floats(-180, 180), st.floats(-85, 85)
)  # fmt: skip
def test_check_2_bearings_agree_with_the_ellipsoid(
    lon: float, lat: float, lon2: float, lat2: float
) -> None:
    azimuth, _, metres = Geod(ellps="WGS84").inv(lon, lat, lon2, lat2)
    if 1000 < metres < 100_000:
        turned = (float(bearings(lon, lat, [lon2], [lat2])[0]) - azimuth + 180) % 360 - 180
        assert abs(turned) < 0.5
        assert distances(lon, lat, [lon2], [lat2])[0] == pytest.approx(metres)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 25])
def test_check_3_fewer_than_ten_places(count: int) -> None:
    elements = [
        node(i, 26.69 + i / 100, 60.88, f"Town {'abcdefghijklmnopqrstuvwxyz'[i]}", "town")
        for i in range(count)
    ]
    answers = {"p0": {"nominatim": NOMINATIM, "overpass": {"elements": elements}}}
    (row,) = rows([HERE], answers, "Income")
    block = row["text"].split("\n\n")[2]
    assert block.splitlines()[:2] == ["Nearby Places:", '"']
    assert len(block.splitlines()) == 3 + min(count, 10)
    km = [float(line.split()[0]) for line in block.splitlines()[2:-1]]
    assert km == sorted(km)


def test_check_3_only_within_the_distance() -> None:
    found = nearest(HERE.lon, HERE.lat, places(OVERPASS), km=30)
    assert [place["name"] for place in found] == ["Kouvola", "Myllykoski"]
    assert not nearest(HERE.lon, HERE.lat, [], km=30)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ('The "Old" Town', "The 'Old' Town"),
        ("„Altstadt“", "'Altstadt'"),
        ("'s-Hertogenbosch", "'s-Hertogenbosch"),
        ("東京都", "東京都"),
        ("القاهرة", "القاهرة"),
        ("Санкт-Петербург", "Санкт-Петербург"),
        ("กรุงเทพ", "กรุงเทพ"),
        ("L\u2019Aquila", "L'Aquila"),
        ("Saint-Louis (Sénégal)", "Saint-Louis (Sénégal)"),
    ],
)
def test_check_4_quotes_and_scripts(name: str, said: str) -> None:
    overpass = {"elements": [node(1, 26.7, 60.88, name, "town")]}
    answers = {"p0": {"nominatim": {"address": {"town": name}}, "overpass": overpass}}
    (row,) = rows([HERE], answers, "Income")
    assert row["text"].split("\n\n")[1] == f'Address: "{said}"'
    assert row["text"].splitlines()[6].endswith(f" km East: {said}")
    assert row["text"].count('"') == 4
    assert json.loads(lines([row])) == row


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "=HYPERLINK(1)", "", "123", "x" * 400, "a\nb: c=d", "me@example.org",
     "http://example.org", "{{x}}", "`ls`;", "\u202e\u202e"],
)  # fmt: skip
def test_check_4_what_is_no_name_is_no_place(name: str) -> None:
    assert plain_name(name) == ""
    assert places({"elements": [node(1, 1.0, 1.0, name, "town")]}) == []


def test_check_5_row_i_is_input_i_even_when_a_request_fails() -> None:
    good = {"nominatim": NOMINATIM, "overpass": OVERPASS}
    answers: dict[str, Any] = {
        "p0": good,
        "p1": {"nominatim": None, "overpass": None, "error": "429 Too Many Requests"},
        "p3": {"nominatim": {"error": "Unable to geocode"}, "overpass": OVERPASS},
        "p4": {"nominatim": NOMINATIM, "overpass": {"remark": "runtime error", "elements": []}},
        "p5": {"nominatim": NOMINATIM, "overpass": {"elements": [{"type": "node"}]}},
        "p6": good,
        "p7": "busy",
    }
    points = [replace(HERE, key=f"p{i}") for i in range(8)]
    found = list(rows(points, answers, "Income"))
    assert [row["key"] for row in found] == [point.key for point in points]
    assert [row["text"] is None for row in found] == [
        False,
        True,
        True,
        True,
        True,
        True,
        False,
        True,
    ]
    reasons = [row["reason"] for row in found]
    assert [reason and reason.split(":")[0] for reason in reasons] == [
        None, "http_error", "no_answer", "not_an_answer", "not_an_answer", "not_an_answer", None,
        "no_answer",
    ]  # fmt: skip
    assert "429" in reasons[1] and "Unable to geocode" in reasons[3] and "runtime" in reasons[4]
    taught = list(messages(found, {"p0": 3.1, "p1": 4.0}))
    assert [row["key"] for row in taught] == [point.key for point in points]
    assert taught[0]["messages"][1] == {"role": "assistant", "content": "3.1"}
    assert taught[1]["messages"] is None and taught[1]["reason"] == reasons[1]
    assert taught[6]["reason"].startswith("no_label")
    text = lines(found).decode().splitlines()
    assert [json.loads(line) for line in text] == found


def test_check_6_label_ties() -> None:
    assert labels([1, 2, 3, 4]) == [2.5, 5.0, 7.5, 9.9]
    assert labels([5, 5, 5]) == [6.6, 6.6, 6.6]
    assert labels([1, 2, 2, 9]) == [2.5, 6.2, 6.2, 9.9]
    assert labels([3, None, math.nan, 1]) == [9.9, None, None, 5.0]
    assert labels([]) == []
    many = labels(list(range(1000)))
    assert many[0] == 0.0 and many[-1] == 9.9
    assert set(many) == {i / 10 for i in range(100)}


def towns(count: int = 3000) -> tuple[list[str], Any, Any, Any]:
    """Points all over the globe, with people."""
    rng = np.random.default_rng(5)
    lon = rng.uniform(-180, 180, count)
    lat = np.degrees(np.arcsin(rng.uniform(-0.9, 0.9, count)))
    return [f"t{i}" for i in range(count)], lon, lat, rng.pareto(1.0, count)


def test_check_7_same_seed_same_points() -> None:
    keys, lon, lat, people = towns()
    one = spread(keys, lon, lat, people, 100, seed=7)
    assert (one == spread(keys, lon, lat, people, 100, seed=7)).all()
    assert {*one.tolist()} != {*spread(keys, lon, lat, people, 100, seed=8).tolist()}
    assert len(set(one.tolist())) == 100
    mixed = np.random.default_rng(1).permutation(len(keys))
    other = spread([keys[i] for i in mixed], lon[mixed], lat[mixed], people[mixed], 100, seed=7)
    assert [keys[i] for i in one] == [keys[mixed[i]] for i in other]


def test_check_7_crowded_first_and_far_apart() -> None:
    keys, lon, lat, people = towns()
    found = spread(keys, lon, lat, people, 100)
    order = np.argsort(-people)
    assert found[0] in order[:30]
    position = {row: place for place, row in enumerate(order.tolist())}
    for turn, row in enumerate(found.tolist()):
        assert position[row] < 30 * (turn + 1), "the pool grows by n / count a round"
    by_chance = np.random.default_rng(0).choice(len(keys), 100, replace=False)

    def least(rows: Any) -> float:
        geod = Geod(ellps="WGS84")
        return min(geod.inv(lon[a], lat[a], lon[b], lat[b])[2] for a in rows for b in rows if a < b)

    assert least(found) > 10 * least(by_chance)


def test_check_7_degrees_are_not_distances() -> None:
    """Beside 179 east, 179 west is next door; at 80 north, 30 degrees of longitude are little."""
    lon = np.array([179.0, -179.0, 120.0])
    found = spread(["a", "b", "c"], lon, np.zeros(3), np.array([9.0, 8.0, 7.0]), 2)
    assert found[0] in (0, 1) and found[1] == 2
    north = spread(
        ["a", "b", "c"], np.array([0.0, 30.0, 0.0]), np.array([80.0, 80.0, 70.0]), np.ones(3), 2
    )
    assert set(north.tolist()) != {0, 1}


def test_nobody_lives_there() -> None:
    assert spread(["a", "b"], np.zeros(2), np.zeros(2), np.array([0.0, 1.0]), 5).tolist() == [1]
    with pytest.raises(ValueError, match="same key"):
        spread(["a", "a"], np.zeros(2), np.zeros(2), np.ones(2), 1)


def test_population_of_a_window() -> None:
    rng = np.random.default_rng(2)
    people = rng.uniform(0, 9, (40, 60))
    people[3, 4], people[7, 8] = np.nan, -99999
    clean = np.where(people > 0, people, 0)
    found = window_sums(people, 5)
    for row, col in ((0, 0), (20, 30), (39, 59), (5, 1)):
        expected = sum(
            clean[r, c % 60]
            for r in range(max(row - 2, 0), min(row + 3, 40))
            for c in range(col - 2, col + 3)
        )
        assert found[row, col] == pytest.approx(expected)
    assert window_sums(people, 5, wraps=False)[0, 0] == pytest.approx(clean[:3, :3].sum())
    with pytest.raises(ValueError, match="odd"):
        window_sums(people, 4)


def test_places_of_a_map_agree_with_all_pairs() -> None:
    rng = np.random.default_rng(3)
    elements = [
        node(i, float(rng.uniform(178, 182) + 180) % 360 - 180, float(rng.uniform(60, 62)), f"T{i}", "town")
        for i in range(400)
    ]  # fmt: skip
    every = places({"elements": elements})
    index = Places(every)
    for _ in range(40):
        lon, lat = (rng.uniform(178, 182) + 180) % 360 - 180, rng.uniform(60, 62)
        assert index.near(lon, lat, 10, 25) == nearest(lon, lat, every, 10, 25)
    assert Places([]).near(0, 0, 10, 100) == []


def test_a_sample_s_prompt_has_no_address() -> None:
    window = Window(Grid("OGC:CRS84", (0.01, 0, 26.64, 0, -0.01, 60.93), 10, 10, 10), 600.0, 0, 0)
    near = json.dumps(nearest(HERE.lon, HERE.lat, places(OVERPASS)))
    sample = Sample("k", 0, 0, window, facts={"near_places": near})
    made = Prompt()(sample, Context()).facts["place_prompt"]
    blocks = GOLDEN.split("\n\n")
    assert made == "\n\n".join([blocks[0], *blocks[2:]])
    assert str(Prompt(preface=True)(sample, Context()).facts["place_prompt"]).startswith(PREFACE)
    assert address({"address": {"house_number": "1", "country_code": "fi"}}) == ""
    assert '\n"\n"\n' in prompt(0, 0, [], "Income") + "\n"
