"""What several test processes need and one of them makes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from catalogs.files import alone


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name`, which `make` has filled in whichever process came first; not to be changed."""
    base = factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    place, done = root / name, root / f"{name}.done"
    with alone(place):
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)  # of one that failed
            place.mkdir()
            make(place)
            done.touch()
    return place
