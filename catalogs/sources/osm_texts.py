"""Tags of whole blocks: which objects are asked for, and their tags as JSON."""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.arrow import blobs, numbers, values
from catalogs.sources.osm_tags import ASKED, UNREADABLE, meaning, public_key, says_shape
from catalogs.sources.pbf_blocks import Things
from catalogs.sources.ragged import Ints, Ragged

Mask = npt.NDArray[np.bool_]

_PLAIN = re.compile(rb"[!#-*,-?A-\[\]-~]+(?: [!#-*,-?A-\[\]-~]+)*")
"""A value that needs neither cleaning nor escaping, and that reaches nobody."""


class Key(NamedTuple):
    """A key of tags.

    Attributes:
        name: cleaned; "" where it must not leave the reader.
        start: the JSON of a tag with it up to its value, with the quote, after a comma.
        plain: whether its values say nothing of a way's shape.
        readable: whether it is UTF-8; such keys must be reported.
    """

    name: str
    start: bytes
    plain: bool
    readable: bool = True


@lru_cache(maxsize=1 << 14)
def key_of(raw: bytes) -> Key:
    """What is known of a key as it stands in a file."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Key("", b"", False, False)
    name = public_key(text)
    start = meaning(text, "x")[1][:-2].encode() if name else b""
    return Key(name, b"," + start, not says_shape(text))


@lru_cache(maxsize=1 << 15)
def tag_of(raw: bytes, value: bytes) -> tuple[bytes, int]:
    """JSON of a tag after a comma (b"" when it must not leave) and its bits."""
    key = key_of(raw)
    try:
        _, piece, shape = meaning(raw.decode(), value.decode())
    except UnicodeDecodeError:
        return (key.start + b'"' if key.start else b""), UNREADABLE
    return (b"," + piece.encode() if piece else b""), shape


class Texts:
    """The tags of one block."""

    def __init__(self, strings: list[bytes], keys: frozenset[str] | None) -> None:
        """`keys` are those that objects are chosen by, cleaned; None for any."""
        self.strings, self.keys = strings, keys
        self.known = np.zeros(len(strings), bool)
        self.asked = np.zeros(len(strings), bool)
        self.shown = np.zeros(len(strings), bool)
        self.rank = np.zeros(len(strings), np.int64)

    def chosen(self, things: Things) -> Ints:
        """Rows of the objects that may have one of the keys; what `packed` says is final."""
        self._learn(things.keys.values)
        hits = np.concatenate([[0], np.cumsum(self.asked[things.keys.values])])
        return np.flatnonzero(np.diff(hits[things.keys.ends], prepend=0))

    def packed(self, things: Things, rows: Ints) -> tuple[pa.Array, Ints]:
        """Tags of the objects `rows` as JSON (Arrow strings), and their joined bits."""
        keys, texts = things.keys.take(rows), things.texts.take(rows)
        shown = self.shown[keys.values]
        owner, key = keys.owner()[shown], keys.values[shown]
        pairs = numbers(pa.int64(), key << 32 | texts.values[shown]).dictionary_encode()
        codes = values(pairs.dictionary, np.int64)
        which = values(pairs.indices, np.int32).astype(np.int64)
        pieces, bits = self._pieces(codes)
        silent = np.array([not piece for piece in pieces], bool)
        unread = (bits & UNREADABLE) != 0
        bits[(~silent | unread) & self.asked[codes >> 32]] |= ASKED
        shapes = joined(bits[which], owner, len(rows))
        place = owner * (len(self.strings) + 1) + self.rank[key]
        order = _order(place)
        if order is None:  # keys that are one after cleaning: the first in order stays
            raw = [(self.strings[c >> 32], self.strings[c & 0xFFFFFFFF]) for c in codes.tolist()]
            ranks = np.empty(len(codes), np.int64)
            ranks[sorted(range(len(codes)), key=raw.__getitem__)] = np.arange(len(codes))
            order = np.lexsort((ranks[which], place))
        which, owner, place = which[order], owner[order], place[order]
        keep = ~silent[which]
        which, owner, place = which[keep], owner[keep], place[keep]
        first = np.ones(len(place), bool)
        first[1:] = place[1:] != place[:-1]
        ends = np.cumsum(np.bincount(owner[first], minlength=len(rows)))
        return json_objects(pieces, Ragged(which[first], ends)), shapes

    def _learn(self, keys: Ints) -> None:
        """Look up the keys that were not met before."""
        used = np.zeros(len(self.strings), bool)
        used[keys] = True
        if not (used & ~self.known).any():
            return
        self.known |= used
        index = np.flatnonzero(self.known).tolist()
        found = [key_of(self.strings[one]) for one in index]
        self.shown[index] = [bool(key.name) or not key.readable for key in found]
        if self.keys is None:
            self.asked[index] = self.shown[index]
        else:
            self.asked[index] = [key.name in self.keys for key in found]
        names = sorted({key.name for key in found})
        places = {name: rank for rank, name in enumerate(names)}
        self.rank[index] = [places[key.name] for key in found]

    def _pieces(self, codes: Ints) -> tuple[list[bytes], Ints]:
        """JSON and bits of each tag; `codes` are its numbers of key and value."""
        strings, plain = self.strings, _PLAIN.fullmatch
        pieces: list[bytes] = []
        bits = np.zeros(len(codes), np.int64)
        keys = (codes >> 32).tolist()
        known = {one: key_of(strings[one]) for one in set(keys)}
        for index, (one, other) in enumerate(zip(keys, (codes & 0xFFFFFFFF).tolist(), strict=True)):
            key, value = known[one], strings[other]
            if key.plain and len(value) < 256 and plain(value):
                pieces.append(key.start + value + b'"')
            else:
                piece, bits[index] = tag_of(strings[one], value)
                pieces.append(piece)
        return pieces, bits


def _order(place: Ints) -> Ints | None:
    """The order of `place`; None where two are the same."""
    order = np.argsort(place, kind="stable")
    ordered = place[order]
    return None if (ordered[1:] == ordered[:-1]).any() else order


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
