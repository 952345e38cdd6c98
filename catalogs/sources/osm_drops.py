"""Objects that were asked for and cannot be rows: one by one for readers, as tables on the way."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.arrow import blobs, numbers, words

TYPES = ("node", "way", "relation")

DROPS = pa.schema(
    [
        ("osm_type", pa.string()),
        ("osm_id", pa.int64()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("tags", pa.string()),
    ]
)
"""A table of drops: the attributes of `OsmDrop`."""


@dataclass(frozen=True, slots=True)
class OsmDrop:
    """An object that was asked for and cannot be a row.

    Attributes:
        code: `geometry_invalid`, `geometry_unclosed`, `members_missing`, `zero_area`, `duplicate`,
            `not_spatial` (a relation that is no area), `text_invalid` (tags are not UTF-8) or
            `id_missing` (a table's row without an id; `osm_id` is 0).
        lon, lat: degrees, None when no position is known.
        tags: as in `COLUMNS`; "{}" where the object's tags are not known.
    """

    osm_type: str
    osm_id: int
    code: str
    message: str
    lon: float | None = None
    lat: float | None = None
    tags: str = "{}"


OnDrop = Callable[[OsmDrop], None]

Lost = Callable[[pa.Table], None]
"""Takes a table of drops."""


def gathered(drops: Sequence[OsmDrop]) -> pa.Table:
    """Some drops as a table."""
    parts = [
        table(TYPES.index(one.osm_type), np.array([one.osm_id]), one.code, [one.message],
              None if one.lon is None else np.array([[one.lon, one.lat]]),
              blobs(pa.string(), [one.tags.encode()]))
        for one in drops
    ]  # fmt: skip
    return pa.concat_tables(parts) if parts else DROPS.empty_table()


def each(drops: pa.Table) -> Iterator[OsmDrop]:
    """The rows of a table of drops."""
    for row in drops.to_pylist():
        yield OsmDrop(**row)


def table(
    kind: int,
    ids: npt.NDArray[np.int64],
    code: str,
    messages: Sequence[str],
    places: npt.NDArray[np.float64] | None,
    tags: pa.Array,
) -> pa.Table:
    """Drops of one kind with one code, as `DROPS`.

    Args:
        messages: one for all, or one for each.
        places: lon/lat (n, 2) in degrees; NaN where no position is known, None where none is.
    """
    size = len(ids)
    where = np.full((size, 2), np.nan) if places is None else np.round(places, 7)
    known = ~np.isnan(where).any(axis=1)
    texts = blobs(pa.string(), [message.encode() for message in messages])
    if len(texts) != size:
        texts = texts.take(numbers(pa.int64(), np.zeros(size, np.int64)))
    columns: list[Any] = [
        words(TYPES, np.full(size, kind, np.int8)),
        numbers(pa.int64(), ids),
        words((code,), np.zeros(size, np.int8)),
        texts,
        *(numbers(pa.float64(), np.where(known, where[:, axis], 0), known) for axis in (0, 1)),
        tags,
    ]
    return pa.Table.from_arrays(columns, schema=DROPS)
