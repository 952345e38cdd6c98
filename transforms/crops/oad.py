"""Statistics of pixels by parcel, band and month: the table for object-based classification."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.recipes import at_least
from schemas.samples import Image, Sample
from transforms.context import Context
from transforms.crops.coverage import among, counts, exact, statistics, whole
from transforms.crops.cube import BANDS
from transforms.crops.declared import packed, parcel_id, write_packed
from transforms.crops.labels import numbered, parcels_of
from transforms.crops.months import MONTHS
from transforms.crops.outlines import drawn_in, unit_sides

MEASURES = ("mean", "std")

VALUES = tuple(
    f"{band}_{month:02d}_{measure}"
    for band in BANDS
    for month in range(1, MONTHS + 1)
    for measure in MEASURES
)
"""`B02_06_mean`: mean of band B02 in June."""

SCHEMA = pa.schema(
    [
        ("parcel_id", pa.string()),  # PATCH/NUMBER, as in the label raster of the patch
        ("label", pa.int64()),  # class of the declared crop, 998 unmapped
        ("counts", pa.float64()),  # pixels, parts of pixels added up
        *((name, pa.float32()) for name in VALUES),
    ]
)
"""One row for each parcel and patch: 3 + 13 x 12 x 2 = 315 columns, whatever bands the imagery has."""


def table_of(
    patch: str,
    labels: npt.NDArray[np.int64],
    pixels: npt.NDArray[np.float64],
    measured: dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
) -> pa.Table:
    """Rows of `SCHEMA` for the parcels of a patch, by number.

    Args:
        patch: its key.
        labels, pixels: of each parcel.
        measured: (mean, standard deviation) by band, each `(parcel, month)`, NaN where there is none;
            a band that is missing is null in all rows.
    """
    count = len(labels)
    arrays: list[Any] = [
        pa.array([parcel_id(patch, i + 1) for i in range(count)], pa.string()),
        pa.array(labels),
        pa.array(pixels),
    ]
    for band in BANDS:
        found = measured.get(band)
        for month in range(MONTHS):
            for measure in range(len(MEASURES)):
                if found is None:
                    arrays.append(pa.nulls(count, pa.float32()))
                else:
                    values = found[measure][:, month].astype(np.float32)
                    arrays.append(pa.array(values, mask=np.isnan(values)))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each parcel's pixels in every band and month.

    The label is the crop that the parcel declares, wherever the patch cuts it; there is no row for the
    background. A parcel without a pixel keeps its row, with `counts` 0 and nulls.

    Attributes:
        inner_m: rim along the parcel's edge that is left out, metres; 0 takes the whole parcel.
        pixels: `exact`: each pixel counts by the share that the parcel covers; `centre`: pixels that
            the label raster gives it.
    """

    inner_m: float = 10.0
    pixels: str = "exact"
    needs: tuple[str, ...] = field(default=("image", "count", "_parcels"), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"_oad": "binary"}, init=False)

    def __post_init__(self) -> None:
        """Refuse rims below nothing, and pixels of another kind."""
        at_least("crops.Statistics.inner_m", self.inner_m, 0)
        if self.pixels not in ("exact", "centre"):
            raise ValueError(f"crops.Statistics.pixels={self.pixels!r}: one of exact, centre")

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its rows of the table as `_oad`."""
        import shapely

        image: Image = sample.images["image"]
        grid = image.grid
        table, shapes = parcels_of(sample)
        shapes = drawn_in(shapes, self.inner_m, unit_sides(grid))
        if self.pixels == "exact":
            cover = exact(shapes, grid)
        else:
            left = np.flatnonzero(~shapely.is_empty(shapes))
            numbers, _ = numbered(table.take(pa.array(left)), shapes[left], grid, "centre")
            cover = whole(np.concatenate([[0], left + 1]).astype(np.uint32)[numbers])
        cover = among(cover, np.asarray(image.valid.all(axis=0)))
        measured = {
            band: statistics(image.array[:, place], cover, len(table))
            for place, band in enumerate(image.bands)
        }
        labels = table["label"].to_numpy()
        found = table_of(sample.id, labels, counts(cover, len(table)), measured)
        given: dict[str, Any] = {"_oad": packed(found)}
        sample.facts.update(given)
        return sample


@dataclass(frozen=True)
class Oad:
    """`oad.parquet`: statistics of every parcel of every patch, see `SCHEMA`."""

    name: str = field(default="oad.parquet", init=False)
    about: str = field(
        default="one row for each parcel and patch: mean and standard deviation of 13 bands x 12 months "
        "(315 columns; bands that the imagery lacks are null)",
        init=False,
    )
    needs: tuple[str, ...] = field(default=("_oad",), init=False)

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """Write the rows of all patches, in the order of their keys."""
        write_packed(rows, "_oad", SCHEMA, target)
