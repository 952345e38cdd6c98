"""The objects of one block that are asked for, on their way to rows or drops."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.arrow import numbers
from catalogs.sources.osm_drops import Lost, OsmDrop, gathered, table
from catalogs.sources.osm_shapes import Floats, Mask
from catalogs.sources.osm_table import AREA, Rows, batch, record
from catalogs.sources.osm_tags import ASKED, UNREADABLE
from catalogs.sources.osm_texts import Texts
from catalogs.sources.pbf_blocks import Things
from catalogs.sources.ragged import Ints

Reason = tuple[Mask, str, str | Sequence[str]]
"""Which objects are broken, the code of their drops, and the message: one, or one for each object."""


@dataclass(slots=True)
class Seen:
    """Ids met before; they need a look-up only from where they no longer ascend."""

    parts: list[Ints] = field(default_factory=list)
    last: int = np.iinfo(np.int64).min
    known: set[int] | None = None

    def doubles(self, ids: Ints) -> Mask:
        """Which of `ids` were met before, here or in an earlier call."""
        if self.known is None and len(ids):
            if ids[0] > self.last and (np.diff(ids) > 0).all():
                self.last = int(ids[-1])
                self.parts.append(ids)
                return np.zeros(len(ids), bool)
            self.known = set(np.concatenate([*self.parts, ids[:0]]).tolist())
            self.parts = []
        known = self.known if self.known is not None else set()
        result = np.zeros(len(ids), bool)
        for index, ident in enumerate(ids.tolist()):
            result[index] = ident in known
            known.add(ident)
        return result


@dataclass(frozen=True, slots=True)
class Picked:
    """Some objects of one kind, with their tags as JSON and what these say (`osm_tags`)."""

    kind: int
    id: Ints
    version: Ints
    time: Ints
    tags: pa.Array
    bits: Ints

    def take(self, index: Ints) -> "Picked":
        """Some of them."""
        if len(index) == len(self.id):
            return self
        tags = self.tags.take(numbers(pa.int64(), index))
        numbered = (self.id[index], self.version[index], self.time[index])
        return Picked(self.kind, *numbered, tags, self.bits[index])

    def sound(self, lost: Lost, reasons: Sequence[Reason], places: Floats | None = None) -> Ints:
        """Which of them are left when the broken ones are reported, each for its first reason.

        Args:
            places: where they lie, (n, 2) in degrees.
        """
        left = np.ones(len(self.id), bool)
        for mask, code, message in reasons:
            index = np.flatnonzero(mask & left)
            if len(index):
                broken = self.take(index)
                texts = (
                    [message] if isinstance(message, str) else [message[i] for i in index.tolist()]
                )
                where = None if places is None else places[index]
                lost(table(self.kind, broken.id, code, texts, where, broken.tags))
                left[index] = False
        return np.flatnonzero(left)

    def rows(self, kind: int, wkb: pa.Array, bounds: Floats) -> pa.RecordBatch:
        """Them as rows; `kind` is POINT, LINE or AREA."""
        types, kinds = (np.full(len(self.id), code, np.int8) for code in (self.kind, kind))
        return record(types, self.id, self.version, self.time, kinds, self.tags, wkb, bounds)

    def checked(self, areas: npt.NDArray[Any], lost: Lost) -> pa.RecordBatch:
        """Them as rows with areas (shapely, lon/lat) that are yet to be checked."""
        types, shapes = (np.full(len(self.id), code, np.int8) for code in (self.kind, AREA))
        rows = Rows(types, self.id, self.version, self.time, shapes, self.tags, areas)
        broken: list[OsmDrop] = []
        made = batch(rows, None, broken.append)
        if broken:
            lost(gathered(broken))
        return made


def pick(kind: int, things: Things, texts: Texts, seen: Seen, lost: Lost) -> tuple[Picked, Ints]:
    """The objects asked for, without doubles and unreadable ones, and their rows in `things`."""
    rows = texts.chosen(things)
    tags, bits = texts.packed(things, rows)
    found = Picked(kind, things.id[rows], things.version[rows], things.time[rows], tags, bits)
    asked = np.flatnonzero(bits & ASKED)
    rows, found = rows[asked], found.take(asked)
    twice = "the object is in the file more than once; the first was kept"
    reasons: list[Reason] = [
        (seen.doubles(found.id), "duplicate", twice),
        ((found.bits & UNREADABLE) != 0, "text_invalid", "its tags are not UTF-8"),
    ]
    good = found.sound(lost, reasons)
    return found.take(good), rows[good]
