"""Splits: whole grid cells go to one split, and a buffer between splits stays empty."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.chance import unit
from schemas.grids import cells, name
from schemas.recipes import at_least, within
from transforms.context import Context
from transforms.neighbours import within_buffer
from transforms.windows import centres

ORDER = ("test", "val", "train")
"""Who keeps its samples where two splits come too close: test never loses, train loses first."""


def split_of(cell: str, seed: int, val: float, test: float) -> str:
    """The split of a grid cell: a hash of its name and the seed, so it never changes in a refresh."""
    share = unit(seed, "split", cell)
    return "test" if share < test else "val" if share < test + val else "train"


def cell_names(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], km: float) -> list[str]:
    """Names of the Major TOM cells that hold the anchors."""
    rows, columns = cells(lon, lat, km)
    return [name(int(r), int(c)) for r, c in zip(rows, columns, strict=True)]


def buffered(
    rows: pa.Table, splits: npt.NDArray[np.str_], own: int, buffer_km: float
) -> dict[int, tuple[str, str]]:
    """Which of the first `own` rows to drop -> (`buffer`, message): too near to a better split.

    Args:
        rows: those of a partition, then those around it, with windows' centres and radii.
        splits: of every row.
    """
    xyz, radius = centres(rows), rows["radius_m"].to_numpy()
    lost: dict[int, tuple[str, str]] = {}
    for i, lesser in enumerate(ORDER[1:], start=1):
        lower = np.flatnonzero(splits[:own] == lesser)
        upper = np.flatnonzero(np.isin(splits, ORDER[:i]))
        message = f"a sample of {' or '.join(ORDER[:i])} lies within {buffer_km:g} km"
        for row in within_buffer(xyz, radius, lower, upper, buffer_km * 1000):
            lost[int(row)] = ("buffer", message)
    return lost


@dataclass(frozen=True)
class ByCell:
    """Split by the grid cell of the anchor; drop what lies within the buffer of another split.

    Attributes:
        km: side of the cells (20 km: RELEASE.md section 8, measured).
        buffer_km: least distance between footprints of different splits.
        val, test: share of cells.
    """

    km: float = 20.0
    buffer_km: float = 5.0
    val: float = 0.1
    test: float = 0.1
    needs: tuple[str, ...] = field(default=("window",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"split": "string", "cell": "string"}, init=False
    )
    reads: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        """Refuse shares that are none, and cells without a size."""
        within("splits.ByCell.val", self.val, 0, 1)
        within("splits.ByCell.test", self.test, 0, 1)
        within("splits.ByCell.val + test", self.val + self.test, 0, 1)
        within("splits.ByCell.km", self.km, 0.1, 10_000)
        at_least("splits.ByCell.buffer_km", self.buffer_km, 0)

    def halo_m(self, part: pa.Table) -> float:
        """How far beyond a partition its decision may look, metres."""
        return self.buffer_km * 1000

    def columns(self, part: pa.Table, ctx: Context) -> dict[str, list[str]]:
        """`cell` and `split` of every row."""
        names = cell_names(part["lon"].to_numpy(), part["lat"].to_numpy(), self.km)
        found = {n: split_of(n, ctx.seed, self.val, self.test) for n in set(names)}
        return {"cell": names, "split": [found[n] for n in names]}

    def settle(self, part: pa.Table, near: pa.Table, ctx: Context) -> dict[int, tuple[str, str]]:
        """Rows of `part` to drop -> (`buffer`, message), given the rows around it."""
        if not len(part):
            return {}
        both = pa.concat_tables([part.select(near.column_names), near])
        splits = np.asarray(self.columns(both, ctx)["split"])
        return buffered(both, splits, len(part), self.buffer_km)


@dataclass(frozen=True)
class OneSide:
    """Of an object that samples of several splits show, those of the first of test, val, train stay.

    Long rivers and wide forests reach across a buffer. Only objects that are long enough to do so are
    counted, so that what must be known of all partitions stays small.

    Attributes:
        reach_m: metres between the corners of an object's box from which it may be in two splits;
            at most the buffer of `ByCell`.
    """

    reach_m: float = 1000.0
    needs: tuple[str, ...] = field(default=("split", "osm_type", "osm_id", "_extent_m"), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse a reach below nothing."""
        at_least("splits.OneSide.reach_m", self.reach_m, 0)

    def count(self, part: pa.Table) -> dict[str, int]:
        """Samples by object and split, of objects with that reach."""
        found: Counter[str] = Counter()
        for own, split in self._shown(part):
            if own:
                found[f"{own} {split}"] += 1
        return found

    def decide(
        self, part: pa.Table, totals: Mapping[str, int], ctx: Context
    ) -> dict[int, tuple[str, str]]:
        """Rows to drop -> (`object_shared`, message), given the counts over all partitions."""
        lost: dict[int, tuple[str, str]] = {}
        for row, (own, split) in enumerate(self._shown(part)):
            before = ORDER[: ORDER.index(split)] if own else ()
            first = next((name for name in before if totals.get(f"{own} {name}")), None)
            if first:
                lost[row] = ("object_shared", f"a sample of {first} shows {own} too")
        return lost

    def _shown(self, part: pa.Table) -> Iterator[tuple[str, str]]:
        """(object, split) of each row; "" for an object that cannot be in two splits."""
        names = ("osm_type", "osm_id", "split", "_extent_m")
        for kind, ident, split, extent in zip(*(part[n].to_pylist() for n in names), strict=True):
            far = ident is not None and (extent or 0.0) >= self.reach_m
            yield f"{kind}/{ident}" if far else "", split
