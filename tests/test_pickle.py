"""Recipes and their steps go to worker processes as pickles, and must arrive as what was sent."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from pipelines.registry import names, recipe
from schemas.recipes import Step, name_of

STEPS = [
    pytest.param(step, id=f"{name}-{act}-{name_of(step)}")
    for name in names()
    for act, step in recipe(name).steps()
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_step_survives(step: Any, protocol: int) -> None:
    """Equal after the journey, with the same needs and gifts."""
    back = pickle.loads(pickle.dumps(step, protocol))
    assert back == step
    assert type(back) is type(step)
    assert (back.needs, back.gives) == (step.needs, step.gives)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_plain(step: Any) -> None:
    """A frozen dataclass that says what it needs and gives, made of nothing but settings."""
    assert isinstance(step, Step)
    assert dataclasses.is_dataclass(step)
    field = dataclasses.fields(step)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(step, field, None)
    assert copy.deepcopy(step) == step


@pytest.mark.parametrize("name", names())
def test_a_recipe_survives(name: str) -> None:
    """As a whole, and the same bytes each time: nothing of it depends on the process."""
    found = recipe(name)
    assert pickle.loads(pickle.dumps(found)) == found
    assert pickle.dumps(found) == pickle.dumps(copy.deepcopy(found))
