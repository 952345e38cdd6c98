"""The front door of OSM sources: an extract, or a feature table made from one."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from catalogs.sources import features as tables
from catalogs.sources.osm_drops import OnDrop, OsmDrop
from catalogs.sources.osm_files import KINDS, Expect, Extract, inspect
from catalogs.sources.osm_reader import features
from catalogs.sources.osm_table import COLUMNS
from schemas.errors import SourceError, UsageError
from schemas.windows import Bounds

ACCEPTED = f"{KINDS}, or a table of features ({', '.join(tables.DRIVERS)})"
"""What an OSM source may be, for people."""

__all__ = [
    "COLUMNS",
    "Expect",
    "Extract",
    "OsmDrop",
    "OsmSource",
    "features",
    "inspect",
    "open_osm",
]


@dataclass(frozen=True, slots=True)
class OsmSource:
    """OSM objects from a file that has been checked.

    Attributes:
        extract: what the file is; its `note` says what could not be verified.
    """

    extract: Extract

    def features(
        self,
        keys: Collection[str] | None,
        bbox: Bounds | None,
        on_drop: OnDrop,
        batch_rows: int = 20_000,
    ) -> Iterator[pa.RecordBatch]:
        """Batches of `COLUMNS`, one row for every object with at least one of `keys`.

        Args:
            keys: None for every object with a tag that may leave the reader.
            bbox: (west, south, east, north); rows whose own bounding box is centred in it are kept.
            on_drop: called with every object that was asked for and cannot be a row.

        Raises:
            SourceError: the file is damaged.
        """
        read = tables.features if self.extract.format in tables.DRIVERS else features
        return read(self.extract.path, keys, bbox, batch_rows, on_drop=on_drop)


def open_osm(path: Path, expect: Expect | None = None) -> OsmSource:
    """The OSM source at `path`, checked; the kind is found by content.

    Raises:
        SourceError: missing, empty, cut, not what was expected, or of no supported kind.
        UsageError: it is a folder.
    """
    if path.is_dir():
        raise UsageError(f"--osm {path}: is a folder; name one file in it ({ACCEPTED})")
    driver = tables.driver_of(path)
    if driver:
        return OsmSource(tables.inspect(path, expect))
    try:
        return OsmSource(inspect(path, expect))
    except SourceError as error:
        if "is no OSM extract" in str(error):
            raise SourceError(f"{path} is of no supported kind: expected {ACCEPTED}") from error
        raise
