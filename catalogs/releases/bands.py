"""Statistics of each band of each collection, from the sums that each training sample carries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.recipes import Recipe
from schemas.scenes import Band, Scene
from schemas.sensors import common_name

BINS = 256
EVERY = "all"
"""The group of samples of a recipe that does not tell collections apart."""


@dataclass
class BandTotal:
    """Sums over pixels of stored values; `histogram` is of sqrt(value / full scale)."""

    valid: int = 0
    nodata: int = 0
    sum: float = 0.0
    squares: float = 0.0
    min: float = np.inf
    max: float = -np.inf
    histogram: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))


Totals = dict[str, dict[str, BandTotal]]
"""Sums by group (see `groups`) and band name."""


def groups(scenes: Mapping[str, Scene], recipe: Recipe) -> dict[str, str]:
    """The group of each scene, by its key: pixels of a group share a scale and may be pooled.

    It is the scene's collection, or `EVERY` where the recipe has no fact `collection`. Where a
    group stores one band in several data types, its scenes are told apart: `local uint8`.
    """
    known = "collection" in recipe.columns()
    found = {key: scene.collection if known else EVERY for key, scene in scenes.items()}
    kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key, scene in scenes.items():
        for band in scene.bands:
            kinds[found[key], band.common or band.name].add(band.dtype)

    def torn(key: str) -> str:
        """The types of this scene's bands that its group stores in several, "" when there are none."""
        several = (
            band.dtype
            for band in scenes[key].bands
            if len(kinds[found[key], band.common or band.name]) > 1
        )
        return " ".join(dict.fromkeys(several))

    return {key: f"{group} {torn(key)}".rstrip() for key, group in found.items()}


def add_bands(
    totals: Totals, batch: pa.RecordBatch, group: Sequence[str], split: str = "train"
) -> None:
    """Add the `band_stats` of the rows of `split` to `totals`.

    Args:
        group: of each row of the batch.
    """
    rows = np.flatnonzero(np.array(batch.column("split").to_pylist(), object) == split)
    column = batch.column("band_stats").take(pa.array(rows))
    stats, owner = pc.list_flatten(column), pc.list_parent_indices(column).to_numpy()
    if not len(stats):
        return
    bands = np.array(stats.field("band").to_pylist(), dtype=object)
    own = np.array(group, dtype=object)[rows][owner]
    columns = {
        name: stats.field(name).to_numpy(zero_copy_only=False)
        for name in ("valid", "nodata", "sum", "squares", "min", "max")
    }
    bins = stats.field("histogram").flatten().to_numpy(zero_copy_only=False).reshape(-1, BINS)
    for name, band in dict.fromkeys(zip(own, bands, strict=True)):
        rows = np.flatnonzero((own == name) & (bands == band))
        total = totals.setdefault(name, {}).setdefault(band, BandTotal())
        total.valid += int(columns["valid"][rows].sum())
        total.nodata += int(columns["nodata"][rows].sum())
        total.sum += float(columns["sum"][rows].sum())
        total.squares += float(columns["squares"][rows].sum())
        seen = rows[columns["valid"][rows] > 0]
        if len(seen):
            total.min = min(total.min, float(columns["min"][seen].min()))
            total.max = max(total.max, float(columns["max"][seen].max()))
        total.histogram += bins[rows].sum(axis=0, dtype=np.int64)


def members(group: str, scenes: Mapping[str, Scene], recipe: Recipe) -> list[Scene]:
    """The scenes of a group."""
    return [scenes[key] for key, name in groups(scenes, recipe).items() if name == group]


def band_of(name: str, scenes: Iterable[Scene]) -> Band | None:
    """The first band of that common or own name (`B04` is `red`, too); None when no scene has it."""
    names = {name, common_name(name)}
    every = (band for scene in scenes for band in scene.bands)
    return next((band for band in every if names & {band.common, band.name}), None)


def full_scale(band: Band | None) -> float:
    """The value at the top of a band's histogram: the greatest of its integer type, else 1."""
    kind = np.dtype(band.dtype if band else "uint8")
    return float(np.iinfo(kind).max) if kind.kind in "iu" else 1.0


def describe(total: BandTotal, scale: float) -> dict[str, Any]:
    """mean, std, p1, p99 (of valid pixels, stored values), min, max and the share of nodata.

    Args:
        total: sums of one band.
        scale: the stored value at the top of the histogram's last bin.
    """
    pixels = total.valid + total.nodata
    found: dict[str, Any] = {"pixels": pixels, "valid": total.valid}
    found["nodata_share"] = round(total.nodata / pixels, 6) if pixels else 0.0
    if total.valid:
        mean = total.sum / total.valid
        found["mean"] = round(mean, 4)
        found["std"] = round(max(total.squares / total.valid - mean * mean, 0.0) ** 0.5, 4)
        found["min"], found["max"] = total.min, total.max
        for name, share in (("p1", 0.01), ("p99", 0.99)):
            value = _percentile(total.histogram, share) ** 2 * scale
            found[name] = round(min(max(value, total.min), total.max), 2)
    return found


def _percentile(histogram: npt.NDArray[np.int64], share: float) -> float:
    """Position in [0, 1] under which `share` of the counts lie, linear within a bin."""
    ends = np.cumsum(histogram)
    if not ends[-1]:
        return 0.0
    target = share * ends[-1]
    place = int(np.searchsorted(ends, target))
    before = ends[place] - histogram[place]
    return float((place + (target - before) / max(histogram[place], 1)) / BINS)
