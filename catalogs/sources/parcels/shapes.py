"""Outlines of parcels: brought to lon/lat, checked, repaired; what cannot be is dropped by reason."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from catalogs.sources.parcels.measures import areas, perimeters
from schemas.windows import Bounds, to_lonlat

Shapes = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

CHANGE = 0.01
"""Share of the area that a repair may change: beyond it nobody knows which outline was meant."""

SMALLEST = 0.01
"""Square metres below which an outline has no area."""

LARGEST = 1e9
"""Square metres above which it is no parcel (bound of `metrics:area`, fiboa core 0.3)."""

MARGIN = 2.0
"""Degrees by which a place may lie beside the area that a CRS is made for."""

METRES = 111_320.0  # of a degree of latitude


@dataclass(frozen=True)
class Outlines:
    """Outlines of a batch.

    Attributes:
        shapes: valid lon/lat polygons and multipolygons, None where dropped, (n,).
        area, perimeter: square metres and metres, NaN where dropped, (n,).
        reasons: "" or a drop's code and message, by row.
        repaired: which were.
        outside: which lie beside the area that the CRS, or the country, allows.
    """

    shapes: Shapes
    area: npt.NDArray[np.float64]
    perimeter: npt.NDArray[np.float64]
    reasons: dict[int, tuple[str, str]]
    repaired: Mask
    outside: Mask


def outlines(wkb: Shapes, crs: str, allowed: Bounds | None) -> Outlines:
    """Outlines of WKB in a CRS.

    Args:
        wkb: bytes or None, object (n,).
        allowed: (west, south, east, north) in degrees that they should lie in, None for anywhere.
    """
    reasons: dict[int, tuple[str, str]] = {}
    with np.errstate(invalid="ignore"):
        raw = shapely.force_2d(_read(wkb, reasons))
    for row in np.flatnonzero(shapely.is_missing(raw) | shapely.is_empty(raw)).tolist():
        reasons.setdefault(row, ("geometry", "no outline, or one with too few points"))
    for row in np.flatnonzero(shapely.area(raw) == 0).tolist():
        reasons.setdefault(row, ("geometry", "has no area, or crosses itself so that parts cancel"))
    with np.errstate(invalid="ignore"):
        shapes = shapely.transform(raw, lambda xy: np.stack(to_lonlat(crs, *xy.T), axis=1))
        box = shapely.bounds(shapes)
    _off_the_globe(box, reasons)
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    for row in np.unique(owner[~np.isfinite(points).all(1)]).tolist():
        reasons.setdefault(row, ("bounds", "has a corner that is no place on the globe"))
    outside = np.zeros(len(raw), bool)
    if allowed is not None:
        west, south, east, north = allowed
        known = ~np.isnan(box[:, 0])
        middle = (box[:, :2] + box[:, 2:]) / 2
        outside = known & ~(
            (middle[:, 0] >= west) & (middle[:, 0] <= east)
            & (middle[:, 1] >= south) & (middle[:, 1] <= north)
        )  # fmt: skip
        for row in np.flatnonzero(outside).tolist():
            place = f"{middle[row, 0]:.5g}, {middle[row, 1]:.5g}"
            reasons.setdefault(
                row, ("bounds", f"lies at lon {place} lat, outside of where it should")
            )
    for row in reasons:
        outside[row] |= reasons[row][0] == "bounds"
    shapes[list(reasons)] = None
    shapes, repaired = mended(shapes, reasons)
    area = areas(shapes)
    for row in np.flatnonzero(area < SMALLEST).tolist():
        reasons.setdefault(row, ("geometry", "has no area"))
    for row in np.flatnonzero(area > LARGEST).tolist():
        reasons.setdefault(row, ("geometry", f"{area[row] / 1e6:,.0f} km² are no parcel"))
    lost = list(reasons)
    shapes[lost], area[lost], repaired[lost] = None, np.nan, False
    alone = shapely.get_num_geometries(shapes) == 1
    shapes[alone] = shapely.get_geometry(shapes[alone], 0)
    shapes = shapely.orient_polygons(shapely.normalize(shapes))
    around = perimeters(shapes)
    around[lost] = np.nan
    return Outlines(shapes, area, around, reasons, repaired, outside)


def _read(wkb: Shapes, reasons: dict[int, tuple[str, str]]) -> Shapes:
    """The geometries of WKB, None where it makes no sense or is curved."""
    try:
        return np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), object)
    except NotImplementedError:
        found = np.empty(len(wkb), object)
        for row, data in enumerate(wkb):
            try:
                found[row] = shapely.from_wkb(data, on_invalid="ignore")
            except NotImplementedError:
                reasons[row] = ("geometry", "its edges are curved: write it with straight ones")
        return found


def _off_the_globe(box: npt.NDArray[np.float64], reasons: dict[int, tuple[str, str]]) -> None:
    with np.errstate(invalid="ignore"):
        off = (np.abs(box[:, 0::2]) > 180).any(1) | (np.abs(box[:, 1::2]) > 90).any(1)
        off |= ~np.isfinite(box).all(1) & ~np.isnan(box).all(1)
        wide = box[:, 2] - box[:, 0] > 180
    lost = np.isnan(box).all(1)
    for row in np.flatnonzero(off | wide | lost).tolist():
        sides = ", ".join(f"{side:.6g}" for side in box[row])
        reasons.setdefault(row, ("bounds", f"spans ({sides}) degrees: no place on the globe"))


def mended(shapes: Shapes, reasons: dict[int, tuple[str, str]]) -> tuple[Shapes, Mask]:
    """Invalid lon/lat outlines made valid polygons, in the order of EuroCrops (ESSD 18, 4075,
    2026): make valid, buffer of 0, buffer of -1 and +1 m; and which were changed.

    Parts without area are left out. Where the area changes by more than `CHANGE`, as in a bow tie,
    the row is given a reason instead.
    """
    found, changed = shapes.copy(), np.zeros(len(shapes), bool)
    kinds = shapely.get_type_id(shapes)
    wrong = ~shapely.is_missing(shapes) & (~shapely.is_valid(shapes) | ~np.isin(kinds, (3, 6)))
    for row in np.flatnonzero(wrong).tolist():
        shape = shapes[row]
        try:
            made = _repaired(shape)
        except shapely.errors.GEOSException:
            made = None
        if made is None:
            reasons.setdefault(row, ("geometry", f"a {shape.geom_type} that encloses no area"))
            found[row] = None
            continue
        before, after = float(shapely.area(shape)), float(shapely.area(made))
        if abs(after - before) > CHANGE * max(before, after):
            reasons.setdefault(
                row, ("geometry", "crosses itself so that a repair would change its area")
            )
            found[row] = None
            continue
        found[row], changed[row] = made, True
    return found, changed


def _repaired(shape: Any) -> Any:
    """The valid polygon or multipolygon, None where there is none."""
    for made in (_within_shells(shape), shapely.buffer(shape, 0)):
        kept = polygons(made)
        if kept is not None and kept.is_valid:
            return kept
    return polygons(_narrowed(shape))


def _within_shells(shape: Any) -> Any:
    """Made valid, without what GEOS makes of holes outside of their shells: parts of their own."""
    own = shapely.get_parts(shape)
    rings = shapely.get_exterior_ring(own[shapely.get_type_id(own) == 3])
    made = shapely.make_valid(shape)
    if not len(rings):
        return made
    return shapely.intersection(
        made, shapely.union_all(shapely.make_valid(shapely.polygons(rings)))
    )


def _narrowed(shape: Any) -> Any:
    """Buffered by -1 m and back, in metres about its middle."""
    west, south, east, north = shape.bounds
    origin = np.array([(west + east) / 2, (south + north) / 2])
    scale = np.array([METRES * np.cos(np.radians(origin[1])), METRES])
    flat = shapely.transform(shape, lambda xy: (xy - origin) * scale)
    flat = shapely.buffer(shapely.buffer(flat, -1), 1)
    return shapely.transform(flat, lambda xy: xy / scale + origin)


def polygons(shape: Any) -> Any:
    """The parts with an area as one polygon or multipolygon, None without any."""
    parts = [
        part
        for piece in shapely.get_parts(shape)
        for part in shapely.get_parts(piece)
        if part.geom_type == "Polygon" and part.area > 0
    ]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


@cache
def area_of_use(crs: str) -> Bounds | None:
    """Where a CRS is made for, in degrees, with `MARGIN`; None where that is unknown or everywhere."""
    import pyproj

    use = pyproj.CRS(crs).area_of_use
    if use is None or use.west > use.east:
        return None
    if use.east - use.west >= 359 and use.north - use.south >= 160:
        return None
    return use.west - MARGIN, use.south - MARGIN, use.east + MARGIN, use.north + MARGIN
