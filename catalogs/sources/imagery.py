"""Imagery as rows of `Scene`: from catalogues that are searched, from STAC files, or plain rasters."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from catalogs.sources.area import Area
from catalogs.sources.catalogues import place_of, search, searched
from catalogs.sources.harvest import Harvest
from catalogs.sources.headers import describe, parse_time
from catalogs.sources.items import scene_of
from catalogs.sources.stac_files import Lost, items_of
from schemas.errors import Fault, SourceError, UsageError
from schemas.licences import licence
from schemas.scenes import Scene
from schemas.sensors import family
from schemas.sources import Credit
from schemas.windows import Bounds

if TYPE_CHECKING:
    import shapely

COARSE = 2.0  # metres: imagery with larger pixels is taken from space

SUFFIXES = {".tif", ".tiff", ".geotiff", ".jp2", ".j2k", ".png", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class Override:
    """What the command line says of a source that does not say it itself.

    Attributes:
        licence, attribution: for files that carry none.
        datetime: ISO time for images without a date.
    """

    licence: str = ""
    attribution: str = ""
    datetime: str = ""


@dataclass(frozen=True)
class Imagery:
    """Scenes of one role, found by place and year.

    Attributes:
        scenes: sorted by collection and id.
        credits: one for each (collection, licence, attribution) found.
        lost: (location, reason code, message) of files that cannot be used.
        notes: one sentence each on what is not known of the scenes and was not asked for.
    """

    scenes: tuple[Scene, ...]
    credits: tuple[Credit, ...]
    lost: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def _outlines(self) -> "npt.NDArray[Any]":
        import shapely

        return np.asarray(shapely.from_wkt([scene.footprint for scene in self.scenes]))

    @cached_property
    def _tree(self) -> "shapely.STRtree":
        import shapely

        return shapely.STRtree(self._outlines)

    def over(self, lon: float, lat: float) -> list[Scene]:
        """Scenes whose footprint holds a point given in degrees, in the order of `scenes`."""
        import shapely

        hits = self._tree.query(shapely.Point(lon, lat), predicate="intersects")
        return [self.scenes[i] for i in np.sort(hits)]

    def bounds(self) -> Bounds:
        """(west, south, east, north) in degrees over all scenes."""
        import shapely

        west, south, east, north = shapely.total_bounds(self._outlines)
        return float(west), float(south), float(east), float(north)


def open_imagery(
    location: str,
    override: Override,
    *,
    generated: bool = False,
    area: Area | None = None,
    years: tuple[int, int] | None = None,
    keep: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Imagery:
    """Read what `location` describes: a STAC API, a table of items, a STAC catalogue on disk, an
    items file, a raster or a folder of them.

    Args:
        area, years: where and when an API or a table is searched; files are all read.
        keep: folder for an API's answers, so that nothing is asked twice.
        say: takes a line for people before anything slow begins.

    Raises:
        UsageError: nothing is there, or a scene without a licence or credit line.
        SourceError: no usable scene.
    """
    lost: Lost = []
    made: Harvest | None = None
    if searched(location):
        made = search(location, area, years, lost, keep=keep, say=say)
        scenes = list(made.scenes)
    else:
        scenes = _on_disk(location, lost)
    if not scenes:
        why = f"; first reason: {lost[0][2]}" if lost else ""
        where = " in the area and years asked for" if made else ""
        raise SourceError(f"--imagery {location}: not one usable scene in it{where}{why}")
    scenes = [_with(scene, override) for scene in scenes]
    scenes.sort(key=lambda s: (s.collection, s.id))
    facts = json.dumps(made.facts, sort_keys=True) if made else ""
    credits = tuple(_credits(scenes, place_of(location), generated, facts))
    notes = (*(made.notes if made else ()), *_cloud_notes(scenes), *_single_notes(scenes),
             *_band_notes(scenes), *(() if generated else _unverified_notes(scenes)))  # fmt: skip
    return Imagery(tuple(scenes), credits, tuple(lost), notes)


def _on_disk(location: str, lost: Lost) -> list[Scene]:
    """The scenes of a catalogue, an items file, a raster or a folder of them.

    Raises:
        UsageError: nothing is there.
    """
    path = Path(location)
    if location.partition("#")[0] == "earth-engine":
        raise UsageError(
            f"--imagery {location}: not supported yet; pass a GeoTIFF, a folder of them, a STAC "
            "catalogue on disk, or a STAC API"
        )
    if not path.exists():
        raise UsageError(f"--imagery {location}: no such file or folder")
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
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            why = (
                f"{item}: a field holds what STAC does not allow ({type(error).__name__}: {error})"
            )
            lost.append((item, "stac_invalid", why))
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


def _cloud_notes(scenes: list[Scene]) -> Iterator[str]:
    """Whether satellite scenes say nothing of clouds: a limit cannot apply to them."""
    silent = [s for s in scenes if s.cloud is None and _from_space(s)]
    if silent:
        yield (
            f"{len(silent):,} of {len(scenes):,} scenes state no cloud cover; "
            "max_cloud does not apply to them"
        )


def _from_space(scene: Scene) -> bool:
    known = family(scene.collection, tuple(b.name for b in scene.bands if not b.alpha))
    return bool(known) or min(band.gsd for band in scene.bands) > COARSE


def _single_notes(scenes: list[Scene]) -> Iterator[str]:
    """Whether files of one band each lie on one another: they may be the bands of one image."""
    alone = Counter(s.footprint for s in scenes if len(s.bands) == 1 and s.collection == "local")
    several = sum(count for count in alone.values() if count > 1)
    if several:
        yield (
            f"{several:,} files hold one band each of the same places and are taken for images of "
            "their own; to join them, stack them into one file or describe them in a STAC item"
        )


def _band_notes(scenes: list[Scene]) -> Iterator[str]:
    """Which bands bear a name that nothing but their number speaks for, one note for each kind."""
    files: dict[tuple[tuple[int, str], ...], list[str]] = {}
    for scene in scenes:
        assumed = tuple((b.index, b.name) for b in scene.bands if b.assumed)
        if assumed:
            first = next(b for b in scene.bands if b.assumed)
            files.setdefault(assumed, []).append(Path(first.href).name)
    for bands, names in sorted(files.items()):
        more = f" and {len(names) - 1:,} further files" if len(names) > 1 else ""
        which = "bands" if len(bands) > 1 else f"band {bands[0][0]}"
        yield (
            f"{names[0]}{more}: {which} taken as {', '.join(name for _, name in bands)} by their "
            "number; describe them in the file if that is wrong"
        )


def _unverified_notes(scenes: list[Scene]) -> Iterator[str]:
    """Whether checksums are declared: of files that are read in parts, only the size can be compared."""
    stated = sum(any(band.checksum for band in scene.bands) for scene in scenes)
    if stated:
        yield (
            f"unverified: {stated:,} of {len(scenes):,} scenes declare checksums, which cannot be tested "
            "on files read in parts; sizes are compared where they are declared"
        )


def _with(scene: Scene, override: Override) -> Scene:
    """The scene with what only the command line knows; what the source says itself stands."""
    if not scene.licence and not override.licence:
        raise UsageError(
            f"--imagery {scene.id}: carries no licence; say it with --license imagery=SPDX-ID "
            '(and --attribution imagery="...")'
        )
    if scene.licence and override.licence and scene.licence.lower() != override.licence.lower():
        raise UsageError(
            f"--license imagery={override.licence}: {scene.id} already declares {scene.licence}"
        )
    terms = licence(scene.licence or override.licence, "imagery")
    credit = scene.attribution or override.attribution
    if terms.attribution and not credit:
        raise UsageError(
            f"--imagery {scene.id}: {terms.id} asks for a credit line; "
            'say it with --attribution imagery="..."'
        )
    credit = credit or f"{scene.id} ({terms.title})"
    when = scene.datetime
    if when is None and override.datetime:
        try:
            when = parse_time(override.datetime)
        except ValueError as error:
            raise UsageError(f"--datetime imagery={override.datetime}: {error}") from error
    return replace(scene, licence=terms.id, attribution=credit, datetime=when)


def _credits(scenes: list[Scene], location: str, generated: bool, facts: str) -> Iterator[Credit]:
    """One credit for each (collection, licence, attribution), as of its newest scene."""
    seen: dict[tuple[str, str, str], list[Scene]] = {}
    for scene in scenes:
        seen.setdefault((scene.collection, scene.licence, scene.attribution), []).append(scene)
    for (collection, terms, credit), group in sorted(seen.items()):
        times = sorted(s.datetime.date().isoformat() for s in group if s.datetime)
        yield Credit(
            role="imagery",
            title=collection if collection != "local" else Path(location).name,
            location=location,
            licence=terms,
            attribution=credit,
            parts=("pixels",),
            size=sum(s.size for s in group),
            datetime=times[-1] if times else "",
            generated=generated,
            search=facts,
        )
