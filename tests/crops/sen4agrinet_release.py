"""A release of the recipe `sen4agrinet`, and how its tables and samples are read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from catalogs.world import World
from tests import shards


@dataclass(frozen=True)
class Built:
    """A release and the world that it shows."""

    release: Path
    world: World

    def table(self, name: str) -> Any:
        """A table below `metadata/`."""
        return pq.read_table(self.release / "metadata" / name)

    def report(self, name: str) -> Any:
        """A JSON file below `metadata/`."""
        return json.loads((self.release / "metadata" / name).read_text(encoding="utf-8"))

    def samples(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """(key, members by extension) of every sample, in the order of the tar files."""
        return shards.samples(self.release)
