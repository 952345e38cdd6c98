"""The nearest pixel with a usable cycle, however large the rasters are.

Rasters are looked at in chunks, the nearest first, until no other chunk can hold a nearer pixel. A
chunk's pixels stand in a k-d tree of unit vectors; chunks without any are remembered as empty.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from catalogs.sources.phenology.cubes import Cube, at, chunks, lonlat, pixels
from schemas.phenology import Dates, Summary, summarise, usable_cycles
from schemas.windows import EARTH_M, Grid, arcs, chords, unit_vectors

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

TIE = 1e-10
"""Chords of the unit sphere (0.6 mm) within which two pixels are equally far; the lower one counts."""

TREES = 120
"""Chunks whose trees and dates are kept, times product years: 350 MB at most; two chunks at least."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Known:
    """Places with a usable cycle.

    Attributes:
        tree: of their unit vectors.
        numbers: which place of the source each is, ascending.
        dates: of each; they are summarised when one is asked for.
    """

    tree: "cKDTree"
    numbers: Ints
    dates: Dates

    @classmethod
    def of(cls, vectors: Floats, numbers: Ints, dates: Dates) -> "Known":
        """With their tree."""
        from scipy.spatial import cKDTree

        return cls(cKDTree(vectors), numbers, dates)

    def nearest(self, points: Floats) -> tuple[Floats, Ints]:
        """(chord, row here) of the nearest place to each unit vector; the lower of equals."""
        count = min(8, len(self.numbers))
        answer = self.tree.query(points, k=list(range(1, count + 1)))
        chord, row = np.asarray(answer[0]), np.asarray(answer[1])
        ties = chord <= chord[:, :1] + TIE
        return chord[:, 0], np.where(ties, row, len(self.numbers)).min(axis=1)

    def summary(self, rows: Ints) -> Summary:
        """Of some of the places."""
        return summarise(self.dates.take(rows))


