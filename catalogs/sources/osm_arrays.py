"""Positions of nodes and texts of tags, for whole blocks at a time."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from catalogs.sources.osm_table import blobs, numbers
from catalogs.sources.osm_tags import UNREADABLE, meaning, public_key
from catalogs.sources.pbf_blocks import Things
from catalogs.sources.ragged import Ints, Ragged

Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Places:
    """Positions of all nodes met so far: 16 bytes each."""

    fresh: list[tuple[Ints, npt.NDArray[np.int32], npt.NDArray[np.int32]]] = field(
        default_factory=list
    )
    ids: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    lon: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    lat: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))

    def add(self, nodes: Things) -> None:
        """Remember the nodes of one group (of a double the first)."""
        limit = np.iinfo(np.int32)  # 214 degrees: what lies beyond stays off the globe
        lon, lat = (
            np.clip(v, limit.min, limit.max).astype(np.int32) for v in (nodes.lon, nodes.lat)
        )
        self.fresh.append((nodes.id, lon, lat))

    def find(self, refs: Ints) -> tuple[npt.NDArray[np.float64], Mask]:
        """Lon/lat in degrees of nodes, shape (n, 2), and which of them are known."""
        if self.fresh:
            self._settle()
        if not len(self.ids):
            return np.zeros((len(refs), 2)), np.zeros(len(refs), bool)
        at = np.searchsorted(self.ids, refs)
        at[at == len(self.ids)] = 0
        places = np.stack([self.lon[at], self.lat[at]], axis=1) / 1e7
        return places, self.ids[at] == refs

    def lines(self, ways: Things, rows: Ints) -> tuple[npt.NDArray[Any], Mask, Mask]:
        """Lines of some ways (None where they cannot be made), which are too short, which closed."""
        refs = ways.refs.take(rows)
        counts = refs.counts()
        if len(ways.lon):
            both = (Ragged(side, ways.refs.ends).take(rows).values for side in (ways.lon, ways.lat))
            places, known = np.stack(list(both), axis=1) / 1e7, np.ones(len(refs.values), bool)
        else:
            places, known = self.find(refs.values)
        lost = np.concatenate([[0], np.cumsum(~known)])
        short = counts < 2
        whole = (np.diff(lost[refs.ends], prepend=0) == 0) & ~short
        lines = np.full(len(counts), None, object)
        owner = refs.owner()
        rank = np.cumsum(whole) - 1
        inside = whole[owner]
        lines[whole] = shapely.linestrings(places[inside], indices=rank[owner[inside]])
        closed = np.zeros(len(counts), bool)
        some = np.flatnonzero(~short)
        ends = refs.ends[some]
        closed[some] = refs.values[ends - counts[some]] == refs.values[ends - 1]
        return lines, short, closed

    def _settle(self) -> None:
        self.fresh.insert(0, (self.ids, self.lon, self.lat))
        self.ids, self.lon, self.lat = map(np.concatenate, zip(*self.fresh, strict=True))
        self.fresh = []
        if (np.diff(self.ids) <= 0).any():
            self.ids, first = np.unique(self.ids, return_index=True)
            self.lon, self.lat = self.lon[first], self.lat[first]


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


class Texts:
    """The tags of one block."""

    def __init__(self, strings: list[bytes], keys: frozenset[bytes]) -> None:
        """`keys` are those that objects are chosen by."""
        self.strings = strings
        self.asked = np.fromiter((text in keys for text in strings), bool, len(strings))

    def chosen(self, things: Things) -> Ints:
        """Rows of the objects with at least one of the keys."""
        hits = np.concatenate([[0], np.cumsum(self.asked[things.keys.values])])
        count = hits[things.keys.ends]
        return np.flatnonzero(np.diff(count, prepend=0))

    def packed(self, things: Things, rows: Ints) -> tuple[pa.Array, Ints]:
        """Tags of the objects `rows` as JSON (Arrow strings), and their joined shape bits."""
        keys, texts = things.keys.take(rows), things.texts.take(rows)
        public = self._public(keys.values)
        owner = keys.owner()[public]
        codes = keys.values[public] << 32 | texts.values[public]
        codes, which = np.unique(codes, return_inverse=True)
        known = sorted(map(self._tag, codes.tolist()))
        rank = np.empty(len(known), np.int64)
        rank[np.searchsorted(codes, [tag[2] for tag in known])] = np.arange(len(known))
        which = np.sort(owner * len(known) + rank[which]) - owner * len(known)  # row by row
        names = [tag[0] for tag in known]
        name = np.cumsum(
            [a != b for a, b in zip(names, ["", *names], strict=False)], dtype=np.int64
        )
        name = name[which]
        keep = name > 0
        keep[1:] &= (name[1:] != name[:-1]) | (owner[1:] != owner[:-1])
        ends = np.cumsum(np.bincount(owner[keep], minlength=len(rows)))
        pieces = [b"," + tag[3].encode() for tag in known]
        shapes = np.array([tag[4] for tag in known], np.int64)[which]
        return json_objects(pieces, Ragged(which[keep], ends)), joined(shapes, owner, len(rows))

    def _public(self, keys: Ints) -> Mask:
        """Which keys may leave the reader; unreadable ones count as such, to be reported."""
        numbers, which = np.unique(keys, return_inverse=True)
        names = [self.strings[number] for number in numbers.tolist()]
        allowed = [bool(public_key(name.decode("utf-8", "surrogateescape"))) for name in names]
        return np.array(allowed, bool)[which]

    def _tag(self, code: int) -> tuple[str, bytes, int, str, int]:
        """Cleaned key, raw tag (both to sort by), code, piece of JSON and shape bits of a tag."""
        key, value = self.strings[code >> 32], self.strings[code & 0xFFFFFFFF]
        try:
            name, piece, shape = meaning(key.decode(), value.decode())
        except UnicodeDecodeError:
            return "", value, code, "", UNREADABLE
        return name, value, code, piece, shape


def joined(bits: Ints, owner: Ints, rows: int) -> Ints:
    """The bits of each row joined by `|`; `owner` is the row of each, ascending."""
    counts = np.bincount(owner, minlength=rows)
    some = counts > 0
    result = np.zeros(rows, np.int64)
    if len(bits):
        result[some] = np.bitwise_or.reduceat(bits, (np.cumsum(counts) - counts)[some])
    return result


def json_objects(pieces: list[bytes], rows: Ragged) -> pa.Array:
    """Arrow strings that each join some `pieces` (`,"key":"value"`) to a JSON object."""
    closing, empty = len(pieces), len(pieces) + 1
    counts = rows.counts()
    ends = np.cumsum(counts + 1)
    index = np.empty(len(rows.values) + len(counts), np.int64)
    last = np.zeros(len(index), bool)
    last[ends - 1] = True
    index[~last] = rows.values
    index[last] = np.where(counts > 0, closing, empty)
    taken = blobs(pa.binary(), [*pieces, b"}", b"{}"]).take(numbers(pa.int64(), index))
    _, places, content = taken.buffers()
    offsets = np.frombuffer(places, np.int32)[: len(index) + 1]
    data = np.frombuffer(content, np.uint8)[: offsets[-1]].copy()
    stops = np.concatenate([[0], offsets[ends]]).astype(np.int32)
    data[stops[:-1]] = ord("{")  # in place of the first comma
    buffers = [None, pa.py_buffer(stops), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(counts), buffers)
