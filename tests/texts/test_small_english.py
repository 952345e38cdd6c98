"""Details of captions and answers as one says them: numbers, articles, plurals."""

import pytest

from schemas.questions import Attributes, answer, spoken_area, where
from schemas.text import listed, with_article
from transforms.telling.wording import details


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"surface": "asphalt", "lanes": "2"}, "has two lanes and a surface of asphalt"),
        ({"surface": "paved", "lanes": "1"}, "has one lane and is paved"),
        ({"roof:shape": "onion"}, "has an onion-shaped roof"),
        ({"roof:shape": "dome"}, "has a domed roof"),
        ({"roof:shape": "many"}, ""),
        ({"roof:colour": "orange"}, "has an orange roof"),
        ({"roof:colour": "red", "roof:shape": "gabled"}, "has a red gabled roof"),
        ({"roof:material": "roof_tiles", "roof:shape": "flat"}, "has a flat roof and is roofed with roof tiles"),
        ({"crop": "potato"}, "is planted with potatoes"),
        ({"crop": "hay"}, ""),
        ({"crop": "field_cropland"}, ""),
        ({"trees": "olive_trees"}, "is planted with olive trees"),
        ({"leaf_type": "needleleaved"}, "consists of coniferous trees"),
        ({"lanes": "many"}, ""),
    ],
)  # fmt: skip
def test_visible_tags_as_one_says_them(tags: dict[str, str], said: str) -> None:
    assert listed(details(tags)) == said


@pytest.mark.parametrize(
    ("metres2", "said"),
    [
        (12.4, "12 square meters"),
        (1234, "1,200 square meters"),
        (999_999, "1,000,000 square meters"),
        (1_000_000, "1 square kilometer"),
        (1_040_000, "1 square kilometer"),
        (3_400_000, "3.4 square kilometers"),
    ],
)
def test_areas_in_words(metres2: float, said: str) -> None:
    assert spoken_area(metres2) == said


def test_articles_and_lists() -> None:
    assert [with_article(w) for w in ("islet", "town", "isolated dwelling")] == [
        "an islet", "a town", "an isolated dwelling",
    ]  # fmt: skip
    assert [listed(w) for w in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "ask", "said"),
    [
        ({"natural": "tree", "leaf_type": "needleleaved"}, "leaf_type", "Needles"),
        ({"natural": "tree", "leaf_type": "broadleaved"}, "leaf_type", "Broad leaves"),
        ({"leisure": "pitch", "sport": "beachvolleyball"}, "sport", "Beach volleyball"),
        ({"leisure": "pitch", "sport": "field_hockey"}, "sport", "Field hockey"),
    ],
)
def test_attributes_in_words(tags: dict[str, str], ask: str, said: str) -> None:
    assert answer({"ask": ask}, Attributes(0.0, 0.0, tags)) == said


@pytest.mark.parametrize(
    ("km", "said"), [(0.02, "in the middle of the image"), (3.44, "3.4 km to the north-east")]
)
def test_how_far_a_place_is(km: float, said: str) -> None:
    place = {"name": "Elm", "place": "hamlet", "km": km, "direction": "North-East"}
    assert where(Attributes(0.0, 0.0, {}, places=(place,))).endswith(f"is Elm, a hamlet {said}")


def test_a_choice_of_places_without_places_has_no_answer() -> None:
    """As in a row whose places were taken away."""
    row = {"kind": "choice", "ask": "nearest", "options": "A|B|C|D", "about": ""}
    assert answer(row, Attributes(0.0, 0.0, {"building": "church"})) is None
