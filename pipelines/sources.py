"""The recipe's roles filled from the command line: opened, licensed, written down for the workers."""

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalogs.files import atomic, cache_faults
from catalogs.sources.area import Area
from catalogs.sources.catalogues import searched
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.net.redact import scrub
from catalogs.sources.osm import Expect, open_osm
from catalogs.sources.osm_bounds import bounds_of
from catalogs.sources.roles import OPENERS, credits_of, open_role
from catalogs.sources.terms import Override
from catalogs.world import World, ensure
from pipelines.commands.options import by_role
from pipelines.job import fingerprint
from schemas.chance import digest
from schemas.errors import UsageError
from schemas.geo import within_180
from schemas.licences import clash, licence
from schemas.recipes import Recipe
from schemas.roles import LAYERS, ROLES
from schemas.settings import settings
from schemas.sources import Credit

OSM_CREDIT = "© OpenStreetMap contributors"
WORLD = "Generated sample data of no real place"
WORLD_OSM = "Generated sample data in OpenStreetMap format; not OpenStreetMap data"


@dataclass(frozen=True)
class Sources:
    """Opened sources.

    Attributes:
        imagery: the scenes that samples are cut from.
        layers: the scenes of raster layers beside them, by role.
        locations: path by role, for the workers.
        terms: what the command line states of each role.
        credits: one or more for each role.
        prints: what of each source shapes the plan, for its digest.
        notes: what could not be verified.
    """

    imagery: Imagery
    layers: dict[str, Imagery]
    locations: dict[str, str]
    terms: dict[str, Override]
    credits: tuple[Credit, ...]
    prints: dict[str, str]
    notes: tuple[str, ...] = ()


def write_scenes(sources: Sources, folder: Path) -> None:
    """Write the scenes for the workers, one JSON line each; those of layers say their role."""
    rows = [scene.as_dict() for scene in sources.imagery.scenes]
    for role, found in sorted(sources.layers.items()):
        rows += [{**scene.as_dict(), "role": role} for scene in found.scenes]
    with atomic(folder / "scenes.jsonl") as stream:
        for row in rows:
            stream.write(json.dumps(row, sort_keys=True).encode() + b"\n")


