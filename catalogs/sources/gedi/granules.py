"""`Granule`: what the head of one file tells; its shots within an area, in bounded pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.sources.gedi.hdf import GediError, fill_of, find, numbers, opened, reading, taken
from catalogs.sources.gedi.layouts import Layout, layout_of
from catalogs.sources.gedi.names import BEAMS, FileName, Numbers, decode, parsed
from schemas.geo import inside
from schemas.windows import Bounds

MOST_SHOTS = 5_000_000
"""Most shots of a beam; a quarter orbit of 23 minutes at 242 shots a second has 334,000."""

PIECE = 1 << 18
"""Rows of a beam that are held at once."""


@dataclass(frozen=True, slots=True)
class Granule:
    """One file.

    Attributes:
        path: where it lies.
        name: what its file name says.
        layout: product, version and places of its columns.
        beams: shots by beam, in the order of `BEAMS`; beams that are missing are missing here.
        orbit, sub_granule: of its shots, 0 where it has none; release 001 has whole orbits, and the
            minor frame in the place of the sub-granule.
        licence, attribution: root attributes of those names, "" without.
        generated: whether a root attribute says that it is no measurement.
    """

    path: Path
    name: FileName
    layout: Layout
    beams: dict[str, int]
    orbit: int
    sub_granule: int
    licence: str = ""
    attribution: str = ""
    generated: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Beams that it lacks."""
        return tuple(beam for beam in BEAMS if beam not in self.beams)

    @property
    def newest(self) -> tuple[Any, ...]:
        """Sorts granules of the same shots, the one to be preferred first."""
        return (
            -int(self.layout.version[1:]),
            -self.name.release,
            -self.name.production,
            self.path.name,
        )


def look(path: Path) -> Granule:
    """The head of a granule: product, version, beams and how many shots they have.

    Raises:
        GediError: `unreadable`, `no_beams`, `dataset_missing`, `too_many_shots`, and as `layout_of`
            and `find`.
    """
    with opened(path) as file:
        there = [beam for beam in BEAMS if find(file, beam) is not None]
        if not there:
            raise GediError(
                "no_beams", f"{path}: has no group BEAM0000 to BEAM1011, so it is no GEDI granule"
            )
        layout = layout_of(lambda name: find(file, f"{there[0]}/{name}") is not None, str(path))
        shots: dict[str, int] = {}
        first: Numbers = np.empty(0, np.uint64)
        for beam in there:
            for name in layout.needed:
                if find(file, f"{beam}/{name}") is None:
                    raise GediError(
                        "dataset_missing",
                        f"{path}: {beam} has no dataset {name}, which {layout.product} "
                        f"{layout.version} must have",
                    )
            for name in sorted(set(layout.paths.values())):
                find(
                    file, f"{beam}/{name}"
                )  # nothing of the granule is used if any leads elsewhere
            found = shot_numbers(file, beam)
            shots[beam] = len(found)
            if len(found) and not len(first):
                first = taken(file, found, np.arange(1)).astype(np.uint64)
        parts = {name: int(value[0]) for name, value in decode(first).items()} if len(first) else {}
        with reading(file, "the attributes"):
            licence, credit = _text(file, "license"), _text(file, "attribution")
            generated = bool(file.attrs.get("generated", False))
        return Granule(
            path,
            parsed(path.name),
            layout,
            shots,
            parts.get("orbit", 0),
            parts.get("sub_granule", 0) if layout.version != "V1" else 0,
            licence,
            credit,
            generated,
        )


def _text(file: Any, name: str) -> str:
    value = file.attrs.get(name, "")
    return (
        value.decode() if isinstance(value, bytes) else str(value) if isinstance(value, str) else ""
    )


def shot_numbers(file: Any, beam: str) -> Any:
    """The dataset of a beam's shot numbers.

    Raises:
        GediError: `shot_number_type`, `too_many_shots`, and as `numbers`.
    """
    found = numbers(file, f"{beam}/shot_number")
    if found is None or found.dtype.kind not in "ui":
        kind = "missing" if found is None else f"stored as {found.dtype}, which loses digits"
        raise GediError("shot_number_type", f"{file.filename}: {beam}/shot_number is {kind}")
    if found.ndim != 1 or found.shape[0] > MOST_SHOTS:
        raise GediError(
            "too_many_shots", f"{file.filename}: {beam}/shot_number has shape {found.shape}"
        )
    return found


@dataclass(slots=True)
class Piece:
    """Some shots of one beam.

    Attributes:
        beam: name.
        rows: their places in the beam, ascending.
        shots: numbers.
        lon, lat: degrees of the lowest mode; NaN where there is none.
    """

    beam: str
    rows: npt.NDArray[np.int64]
    shots: Numbers
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]

    def where(self, keep: npt.NDArray[np.bool_]) -> "Piece":
        """Some of the shots."""
        if keep.all():
            return self
        return Piece(self.beam, self.rows[keep], self.shots[keep], self.lon[keep], self.lat[keep])


def pieces(file: Any, granule: Granule, bounds: Bounds | None) -> Iterator[Piece]:
    """The shots within `bounds` (all, also those without a place, for None), beam by beam.

    Of the whole beam only positions are read; of everything else only the rows that matter.
    """
    for beam, count in granule.beams.items():
        for start in range(0, count, PIECE):
            rows = np.arange(start, min(start + PIECE, count))
            lon, lat = (_place(file, granule, beam, axis, rows, 180 / turn) for axis, turn in
                        (("lon", 1), ("lat", 2)))  # fmt: skip
            if bounds is not None:
                keep = inside(np.stack([lon, lat], axis=1), bounds)
                rows, lon, lat = rows[keep], lon[keep], lat[keep]
            if len(rows):
                shots = taken(file, shot_numbers(file, beam), rows).astype(np.uint64)
                yield Piece(beam, rows, shots, lon, lat)


def _place(
    file: Any, granule: Granule, beam: str, axis: str, rows: npt.NDArray[np.int64], most: float
) -> npt.NDArray[np.float64]:
    values, there = values_of(file, granule, beam, axis, rows)
    degrees = values.astype(np.float64)
    return np.where(there & (np.abs(degrees) <= most), degrees, np.nan)


def values_of(
    file: Any, granule: Granule, beam: str, column: str, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """(values as stored, where there is one) of a column at ascending rows of a beam.

    A column that the product or the file lacks has no value anywhere.
    """
    nothing = np.zeros(len(rows)), np.zeros(len(rows), bool)
    place = granule.layout.place(column)
    if place is None or not len(rows):
        return nothing
    dataset = numbers(file, f"{beam}/{place[0]}", granule.beams[beam])
    if dataset is None:
        return nothing
    values = taken(file, dataset, rows, place[1])
    there = np.isfinite(values) if values.dtype.kind == "f" else np.ones(len(rows), bool)
    fill = fill_of(dataset)
    return values, there if fill is None else there & (values != fill)
