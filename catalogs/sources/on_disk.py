"""Imagery that lies on disk as scenes: STAC catalogues and items, plain rasters, folders of them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from catalogs.sources.headers import describe
from catalogs.sources.items import scene_of
from catalogs.sources.stac_fields import UNREADABLE, Lost, unreadable
from catalogs.sources.stac_files import items_of
from schemas.collections import PRESETS
from schemas.errors import Fault, SourceError, UsageError, nearest
from schemas.scenes import Scene

SUFFIXES = {".tif", ".tiff", ".geotiff", ".jp2", ".j2k", ".png", ".jpg", ".jpeg"}


def scenes_on_disk(location: str, lost: Lost) -> list[Scene]:
    """The scenes of a catalogue, an items file, a raster or a folder of them.

    Raises:
        UsageError: nothing is there.
    """
    path = Path(location)
    if not path.exists():
        known = {*PRESETS, "earth-engine:COLLECTION"}
        hint = (
            ""
            if "/" in location
            else f", and no catalogue of that name; {nearest(location, known)}"
        )
        raise UsageError(f"--imagery {location}: no such file or folder{hint}")
    for name in ("catalog.json", "collection.json"):
        if (path / name).is_file():
            path = path / name
    if path.suffix == ".json" or path.suffix == ".geojson":
        return list(_once(_from_stac(path, lost), lost))
    files = _rasters(path)
    if not files:
        raise UsageError(f"--imagery {location}: holds no raster (looked for {_kinds()})")
    return _told_apart(list(_from_files(files, lost)), path)


def _kinds() -> str:
    return " ".join(sorted(SUFFIXES))


def _rasters(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)


def _from_stac(path: Path, lost: Lost) -> Iterator[Scene]:
    """Scenes of a static catalogue, a collection, one item, or a FeatureCollection of items."""
    for found in items_of(path, lost):
        item = found.item.id
        try:
            scene = scene_of(found)
        except Fault as fault:
            lost.append((item, fault.code, fault.message))
        except UNREADABLE as error:
            lost.append(unreadable(item, error))
        else:
            if scene is not None:
                yield scene
            else:
                lost.append(
                    (item, "no_raster_asset", f"{item}: has no asset that is a raster of data")
                )


def _once(scenes: Iterable[Scene], lost: Lost) -> Iterator[Scene]:
    """The first scene of every key; an id names one item of a collection, so the others are lost."""
    seen: set[str] = set()
    for scene in scenes:
        if scene.key in seen:
            lost.append((scene.id, "duplicate_id", f"{scene.key}: names another item already"))
        else:
            seen.add(scene.key)
            yield scene


def _told_apart(scenes: list[Scene], folder: Path) -> list[Scene]:
    """Scenes of files, those of one name called by their path below the folder: `a-ortho-tif`."""
    count = Counter(scene.key for scene in scenes)

    def name(scene: Scene) -> str:
        if count[scene.key] == 1:
            return scene.id
        below = Path(scene.bands[0].href).relative_to(folder.resolve()).as_posix()
        return re.sub(r"[^0-9A-Za-z]+", "-", below)

    return [replace(scene, id=name(scene)) for scene in scenes]


def _from_files(files: list[Path], lost: Lost) -> Iterator[Scene]:
    for file in files:
        try:
            yield describe(file)
        except Fault as fault:
            if len(files) == 1:
                raise SourceError(f"--imagery {fault.message} ({fault.code})") from fault
            lost.append((str(file), fault.code, fault.message))
