"""Tables beside the samples: a row for each image, and how phenology differs from the calendar."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.cycles import YEAR
from schemas.seasons import SEASONS, middles
from transforms.context import Context
from transforms.seasons.choice import OFFSETS, QUARTERS

TIME = pa.timestamp("us", tz="UTC")

EACH: dict[str, tuple[str, pa.DataType]] = {
    "datetimes": ("datetime", TIME),
    "seasons": ("season", pa.string()),
    "season_starts": ("season_start", TIME),
    "season_ends": ("season_end", TIME),
    "target_dates": ("target_date", TIME),
    "date_offset_days": ("date_offset_days", pa.float64()),
    "_platforms": ("platform", pa.string()),
    "_baselines": ("processing_baseline", pa.string()),
    "clouds": ("cloud_scene", pa.float64()),
    "cloud_patches": ("cloud_patch", pa.float64()),
    "shadow_patches": ("shadow_patch", pa.float64()),
    "snow_patches": ("snow_patch", pa.float64()),
    "nodata_patches": ("nodata_patch", pa.float64()),
    "ndvi_means": ("ndvi_mean", pa.float64()),
}
"""Comma-separated facts of a sample -> column of its images, and type."""

WHOLE = (
    "grid_cell", "grid_row_u", "grid_col_r", "lon", "lat", "crs", "transform", "width", "height",
    "gsd_m", "pheno_source", "pheno_fill_km", "pheno_cycle", "pheno_n_cycles", "collection",
    "radiometric_convention", "scale", "offset", "bands", "resampled", "sampling_weight", "split",
    "shard", "index", "license", "attribution", "geometry",
)  # fmt: skip
"""Columns of a sample that all of its images share, where it has them."""


@dataclass(frozen=True)
class ImageTable:
    """`images.parquet`: a row for each image, in the order of samples and of their dates.

    `image` is its place in the stack from 0, `item_id` its scene (`collection/id`).
    """

    name: str = field(default="images.parquet", init=False)
    about: str = field(
        default="a row for each image: sample and place in its stack, scene, time, season with its "
        "bounds, distance to its target date, clouds of scene and chip, mean NDVI",
        init=False,
    )
    needs: tuple[str, ...] = field(default=tuple(EACH), init=False)

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """As `schemas.recipes.Table`."""
        writer: pq.ParquetWriter | None = None
        try:
            for samples in rows:
                images = images_of(samples)
                if writer is None:
                    writer = pq.ParquetWriter(target, images.schema, compression="zstd")
                writer.write_table(images)
        finally:
            if writer is not None:
                writer.close()


def images_of(samples: pa.Table) -> pa.Table:
    """The images of some samples, see `ImageTable`."""
    whole = [name for name in WHOLE if name in samples.column_names]
    each = [name for name in EACH if name in samples.column_names]
    counts = [len(scenes) for scenes in samples["scene_ids"].to_pylist()]
    parent = pa.array(np.repeat(np.arange(len(samples)), counts))
    columns: dict[str, Any] = {
        "sample_id": samples["key"].take(parent),
        "image": pa.array([n for count in counts for n in range(count)], pa.int32()),
        "item_id": pa.array(
            [i for ids in samples["scene_ids"].to_pylist() for i in ids], pa.string()
        ),
    }
    for name in each:
        title, kind = EACH[name]
        columns[title] = _apart(samples[name].to_pylist(), counts, kind)
    for name in whole:
        columns[name] = samples[name].take(parent)
    return pa.table(columns)


def _apart(values: list[str | None], counts: list[int], kind: pa.DataType) -> pa.Array:
    """The entries of comma-separated texts as one column; null for what is empty."""
    found: list[Any] = []
    for text, count in zip(values, counts, strict=True):
        parts = (text or "").split(",") if count else []
        parts = parts if len(parts) == count else [""] * count
        found += [_read(part, kind) for part in parts]
    return pa.array(found, kind, from_pandas=False)


def _read(text: str, kind: pa.DataType) -> Any:
    if text == "":
        return None
    if kind == TIME:
        return datetime.fromisoformat(text).astimezone(UTC)
    return float(text) if kind == pa.float64() else text


Floats = npt.NDArray[np.float64]

CALENDAR = np.array([(date(2021, m, d) - date(2021, 1, 1)).days for m, d in QUARTERS], float)
"""Offsets of the calendar's four dates in a year of 365 days: March, June, September, December."""


def days_apart(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """Days between two dates of the year, the short way round: 0 to 182.5."""
    gap = np.abs(np.asarray(one, float) - np.asarray(other, float)) % YEAR
    return np.asarray(np.minimum(gap, YEAR - gap))


def compared(offsets: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Days from the middle of each season to the calendar's date, `(n, 4)` each, two ways.

    First to the date of the season of that name: 20 March is spring in the north and autumn in the
    south. Second to whichever of the four dates is nearest, which says what no naming can mend.
    """
    own = middles(offsets)
    south = (np.asarray(lat) < 0)[:, None]
    named = np.where(south, np.roll(CALENDAR, 2)[None], CALENDAR[None])
    return days_apart(own, named), days_apart(own[:, :, None], CALENDAR[None, None]).min(axis=2)


@dataclass(frozen=True)
class Comparison:
    """`season_comparison.parquet`: how far phenology's seasons lie from the calendar's dates.

    A row for each season and one, `any`, for all four; see `compared` for the two ways to compare.
    Columns: `season, against` (`named`, `nearest`)`, locations, differing, share, median_days, p90_days`,
    where `differing` counts locations farther than `days`; of `any` those with at least one such season.

    Attributes:
        days: difference that counts.
    """

    days: float = 30.0
    name: str = field(default="season_comparison.parquet", init=False)
    about: str = field(
        default="by season, and for any: locations whose middle of the season by phenology lies farther "
        "from the calendar's date than the days set, against the date of that name and the nearest one",
        init=False,
    )
    needs: tuple[str, ...] = field(default=OFFSETS, init=False)

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """As `schemas.recipes.Table`."""
        offsets, lat = [np.empty((0, 4))], [np.empty(0)]
        for samples in rows:
            offsets.append(np.stack([samples[name].to_numpy() for name in OFFSETS], axis=1))
            lat.append(samples["lat"].to_numpy())
        found = self.report(np.concatenate(offsets), np.concatenate(lat))
        pq.write_table(pa.Table.from_pylist(found), target, compression="zstd")

    def report(self, offsets: Floats, lat: Floats) -> list[dict[str, Any]]:
        """The rows, from offsets `(n, 4)` and latitudes `(n,)` in degrees."""
        found = []
        for against, gaps in zip(("named", "nearest"), compared(offsets, lat), strict=True):
            worst = gaps.max(axis=1) if len(gaps) else np.empty(0)
            for season, days in zip((*SEASONS, "any"), (*gaps.T, worst), strict=True):
                differing = int((days > self.days).sum())
                found.append(
                    {
                        "season": season,
                        "against": against,
                        "locations": len(days),
                        "differing": differing,
                        "share": differing / len(days) if len(days) else 0.0,
                        "median_days": float(np.median(days)) if len(days) else None,
                        "p90_days": float(np.percentile(days, 90)) if len(days) else None,
                    }
                )
        return found
