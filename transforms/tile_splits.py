"""Splits by whole MGRS tiles: those of a published table, others by hash."""

import csv
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from schemas.errors import UsageError
from schemas.mgrs import TILE
from schemas.recipes import at_least, within
from transforms.context import Context
from transforms.splits import ORDER, buffered, split_of

NAMES = {"validation": "val"}
"""Names of splits in published tables, and ours."""


@lru_cache(maxsize=8)
def split_table(path: str) -> dict[str, tuple[str, str]]:
    """Tile -> (split, region) of a CSV table with the columns s2_tile, split and region.

    Raises:
        UsageError: it cannot be read, lacks a column, or names a tile or split that there is not, or one
            tile twice.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--set tile_splits.table={path}: cannot be read ({error})") from error
    found: dict[str, tuple[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        tile, split = row.get("s2_tile") or "", row.get("split") or ""
        split = NAMES.get(split, split)
        if not TILE.fullmatch(tile) or split not in ORDER:
            raise UsageError(
                f"--set tile_splits.table={path}: line {number} has tile {tile!r} and split {split!r}; "
                f"expected columns s2_tile, split ({', '.join(ORDER)}) and region"
            )
        if tile in found:
            raise UsageError(f"--set tile_splits.table={path}: line {number} names {tile} again")
        found[tile] = split, row.get("region") or ""
    return found


@dataclass(frozen=True)
class ByTile:
    """Split by the MGRS tile of the anchor; drop what lies within the buffer of another split.

    Tiles of Sentinel-2 overlap by some 10 km, so that whole tiles alone do not keep splits apart.

    Attributes:
        table: CSV file with the columns s2_tile, split and region, "" for none.
        buffer_km: least distance between footprints of different splits.
        val, test: share of the tiles that the table does not name.
    """

    table: str = ""
    buffer_km: float = 1.0
    val: float = 0.15
    test: float = 0.15
    needs: tuple[str, ...] = field(default=("window", "s2_tile"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"split": "string", "cell": "string", "tile_region": "string"},
        init=False,
    )
    reads: tuple[str, ...] = field(default=("s2_tile",), init=False)

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        within("tile_splits.ByTile.val", self.val, 0, 1)
        within("tile_splits.ByTile.test", self.test, 0, 1)
        within("tile_splits.ByTile.val + test", self.val + self.test, 0, 1)
        at_least("tile_splits.ByTile.buffer_km", self.buffer_km, 0)

    def halo_m(self, part: pa.Table) -> float:
        """How far beyond a partition its decision may look, metres."""
        return self.buffer_km * 1000

    def columns(self, part: pa.Table, ctx: Context) -> dict[str, list[str]]:
        """`cell` (the tile), `split` and `tile_region` (of the table, "" for others) of every row."""
        names = part["s2_tile"].to_pylist()
        known = split_table(self.table) if self.table else {}
        found = {
            name: known.get(name, (split_of(name, ctx.seed, self.val, self.test), ""))
            for name in set(names)
        }
        return {
            "cell": names,
            "split": [found[name][0] for name in names],
            "tile_region": [found[name][1] for name in names],
        }

    def settle(self, part: pa.Table, near: pa.Table, ctx: Context) -> dict[int, tuple[str, str]]:
        """Rows of `part` to drop -> (`buffer`, message), given the rows around it."""
        if not len(part):
            return {}
        both = pa.concat_tables([part.select(near.column_names), near])
        splits = np.asarray(self.columns(both, ctx)["split"])
        return buffered(both, splits, len(part), self.buffer_km)
