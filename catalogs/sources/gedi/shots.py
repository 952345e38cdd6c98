"""Shots of granules as tables, those of level 4 joined to those of level 2 by their numbers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.gedi.granules import Granule, Piece, pieces, shot_numbers, values_of
from catalogs.sources.gedi.hdf import GediError, opened, taken
from catalogs.sources.gedi.layouts import MEASURED
from catalogs.sources.gedi.names import Numbers, beam_type
from schemas.sources import About
from schemas.windows import Bounds

EPOCH_US = 1_514_764_800_000_000
"""2018-01-01 00:00 UTC in microseconds since 1970: `delta_time` counts seconds from there."""

HEAD = pa.schema(
    [
        ("shot_number", pa.uint64()),
        ("lon", pa.float64()),  # degrees, of the lowest mode
        ("lat", pa.float64()),
        ("sensed", pa.timestamp("us", tz="UTC")),
        ("beam", pa.string()),
        ("beam_type", pa.string()),  # full | coverage
        ("granule", pa.string()),  # file name without its ending
        ("version", pa.string()),  # V1, V2, V3
        ("orbit", pa.int64()),
        ("sub_granule", pa.int64()),
        ("track", pa.int64()),  # 0 where the file name does not tell
        ("ppds", pa.int64()),  # positioning quality, likewise
        ("production", pa.int64()),  # likewise
    ]
)
"""Columns of every table of shots."""

Lost = Callable[[Numbers, str, str, npt.NDArray[np.float64], npt.NDArray[np.float64]], None]
"""Takes numbers, reason code, message, lon and lat of shots that are no rows."""

Broken = Callable[[str, str, str], None]
"""Takes file name, reason code and message of a granule that turns out to be unusable."""

PRODUCTS = ("L4A", "L2A", "L2B")
"""In the order in which one is taken as the one whose shots are rows."""


def main_product(granules: Iterable[Granule]) -> str:
    """The product whose shots are rows; others are joined to it."""
    there = {granule.layout.product for granule in granules}
    return next((name for name in PRODUCTS if name in there), "")


@dataclass(frozen=True)
class Shots:
    """A source of GEDI shots.

    Attributes:
        about: title, terms, checksum.
        granules: those that can be read.
        broken: (file name, reason code, message) of those that cannot.
    """

    about: About
    granules: tuple[Granule, ...]
    broken: tuple[tuple[str, str, str], ...] = field(default=())

    @property
    def product(self) -> str:
        """The product whose shots are rows: L4A where there is one; others are joined to it."""
        return main_product(self.granules)

    def shots(
        self,
        bounds: Bounds | None,
        columns: Sequence[str],
        on_drop: Lost | None = None,
        on_broken: Broken | None = None,
    ) -> Iterator[pa.Table]:
        """Tables of `HEAD` and `columns` (int64 or float64; null where a shot has no value).

        A column that the product lacks is joined from granules of the other products with the same
        shots: relative heights `rh0` to `rh100` come from L2A. Tables have at most some hundred
        thousand rows: by orbit, release (newest first) and part, newer granules before older ones, beam
        by beam, as the granules have them.

        What turns out to be unusable while it is read (a damaged chunk, a link to another file) goes to
        `on_broken` once, and the others go on: shots read before it stay, a granule to join gives no
        more values. Shots of a newer granule that could not be read come from an older one of the same.

        Args:
            bounds: (west, south, east, north) in degrees, west > east across 180; None: everywhere.
            columns: names of `layouts`.
            on_drop: takes shots without a place (`gedi:no_place`) and those that a newer granule, or
                the same, has already given (`duplicate_shot`).
            on_broken: takes granules that are not what their heads said.

        Raises:
            GediError: a granule is not what its head said, and nobody takes it, it is the only file,
                or no granule with rows is left.
        """
        alone = len(self.granules) + len(self.broken) == 1
        told: set[str] = set()
        left = sum(granule.layout.product == self.product for granule in self.granules)

        def broken(granule: Granule, error: GediError) -> None:
            nonlocal left
            left -= granule.layout.product == self.product
            if on_broken is None or alone or not left:
                raise error
            if granule.path.name not in told:
                told.add(granule.path.name)
                on_broken(granule.path.name, error.code, str(error))

        groups: dict[tuple[int, int], list[Granule]] = {}
        for granule in self.granules:
            groups.setdefault((granule.orbit, granule.sub_granule), []).append(granule)
        orbit, seen = None, _Seen()
        for key in sorted(groups, key=lambda key: (key[0], min(map(_age, groups[key])), key[1])):
            if key[0] != orbit:
                orbit, seen = key[0], _Seen()
            own = [g for g in groups[key] if g.layout.product == self.product]
            others = [g for g in groups[key] if g.layout.product != self.product]
            unplaced: list[Numbers] = []
            for granule in sorted(own, key=lambda g: g.newest):
                try:
                    yield from self._granule(
                        granule, others, bounds, columns, on_drop, seen, unplaced, broken
                    )
                except GediError as error:
                    broken(granule, error)
            if on_drop is not None:
                _tell_unplaced(unplaced, seen, on_drop)

    def _granule(
        self,
        granule: Granule,
        others: Sequence[Granule],
        bounds: Bounds | None,
        columns: Sequence[str],
        on_drop: Lost | None,
        seen: "_Seen",
        unplaced: list[Numbers],
        broken: Callable[[Granule, GediError], None],
    ) -> Iterator[pa.Table]:
        own = [name for name in columns if granule.layout.place(name) is not None]
        joined = _givers([name for name in columns if name not in own], others)
        with ExitStack() as stack:
            file = stack.enter_context(opened(granule.path))
            partners: list[tuple[_Partner, list[str]]] = []
            for other, names in joined:
                try:
                    partners.append(
                        (_Partner(stack.enter_context(opened(other.path)), other), names)
                    )
                except GediError as error:
                    broken(other, error)
            for piece in pieces(file, granule, bounds):
                known = np.isfinite(piece.lon) & np.isfinite(piece.lat)
                placed, nowhere = piece.where(known), piece.shots[~known]
                new = _first_of(placed.shots) & ~seen.has(placed.shots)
                piece, twice = placed.where(new), placed.where(~new)
                values = {
                    name: values_of(file, granule, piece.beam, name, piece.rows) for name in own
                }
                for partner, names in list(partners):
                    try:
                        given = partner.values(piece, names)
                    except GediError as error:
                        partners.remove((partner, names))
                        broken(partner.granule, error)
                        continue
                    for name, found in given.items():
                        values[name] = _first(values.get(name), found)
                when = values_of(file, granule, piece.beam, "delta_time", piece.rows)
                table = _table(granule, piece, when, columns, values)
                seen.add(piece.shots)  # what cannot be read is left to an older granule
                unplaced.append(nowhere)
                if on_drop is not None and len(twice.rows):
                    on_drop(twice.shots, *TWICE, twice.lon, twice.lat)
                if len(table):
                    yield table


def _givers(columns: Sequence[str], others: Sequence[Granule]) -> list[tuple[Granule, list[str]]]:
    """Which other granules are asked for which columns, those to be preferred first."""
    order = sorted(others, key=lambda g: (PRODUCTS.index(g.layout.product), g.newest))
    found = []
    for other in order:
        names = [name for name in columns if other.layout.place(name) is not None]
        if names:
            found.append((other, names))
    return found


Values = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]


def _first(old: Values | None, new: Values) -> Values:
    """What the first granule lacks is filled from the next."""
    if old is None:
        return new
    return np.where(old[1], old[0], new[0]), old[1] | new[1]


class _Partner:
    """A granule whose shots are looked up by number."""

    def __init__(self, file: Any, granule: Granule) -> None:
        self.file, self.granule = file, granule
        self.beam = ""
        self.sorted: Numbers = np.empty(0, np.uint64)
        self.order: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def values(self, piece: Piece, columns: Sequence[str]) -> dict[str, Values]:
        """Values of the columns for the shots of a piece; of a number that repeats its first row counts."""
        self._turn_to(piece.beam)
        place = np.searchsorted(self.sorted, piece.shots)
        there = place < len(self.sorted)
        there[there] = self.sorted[place[there]] == piece.shots[there]
        rows = self.order[place[there]]
        back: Any = slice(None)
        if not _rises(rows):
            rows, back = np.unique(rows, return_inverse=True)
        found: dict[str, Values] = {}
        for name in columns:
            values, known = values_of(self.file, self.granule, piece.beam, name, rows)
            every = np.zeros(len(piece.shots), values.dtype)
            mask = np.zeros(len(piece.shots), bool)
            every[there], mask[there] = values[back], known[back]
            found[name] = every, mask
        return found

    def _turn_to(self, beam: str) -> None:
        if beam == self.beam:
            return
        count = self.granule.beams.get(beam, 0)
        shots: Numbers = np.empty(0, np.uint64)
        if count:
            every = np.arange(count)
            shots = taken(self.file, shot_numbers(self.file, beam), every).astype(np.uint64)
        self.order = np.argsort(shots, kind="stable")
        self.sorted, self.beam = shots[self.order], beam


class _Seen:
    """Numbers that were read before, in sorted stretches: those of two beams do not mix."""

    def __init__(self) -> None:
        self.parts: list[Numbers] = []

    def add(self, shots: Numbers) -> None:
        """Remember the numbers of a piece."""
        if len(shots):
            self.parts.append(shots if _rises(shots) else np.sort(shots))

    def has(self, shots: Numbers) -> npt.NDArray[np.bool_]:
        """Which of them were read before."""
        found = np.zeros(len(shots), bool)
        if len(shots):
            least, most = shots.min(), shots.max()
            for part in self.parts:
                if part[0] <= most and least <= part[-1]:
                    place = np.minimum(np.searchsorted(part, shots), len(part) - 1)
                    found |= part[place] == shots
        return found


def _rises(values: npt.NDArray[Any]) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _first_of(shots: Numbers) -> npt.NDArray[np.bool_]:
    """Which are the first of their number."""
    if _rises(shots):
        return np.ones(len(shots), bool)
    first = np.zeros(len(shots), bool)
    first[np.unique(shots, return_index=True)[1]] = True
    return first


TWICE = ("duplicate_shot", "the same shot number was read before")


def _tell_unplaced(found: list[Numbers], seen: _Seen, on_drop: Lost) -> None:
    """Tell shots without a place, unless another granule has given them one."""
    for shots in found:
        rows = seen.has(shots)
        for told, some in (
            (("gedi:no_place", "the granule gives no position"), shots[~rows]),
            (TWICE, shots[rows]),
        ):
            if len(some):
                nowhere = np.full(len(some), np.nan)
                on_drop(some, *told, nowhere, nowhere)


def _age(granule: Granule) -> int:
    return -int(granule.layout.version[1:])


def _table(
    granule: Granule, piece: Piece, when: Values, columns: Sequence[str], values: dict[str, Values]
) -> pa.Table:
    count, name = len(piece.rows), granule.name
    head: list[Any] = [
        pa.array(piece.shots),
        pa.array(piece.lon),
        pa.array(piece.lat),
        _times(*when),
        *(
            pa.repeat(pa.scalar(value, kind), count)
            for value, kind in (
                (piece.beam, pa.string()),
                (beam_type(piece.beam), pa.string()),
                (granule.path.stem, pa.string()),
                (granule.layout.version, pa.string()),
                (granule.orbit, pa.int64()),
                (granule.sub_granule, pa.int64()),
                (name.track, pa.int64()),
                (name.ppds, pa.int64()),
                (name.production, pa.int64()),
            )
        ),
    ]
    table = pa.Table.from_arrays(head, schema=HEAD)
    nothing = np.zeros(count), np.zeros(count, bool)
    for column in columns:
        found, there = values.get(column, nothing)
        plain = np.where(there, found, 0).astype(np.float64 if column in MEASURED else np.int64)
        table = table.append_column(column, pa.array(plain, mask=~there))
    return table


def _times(seconds: npt.NDArray[Any], there: npt.NDArray[np.bool_]) -> pa.Array:
    """UTC of seconds since 2018-01-01 00:00 UTC, to the microsecond."""
    sane = there & (np.abs(np.where(there, seconds, 0)) < 1e10)
    micros = np.rint(np.where(sane, seconds, 0) * 1e6).astype(np.int64) + EPOCH_US
    return pa.array(micros, pa.int64(), mask=~sane).cast(pa.timestamp("us", tz="UTC"))


__all__ = ["HEAD", "GediError", "Lost", "Shots"]
