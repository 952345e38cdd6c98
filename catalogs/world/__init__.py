"""The sample world: twenty-six invented places in real file formats, made once into a cache.

Everything in it is generated and depicts no real place. Heavy imports wait until it is built.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalogs.files import alone, cache_folder

VERSION = 6
"""Raised whenever the content of the world changes."""

ROLES = {
    "imagery": "catalog.json",
    "osm": "osm/world.osm.pbf",
    "phenology": "phenology",
    "parcels": "parcels",
    "codes": "codes",
    "land": "land/land.geojson",
    "cities": "cities/cities.geojson",
    "mountains": "mountains/mountains.tif",
    "shots": "shots",
    "palsar": "palsar/collection.json",
    "dem": "dem/collection.json",
    "canopy": "canopy/collection.json",
    "landcover": "landcover/collection.json",
}
"""What the world has for each role of a recipe: a path below its root."""

STALE_HOURS = 6
"""Age from which an unfinished copy is taken for the leftover of a killed build."""


@dataclass(frozen=True)
class World:
    """Where the world lies.

    Attributes:
        root: Its folder.
        catalog: Its STAC catalogue.
        osm: Its map, an extract in PBF.
        seed: Its seed.
    """

    root: Path
    catalog: Path
    osm: Path
    seed: int

    def role(self, name: str) -> Path:
        """What a recipe that asks for a role, such as `parcels`, is given from the world.

        Raises:
            KeyError: The world has nothing for it.
        """
        return self.root / ROLES[name]


def ensure(
    cache: Path | None = None, seed: int = 0, on_build: Callable[[Path], None] | None = None
) -> World:
    """The world, built first if the cache does not hold it whole.

    Any number of processes may call this at once: one builds, the others wait. Where nothing can be
    locked each builds aside, the first moves its copy into place, the others discard theirs.

    Args:
        cache: Folder that holds worlds; the user's cache by default.
        seed: Seed of every random choice.
        on_build: Called with the cache's folder before a world is drawn, here or elsewhere: a minute.
    """
    home = Path(cache) if cache is not None else cache_folder()
    root = home / f"world-v{VERSION}-seed{seed}"
    if not complete(root):
        home.mkdir(parents=True, exist_ok=True)
        if on_build is not None:
            on_build(home)
        with alone(root):
            if not complete(root):
                _draw(root, seed)
    return World(root, root / "catalog.json", root / "osm" / "world.osm.pbf", seed)


def _draw(root: Path, seed: int) -> None:
    from catalogs.world.build import build

    home = root.parent
    _sweep(home)
    aside = home / f".{root.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part"
    try:
        build(aside, seed, VERSION)
        _settle(aside, root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def complete(root: Path) -> bool:
    """Whether a world is whole: its list of files exists, and every file has its listed size."""
    try:
        files = json.loads((root / "world.json").read_text(encoding="utf-8"))["files"]
        return all((root / name).stat().st_size == entry["size"] for name, entry in files.items())
    except (OSError, ValueError, KeyError):
        return False


def _settle(aside: Path, root: Path) -> None:
    """Moves a finished copy into place, unless another one has got there first."""
    if root.exists() and not complete(root):
        broken = aside.with_name(f"{aside.name}.old")
        with suppress(FileNotFoundError):  # another builder has moved it
            root.replace(broken)
        shutil.rmtree(broken, ignore_errors=True)
    try:
        aside.replace(root)
    except OSError:
        if not complete(root):
            raise


def _sweep(home: Path) -> None:
    """Removes what killed builds have left behind."""
    limit = time.time() - STALE_HOURS * 3600
    for part in home.glob(".world-v*.part*"):
        try:
            stale = part.stat().st_mtime < limit
        except FileNotFoundError:  # its builder has just finished
            continue
        if stale:
            shutil.rmtree(part, ignore_errors=True)
