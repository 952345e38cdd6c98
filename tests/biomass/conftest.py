"""A small place with biomass, one release of it, and its export."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import biomass_world
import pipelines.commands.export as export_command
from biomass_world import Biomass, built


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Biomass:
    """The small place; not to be changed."""
    return biomass_world.make(tmp_path_factory.mktemp("biomass"))


@pytest.fixture(scope="session")
def done(world: Biomass, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release; not to be changed."""
    return built(world, tmp_path_factory.mktemp("agbd"))


@pytest.fixture(scope="session")
def rows(done: Path) -> list[dict[str, Any]]:
    """What was shipped."""
    return pq.read_table(done / "metadata" / "samples.parquet").to_pylist()  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def drops(done: Path) -> list[dict[str, Any]]:
    """What was not."""
    return pq.read_table(done / "metadata" / "drops.parquet").to_pylist()  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def exported(done: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release in the published layouts; not to be changed."""
    target = tmp_path_factory.mktemp("exported") / "agbd"
    assert export_command.main([str(done), str(target)]) == 0
    return target
