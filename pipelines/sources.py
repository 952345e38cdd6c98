"""The recipe's roles filled from the command line: opened, licensed, written down for the workers."""

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogs.files import atomic
from catalogs.sources.area import Area
from catalogs.sources.catalogues import searched
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.net.redact import scrub
from catalogs.sources.osm import Expect, open_osm
from catalogs.sources.osm_bounds import bounds_of
from catalogs.sources.terms import Override
from catalogs.world import World, ensure
from pipelines.commands.options import by_role
from pipelines.job import fingerprint
from schemas.chance import digest
from schemas.errors import UsageError
from schemas.geo import within_180
from schemas.licences import clash, licence
from schemas.recipes import Recipe, settings
from schemas.sources import Credit

OSM_CREDIT = "© OpenStreetMap contributors"
WORLD_OSM = "Generated sample data in OpenStreetMap format; not OpenStreetMap data"


@dataclass(frozen=True)
class Sources:
    """Opened sources.

    Attributes:
        locations: path by role, for the workers.
        credits: one or more for each role.
        prints: what of each source shapes the plan, for its digest.
        notes: what could not be verified.
    """

    imagery: Imagery
    locations: dict[str, str]
    credits: tuple[Credit, ...]
    prints: dict[str, str]
    notes: tuple[str, ...] = ()


def write_scenes(imagery: Imagery, folder: Path) -> None:
    """Write the scenes for the workers, one JSON line each."""
    with atomic(folder / "scenes.jsonl") as stream:
        for scene in imagery.scenes:
            stream.write(json.dumps(scene.as_dict(), sort_keys=True).encode() + b"\n")


