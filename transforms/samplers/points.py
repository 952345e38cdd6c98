"""`Points`: the places of a file, under their own ids."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.samples import Drop
from schemas.tables import TYPES
from transforms.context import Context
from transforms.samplers.ground import asked_for
from transforms.samplers.seen import Seen

LONGEST = 48
"""Characters of an id in a key; a longer one is cut, and told apart by a hash."""


@dataclass(frozen=True)
class Points:
    """One place for each row of the role `points` (or `cities`), under its own id.

    A row without a place on Earth is dropped, by file and row; a later row of an id as `duplicate`: of
    rows of one id, which are a fault of the file, the first counts.

    Attributes:
        ident, lon, lat: names of the columns; "": the usual ones (`id`, `lon`, `longitude`, ...).
        columns: further columns that become facts, as `name:type` (`string`, `int64`, `float64`, `bool`).
        source: the role.
    """

    ident: str = ""
    lon: str = ""
    lat: str = ""
    columns: tuple[str, ...] = ()
    source: str = "points"
    needs: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        """Refuse roles and types that there are not."""
        if self.source not in ("points", "cities"):
            raise ValueError(f"samplers.Points.source={self.source!r}: points or cities")
        for text in self.columns:
            name, _, kind = text.partition(":")
            if not name or kind not in ("string", "int64", "float64", "bool"):
                raise ValueError(
                    f"samplers.Points.columns={text!r}: say name:type, e.g. cover:float64"
                )

    @property
    def role(self) -> str:
        """The role that places come from."""
        return self.source

    @property
    def gives(self) -> dict[str, str]:
        """The id as the file has it, and the columns."""
        return {"point_id": "string", **dict(text.split(":") for text in self.columns)}

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat`, facts), a batch of the file at a time."""
        points = replace(ctx.sources[self.role], names=(self.ident, self.lon, self.lat))

        def bad(number: int, code: str, message: str) -> None:
            on_drop(Drop(f"row-{number}", "samplers.Points", code, message))

        names, seen = tuple(text.split(":")[0] for text in self.columns), Seen()
        for batch in points.batches(bad, names):
            lon, lat = batch["lon"].to_numpy(), batch["lat"].to_numpy()
            keys = keys_of(batch["id"].to_pylist())
            asked, again = asked_for(lon, lat, ctx), seen.again(keys.to_pylist())
            for key in keys.filter(pa.array(asked & again)).to_pylist():
                said = f"{points.path.name}: an earlier row has this id"
                on_drop(Drop(key, "samplers.Points", "duplicate", said))
            kept = pa.array(asked & ~again)
            found = batch.filter(kept)
            if not len(found):
                continue
            columns: dict[str, Any] = {
                "key": keys.filter(kept),
                "lon": found["lon"],
                "lat": found["lat"],
                "point_id": found["id"],
            }
            for name, kind in list(self.gives.items())[1:]:
                columns[name] = typed(found[name], kind)
            yield pa.table(columns)


def keys_of(ids: list[Any]) -> pa.Array:
    """Keys of samples from ids as people write them: what had to be changed is told apart by a hash."""
    return pa.array([key_of(str(text)) for text in ids], pa.string(), from_pandas=False)


def key_of(text: str) -> str:
    """`Plot 7/B` as `plot-7-b-9d1c02`; an id of lower-case letters, digits, "_" and "-" as it is."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-")
    if plain == text and 0 < len(text) <= LONGEST:
        return text
    sign = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{plain[:LONGEST]}-{sign}" if plain else f"p-{sign}"


def typed(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    """A column in a fact's type; what cannot be read as a number is null."""
    from catalogs.sources.points import numbers_of

    if kind in ("float64", "int64"):
        numbers = numbers_of(column)
        whole = np.isfinite(numbers) & ((kind == "float64") | (numbers == np.floor(numbers)))
        values = np.where(whole, numbers, 0).astype(kind)
        return pa.chunked_array([pa.array(values, TYPES[kind], mask=~whole)])
    return column.cast(TYPES[kind])
