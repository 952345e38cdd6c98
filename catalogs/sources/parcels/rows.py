"""A batch of a register's rows in the columns of all registers."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from catalogs.sources.parcels import cells
from catalogs.sources.parcels.columns import COLUMNS
from catalogs.sources.parcels.files import Table
from catalogs.sources.parcels.profiles import UNITS
from catalogs.sources.parcels.settings import Settled
from catalogs.sources.parcels.shapes import Outlines, area_of_use, outlines
from schemas.errors import SourceError
from schemas.windows import Bounds

DIFFERENCE = 0.05
"""Share by which a declared area may differ from that of its outline before it is counted."""

COUNTRY = re.compile(r"(?:[A-Za-z]{2}(?:-.*)?)?")
"""Code of a country or of one of its parts (ISO 3166), or none."""

ENOUGH = 20
"""Outlines beside the CRS's area from which a file may be refused for them."""

_MICRODEGREE = 1e7  # a tenth of one: outlines that agree to a centimetre are one


@dataclass
class Rows:
    """Reads the batches of one table.

    Attributes:
        unit: square metres of one unit of the declared areas, 0 until the first batch tells.
        counts: how many rows had what.
        drops: (row, id, code, message) of the rows lost, of the batch read last.
    """

    table: Table
    settled: Settled
    unit: float = 0.0
    at: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    drops: list[tuple[int, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def read(self, batch: pa.RecordBatch) -> tuple[pa.Table, npt.NDArray[np.int64]]:
        """The batch as `COLUMNS`, without what is dropped, and the file's row of each.

        Raises:
            EncodingError: a crop's name has lost letters.
        """
        size, crs = len(batch), self.table.crs or self.settled.profile.crs
        wkb = np.array(batch.column(self.table.geometry).to_pylist(), object)
        found = outlines(wkb, crs, self.settled.profile.place or area_of_use(crs))
        ids = self._texts(batch, (self.settled.profile.id,))
        self.drops = [
            (self.at + row, ids[row], code, message)
            for row, (code, message) in sorted(found.reasons.items())
        ]
        self.counts.update(read=size, outside=int(found.outside.sum()))
        self.counts.update(repaired=int(found.repaired.sum()))
        self.counts.update(code for _, _, code, _ in self.drops)
        kept = np.flatnonzero(~shapely.is_missing(found.shapes))
        at = kept + self.at
        self.at += size
        rows = self._columns(batch, found, ids).take(pa.array(kept))
        self.counts["no_year"] += int((rows["year"].to_numpy() == 0).sum())
        return rows, at

    def finish(self) -> None:
        """To be called after the last batch.

        Raises:
            SourceError: most outlines lie where the declared CRS is not used.
        """
        outside, read = self.counts["outside"], self.counts["read"]
        if outside > read / 2 and outside >= min(ENOUGH, read):
            crs = self.table.crs or self.settled.profile.crs
            where = _said(self.settled.profile.place or area_of_use(crs))
            raise SourceError(
                f"{self.table.source}: {outside:,} of {read:,} outlines lie outside of {where}, where "
                f"they should: the declared CRS {crs[:60]} is wrong, or its axes are swapped"
            )
        if undated := self.counts["no_year"]:
            self.notes.append(
                f"{self.table.source.name}: {undated:,} of {read:,} rows have no year of harvest: no "
                "question by year finds them"
            )

    def _columns(self, batch: pa.RecordBatch, found: Outlines, ids: list[str]) -> pa.Table:
        profile, size = self.settled.profile, len(batch)
        codes = self._texts(batch, profile.code)
        names = self._texts(batch, profile.name, profile.idle)
        self.counts.update(no_crop=sum(not c and not n for c, n in zip(codes, names, strict=True)))
        determined, year = self._when(batch)
        country = self._countries(batch)
        lists = [profile.code_list or each for each in country]
        declared = self._declared(batch, found.area)
        prints = _prints(found.shapes)
        crops = [f"{code}\0{name}" for code, name in zip(codes, names, strict=True)]
        key = [
            _key(
                (profile.collection, self.settled.part), country[i], year[i], ids[i],
                prints[i] + crops[i].encode(),
            )
            for i in range(size)
        ]  # fmt: skip
        points = shapely.point_on_surface(found.shapes)
        box = shapely.bounds(found.shapes)
        columns = {
            "key": key, "id": ids, "collection": [profile.collection] * size,
            "country": country, "year": year, "code_list": lists,
            "crop_code": codes, "crop_name": names, "area_m2": found.area,
            "declared_m2": pa.array(declared, from_pandas=True), "perimeter_m": found.perimeter,
            "determined": determined, "overlaps": np.zeros(size, bool),
            "lon": shapely.get_x(points), "lat": shapely.get_y(points),
            "geometry": pa.array(shapely.to_wkb(found.shapes), pa.binary()),
            "bbox": pa.StructArray.from_arrays(
                [pa.array(side) for side in box.T], fields=list(COLUMNS.field("bbox").type)
            ),
        }  # fmt: skip
        return pa.table([pa.array(columns[f.name]).cast(f.type) for f in COLUMNS], schema=COLUMNS)

    def _texts(
        self, batch: pa.RecordBatch, names: tuple[str, ...], idle: tuple[str, ...] = ()
    ) -> list[str]:
        """By row, the first value of these columns that is not empty, nor idle if another is not."""
        chosen, spare = [""] * len(batch), [""] * len(batch)
        for name in names:
            if name not in self.settled.columns:
                continue
            for row, value in enumerate(self._column(batch, self.settled.columns[name])):
                if not value or chosen[row]:
                    continue
                if value in idle:
                    spare[row] = spare[row] or value
                else:
                    chosen[row] = value
        return [value or other for value, other in zip(chosen, spare, strict=True)]

    def _column(self, batch: pa.RecordBatch, name: str) -> list[str]:
        found, mended = cells.texts(batch.column(name), self._where(name))
        self.counts["texts_mended"] += mended
        return found

    def _where(self, name: str) -> str:
        return f"{self.table.source}, column {name}"

    def _countries(self, batch: pa.RecordBatch) -> list[str]:
        name = self.settled.profile.country
        if name not in self.settled.columns:
            return [name] * len(batch)
        found = self._texts(batch, (name,))
        wrong = next((word for word in sorted(set(found)) if not COUNTRY.fullmatch(word)), None)
        if wrong is not None:
            raise SourceError(
                f"{self._where(self.settled.columns[name])}: {wrong!r} is no country's code of two "
                "letters (ISO 3166-1)"
            )
        return [word[:2].upper() for word in found]

    def _when(self, batch: pa.RecordBatch) -> tuple[pa.Array, list[int]]:
        """Date of determination and year of harvest, by row."""
        profile, size = self.settled.profile, len(batch)
        kind = COLUMNS.field("determined").type
        determined = pa.nulls(size, kind)
        if profile.date in self.settled.columns:
            name = self.settled.columns[profile.date]
            determined = cells.dates(batch.column(name), self._where(name))
        year = [0] * size
        if profile.year.isdigit():
            year = [int(profile.year)] * size
        elif profile.year in self.settled.columns:
            texts = self._column(batch, self.settled.columns[profile.year])
            year = [int(text[:4]) if re.match(r"\d{4}", text) else 0 for text in texts]
        dated = pc.year(determined).to_pylist()
        year = [y or d or self.settled.year for y, d in zip(year, dated, strict=True)]
        if profile.day and profile.date not in self.settled.columns:
            days = [f"{y}-{profile.day}T00:00:00" if y else None for y in year]
            determined = pc.assume_timezone(pa.array(days).cast(pa.timestamp("us")), "UTC")
        return determined, year

    def _declared(
        self, batch: pa.RecordBatch, area: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Declared square metres, NaN where there are none."""
        column = self.settled.first(self.settled.profile.area)
        if not column:
            return np.full(len(batch), np.nan)
        values = cells.numbers(batch.column(column), self._where(column))
        values = np.where(values > 0, values, np.nan)
        if not self.unit:
            self.unit = self._unit(values, area)
        declared = values * (self.unit or 1.0)
        with np.errstate(invalid="ignore"):
            apart = np.abs(declared - area) > DIFFERENCE * area
        self.counts["area_differs"] += int(apart.sum())
        return declared

    def _unit(self, values: npt.NDArray[np.float64], area: npt.NDArray[np.float64]) -> float:
        """Square metres of the unit that the declared areas are in; 0 while no row tells.

        fiboa wrote hectares up to 0.2 and writes square metres since, and files say the one and hold
        the other, so that the outlines decide where they are clear.
        """
        known = ~np.isnan(values) & ~np.isnan(area)
        if not known.any():
            return 0.0
        said = self.settled.profile.unit
        ratio = float(np.median(area[known] / values[known]))
        seen = next((n for n, metres in UNITS.items() if abs(ratio / metres - 1) < 0.25), said)
        if seen != said:
            self.notes.append(
                f"{self.table.source.name}: declared areas are in {seen}, not in {said} as usual"
            )
        return UNITS[seen]


def _said(place: Bounds | None) -> str:
    if place is None:
        return "the globe"
    west, south, east, north = place
    return f"{west:.4g}..{east:.4g} E, {south:.4g}..{north:.4g} N"


def _key(register: tuple[str, str], country: str, year: int, ident: str, print_: bytes) -> str:
    """A name of the parcel that stays: of its register, year and id; of its outline and crop without.

    Args:
        register: its collection, and the part of it that numbers parcels for itself.
    """
    what = ident.encode() if ident else b"\0" + print_
    home = "\0".join(name for name in register if name)
    hashed = hashlib.sha256(f"{home}\0{year}\0".encode() + what).hexdigest()[:16]
    return f"{country.lower() or 'xx'}-{year}-{hashed}"


def _prints(shapes: npt.NDArray[Any]) -> list[bytes]:
    """The corners of each normalised outline to a centimetre, as bytes."""
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    whole = np.round(points * _MICRODEGREE).astype(np.int64)
    ends = np.searchsorted(owner, np.arange(len(shapes) + 1))
    return [whole[a:b].tobytes() for a, b in pairwise(ends)]


def geometry_prints(table: pa.Table) -> tuple[list[bytes], list[bytes]]:
    """Of each row, its outline; and its year and crop: rows that agree in both are one parcel."""
    shapes = shapely.from_wkb(np.array(table["geometry"].to_pylist(), object))
    facts = zip(*(table[n].to_pylist() for n in ("year", "crop_code", "crop_name")), strict=True)
    crops = [f"{year}\0{code}\0{name}\0".encode() for year, code, name in facts]
    return _prints(shapes), crops
