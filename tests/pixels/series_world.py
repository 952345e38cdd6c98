"""Scenes a month apart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from pixel_world import band, grid, scene, write
from schemas.scenes import Scene

START = datetime(2022, 1, 1, tzinfo=UTC)
"""When the first scene was taken."""

PLACE = grid(10, 16)


def many(folder: Path, dates: int = 4, bands: int = 3, kind: str = "uint16") -> list[Scene]:
    """Scenes a month apart, latest first; band b of date t is 100 t + b + 1 everywhere."""
    made = []
    for t in reversed(range(dates)):
        array = np.stack([np.full((16, 16), 100 * t + b + 1) for b in range(bands)]).astype(kind)
        href = write(folder / f"{t}.tif", array, PLACE, 0)
        made.append(
            scene(tuple(band(f"b{b}", href, index=b + 1) for b in range(bands)), PLACE,
                  id=f"s{t}", datetime=START + timedelta(days=31 * t), cloud=float(t),
                  collection="local", display=(0.0, 400.0))
        )  # fmt: skip
    return made
