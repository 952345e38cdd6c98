"""The small world and one undisturbed build of it, made once."""

from dataclasses import dataclass
from pathlib import Path

import pytest

import building
import small_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> small_world.World:
    """The small world; not to be changed."""
    return small_world.make(tmp_path_factory.mktemp("small") / "world")


@dataclass(frozen=True)
class Built:
    """An undisturbed build: its output folder and the sums of what it released."""

    out: Path
    parts: dict[str, str]
    whole: dict[str, str]


@pytest.fixture(scope="session")
def built(world: small_world.World, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The build that all others are compared with; not to be changed."""
    out = tmp_path_factory.mktemp("built")
    done = building.ran(building.arguments(world, out), env={"SOURCE_DATE_EPOCH": building.EPOCH})
    assert done.returncode == 0, done.stderr
    found = building.release(out)
    return Built(out, building.tree(found, building.PARTS), building.tree(found))
