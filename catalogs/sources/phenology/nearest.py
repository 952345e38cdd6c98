"""The nearest pixel with a usable cycle, however large the rasters are.

Rasters are looked at in chunks, the nearest first, until no other chunk can hold a nearer pixel. A
chunk's pixels stand in a k-d tree of unit vectors; chunks without any are remembered as empty.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from catalogs.sources.phenology.cubes import Cube, chunks, lonlat, pixels
from schemas.phenology import Summary, summarise
from schemas.windows import arcs, unit_vectors

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

TIE = 1e-10
"""Chords of the unit sphere (0.6 mm) within which two pixels are equally far; the lower one counts."""

TREES = 16
"""Chunks whose trees are kept."""

STRIP = 1 << 14
"""Pixels that are summarised at once."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Known:
    """Places with a usable cycle.

    Attributes:
        tree: of their unit vectors.
        numbers: which place of the source each is, ascending.
        summary: of each.
    """

    tree: "cKDTree"
    numbers: Ints
    summary: Summary

    @classmethod
    def of(cls, vectors: Floats, numbers: Ints, summary: Summary) -> "Known":
        """With their tree."""
        from scipy.spatial import cKDTree

        return cls(cKDTree(vectors), numbers, summary)

    def nearest(self, points: Floats) -> tuple[Floats, Ints]:
        """(chord, row here) of the nearest place to each unit vector; the lower of equals."""
        count = min(8, len(self.numbers))
        answer = self.tree.query(points, k=list(range(1, count + 1)))
        chord, row = np.asarray(answer[0]), np.asarray(answer[1])
        ties = chord <= chord[:, :1] + TIE
        return chord[:, 0], np.where(ties, row, len(self.numbers)).min(axis=1)


class Nearest:
    """The chunks of some cubes, ready to be searched."""

    def __init__(self, cubes: Sequence[Cube]) -> None:
        self.cubes = cubes
        self.chunks = list(chunks(cubes))
        self._centres, self._radii = self._bounds()
        self._empty = ~np.isfinite(self._radii)
        self._kept: OrderedDict[int, Known] = OrderedDict()

    def __call__(self, lon: Floats, lat: Floats) -> tuple[Summary, Floats]:
        """The summary of the nearest usable pixel to each point, and kilometres to its middle.

        Blank and infinite where there is no usable pixel at all.
        """
        from scipy.spatial import cKDTree

        points = unit_vectors(lon, lat)
        found, km = Summary.blank(len(points)), np.full(len(points), np.inf)
        home = cKDTree(self._centres).query(points)[1]
        for chunk in np.unique(home):
            rows = np.flatnonzero(home == chunk)
            summary, chord = self._search(points[rows])
            found.put(rows, summary)
            km[rows] = np.where(np.isfinite(chord), arcs(np.minimum(chord, 2)) / 1000, np.inf)
        return found, km

    def _search(self, points: Floats) -> tuple[Summary, Floats]:
        """Summaries and chords for points that lie close together."""
        middle = points.mean(axis=0)
        middle /= np.linalg.norm(middle)
        away = _angles(self._centres, middle)
        reach = float(_angles(points, middle).max())
        least = away - self._radii - reach
        found, best = Summary.blank(len(points)), np.full(len(points), np.inf)
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
            found.put(rows, known.summary.take(row[rows]))
        return found, best

    def _known(self, number: int) -> Known | None:
        """The usable pixels of a chunk, None without any."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        chunk = self.chunks[number]
        cube = self.cubes[chunk.cube]
        col, row, width, height = chunk.box
        strip = max(1, STRIP // width)
        parts: list[tuple[Floats, Ints, Summary]] = []
        for top in range(row, row + height, strip):
            box = (col, top, width, min(strip, row + height - top))
            summary = summarise(cube.read(box))
            cols, rows = pixels(box)
            lon, lat = lonlat(cube.grid, cols + 0.5, rows + 0.5)
            kept = np.flatnonzero(summary.known & np.isfinite(lon) & np.isfinite(lat))
            place = chunk.first + rows[kept] * cube.grid.width + cols[kept]
            parts.append((unit_vectors(lon[kept], lat[kept]), place, summary.take(kept)))
        vectors, numbers = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
        if not len(numbers):
            self._empty[number] = True
            return None
        whole = Summary.blank(len(numbers))
        start = 0
        for _, place, summary in parts:
            whole.put(np.arange(start, start + len(place)), summary)
            start += len(place)
        self._kept[number] = Known.of(vectors, numbers, whole)
        if len(self._kept) > TREES:
            self._kept.popitem(last=False)
        return self._kept[number]

    def _bounds(self) -> tuple[Floats, Floats]:
        """Unit vectors of the chunks' middles, and angles that hold all of their pixels.

        From 5 x 5 positions of each chunk: the farthest, and the longest way between neighbours for
        what lies between them. Infinite for a chunk off the globe.
        """
        share = np.linspace(0, 1, 5)
        centres, radii = np.zeros((len(self.chunks), 3)), np.full(len(self.chunks), np.inf)
        for number, chunk in enumerate(self.chunks):
            col, row, width, height = chunk.box
            rows, cols = np.meshgrid(row + share * height, col + share * width, indexing="ij")
            lon, lat = lonlat(self.cubes[chunk.cube].grid, cols.ravel(), rows.ravel())
            there = np.isfinite(lon) & np.isfinite(lat)
            if not there.any():
                centres[number] = (0.0, 0.0, -1.0)
                continue
            vectors = np.full((there.size, 3), np.nan)
            vectors[there] = unit_vectors(lon[there], lat[there])
            middle = vectors[there].mean(axis=0)
            centres[number] = middle = middle / max(float(np.linalg.norm(middle)), 1e-9)
            net = vectors.reshape(5, 5, 3)
            gaps = _angles(net[1:, 1:], net[:-1, :-1])
            gap = np.nanmax(gaps) if np.isfinite(gaps).any() else np.pi / 4
            radii[number] = _angles(vectors[there], middle).max() + gap
        return centres, radii


def _angles(one: Floats, other: Floats) -> Floats:
    """Angles between unit vectors, radians, row by row."""
    chord = np.linalg.norm(one - other, axis=-1)
    return np.asarray(2 * np.arcsin(np.minimum(chord / 2, 1)))
