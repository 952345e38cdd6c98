"""Check 3: thresholds, the three largest, and the draw."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from schemas.errors import Reject
from schemas.tag_families import load
from schemas.windows import Window
from tests.rsteller.patch import FILLER, GRID, line, sample, table, told
from transforms.context import Context
from transforms.elements import Choose, Describe
from transforms.elements.choice import Element, Rules, candidates, draw, elements, kept_tags
from transforms.elements.frame import Frame

FRAME = Frame.of(Window(GRID, 0.6))
RULES = Rules()


def area(share: float, at: float = 0.1) -> Any:
    """A square of a share of the patch."""
    side = share**0.5
    return shapely.box(at, at, at + side, at + side)


def chosen(*objects: tuple[Any, dict[str, str]]) -> tuple[list[Element], list[Element]]:
    """Candidates among objects."""
    return candidates(elements(table(*objects), FRAME, load()), RULES)


@pytest.mark.parametrize(("share", "accepted"), [(0.049, False), (0.051, True)])
def test_3_an_area_needs_five_percent_of_the_patch(share: float, accepted: bool) -> None:
    """Of what lies within it."""
    areas, _ = chosen((area(share), {"landuse": "forest"}))
    assert bool(areas) is accepted
    beyond = shapely.box(1 - share, 0, 3, 1)  # most of it outside
    areas, _ = chosen((beyond, {"landuse": "forest"}))
    assert bool(areas) is accepted
    if accepted:
        assert areas[0].size == pytest.approx(share, rel=1e-6)


@pytest.mark.parametrize(("length", "accepted"), [(0.29, False), (0.31, True)])
def test_3_a_line_needs_three_tenths_of_a_side(length: float, accepted: bool) -> None:
    """Of what lies within the patch."""
    for way in (line((0.5, 0.1), (0.5, 0.1 + length)), line((1 - length, 0.5), (3.0, 0.5))):
        _, lines = chosen((way, {"highway": "track"}))
        assert bool(lines) is accepted


def test_3_only_the_three_largest_are_drawn_from_and_the_draw_follows_the_seed() -> None:
    """Each of the three about as often as the others, never the fourth, and the same for a seed."""
    sizes = (0.06, 0.2, 0.1, 0.15, 0.3)
    areas, lines = chosen(*((area(s), {"landuse": "forest"}) for s in sizes))
    assert [e.key for e in areas] == ["w5", "w2", "w4"]
    names = [f"patch-{k}" for k in range(3000)]
    first = [draw(areas, lines, RULES, 0, name) for name in names]
    assert first == [draw(areas, lines, RULES, 0, name) for name in names]
    assert first != [draw(areas, lines, RULES, 1, name) for name in names]
    counts = Counter(e.key for e in first if e)
    assert set(counts) == {"w5", "w2", "w4"}
    assert all(abs(count - 1000) < 130 for count in counts.values())


def test_3_equal_sizes_are_ordered_by_key_not_by_place_in_the_file() -> None:
    """So that the order of the rows does not matter."""
    same = [(area(0.1, 0.1 * k), {"landuse": "forest"}) for k in range(5)]
    found = elements(table(*same), FRAME, load())
    sized = [Element(e.row, e.key, e.area, e.tags, e.shape, 0.1) for e in found]
    keys = [e.key for e in candidates(sized, RULES)[0]]
    assert keys == [e.key for e in candidates(sized[::-1], RULES)[0]] == ["w1", "w2", "w3"]


def test_3_areas_win_six_times_in_ten() -> None:
    """Over 10,000 draws, within four standard deviations; a kind that is alone always wins."""
    areas, lines = chosen(
        (area(0.2), {"landuse": "forest"}), (line((0, 0.5), (1, 0.5)), {"highway": "track"})
    )
    drawn = [draw(areas, lines, RULES, 0, f"patch-{k}") for k in range(10_000)]
    share = sum(e is not None and e.area for e in drawn) / len(drawn)
    assert abs(share - 0.6) < 4 * (0.6 * 0.4 / 10_000) ** 0.5
    assert all(e and e.area for e in (draw(areas, [], RULES, 0, f"p{k}") for k in range(50)))
    assert all(e and not e.area for e in (draw([], lines, RULES, 0, f"p{k}") for k in range(50)))
    assert draw([], [], RULES, 0, "p") is None


@pytest.mark.parametrize(
    ("tags", "relation", "kept"),
    [
        ({"created_by": "an editor"}, False, False),
        ({"source": "survey", "tiger:cfcc": "A41"}, False, False),
        ({"name": "Somewhere"}, False, False),
        ({"highway": "track", "created_by": "an editor"}, False, True),
        ({"type": "boundary", "boundary": "national_park", "leisure": "park"}, True, False),
        ({"type": "multipolygon", "admin_level": "8", "landuse": "forest"}, True, False),
        ({"boundary": "administrative", "admin_level": "8", "left:country": "A"}, False, False),
        ({"boundary": "national_park", "natural": "wood"}, False, True),
        ({"railway": "subway", "tunnel": "yes"}, False, False),
        ({"man_made": "pipeline", "location": "underground"}, False, False),
        ({"highway": "proposed"}, False, False),
        ({"building": "no"}, False, False),
        ({"type": "multipolygon", "natural": "water"}, True, True),
    ],
)
def test_what_may_be_told_of(tags: dict[str, str], relation: bool, kept: bool) -> None:
    """Not what editors left behind, boundaries, what is out of sight, planned or gone."""
    assert bool(kept_tags(tags, load(), relation)) is kept


def test_points_are_never_elements() -> None:
    """However many there are."""
    rows = table(*FILLER, (area(0.2), {"landuse": "forest"}))
    nodes = rows.set_column(0, "osm_type", pa.array(["node"] * len(rows)))
    found = Choose().across([sample()], Context(features=lambda bounds: nodes))[0]
    assert found.facts["elements"] == 0
    assert found.facts["osm_id"] is None


def test_patches_with_little_or_nothing_are_rejected_with_a_reason() -> None:
    """Two elements are too few; three small ones are enough, but none is large enough."""
    for objects, code in ((FILLER[:2], "few_elements"), (FILLER, "no_element")):
        ctx = Context(features=lambda bounds, objects=objects: table(*objects))
        found = Choose().across([sample()], ctx)[0]
        with pytest.raises(Reject) as caught:
            Describe()(found, ctx)
        assert caught.value.code == code


def test_the_chosen_object_is_written_down() -> None:
    """Its id, version and time, its tags without noise, and its part within the patch."""
    tags = {"landuse": "forest", "name": "Elm Wood", "source": "survey", "wikidata": "Q1"}
    found = told((shapely.box(0.5, 0.5, 4, 4), tags)).facts
    assert (found["osm_type"], found["osm_id"], found["osm_version"]) == ("way", 1, 3)
    assert json.loads(str(found["element_tags"])) == {"landuse": "forest", "name": "Elm Wood"}
    geometry: Any = found["element_geometry"]
    inside = FRAME.inside(np.array([shapely.from_wkb(geometry)], object))[0]
    assert shapely.area(inside) == pytest.approx(0.25, rel=1e-4)
    assert float(str(found["_extent_m"])) == pytest.approx(3.5 * 2**0.5 * 268.8, rel=0.03)


def test_the_background_is_the_boundaries_that_hold_the_middle() -> None:
    """The smallest first; not those beside it, and not other areas."""
    around = (
        (
            shapely.box(-9, -9, 9, 9),
            {"type": "boundary", "boundary": "administrative", "admin_level": "4", "name": "State"},
        ),
        (
            shapely.box(-2, -2, 3, 3),
            {"type": "boundary", "boundary": "administrative", "admin_level": "8", "name": "Town"},
        ),
        (
            shapely.box(0.6, 0.6, 2, 2),
            {
                "type": "boundary",
                "boundary": "administrative",
                "admin_level": "9",
                "name": "Beside",
            },
        ),
        (shapely.box(-1, -1, 2, 2), {"landuse": "residential", "name": "Quarter"}),
    )
    found = told(*around).facts
    names = [tags["name"] for tags in json.loads(str(found["background_tags"]))]
    assert names == ["Town", "State"]
    assert "Quarter" in str(found["caption"]) and 'in "Town"' in str(found["caption"])
