"""A recipe is checked before any machine starts, and its settings keep their types."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pipelines.registry import names, recipe
from schemas.errors import UsageError
from schemas.recipes import Card, Pack, Recipe, check, name_of
from schemas.settings import override, settings
from transforms.telling import Rewritten


@dataclass(frozen=True)
class Start:
    """Gives one fact and a window."""

    needs: tuple[str, ...] = ()
    gives: dict[str, str] = field(default_factory=lambda: {"window": "noun", "tag": "string"})


@dataclass(frozen=True)
class Count:
    """A step with an argument of every kind."""

    px: int = 64
    share: float = 0.5
    name: str = "rgb"
    on: bool = True
    bands: tuple[str, ...] = ("red", "green")
    needs: tuple[str, ...] = field(default=("tag",), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"count": "int64"}, init=False)


@dataclass(frozen=True)
class Sum:
    """Needs what `Count` gives."""

    px: int = 8
    needs: tuple[str, ...] = field(default=("count",), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)


@dataclass(frozen=True)
class Ship:
    """Needs an image besides."""

    needs: tuple[str, ...] = ("mask",)
    gives: dict[str, str] = field(default_factory=dict)


def test_a_mask_that_nobody_ships_is_refused() -> None:
    """Reading it for nothing would be told by nobody."""
    kept = small(make=(Ship((), {"mask": "noun"}),))
    with pytest.raises(UsageError, match=r"Ship\.mask keeps the mask"):
        check(kept)
    check(replace(kept, pack=Pack(members={"mask.tif": Ship()})))
    check(replace(kept, annotate=(Ship(),)))


@pytest.mark.parametrize("name", ["sen4agrinet", "rsteller"])
def test_the_reach_of_what_is_kept_out_of_two_splits_is_the_buffer_at_most(name: str) -> None:
    """Else what is longer than the buffer and shorter than the reach could be in two."""
    override(recipe(name), {"splits.ByCell.buffer_km": 1.0})
    with pytest.raises(UsageError, match=r"reach_m=1000 is more than the buffer.*\(500 m\)"):
        override(recipe(name), {"splits.ByCell.buffer_km": 0.5})


def test_a_mask_switched_on_for_a_recipe_without_one() -> None:
    with pytest.raises(UsageError, match=r"imagery.Read.mask .*pack it"):
        override(recipe("skyscript"), {"imagery.Read.mask": True})


def small(*plan: Any, make: tuple[Any, ...] = ()) -> Recipe:
    """A recipe of these steps."""
    card = Card("small", "1.0.0", "Small", "A small one.", ())
    return Recipe(card, Start(), plan, make, Pack(members={}))


@pytest.mark.parametrize("name", names())
def test_every_recipe_is_in_order(name: str) -> None:
    """And its card bears the name that the flag has."""
    found = recipe(name)
    check(found)
    assert found.card.name == name
    assert found.card.title and found.card.summary and found.card.tasks
    assert found.label in found.columns()


@pytest.mark.parametrize("name", names())
def test_no_plan_step_can_be_left_out_unnoticed(name: str) -> None:
    """Without a step whose gifts are needed, the check names the step that misses them."""
    found = recipe(name)
    later = [step for _, step in found.steps()]
    for place, step in enumerate(found.plan):
        rest = [s for s in later if s is not step]
        if not any(need in step.gives for s in rest for need in s.needs):
            continue
        without = replace(found, plan=found.plan[:place] + found.plan[place + 1 :])
        with pytest.raises(UsageError, match="which no earlier step gives"):
            check(without)


def test_wrong_order_names_step_need_and_giver() -> None:
    """The sentence says who lacks what, and that it comes too late."""
    with pytest.raises(UsageError) as caught:
        check(small(Sum(), Count()))
    text = str(caught.value)
    assert "recipe small: " in text
    assert f"{name_of(Sum())} in plan needs 'count'" in text
    assert f"{name_of(Count())} gives it, but later" in text
    check(small(Count(), Sum()))


def test_a_need_that_nobody_gives() -> None:
    """No giver is invented."""
    with pytest.raises(UsageError, match=r"needs 'count', which no earlier step gives$"):
        check(small(make=(Sum(),)))


def test_acts_are_checked_in_their_order() -> None:
    """What `make` gives comes too late for `plan`."""
    with pytest.raises(UsageError, match="in plan needs 'count'"):
        check(small(Sum(), make=(Count(),)))


def test_columns_are_facts_not_nouns() -> None:
    """In the order in which they are given."""
    assert list(small(Count(), Sum()).columns().items()) == [("tag", "string"), ("count", "int64")]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("px", 32, 32),
        ("share", 0.25, 0.25),
        ("share", 1, 1.0),
        ("name", "nir", "nir"),
        ("on", False, False),
        ("bands", ["nir"], ("nir",)),
        ("bands", "nir,red", ("nir", "red")),
    ],
)
def test_settings_take_values_of_their_type(name: str, value: Any, expected: Any) -> None:
    """An integer may stand for a float; text and lists may stand for a tuple."""
    found = override(small(Count()), {f"test_recipes.{name}": value}).plan[0]
    assert getattr(found, name) == expected
    assert type(getattr(found, name)) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("px", "many", "int"),
        ("px", 1.5, "int"),
        ("px", True, "int"),
        ("share", "half", "float"),
        ("share", True, "float"),
        ("name", 5, "str"),
        ("on", 1, "bool"),
        ("bands", 3, "tuple"),
        ("px", None, "int"),
    ],
)
def test_settings_refuse_values_of_another_type(name: str, value: Any, kind: str) -> None:
    """The sentence names the setting, the type and the value."""
    with pytest.raises(UsageError, match=f"Count.{name}: expected {kind}, got .*{value!r}"):
        override(small(Count()), {f"test_recipes.{name}": value})


def test_settings_leave_the_recipe_alone() -> None:
    """A changed recipe is a new one, and only what was named has changed."""
    before = small(Count(), Sum())
    after = override(before, {"test_recipes.Sum.px": 4, "pack.samples": 7})
    assert before == small(Count(), Sum())
    assert (after.plan[0], after.plan[1].px, after.pack.samples) == (Count(), 4, 7)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name in names() if "osm" in recipe(name).roles])
def test_one_file_reaches_all_steps_that_read_it(name: str) -> None:
    """The table of visible tags must not differ between the steps of a build."""
    if not any("visible" in key for key in settings(recipe(name))):
        pytest.skip("no step of this recipe reads it")
    found = settings(override(recipe(name), {"osm.visible": "mine.csv"}))
    read = {key: value for key, value in found.items() if "visible" in key}
    assert len(read) >= (1 if name == "rsteller" else 3)
    assert set(read.values()) == {"mine.csv"}


def test_unknown_settings_get_a_suggestion() -> None:
    """The nearest valid name."""
    with pytest.raises(UsageError, match=r"--set windows\.mx_px: .*did you mean 'windows\.max_px'"):
        override(recipe("skyscript"), {"windows.mx_px": 5})


def test_ambiguous_settings_name_their_choices() -> None:
    """Two steps of one module with an argument of the same name."""
    with pytest.raises(UsageError, match=r"ambiguous.*Count\.px, test_recipes\.Sum\.px"):
        override(small(Count(), Sum()), {"test_recipes.px": 4})


@pytest.mark.parametrize("name", names())
def test_every_setting_can_be_set_to_what_it_is(name: str) -> None:
    """Under its full name, without changing the recipe."""
    found = recipe(name)
    steps = {name_of(step): step for _, step in found.steps()}
    for full, value in settings(found).items():
        owner, item = full.rsplit(".", 1)
        fields = getattr(steps.get(owner), "__dataclass_fields__", {})
        if item in fields and not fields[item].init:
            continue
        assert override(found, {full: value}) == found


def test_two_annotate_steps_cannot_give_one_fact() -> None:
    """The later one would silently overwrite what the earlier one wrote."""
    twice = replace(recipe("rsteller"), annotate=(*recipe("rsteller").annotate, Rewritten()))
    with pytest.raises(UsageError, match=r"telling\.Rewritten in annotate gives .* earlier step"):
        check(twice)