def stamp(args: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    """Size and modification time of the sources' files, and the content of small files that settings
    name: a cheap sign that nothing changed."""
    found: dict[str, Any] = {"named": contents(recipe)}
    for role in ("imagery", "osm", "region"):
        path = Path(getattr(args, role) or "-")
        if path.name in ("catalog.json", "collection.json"):
            path = path.parent
        if path.is_file():
            status = path.stat()
            found[role] = [status.st_size, status.st_mtime_ns]
        elif path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            found[role] = digest([(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files])
    return found


FILES = (".visible", ".families", ".meanings")
"""Endings of the settings that name a file."""


def contents(recipe: Recipe) -> str:
    """A digest of the files that step arguments name (`FILES`), "" when there are none.

    Raises:
        UsageError: such a file cannot be read.
    """
    named = {k: str(v) for k, v in settings(recipe).items() if k.endswith(FILES) and v}
    sums = []
    for name, path in sorted(named.items(), key=lambda item: item[1]):
        try:
            with Path(path).open("rb") as stream:
                sums.append(hashlib.file_digest(stream, "sha256").hexdigest())
        except OSError as error:
            raise UsageError(f"--set {name}={path}: {error.strerror}") from error
    return digest(sums) if sums else ""


def open_sources(
    args: argparse.Namespace, say: Callable[[str], None], searches: Path | None = None
) -> Sources:
    """Open what the command line names; the sample world where it names nothing.

    Args:
        say: takes a line for people, before anything slow begins.
        searches: folder for the answers of catalogues, so that nothing is asked twice.

    Raises:
        UsageError, SourceError: missing, unreadable, without licence, or licences that clash.
    """
    terms, lines, times = (
        by_role(getattr(args, name), f"--{name}") for name in ("license", "attribution", "datetime")
    )
    imagery_at, osm_at = args.imagery, args.osm
    if "world" in (imagery_at, osm_at):
        world = _world(say)
        imagery_at = str(world.catalog) if imagery_at == "world" else imagery_at
        osm_at = str(world.osm) if osm_at == "world" else osm_at
    override = Override(
        terms.get("imagery", ""), lines.get("imagery", ""), times.get("imagery", "")
    )
    if args.imagery == "none":
        imagery = Imagery((), ())
    else:
        imagery = open_imagery(
            imagery_at,
            override,
            generated=args.imagery == "world",
            area=_area(args, Path(osm_at)) if searched(imagery_at) else None,
            years=tuple(args.years) if args.years else None,
            keep=searches,
            say=say,
        )
    osm, note = _osm(Path(osm_at), args, terms.get("osm", ""), lines.get("osm", ""))
    credits = (*imagery.credits, osm)
    broken = clash(
        {p: {c.licence for c in credits if p in c.parts} for p in ("pixels", "tables", "texts")}
    )
    if broken:
        raise UsageError(f"licences clash in {broken}; choose other sources")
    return Sources(
        imagery,
        {"imagery": imagery_at, "osm": osm_at},
        credits,
        {"imagery": digest([fingerprint(s) for s in imagery.scenes]), "osm": osm.checksum},
        (*_turned(args.bbox), *imagery.notes, *_unusable(imagery), *((note,) if note else ())),
    )


def _area(args: argparse.Namespace, osm: Path) -> Area | None:
    """Where a catalogue is searched: the box or region asked for, else the bounds of the map.

    Raises:
        UsageError, SourceError: the region or the map cannot be read.
    """
    if args.bbox:
        west, south, east, north = args.bbox
        return Area.of_box((west, south, east, north))
    if args.region:
        return Area(region_of(args.region))
    if not osm.exists():
        raise UsageError(f"--osm {osm}: no such file")
    bounds = bounds_of(osm)
    return Area.of_box(bounds) if bounds else None


def _turned(bbox: list[float] | None) -> list[str]:
    """A box whose west lies east of its east is one across the antimeridian (RFC 7946, 5.2)."""
    if not bbox or bbox[0] < bbox[2]:
        return []
    return [f"--bbox runs from {bbox[0]:g} east across 180 degrees to {bbox[2]:g}"]


def _world(say: Callable[[str], None]) -> World:
    """The sample world, with a word that it is one.

    Raises:
        UsageError: the cache cannot be written.
    """
    say("sources: the sample world: generated images and map of no real place")
    try:
        return ensure(
            on_build=lambda cache: say(f"sources: drawing it into {cache}, once, in about a minute")
        )
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        where = getattr(error, "filename", None) or "~"
        raise UsageError(
            f"the sample world cannot be drawn into the cache ({where}: "
            f"{getattr(error, 'strerror', None) or error}); name another folder in EARTHLOOM_CACHE"
        ) from error


def _unusable(imagery: Imagery, most: int = 5) -> list[str]:
    """Files and items that no sample can come from, each with its reason."""
    found = [f"unusable: {scrub(message)} ({code})" for _, code, message in imagery.lost[:most]]
    rest = len(imagery.lost) - most
    return found if rest <= 0 else [*found, f"unusable: {rest:,} further images"]


def region_of(path: str | None) -> str:
    """The polygons of a GeoJSON file as WKT in lon/lat, cut at 180 degrees, "" without a path.

    Raises:
        UsageError: no such file, or no polygon in it.
    """
    if not path:
        return ""
    import shapely
    from shapely.errors import ShapelyError

    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        entries = document.get("features", [document])
        shapes = [within_180(shapely.geometry.shape(e.get("geometry", e))) for e in entries]
        merged = shapely.union_all(shapes)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, ShapelyError) as error:
        raise UsageError(f"--region {path}: not a GeoJSON file with polygons ({error})") from error
    if merged.is_empty or merged.area == 0:
        raise UsageError(f"--region {path}: holds no polygon")
    return str(shapely.to_wkt(merged, rounding_precision=9))


def _osm(path: Path, args: argparse.Namespace, terms: str, line: str) -> tuple[Credit, str]:
    """The credit of the osm role: OpenStreetMap's own licence unless the file is the sample world's."""
    generated = args.osm == "world"
    if not path.exists():
        raise UsageError(f"--osm {path}: no such file")
    source = open_osm(path, Expect(md5=args.osm_md5) if args.osm_md5 else None)
    default = "CC0-1.0" if generated else "ODbL-1.0"
    extract = source.extract
    found = licence(terms or extract.licence or default, "osm")
    credit = Credit(
        role="osm",
        title=f"{path.name} (of {extract.origin})" if extract.origin else path.name,
        location=str(path),
        licence=found.id,
        attribution=line or extract.attribution or (WORLD_OSM if generated else OSM_CREDIT),
        parts=("tables", "texts"),
        checksum=extract.sha256,
        size=extract.size,
        datetime=extract.timestamp,
        generated=generated,
    )
    return credit, "" if generated else extract.note
