"""Parcels, patches and sources small enough to see through."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from numpy.typing import NDArray

from schemas.samples import Image, Sample
from schemas.windows import Grid, Window, to_lonlat
from transforms.context import Context

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository"),
]
"""Marks of tests of real files."""

WEST, NORTH = 600_000.0, 5_330_000.0
CRS = "EPSG:32632"


def grid(size: int = 61, gsd: float = 10.0) -> Grid:
    """A square grid whose upper left corner is (WEST, NORTH)."""
    return Grid(CRS, (gsd, 0.0, WEST, 0.0, -gsd, NORTH), size, size)


def box(left: float, top: float, right: float, bottom: float) -> Any:
    """A rectangle in metres from the upper left corner of `grid`, to the right and downwards."""
    return shapely.box(WEST + left, NORTH - bottom, WEST + right, NORTH - top)


def shapes(*found: Any) -> NDArray[Any]:
    """Shapes as an object array."""
    array = np.empty(len(found), object)
    array[:] = found
    return array


def lonlat(shape: Any) -> Any:
    """A shape of `CRS` in degrees."""

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack(to_lonlat(CRS, points[:, 0], points[:, 1]), axis=1)

    return shapely.transform(shape, moved)


@dataclass
class FewParcels:
    """A source of parcels that remembers what it was asked."""

    rows: list[dict[str, Any]]
    asked: list[tuple[Any, int]] = field(default_factory=list)

    def within(self, bounds: Any, year: int) -> pa.Table:
        """Parcels of a year whose box meets the bounds, by key."""
        self.asked.append((bounds, year))
        west, south, east, north = bounds
        found = [
            row
            for row in sorted(self.rows, key=lambda row: str(row["key"]))
            if row["year"] == year
            and shapely.from_wkb(row["geometry"]).intersects(shapely.box(west, south, east, north))
        ]
        schema = pa.schema(
            [
                ("key", pa.string()), ("country", pa.string()), ("year", pa.int64()),
                ("crop_code", pa.string()), ("crop_name", pa.string()), ("area_m2", pa.float64()),
                ("geometry", pa.binary()),
            ]
        )  # fmt: skip
        return pa.Table.from_pylist(found, schema=schema)


class FewCodes:
    """Wheat and maize are known, nothing else."""

    known = {"W": (110, "Wheat"), "M": (120, "Maize")}

    def map(self, table: pa.Table) -> pa.Table:
        """The table with class, its name and the status."""
        found = [self.known.get(code, (998, "")) for code in table["crop_code"].to_pylist()]
        status = ["mapped" if code != 998 else "unmapped" for code, _ in found]
        table = table.append_column("s4a_code", pa.array([c for c, _ in found], pa.int64()))
        table = table.append_column("s4a_name", pa.array([n for _, n in found], pa.string()))
        return table.append_column("s4a_status", pa.array(status, pa.string()))


def parcel(key: str, shape: Any, crop: str = "W", year: int = 2021, country: str = "XW") -> Any:
    """A row of `FewParcels`; the shape in metres of `CRS`."""
    return {
        "key": key, "country": country, "year": year, "crop_code": crop, "crop_name": crop.lower(),
        "area_m2": shape.area, "geometry": shapely.to_wkb(lonlat(shape)),
    }  # fmt: skip


def context(*rows: Any) -> Context:
    """A context with these parcels."""
    return Context(sources={"parcels": FewParcels(list(rows)), "codes": FewCodes()})


def sample(key: str = "2021_32utp_patch_0_0", year: int = 2021, on: Grid | None = None) -> Sample:
    """A patch with a window."""
    window = Window(on or grid(), 10.0)
    lon, lat = window.centre()
    return Sample(key, lon, lat, window, facts={"year": year})


def image(array: NDArray[Any], bands: tuple[str, ...], on: Grid | None = None) -> Image:
    """Months of a chip, all valid."""
    valid = np.ones((len(array), *array.shape[-2:]), bool)
    return Image(array, bands, on or grid(), 0, valid)
