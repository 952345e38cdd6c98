"""Per-band statistics from the sums that each sample carries; training samples only."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.scenes import Scene

BINS = 256


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


def add_bands(totals: dict[str, BandTotal], batch: pa.RecordBatch, split: str = "train") -> None:
    """Add the `band_stats` of the rows of `split` to `totals`, by band name."""
    column = batch.filter(pc.equal(batch.column("split"), split)).column("band_stats")
    stats = pc.list_flatten(column)
    if not len(stats):
        return
    bands = np.array(stats.field("band").to_pylist(), dtype=object)
    columns = {
        name: stats.field(name).to_numpy(zero_copy_only=False)
        for name in ("valid", "nodata", "sum", "squares", "min", "max")
    }
    bins = stats.field("histogram").flatten().to_numpy(zero_copy_only=False).reshape(-1, BINS)
    for band in dict.fromkeys(bands):
        rows = np.flatnonzero(bands == band)
        total = totals.setdefault(str(band), BandTotal())
        total.valid += int(columns["valid"][rows].sum())
        total.nodata += int(columns["nodata"][rows].sum())
        total.sum += float(columns["sum"][rows].sum())
        total.squares += float(columns["squares"][rows].sum())
        seen = rows[columns["valid"][rows] > 0]
        if len(seen):
            total.min = min(total.min, float(columns["min"][seen].min()))
            total.max = max(total.max, float(columns["max"][seen].max()))
        total.histogram += bins[rows].sum(axis=0, dtype=np.int64)


def full_scale(band: str, scenes: dict[str, Scene]) -> float:
    """The value at the top of a band's histogram: the greatest of its integer type, else 1."""
    for scene in scenes.values():
        for entry in scene.bands:
            if (entry.common or entry.name) == band:
                kind = np.dtype(entry.dtype)
                return float(np.iinfo(kind).max) if kind.kind in "iu" else 1.0
    return 255.0


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