class Nearest:
    """The chunks of some cubes, ready to be searched."""

    def __init__(self, cubes: Sequence[Cube]) -> None:
        self.cubes = cubes
        self.years = sorted({year for cube in cubes for year in cube.years})
        self._mixed = any(list(cube.years) != self.years for cube in cubes)
        self.chunks = list(chunks(cubes))
        self._centres, self._radii = self._bounds()
        self._empty = np.asarray(~np.isfinite(self._radii))
        self._kept: OrderedDict[int, Known] = OrderedDict()

    def __call__(self, lon: Floats, lat: Floats, max_km: float = 0.0) -> tuple[Summary, Floats]:
        """The summary of the nearest usable pixel to each point, and kilometres to its middle.

        Blank and infinite where there is none at all, or none within `max_km` (0: however far).
        """
        from scipy.spatial import cKDTree

        points = unit_vectors(lon, lat)
        found, km = Summary.blank(len(points)), np.full(len(points), np.inf)
        home = cKDTree(self._centres).query(points)[1]
        for chunk in np.unique(home):
            rows = np.flatnonzero(home == chunk)
            summary, chord = self._search(points[rows], max_km)
            found.put(rows, summary)
            km[rows] = np.where(np.isfinite(chord), arcs(np.minimum(chord, 2)) / 1000, np.inf)
        return found, km

    def _search(self, points: Floats, max_km: float) -> tuple[Summary, Floats]:
        """Summaries and chords for points that lie close together."""
        middle = points.mean(axis=0)
        middle /= np.linalg.norm(middle)
        away = _angles(self._centres, middle)
        reach = float(_angles(points, middle).max())
        least = away - self._radii - reach
        limit = float(chords(max_km * 1000)) if max_km else np.inf
        found, best = Summary.blank(len(points)), np.full(len(points), limit)
        numbers = np.full(len(points), np.iinfo(np.int64).max)
        for chunk in np.argsort(least, kind="stable"):
            if self._empty[chunk]:
                continue
            if least[chunk] > 2 * np.arcsin(min(best.max() / 2, 1.0)):
                break
            known = self._known(int(chunk))
            if known is None:
                continue
            chord, row = known.nearest(points)
            number = known.numbers[row]
            closer = chord < best - TIE
            closer |= (np.abs(chord - best) <= TIE) & (number < numbers)
            rows = np.flatnonzero(closer)
            best[rows], numbers[rows] = chord[rows], number[rows]
            found.put(rows, known.summary(row[rows]))
        there = found.known
        if self._mixed and there.any():
            found.put(*self._of_all_years(np.flatnonzero(there), numbers))
        return found, np.where(there, best, np.inf)

    def _of_all_years(self, rows: Ints, numbers: Ints) -> tuple[Ints, Summary]:
        """(rows, summaries) of those pixels found that other cubes have further years of."""
        lon, lat = np.zeros(len(rows)), np.zeros(len(rows))
        first = 0
        for cube in self.cubes:
            size = cube.grid.width * cube.grid.height
            own = (numbers[rows] >= first) & (numbers[rows] < first + size)
            row, col = np.divmod(numbers[rows][own] - first, cube.grid.width)
            lon[own], lat[own] = lonlat(cube.grid, col + 0.5, row + 0.5)
            first += size
        summary = summarise(at(self.cubes, self.years, lon, lat))
        kept = np.flatnonzero(summary.known)
        return rows[kept], summary.take(kept)

    def _known(self, number: int) -> Known | None:
        """The usable pixels of a chunk, None without any."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        chunk = self.chunks[number]
        cube = self.cubes[chunk.cube]
        dates = cube.read(chunk.box)
        some = np.flatnonzero(usable_cycles(dates).any(axis=(1, 2)))
        cols, rows = (side[some] for side in pixels(chunk.box))
        lon, lat = lonlat(cube.grid, cols + 0.5, rows + 0.5)
        kept = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
        if not len(kept):
            self._empty[number] = True
            return None
        vectors = unit_vectors(lon[kept], lat[kept])
        numbers = chunk.first + rows[kept] * cube.grid.width + cols[kept]
        self._kept[number] = Known.of(vectors, numbers, dates.take(some[kept]).small())
        if len(self._kept) > max(2, TREES // len(cube.years)):
            self._kept.popitem(last=False)
        return self._kept[number]

    def _bounds(self) -> tuple[Floats, Floats]:
        """Unit vectors of the chunks' middles, and angles that hold all of their pixels.

        From 5 x 5 positions of each chunk: the farthest, and the longest way between neighbours for
        what lies between them. Infinite for a chunk off the globe.
        """
        found = [
            _bounds_of(cube.grid, np.array([c.box for c in self.chunks if c.cube == number]))
            for number, cube in enumerate(self.cubes)
        ]
        centres, radii = zip(*found, strict=True)
        return np.concatenate(centres), np.concatenate(radii)


def _bounds_of(grid: Grid, boxes: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Of boxes `(n, 4)` on one grid: `(n, 3)` and `(n,)`, see `Nearest._bounds`."""
    share = np.linspace(0, 1, 5)
    cols = boxes[:, 0, None, None] + share[None, None, :] * boxes[:, 2, None, None]
    rows = boxes[:, 1, None, None] + share[None, :, None] * boxes[:, 3, None, None]
    cols, rows = np.broadcast_arrays(cols, rows)
    lon, lat = (side.reshape(cols.shape) for side in lonlat(grid, cols.ravel(), rows.ravel()))
    there = np.isfinite(lon) & np.isfinite(lat)
    net = unit_vectors(np.where(there, lon, np.nan), np.where(there, lat, np.nan))
    with np.errstate(invalid="ignore"):
        total = np.nansum(net, axis=(1, 2))
        centres = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
        gaps = np.nan_to_num(_angles(net[:, 1:, 1:], net[:, :-1, :-1]), nan=0.0).max(axis=(1, 2))
        away = np.nan_to_num(_angles(net, centres[:, None, None]), nan=0.0).max(axis=(1, 2))
    whole = there.all(axis=(1, 2))
    radii = away + np.where(whole | (gaps > 0), gaps, np.pi / 4)
    empty = np.asarray(~there.any(axis=(1, 2)))
    return np.where(empty[:, None], (0.0, 0.0, -1.0), centres), np.where(empty, np.inf, radii)


def _angles(one: Floats, other: Floats) -> Floats:
    """Angles between unit vectors, radians, row by row."""
    return arcs(np.linalg.norm(one - other, axis=-1)) / EARTH_M
