"""Label rasters of a patch: class, parcel, distance to the parcel's edge."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.errors import Reject
from schemas.samples import Image, Sample
from schemas.windows import Grid
from transforms.context import Context
from transforms.crops.coverage import exact
from transforms.crops.declared import number_table, unpacked
from transforms.crops.rasters import RULES, covered, edge_distance, painted, ranks

BANDS = ("class", "parcel", "edge")
"""Bands of the image `labels`."""


def parcels_of(sample: Sample) -> tuple[pa.Table, npt.NDArray[Any]]:
    """The parcels of a sample (`declared.PARCELS`) and their outlines in its CRS."""
    import shapely

    table = unpacked(sample.facts["_parcels"])  # type: ignore[arg-type]
    return table, np.asarray(shapely.from_wkb(table["geometry"].to_numpy()), dtype=object)


def numbered(
    table: pa.Table, shapes: npt.NDArray[Any], grid: Grid, rule: str
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """(number, shared): which parcel each pixel belongs to by a rule of `rasters.RULES`; see `painted`."""
    order = ranks(table["area_m2"].to_numpy(), table["key"].to_pylist())
    if rule == "coverage":
        return covered(exact(shapes, grid), order, grid)
    return painted(shapes, order, grid, rule == "all_touched")


@dataclass(frozen=True)
class Labels:
    """Rasters of the parcels on the chip's own grid, never resampled: image `labels`, uint32.

    Its bands: `class` (FAO ICC code, 998 unmapped, 0 no parcel), `parcel` (number within the patch,
    1 to `parcels`; metadata/patch_parcels.parquet names them) and `edge` (pixels from the parcel's
    edge, 1 at the edge). Of parcels that claim one pixel the smaller has it, of equals the one whose
    key comes first; `shared_share` says how many pixels were claimed twice.

    Attributes:
        rule: `centre`: a pixel belongs to the parcel that holds its centre; `all_touched`; `coverage`:
            to the parcel that covers at least half of it.
    """

    rule: str = "centre"
    needs: tuple[str, ...] = field(default=("image", "_parcels"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "labels": "noun",
            "label_share": "float64",
            "mapped_share": "float64",
            "shared_share": "float64",
            "_numbers": "binary",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse a rule that there is not."""
        if self.rule not in RULES:
            raise ValueError(f"crops.Labels.rule={self.rule!r}: one of {', '.join(RULES)}")

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its labels.

        Raises:
            Reject: `no_labels` where no parcel has a pixel.
        """
        grid = sample.images["image"].grid
        table, shapes = parcels_of(sample)
        numbers, shared = numbered(table, shapes, grid, self.rule)
        if not numbers.any():
            raise Reject("no_labels", f"none of {len(table)} parcels has a pixel of its own")
        codes = np.concatenate([[0], table["label"].to_numpy()]).astype(np.uint32)
        classes = codes[numbers]
        array = np.stack([classes, numbers, edge_distance(numbers)])
        valid = np.ones(numbers.shape, bool)
        sample.images["labels"] = Image(array, BANDS, grid, None, valid, (0.0, 998.0))
        pixels = np.bincount(numbers.ravel(), minlength=len(table) + 1)[1:]
        given: dict[str, Any] = {
            "label_share": float((numbers > 0).mean()),
            "mapped_share": float(np.isin(classes, (0, 998), invert=True).mean()),
            "shared_share": float(shared.mean()),
            "_numbers": number_table(sample.id, table, pixels),
        }
        sample.facts.update(given)
        return sample
