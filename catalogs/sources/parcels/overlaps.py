"""Which parcels lie partly on others of their year."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from catalogs.sources.parcels.columns import COLUMNS
from catalogs.sources.parcels.reader import Parcels, boxes

SHARED = 0.01
"""Share of a parcel that another must cover to be counted: neighbours share borders, not areas."""


def overlapping(stage: Parcels, counts: Counter[str]) -> Iterator[pa.Table]:
    """The parcels of a table, told which of them lie partly on another of their year."""
    place = COLUMNS.get_field_index("overlaps")
    for group in stage.batches():
        flags = np.zeros(len(group), bool)
        years = group["year"].to_numpy()
        for year in np.unique(years).tolist():
            mine = np.flatnonzero(years == year)
            part = group.take(pa.array(mine))
            flags[mine] = covered(part, stage.beside(boxes(part), year))
        counts["overlaps"] += int(flags.sum())
        yield group.set_column(place, COLUMNS.field(place), pa.array(flags))


def covered(some: pa.Table, others: pa.Table) -> npt.NDArray[np.bool_]:
    """Which of some parcels have more than `SHARED` of their area in one of the others."""
    shapes, around = _shapes(some), _shapes(others)
    mine, theirs = shapely.STRtree(around).query(shapes, predicate="intersects")
    keys, names = (np.array(t["key"].to_pylist(), object) for t in (some, others))
    apart = keys[mine] != names[theirs]
    mine, theirs = mine[apart], theirs[apart]
    meets = ~shapely.touches(shapes[mine], around[theirs])
    mine, theirs = mine[meets], theirs[meets]
    both = shapely.area(shapely.intersection(shapes[mine], around[theirs]))
    found = np.zeros(len(shapes), bool)
    found[mine[both > SHARED * shapely.area(shapes[mine])]] = True
    return found


def _shapes(table: pa.Table) -> npt.NDArray[Any]:
    shapes: npt.NDArray[Any] = shapely.from_wkb(np.array(table["geometry"].to_pylist(), object))
    return shapes
