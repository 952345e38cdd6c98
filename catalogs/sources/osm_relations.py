"""Areas of multipolygon and boundary relations, made of the lines of their member ways.

osmium's own assembler stops at the first double or unsorted way, and does not tell why it leaves
an area out; so the rings are put together here, by the same rule: what an odd number of rings
surrounds is inside, whatever the roles say.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from catalogs.sources.osm_texts import Texts
from catalogs.sources.pbf_blocks import Things
from catalogs.sources.ragged import Ints

WAY = 1
SPATIAL = (b"multipolygon", b"boundary")
"""Types of relations that are areas."""

TOGETHER = 4096
"""Member ways of relations that are assembled at a time, about."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Why the rings of one relation make no area."""

    index: int
    code: str
    message: str


def members(things: Things, texts: Texts, rows: Ints) -> tuple[Ints, Ints]:
    """Member ways of the relations `rows` of a block, each once.

    Returns:
        The relation, as index into `rows`, ascending, and the id of the way, for each.
    """
    named = {text: number for number, text in enumerate(texts.strings)}
    kinds = [named[text] for text in SPATIAL if text in named]
    says = (things.keys.values == named.get(b"type", -1)) & np.isin(things.texts.values, kinds)
    spatial = np.diff(np.concatenate([[0], np.cumsum(says)])[things.keys.ends], prepend=0) > 0
    some = np.flatnonzero(spatial[rows])
    refs, types = things.members_of(rows[some])
    ways = types == WAY
    owner, ids = some[refs.owner()[ways]], refs.values[ways]
    order = np.lexsort((ids, owner))
    owner, ids = owner[order], ids[order]
    fresh = np.ones(len(ids), bool)
    fresh[1:] = (ids[1:] != ids[:-1]) | (owner[1:] != owner[:-1])
    return owner[fresh], ids[fresh]


def chunks(relations: Ints, ways: Ints) -> Iterator[Ints]:
    """The relations in parts that have about `TOGETHER` ways; `ways` is how many each has."""
    done = np.cumsum(ways[relations])
    parts = done // TOGETHER
    yield from np.split(relations, np.flatnonzero(np.diff(parts)) + 1)


def assemble(lines: npt.NDArray[Any], owner: Ints) -> tuple[npt.NDArray[Any], list[Broken]]:
    """The areas that lines enclose, and what could not be made (in order of the relations).

    A segment that two rings of a relation share divides nothing: both copies are left out.

    Args:
        lines: linestrings, lon/lat.
        owner: relation of each line: ascending from 0, without gaps.

    Returns:
        An area (None where broken) for each relation, and broken ones with the codes
        `geometry_unclosed`, `geometry_invalid` (rings cross) or `zero_area`.
    """
    if not len(lines):
        return np.empty(0, object), []
    places, line = shapely.get_coordinates(lines, return_index=True)
    codes, of = encoded(places), owner[line]
    work = shapely.multilinestrings(lines, indices=owner)
    gaps = open_ends(codes, line, of, len(work))
    given = without_shared(work, codes, line, of)
    areas = shapely.build_area(work)
    crossing = (outlined(areas) != given) | ~shapely.is_valid(areas)
    why = [
        (gaps > 0, "geometry_unclosed", "its rings are not closed"),
        (crossing, "geometry_invalid", "its rings cross each other or themselves"),
        (shapely.is_empty(areas), "zero_area", "its rings enclose nothing"),
    ]
    broken: dict[int, Broken] = {}
    for mask, code, message in why:
        for index in np.flatnonzero(mask).tolist():
            broken.setdefault(index, Broken(index, code, message))
    areas[list(broken)] = None
    return areas, [broken[index] for index in sorted(broken)]


def outlined(areas: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Print of the segments that bound each area: that of the given ones, unless some cross."""
    parts, owner = shapely.get_parts(areas, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    places, ring = shapely.get_coordinates(rings, return_index=True)
    codes = encoded(places)
    inner = np.flatnonzero(ring[:-1] == ring[1:])
    return prints(codes[inner], codes[inner + 1], owner[part[ring[inner]]], len(areas))


def prints(
    one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64], of: Ints, size: int
) -> npt.NDArray[np.uint64]:
    """A number for the set of segments of each relation, in any order and direction (a sum of
    hashes: two sets have the same by a chance of 2**-64)."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    mixed = (low * np.uint64(0x9E3779B97F4A7C15)) ^ (high * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    found = np.zeros(size, np.uint64)
    np.add.at(found, of, mixed ^ (mixed >> np.uint64(32)))
    return found


def open_ends(codes: npt.NDArray[np.uint64], line: Ints, of: Ints, size: int) -> Ints:
    """How many places are the end of an odd number of lines of a relation."""
    turn = np.flatnonzero(np.diff(line))
    ends = np.concatenate([[0], turn, turn + 1, [len(line) - 1]])
    pairs = np.stack([of[ends].astype(np.uint64), codes[ends]], axis=1)
    pairs, uses = np.unique(pairs, axis=0, return_counts=True)
    return np.bincount(pairs[uses % 2 == 1, 0].astype(np.int64), minlength=size)


def without_shared(
    work: npt.NDArray[Any], codes: npt.NDArray[np.uint64], line: Ints, of: Ints
) -> npt.NDArray[np.uint64]:
    """Print of the segments of each relation that occur an odd number of times.

    Where any occurs twice, the relation's lines in `work` are replaced by its remaining segments.
    """
    inner = np.flatnonzero((line[:-1] == line[1:]) & (codes[:-1] != codes[1:]))
    low, high = (
        np.minimum(codes[inner], codes[inner + 1]),
        np.maximum(codes[inner], codes[inner + 1]),
    )
    order = np.lexsort((high, low, of[inner]))
    low, high, of = low[order], high[order], of[inner][order]
    fresh = np.ones(len(of), bool)
    fresh[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1]) | (of[1:] != of[:-1])
    first = np.flatnonzero(fresh)
    odd = np.diff(np.append(first, len(of))) % 2 == 1
    kept = first[odd]
    for index in np.unique(of[~fresh]).tolist():
        mine = kept[of[kept] == index]
        ends = decoded(np.stack([low[mine], high[mine]], axis=1))
        work[index] = shapely.multilinestrings(shapely.linestrings(ends))
    return prints(low[kept], high[kept], of[kept], len(work))


def encoded(places: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """Lon/lat (n, 2) as one integer each: both in units of 1e-7 degrees, as OSM stores them."""
    whole = np.rint((places + np.array([180, 90])) * 1e7).astype(np.uint64)
    code: npt.NDArray[np.uint64] = (whole[..., 0] << np.uint64(32)) | whole[..., 1]
    return code


def decoded(codes: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Inverse of `encoded`: lon/lat in a new last axis."""
    low = codes & np.uint64(0xFFFFFFFF)
    whole = np.stack([codes >> np.uint64(32), low], axis=-1).astype(np.int64)
    places: npt.NDArray[np.float64] = (whole - np.array([1_800_000_000, 900_000_000])) / 1e7
    return places