def stamp(args: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    """Size and modification time of the sources' files, and the content of small files that settings
    name: a cheap sign that nothing changed."""
    found: dict[str, Any] = {"named": contents(recipe)}
    for role in (*recipe.roles, "region"):
        path = Path(getattr(args, role) or "-")
        if path.name in ("catalog.json", "collection.json"):
            path = path.parent
        if path.is_file():
            files = _beside(path) if role in ("parcels", "codes") else [path]
        else:
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
        if files:
            found[role] = digest([(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files])
    return found


def _beside(path: Path) -> list[Path]:
    from catalogs.sources.parcels.files import beside

    return beside(path)


FILES = (".visible", ".families", ".meanings", "tile_splits.ByTile.table")
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
    args: argparse.Namespace,
    recipe: Recipe,
    say: Callable[[str], None],
    searches: Path | None = None,
) -> Sources:
    """Open what the command line names; the sample world where it names nothing.

    Args:
        say: takes a line for people, before anything slow begins.
        searches: folder for the answers of catalogues, so that nothing is asked twice.

    Raises:
        UsageError, SourceError: missing, unreadable, without licence, or licences that clash.
    """
    terms = overrides(args)
    roles = [role for role in recipe.roles if getattr(args, role)]
    world = _world(say) if "world" in (getattr(args, role) for role in roles) else None
    at = {role: _at(args, role, world) for role in roles}
    imagery = _imagery(args, at, terms["imagery"], searches, say)
    layers = {
        role: open_imagery(
            at[role], terms[role], generated=getattr(args, role) == "world", role=role,
            area=_area(args, None, imagery) if searched(at[role]) else None,
            keep=searches, say=say,
        )
        for role in roles if role in LAYERS
    }  # fmt: skip
    credits = [*imagery.credits, *(c for layer in layers.values() for c in layer.credits)]
    prints = {
        role: digest([fingerprint(s) for s in found.scenes])
        for role, found in {"imagery": imagery, **layers}.items()
    }
    notes = [*_turned(args.bbox), *imagery.notes, *_unusable(imagery)]
    for role, layer in layers.items():
        notes += [f"{role}: {note}" for note in (*layer.notes, *_unusable(layer))]
    if "osm" in at:
        credit, note = _osm(Path(at["osm"]), args, terms["osm"])
        credits.append(credit)
        prints["osm"] = credit.checksum
        notes += [note] if note else []
    for role in (role for role in roles if role in OPENERS):
        found = open_role(role, at[role], terms[role])
        own = credits_of(role, at[role], found, getattr(args, role) == "world")
        credits += own
        prints[role] = digest([credit.checksum for credit in own], getattr(found, "version", ""))
        notes += [f"{role}: {note}" for credit in own for note in credit.caveats]
        if len(own) == 1:
            terms[role] = replace(terms[role], checksum=own[0].checksum)
    parts = ("pixels", "tables", "texts")
    if broken := clash({p: {c.licence for c in credits if p in c.parts} for p in parts}):
        raise UsageError(f"licences clash in {broken}; choose other sources")
    return Sources(imagery, layers, at, terms, tuple(credits), prints, tuple(notes))


def overrides(args: argparse.Namespace) -> dict[str, Override]:
    """What the command line states of each role's licence, credit line and date.

    Raises:
        UsageError: unknown role.
    """
    licences, lines, times = (
        by_role(getattr(args, name), f"--{name}") for name in ("license", "attribution", "datetime")
    )
    found = {
        role: Override(licences.get(role, ""), lines.get(role, ""), times.get(role, ""))
        for role in ROLES
    }
    for role in (*OPENERS, *LAYERS):
        if getattr(args, role) == "world" and not found[role].licence:
            found[role] = replace(found[role], licence="CC0-1.0", attribution=WORLD)
    return found


def _at(args: argparse.Namespace, role: str, world: World | None) -> str:
    """Where the source of a role lies."""
    named = str(getattr(args, role))
    return str(world.role(role)) if named == "world" and world is not None else named


def _imagery(
    args: argparse.Namespace,
    at: dict[str, str],
    terms: Override,
    searches: Path | None,
    say: Callable[[str], None],
) -> Imagery:
    """The scenes of the imagery role; none for `none` and for recipes without that role."""
    if at.get("imagery", "none") == "none":
        return Imagery((), ())
    osm = Path(at["osm"]) if "osm" in at else None
    return open_imagery(
        at["imagery"],
        terms,
        generated=args.imagery == "world",
        area=_area(args, osm, None) if searched(at["imagery"]) else None,
        years=tuple(args.years) if args.years else None,
        keep=searches,
        say=say,
    )


def _area(args: argparse.Namespace, osm: Path | None, imagery: Imagery | None) -> Area | None:
    """Where a catalogue is searched: the box or region asked for, else the bounds of what is known.

    Args:
        osm: the map, which bounds the imagery.
        imagery: the imagery, which bounds the layers.

    Raises:
        UsageError, SourceError: the region or the map cannot be read.
    """
    if args.bbox:
        west, south, east, north = args.bbox
        return Area.of_box((west, south, east, north))
    if args.region:
        return Area(region_of(args.region))
    if imagery is not None and imagery.scenes:
        return Area.of_box(imagery.bounds())
    if osm is None:
        return None
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
    with cache_faults("the sample world cannot be drawn into"):
        return ensure(
            on_build=lambda cache: say(f"sources: drawing it into {cache}, once, in about a minute")
        )


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


def _osm(path: Path, args: argparse.Namespace, terms: Override) -> tuple[Credit, str]:
    """The credit of the osm role: OpenStreetMap's own licence unless the file is the sample world's."""
    generated = args.osm == "world"
    if not path.exists():
        raise UsageError(f"--osm {path}: no such file")
    source = open_osm(path, Expect(md5=args.osm_md5) if args.osm_md5 else None)
    default = "CC0-1.0" if generated else "ODbL-1.0"
    extract = source.extract
    found = licence(terms.licence or extract.licence or default, "osm")
    credit = Credit(
        role="osm",
        title=f"{path.name} (of {extract.origin})" if extract.origin else path.name,
        location=str(path),
        licence=found.id,
        attribution=terms.attribution
        or extract.attribution
        or (WORLD_OSM if generated else OSM_CREDIT),
        parts=("tables", "texts"),
        checksum=extract.sha256,
        size=extract.size,
        datetime=extract.timestamp,
        generated=generated,
    )
    return credit, "" if generated else extract.note
