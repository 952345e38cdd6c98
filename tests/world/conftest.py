"""The sample world, and what it says of itself."""

import json

import pystac
import pytest

from catalogs.world import World, ensure


@pytest.fixture(scope="session")
def world() -> World:
    """From the cache; not to be changed."""
    return ensure()


@pytest.fixture(scope="session")
def facts(world: World) -> dict:
    """What `world.json` tells."""
    return json.loads((world.root / "world.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def items(world: World) -> list[pystac.Item]:
    """All items of the catalogue."""
    return list(pystac.Catalog.from_file(str(world.catalog)).get_items(recursive=True))
