"""Samplers as steps of a recipe: their names, settings, pickles, and what they need."""

import dataclasses
import pickle
from typing import Any

import pytest

from schemas.errors import UsageError
from schemas.recipes import Card, Pack, Recipe, Step, check, name_of
from schemas.settings import override, settings
from transforms import encode, gates, imagery, samplers, splits, windows

STEPS: list[Any] = [
    samplers.Grid(), samplers.Grid(over="land"), samplers.Points(columns=("cover:float64",)),
    samplers.Parcels(), samplers.Tiles(), samplers.Acquisitions(), samplers.Patch(),
    samplers.Cities(), samplers.Scenes(), samplers.Drawn(), gates.OnLand(),
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_sampler_is_a_step(step: Any) -> None:
    assert isinstance(step, Step)
    back = pickle.loads(pickle.dumps(step))
    assert back == step and (back.needs, back.gives) == (step.needs, step.gives)
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.role = "x"
    home = "gates" if isinstance(step, gates.OnLand) else "samplers"
    assert name_of(step) == f"{home}.{type(step).__name__}"


def recipe(start: Any, *plan: Any) -> Recipe:
    return Recipe(
        card=Card("made", "1.0.0", "t", "s", ()),
        start=start,
        plan=(*plan, splits.ByCell()),
        make=(imagery.Read(),),
        pack=Pack({"tif": encode.GeoTiff()}),
        roles=("imagery", "land", "points"),
    )


@pytest.mark.parametrize(
    ("start", "plan"),
    [
        (samplers.Grid(over="land"), (imagery.Find(), windows.Centred())),
        (samplers.Grid(), (gates.OnLand(), imagery.Find(every="1mo"), windows.Centred())),
        (samplers.Points(), (imagery.Find(), windows.Centred())),
        (samplers.Tiles(), (samplers.Acquisitions(), samplers.Patch())),
        (samplers.Tiles(), (imagery.Find(every="1mo"), samplers.Patch())),
        (samplers.Scenes(), (samplers.Drawn(), windows.Centred())),
        (samplers.Cities(), (imagery.Find(), windows.Centred())),
    ],
)
def test_samplers_fit_what_follows(start: Any, plan: tuple[Any, ...]) -> None:
    check(recipe(start, *plan))


def test_steps_out_of_order_are_refused() -> None:
    with pytest.raises(UsageError, match=r"samplers.Patch in plan needs 'patch_row'"):
        check(recipe(samplers.Grid(), imagery.Find(), samplers.Patch()))


def test_settings_have_short_names() -> None:
    made = recipe(samplers.Grid(), imagery.Find(), windows.Centred())
    assert settings(made)["samplers.Grid.km"] == 23.0
    changed = override(made, {"samplers.km": 10, "samplers.over": "land"})
    assert changed.start == samplers.Grid(km=10.0, over="land")
    assert changed.start.role == "land"  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="one of imagery, land, everywhere"):
        override(made, {"samplers.over": "sea"})
