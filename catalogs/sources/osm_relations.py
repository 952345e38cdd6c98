"""Areas of multipolygon and boundary relations, made of the lines of their member ways.

osmium's own assembler stops at the first double or unsorted way, and does not tell why it leaves
an area out; so the rings are put together here, by the same rule: what an odd number of rings
surrounds is inside, whatever the roles say.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely


class Broken(Exception):
    """The rings make no area; `code` and `message` are those of the drop."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def assemble(lines: Sequence[bytes]) -> bytes:
    """The area (WKB) that lines (WKB, lon/lat, one for each member way) enclose.

    A segment that two rings share divides nothing: both copies are left out.

    Raises:
        Broken: rings are open (`geometry_unclosed`), cross (`geometry_invalid`) or are empty
            (`zero_area`).
    """
    work = shapely.multilinestrings(shapely.from_wkb(np.array(lines, dtype=object)))
    parts = shapely.get_parts(work)
    starts, ends = positions(shapely.get_point(parts, 0)), positions(shapely.get_point(parts, -1))
    _, uses = np.unique(np.concatenate([starts, ends]), return_counts=True)
    if (uses % 2).any():
        raise Broken("geometry_unclosed", f"rings are open at {int((uses % 2).sum())} places")
    once = unshared(parts)
    if once is not None:
        work = once
    if segments(shapely.node(work)) > segments(work):
        raise Broken("geometry_invalid", "rings cross each other or themselves")
    area = shapely.build_area(work)
    if shapely.is_empty(area):
        raise Broken("zero_area", "the rings enclose nothing")
    made: bytes = shapely.to_wkb(area)
    return made


def unshared(lines: npt.NDArray[Any]) -> Any:
    """The segments that occur an odd number of times, as lines; None when all occur once."""
    places, owner = shapely.get_coordinates(lines, return_index=True)
    codes = encoded(places)
    inner = owner[:-1] == owner[1:]
    pairs = np.stack([codes[:-1][inner], codes[1:][inner]], axis=1)
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs = pairs[order]
    fresh = np.ones(len(pairs), dtype=bool)
    fresh[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    counts = np.diff(np.append(np.flatnonzero(fresh), len(pairs)))
    if (counts == 1).all():
        return None
    kept = pairs[fresh][counts % 2 == 1]
    return shapely.multilinestrings(shapely.linestrings(decoded(kept)))


def segments(lines: Any) -> int:
    """How many segments of a length the lines of a multilinestring have."""
    parts = shapely.get_parts(shapely.remove_repeated_points(lines))
    return int(shapely.get_num_coordinates(parts).sum()) - len(parts)


def positions(points: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Points as one integer each, see `encoded`."""
    return encoded(shapely.get_coordinates(points))


def encoded(places: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """Lon/lat (n, 2) as one integer each: both in units of 1e-7 degrees, as OSM stores them."""
    whole = np.rint((places + (180, 90)) * 1e7).astype(np.uint64)
    code: npt.NDArray[np.uint64] = (whole[..., 0] << np.uint64(32)) | whole[..., 1]
    return code


def decoded(codes: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Inverse of `encoded`: lon/lat in a new last axis."""
    low = codes & np.uint64(0xFFFFFFFF)
    whole = np.stack([codes >> np.uint64(32), low], axis=-1).astype(np.int64)
    places: npt.NDArray[np.float64] = (whole - (1_800_000_000, 900_000_000)) / 1e7
    return places
