"""A scene of three resolutions."""

from pathlib import Path
from typing import Any

import pytest

from pixel_world import band, grid, noise, scene, write
from schemas.scenes import Scene


@pytest.fixture
def three(tmp_path: Path) -> tuple[Scene, dict[str, Any]]:
    """A scene of 120, 60 and 20 pixels a side, and its numbers."""
    arrays = {"B04": noise(120), "B11": noise(60), "B01": noise(20)}
    sides = {"B04": 10.0, "B11": 20.0, "B01": 60.0}
    bands = tuple(
        band(n, write(tmp_path / f"{n}.tif", a, grid(sides[n], len(a)), 0), sides[n])
        for n, a in arrays.items()
    )
    return scene(bands, grid(10, 120)), arrays
