"""Longitudes at the antimeridian: rings without a jump, and shapes cut in two at 180 degrees."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import shapely

JUMP = 270.0  # degrees: an edge of a catalogue's outline this long is one across the antimeridian


def beside(lon: npt.ArrayLike, reference: float) -> npt.NDArray[np.float64]:
    """Longitudes in degrees, each moved by whole turns to within 180 of `reference`."""
    lon = np.asarray(lon, float)
    return lon + 360 * np.round((reference - lon) / 360)


def inside(
    places: npt.NDArray[np.float64], bounds: tuple[float, float, float, float]
) -> npt.NDArray[np.bool_]:
    """Which lon/lat places `(n, 2)` lie in a box, borders included.

    A box whose west lies east of its east spans 180 degrees.
    """
    west, south, east, north = bounds
    lon, lat = places[:, 0], places[:, 1]
    across = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return np.asarray(across & (lat >= south) & (lat <= north))


def all_beside(shapes: npt.NDArray[Any], reference: float) -> npt.NDArray[Any]:
    """Lon/lat shapes, each moved by whole turns to where it lies nearest to a longitude.

    What spans half the globe or more stays where it is.
    """
    import shapely

    bounds = shapely.bounds(shapes)
    middle = (bounds[:, 0] + bounds[:, 2]) / 2
    turns = np.nan_to_num(beside(middle, reference) - middle)
    moved = np.array(shapes, object)
    for row in np.flatnonzero((turns != 0) & (bounds[:, 2] - bounds[:, 0] < 180)):
        shift = np.array([turns[row], 0.0])
        moved[row] = shapely.transform(shapes[row], lambda xy, shift=shift: xy + shift)
    return moved


def ring_beside(ring: npt.NDArray[np.float64], reference: float) -> npt.NDArray[np.float64]:
    """A ring without jumps, shape (n, 2), moved by a whole turn to where it is nearest to a longitude."""
    turn = float(beside(ring[0, 0], reference) - ring[0, 0])
    return np.stack([ring[:, 0] + turn, ring[:, 1]], axis=1)


def bounds_of(rings: list[npt.NDArray[np.float64]]) -> tuple[float, float, float, float]:
    """(west, south, east, north) of rings that lie near each other; west > east across 180."""
    points = np.concatenate(rings)
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    if east - west < 360:
        west, east = (
            (side + 180) % 360 - 180 if abs(side) > 180 else side for side in (west, east)
        )
    return float(west), float(south), float(east), float(north)


def continuous(ring: npt.NDArray[np.float64], jump: float = 180.0) -> npt.NDArray[np.float64]:
    """A lon/lat ring, shape (n, 2), whose edges of more than `jump` degrees go the short way round.

    It begins within [-180, 180) and runs on past that where it crosses the antimeridian.
    """
    lon = np.unwrap(ring[:, 0], discont=jump, period=360)
    return np.stack([lon - 360 * np.floor((lon[0] + 180) / 360), ring[:, 1]], axis=1)


def split(shape: "shapely.Geometry") -> "shapely.Geometry":
    """A polygon that runs past -180 or 180 degrees as a multipolygon within them; else itself."""
    import shapely
    from shapely.affinity import translate

    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    parts: list[Any] = []
    for turn in (0, -1, 1, -2, 2):
        piece = shapely.intersection(translate(shape, 360 * turn), shapely.box(-180, -90, 180, 90))
        parts += [p for p in shapely.get_parts(piece) if p.geom_type == "Polygon" and p.area > 0]
    return shapely.MultiPolygon(parts)


def mended(shape: "shapely.Geometry") -> "shapely.Geometry":
    """A (multi)polygon of which a ring jumps from 180 to -180, cut at 180 instead; else itself.

    RFC 7946 asks for the cut, and not every catalogue makes it. What spans the globe stays.
    """
    import shapely

    west, _, east, _ = shape.bounds
    if not east - west > 180 or shape.geom_type not in ("Polygon", "MultiPolygon"):
        return shape
    parts: list[Any] = []
    for part in shapely.get_parts(shape):
        parts += shapely.get_parts(split(_unfolded(part))).tolist()
    return shapely.MultiPolygon(parts) if len(parts) > 1 else parts[0]


def _unfolded(part: Any) -> Any:
    """A polygon whose rings run on past 180 degrees where they jump; itself where none does."""
    import shapely

    rings = [shapely.get_coordinates(ring) for ring in (part.exterior, *part.interiors)]
    if max(np.abs(np.diff(ring[:, 0])).max() for ring in rings) <= JUMP:
        return part
    rings = [continuous(ring, JUMP) for ring in rings]
    shell = rings[0]
    if abs(shell[0, 0] - shell[-1, 0]) >= 180:  # once around the globe
        return part
    middle = (shell[:, 0].min() + shell[:, 0].max()) / 2
    for hole in rings[1:]:
        lon = (hole[:, 0].min() + hole[:, 0].max()) / 2
        hole[:, 0] += beside(lon, middle) - lon
    made = shapely.Polygon(shell, rings[1:])
    return made if made.area > 0 else part


def within_180(shape: "shapely.Geometry") -> "shapely.Geometry":
    """A valid shape within -180 and 180 degrees, whichever way its outline crosses 180: by a jump to
    -180, or by running on past it."""
    import shapely

    shape = mended(shape)
    return split(shape if shape.is_valid else shapely.make_valid(shape))
