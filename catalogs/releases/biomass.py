"""A release of biomass in the layouts of AGBD: rows of 24 channels (Parquet), patches by tile (HDF5).

Sialelli et al., AGBD, arXiv 2406.04928: the form of `AGBD_raw` and of the HDF5 files. Coordinates stand
under full names as 64-bit numbers besides, since the published pair of an unsigned whole part and a
fraction loses the sign of some.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic
from catalogs.releases.biomass_tiles import ROWS, Patch, Tiles, days
from schemas.biomass import stack
from schemas.errors import UsageError
from schemas.sensors import L2A_BANDS

MEMBERS = ("s2", "scl", "palsar", "dem", "canopy", "landcover")
NEEDED = {"agbd", "shot_number", *(f"{name}_geotiff_offset" for name in MEMBERS)}
METADATA = pa.struct(
    [
        ("s2_num_days", pa.int16()),
        ("gedi_num_days", pa.uint16()),
        ("lat", pa.float32()),
        ("lon", pa.float32()),
        ("agbd_se", pa.float32()),
        ("elev_lowes", pa.float32()),
        ("leaf_off_f", pa.uint8()),
        ("pft_class", pa.uint8()),
        ("region_cla", pa.uint8()),
        ("rh98", pa.float32()),
        ("sensitivity", pa.float32()),
        ("solar_elev", pa.float32()),
        ("urban_prop", pa.uint8()),
    ]
)
LAYOUT = pa.schema(
    [
        ("input", pa.list_(pa.list_(pa.list_(pa.float32())))),  # channel, row, column
        ("label", pa.float32()),
        ("metadata", METADATA),
        ("shot_number", pa.string()),  # this and what follows are ours
        ("lat_lowestmode", pa.float64()),
        ("lon_lowestmode", pa.float64()),
    ]
)
"""Rows of `AGBD_raw`."""


def has_biomass(table: Path) -> bool:
    """Whether a release's `samples.parquet` holds biomass and the layers beside it."""
    return set(pq.read_schema(table).names) >= NEEDED


def export_biomass(release: Path, target: Path) -> dict[str, int]:
    """Write `<split>.parquet` of `LAYOUT` and `<split>.h5` for every split; returns samples by split."""
    target.mkdir(parents=True, exist_ok=True)
    table = release / "metadata" / "samples.parquet"
    splits = sorted(set(pq.read_table(table, columns=["split"])["split"].to_pylist()))
    counts: dict[str, int] = {}
    for split in splits:
        counts[split] = 0
        with ExitStack() as kept:
            stream = kept.enter_context(atomic(target / f"{split}.parquet"))
            writer = kept.enter_context(pq.ParquetWriter(stream, LAYOUT, compression="zstd"))
            tiles = kept.enter_context(Tiles(target / f"{split}.h5"))
            for rows in _batches(table, split):
                _whole(rows)
                patches = [read_patch(release, row) for row in rows]
                writer.write_table(_table(rows, patches))
                tiles.add(rows, patches)
                counts[split] += len(rows)
    return counts


def _whole(rows: list[dict[str, Any]]) -> None:
    """The layouts have room for twelve bands, no fewer.

    Raises:
        UsageError: a sample lacks one.
    """
    for row in rows:
        if row["bands"] != ",".join(L2A_BANDS):
            raise UsageError(
                f"{row['key']}: has the bands {row['bands']}; the layout wants all twelve"
            )


def _batches(table: Path, split: str) -> Iterator[list[dict[str, Any]]]:
    names = [n for n in pq.read_schema(table).names if n not in ("geometry", "bbox")]
    for batch in pq.ParquetFile(table).iter_batches(ROWS, columns=names):
        found = [row for row in batch.to_pylist() if row["split"] == split]
        if found:
            yield found


def read_patch(release: Path, row: dict[str, Any]) -> Patch:
    """The layers of a sample by member, `(band, y, x)` as stored."""
    found: Patch = {}
    with (release / "data" / row["shard"]).open("rb") as shard:
        for name in MEMBERS:
            shard.seek(row[f"{name}_geotiff_offset"])
            data = shard.read(row[f"{name}_geotiff_size"])
            found[name] = _pixels(data)
    return found


def _pixels(data: bytes) -> npt.NDArray[Any]:
    from rasterio.io import MemoryFile

    with MemoryFile(data) as memory, memory.open() as raster:
        return np.asarray(raster.read())


def _table(rows: list[dict[str, Any]], patches: list[Patch]) -> pa.Table:
    stacks = [
        stack(
            patch["s2"], patch["palsar"], patch["canopy"], patch["landcover"], patch["dem"],
            row["lon"], row["lat"],
        )
        for row, patch in zip(rows, patches, strict=True)
    ]  # fmt: skip
    entries = [
        {
            "s2_num_days": days(row["datetime"]), "gedi_num_days": max(days(row["sensed"]), 0),
            "lat": row["lat_lowestmode"], "lon": row["lon_lowestmode"], "agbd_se": row["agbd_se"],
            "elev_lowes": row["elev_lowestmode"], "leaf_off_f": row["leaf_off_flag"],
            "pft_class": row["pft_class"], "region_cla": row["region_class"], "rh98": row["rh98"],
            "sensitivity": row["sensitivity"], "solar_elev": row["solar_elevation"],
            "urban_prop": row["urban_proportion"],
        }
        for row in rows
    ]  # fmt: skip
    arrays = [
        _nested(np.stack(stacks)),
        pa.array([row["agbd"] for row in rows], pa.float32()),
        pa.array(entries, METADATA),
        pa.array([row["shot_number"] for row in rows], pa.string()),
        pa.array([row["lat_lowestmode"] for row in rows], pa.float64()),
        pa.array([row["lon_lowestmode"] for row in rows], pa.float64()),
    ]
    return pa.Table.from_arrays(arrays, schema=LAYOUT)


def _nested(values: npt.NDArray[np.float32]) -> pa.Array:
    """`(n, channel, y, x)` as lists of lists of lists."""
    found: Any = pa.array(np.ascontiguousarray(values).reshape(-1))
    for axis in (3, 2, 1):
        count = int(np.prod(values.shape[:axis]))
        starts = np.arange(count + 1, dtype=np.int32) * values.shape[axis]
        found = pa.ListArray.from_arrays(pa.array(starts), found)
    return found
