"""`Parcels`: a place within each farm parcel."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalogs.geoparquet import sides
from schemas.recipes import at_least
from schemas.samples import Drop
from transforms.context import Context
from transforms.samplers.ground import asked_for

ROWS = 8192
"""Drops that are unpacked at a time."""


@dataclass(frozen=True)
class Parcels:
    """One place for each parcel of the role `parcels` and year: a point within it, and its box.

    Rows of the registers that are no parcels are drops under the reason that their reader found.

    Attributes:
        least_m2: parcels with less area are dropped, as `small_parcel`.
        overlaps: whether parcels that overlap others of their year are taken too.
    """

    least_m2: float = 0.0
    overlaps: bool = True
    role: str = field(default="parcels", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "parcel_id": "string",
            "parcel_country": "string",
            "parcel_year": "int64",
            "crop_code": "string",
            "crop_name": "string",
            "parcel_m2": "float64",
            "_bounds": "string",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse an area below nothing."""
        at_least("samplers.Parcels.least_m2", self.least_m2, 0)

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat` of a point within the parcel), a row group at a time."""
        parcels = ctx.sources["parcels"]
        lost = (row for part in parcels.drops().to_batches(ROWS) for row in part.to_pylist())
        for number, row in enumerate(lost):
            where = f"{row['file']}, row {row['row']}: {row['message']}"
            on_drop(Drop(f"parcel-{number}", "samplers.Parcels", row["code"], where))
        for batch in parcels.batches():
            asked = asked_for(batch["lon"].to_numpy(), batch["lat"].to_numpy(), ctx)
            if ctx.years is not None:
                year = batch["year"].to_numpy()
                asked &= (year == 0) | ((year >= ctx.years[0]) & (year <= ctx.years[1]))
            small = batch["area_m2"].to_numpy() < self.least_m2
            crowded = np.asarray(pc.fill_null(batch["overlaps"], False)) & (not self.overlaps)
            for code, lost in (("small_parcel", small), ("overlapping", crowded & ~small)):
                for key in batch["key"].filter(pa.array(asked & lost)).to_pylist():
                    on_drop(Drop(key, "samplers.Parcels", code))
            found = batch.filter(pa.array(asked & ~small & ~crowded))
            if len(found):
                yield _rows(found)


def _rows(found: pa.Table) -> pa.Table:
    boxes = sides(found["bbox"].combine_chunks())
    bounds = [" ".join(map(repr, row)) for row in zip(*(s.tolist() for s in boxes), strict=True)]
    years = found["year"]
    columns = {
        "key": found["key"],
        "lon": found["lon"],
        "lat": found["lat"],
        "parcel_id": found["id"],
        "parcel_country": found["country"],
        "parcel_year": pc.if_else(pc.equal(years, 0), pa.scalar(None, pa.int64()), years),
        "crop_code": found["crop_code"],
        "crop_name": found["crop_name"],
        "parcel_m2": found["area_m2"],
        "_bounds": pa.array(bounds, pa.string(), from_pandas=False),
    }
    return pa.table(columns)
