"""Which element of a patch is told of: candidates by size, the largest of them, one by chance."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import shapely

from schemas.chance import rank, unit
from schemas.tag_families import Families
from schemas.tag_meanings import table
from schemas.visible import ABSENT, hidden
from transforms.elements.frame import Frame

BOUNDS = ("boundary", "admin_level")
"""Keys of outlines that nobody sees: background, never an element."""


BACKGROUND = 20
"""Most boundaries that are kept."""


@dataclass(frozen=True)
class Rules:
    """What may be an element, and how one is drawn.

    Attributes:
        area: least share of the patch, exclusive.
        length: least length in sides of the patch, exclusive.
        top: of so many largest ones of a kind one is drawn.
        areas: chance of an area where there are lines too.
    """

    area: float = 0.05
    length: float = 0.3
    top: int = 3
    areas: float = 0.6


@dataclass(frozen=True)
class Element:
    """A map object as far as it lies in the patch.

    Attributes:
        row: position in the table of objects.
        key: letter of the type and id, `w12`.
        area: whether it is an area (else a line).
        tags: those that say something, by key.
        shape: in the patch's coordinates.
        size: share of the patch, or length in sides.
    """

    row: int
    key: str
    area: bool
    tags: Mapping[str, str]
    shape: Any
    size: float


def kept_tags(tags: Mapping[str, str], families: Families, relation: bool) -> dict[str, str]:
    """The tags by which an object may be an element; {} where it may not.

    Not: what has no tag left that names a thing, outlines of administration, what is out of sight,
    and what is planned or gone.
    """
    if relation and any(key in tags for key in BOUNDS):
        return {}
    kept = {key: value for key, value in families.cleaned(tags).items() if key != "type"}
    things = {k: v for k, v in kept.items() if k not in BOUNDS and v.lower() not in ABSENT}
    return kept if table().headline(things) and not hidden(tags) else {}


def elements(rows: pa.Table, frame: Frame, families: Families) -> list[Element]:
    """Ways and relations in the patch that may be told of, in the order of `rows`.

    Args:
        rows: ways and relations near the patch, columns of `catalogs.sources.osm_table.COLUMNS`.
    """
    shapes = frame.inside(shapely.from_wkb(rows["geometry"].to_numpy()))
    areas, lengths = shapely.area(shapes), shapely.length(frame.metres(shapes)) / frame.side_m
    names = (rows[name].to_pylist() for name in ("osm_type", "osm_id", "kind", "tags"))
    found, empty = [], shapely.is_empty(shapes)
    for row, (kind, ident, form, text) in enumerate(zip(*names, strict=True)):
        if empty[row]:
            continue
        if tags := kept_tags(json.loads(text), families, kind == "relation"):
            size = float((areas if form == "area" else lengths)[row])
            key = f"{kind[0]}{ident}"
            found.append(Element(row, key, form == "area", tags, shapes[row], size))
    return found


def candidates(found: Sequence[Element], rules: Rules) -> tuple[list[Element], list[Element]]:
    """(areas, lines) that are large enough: the `top` largest of each, ties by key."""
    areas = [e for e in found if e.area and e.size > rules.area]
    lines = [e for e in found if not e.area and e.size > rules.length]
    first, second = (
        sorted(group, key=lambda e: (-e.size, e.key))[: rules.top] for group in (areas, lines)
    )
    return first, second


def draw(
    areas: Sequence[Element], lines: Sequence[Element], rules: Rules, seed: int, name: str
) -> Element | None:
    """One element, by a hash of the seed and the patch's name; None where there is none."""
    both = bool(areas and lines)
    group = areas if areas and (not both or unit(seed, "kind", name) < rules.areas) else lines
    return group[rank(seed, "element", name) % len(group)] if group else None


def background(rows: pa.Table, lon: float, lat: float, families: Families) -> list[dict[str, str]]:
    """Cleaned tags of the boundaries that hold a point, the smallest administrative areas first."""
    found: dict[str, dict[str, str]] = {}
    texts = rows["tags"].to_pylist()
    for row in (r for r, text in enumerate(texts) if any(f'"{key}"' in text for key in BOUNDS)):
        tags = json.loads(texts[row])
        if rows["kind"][row].as_py() != "area" or not any(key in tags for key in BOUNDS):
            continue
        shape = shapely.from_wkb(rows["geometry"][row].as_py())
        if shapely.intersects_xy(shape, [lon, lon - 360, lon + 360], lat).any():
            key = f"{rows['osm_type'][row].as_py()}{rows['osm_id'][row].as_py()}"
            found[key] = families.cleaned(tags)
    order = sorted(found, key=lambda key: (-_level(found[key]), key))
    return [found[key] for key in order[:BACKGROUND]]


def _level(tags: dict[str, str]) -> int:
    level = tags.get("admin_level", "")
    return int(level) if level.isascii() and level.isdigit() and len(level) < 3 else 0
