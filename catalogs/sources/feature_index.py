"""The objects of a map, found by place: those of a file, held in memory.

For maps that are no extract (GeoPackage and the like), with the question that a feature table on disk
answers too.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import pyarrow as pa

from catalogs.sources.osm import COLUMNS, open_osm
from catalogs.sources.osm_tags import AREAS_ONLY, LINES_BUT
from schemas.tag_meanings import table
from schemas.visible import load
from schemas.windows import Bounds


def asked() -> frozenset[str]:
    """Keys of which one makes an object one of interest: what is seen, what has a noun, what bounds."""
    named = {key for key, _ in table().nouns}
    return frozenset({*load().keys(), *LINES_BUT, *AREAS_ONLY, *named, "admin_level"})


@dataclass(frozen=True)
class FeatureIndex:
    """Objects with the columns of `catalogs.sources.osm_table.COLUMNS`, sorted by type and id."""

    table: pa.Table

    @classmethod
    def of(cls, path: Path) -> "FeatureIndex":
        """The objects of an extract or a table of features.

        Raises:
            SourceError, UsageError: as `open_osm`.
        """
        import pyarrow.compute as pc

        batches = list(open_osm(path).features(asked(), None, lambda drop: None))
        found = pa.Table.from_batches(batches, COLUMNS).combine_chunks()
        by = [("osm_type", "ascending"), ("osm_id", "ascending")]
        return cls(found.take(pc.sort_indices(found, by)))

    def within(self, bounds: Bounds, keys: Collection[str] | None = None) -> pa.Table:
        """Objects whose own box meets a lon/lat box (west > east across the antimeridian).

        Args:
            keys: of which an object must have one; None: any.
        """
        import pyarrow.compute as pc

        found = meeting(self.table, bounds)
        if keys is None:
            return found
        hits = [pc.match_substring(found["tags"], f'"{key}":') for key in sorted(keys)]
        return found.filter(reduce(pc.or_, hits))


def meeting(rows: pa.Table, bounds: Bounds) -> pa.Table:
    """Rows whose own box meets a lon/lat box (west > east across the antimeridian)."""
    west, south, east, north = bounds
    w, s, e, n = (rows[side].to_numpy() for side in ("west", "south", "east", "north"))
    across = (w <= east) & (e >= west) if west <= east else (w <= east) | (e >= west)
    return rows.filter(pa.array(across & (s <= north) & (n >= south)))
