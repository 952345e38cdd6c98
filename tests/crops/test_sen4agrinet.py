"""The recipe on the sample world: its promises, and that labels, pixels and tables tell one story."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from catalogs.world import truth
from catalogs.world.codes import CROPS
from pipelines.commands.build import main
from schemas.windows import Grid, to_lonlat
from sen4agrinet_release import Built
from transforms.crops.cube import BANDS
from transforms.crops.oad import SCHEMA

MEMBERS = ("ms.geotiff", "count.geotiff", "labels.geotiff", "json")
L2A = tuple(name for name in BANDS if name != "B10")
INSIDE = 2
"""Pixels from the edge from which a parcel's pixels show nothing else."""


def opened(data: bytes) -> tuple[NDArray[Any], tuple[str, ...], Grid]:
    """(array, band names, grid) of a GeoTIFF."""
    with rasterio.open(io.BytesIO(data)) as chip:
        place = tuple(chip.transform)[:6]
        grid = Grid(chip.crs.to_string(), place, chip.width, chip.height)
        return chip.read(), chip.descriptions, grid


def middles(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(lon, lat) of the middles of all pixels, `(y, x)`."""
    a, _, c, _, e, f = grid.transform
    x, y = np.meshgrid(
        c + a * (np.arange(grid.width) + 0.5), f + e * (np.arange(grid.height) + 0.5)
    )
    lon, lat = to_lonlat(grid.crs, x.ravel(), y.ravel())
    return lon.reshape(x.shape), lat.reshape(x.shape)


def test_labels_lie_on_the_parcels_pixels(built: Built) -> None:
    """What grows at a pixel's middle is what its label says: 99.5 % away from edges."""
    icc = {material: crop.icc for material, crop in CROPS.items()}
    right, seen = 0, 0
    crops = Counter[int]()
    for key, members in built.samples():
        (classes, numbers, edge), names, grid = opened(members["labels.geotiff"])
        assert names == ("class", "parcel", "edge")
        assert np.array_equal(classes > 0, numbers > 0)
        assert np.array_equal(edge > 0, numbers > 0)
        inner = (edge >= INSIDE) & (classes != 998)
        lon, lat = middles(grid)
        grows = truth.materials(built.world, lon[inner], lat[inner], int(key[:4]))
        expected = np.array([icc.get(material, 0) for material in grows])
        right += int((expected == classes[inner]).sum())
        seen += int(inner.sum())
        crops.update(np.unique(classes[inner]).tolist())
    assert seen > 500_000
    assert right / seen >= 0.995
    assert len(crops) >= 9


def test_pixels_change_as_the_crops_do(built: Built) -> None:
    """Observed months of 2021: wheat is green in spring and bare in autumn, maize the other way."""
    found: dict[tuple[int, int], list[float]] = {}
    for key, members in built.samples():
        if not key.startswith("2021"):
            continue
        ms, names, _ = opened(members["ms.geotiff"])
        count, _, _ = opened(members["count.geotiff"])
        classes, _, edge = opened(members["labels.geotiff"])[0]
        for month in (1, 3, 5, 7, 9):
            red, nir = (
                ms[names.index(f"T{month}_{band}")].astype(float) for band in ("B04", "B08")
            )
            for crop in (110, 120):
                inner = (classes == crop) & (edge >= INSIDE) & (count[month] > 0)
                ndvi = (nir[inner] - red[inner]) / (nir[inner] + red[inner])
                found.setdefault((crop, month), []).extend(np.median(ndvi, keepdims=True).tolist())
    greenness = {name: float(np.median(values)) for name, values in found.items()}
    assert greenness[110, 5] > 0.75 > 0.35 > greenness[110, 9]
    assert greenness[120, 7] > 0.75 > 0.35 > greenness[120, 1]


def test_rasters(built: Built) -> None:
    """366 x 366 pixels of 10 m: twelve months of twelve bands, counts, whole labels; gaps are marked."""
    for _, members in built.samples():
        assert tuple(members) == MEMBERS
        ms, names, grid = opened(members["ms.geotiff"])
        assert ms.dtype == np.uint16
        assert names == tuple(f"T{month}_{band}" for month in range(12) for band in L2A)
        assert (grid.width, grid.height, grid.transform[0]) == (366, 366, 10.0)
        count, marks, same = opened(members["count.geotiff"])
        assert count.dtype == np.uint8
        assert marks == tuple(f"T{month}_count" for month in range(12))
        assert same == grid
        labels, _, own = opened(members["labels.geotiff"])
        assert labels.dtype == np.uint32
        assert own == grid
        facts = json.loads(members["json"])
        never = ~count.any(axis=0)
        assert (ms[:, never] == 0).all()
        assert (ms[:, ~never] > 0).all()
        assert facts["gap_share"] == pytest.approx((count == 0).mean())
        assert facts["months_seen"] == int(count.reshape(12, -1).any(axis=1).sum())
        assert facts["months_seen"] <= (5 if facts["year"] == 2021 else 2)


def test_two_countries_and_their_years(built: Built) -> None:
    """The west declares two years, the east one."""
    rows = built.table("samples.parquet").select(["key", "country", "year", "patch_tile"])
    assert {(r["country"], r["year"]) for r in rows.to_pylist()} == {
        ("XW", 2021), ("XW", 2022), ("XE", 2021),
    }  # fmt: skip
    for row in rows.to_pylist():
        assert row["key"] == f"{row['year']}_{row['patch_tile'].lower()}_patch_0_0"


def test_oad(built: Built) -> None:
    """315 columns; a row for each parcel and patch; the label is the declared crop."""
    table, numbers = built.table("oad.parquet"), built.table("patch_parcels.parquet")
    assert table.schema.equals(SCHEMA)
    assert len(table.schema) == 315
    assert table["parcel_id"].to_pylist() == numbers["parcel_id"].to_pylist()
    assert table["label"].to_pylist() == numbers["label"].to_pylist()
    assert sum(built.table("samples.parquet")["parcels"].to_pylist()) == len(table)
    assert all(table[n].null_count == len(table) for n in SCHEMA.names if n.startswith("B10_"))
    declared = {row["id"]: row for row in built.table("parcels.parquet").to_pylist()}
    names = {(crop.west, 32632): crop.icc for crop in CROPS.values()}
    names |= {(crop.east, 32633): crop.icc for crop in CROPS.values()}
    zone = {"XW": 32632, "XE": 32633}
    for row in numbers.to_pylist():
        own = declared[row["parcel"]]
        place = zone[own["admin:country_code"]]
        assert row["label"] == names.get((own["crop:name"], place), 998)
        assert own["fao_icc:code"] == row["label"]


def test_oad_is_what_the_rasters_show(built: Built) -> None:
    """Far from edges the statistics by coverage are those of the pixels: means of some parcels."""
    table = {row["parcel_id"]: row for row in built.table("oad.parquet").to_pylist()}
    key, members = next(built.samples())
    ms, names, _ = opened(members["ms.geotiff"])
    _, numbers, edge = opened(members["labels.geotiff"])[0]
    checked = 0
    for number in np.unique(numbers[edge >= 6]).tolist():
        row = table[f"{key}/{number}"]
        pixels = ms[names.index("T5_B08")][(numbers == number) & (edge >= 2)].astype(float)
        if len(pixels) > 200:
            assert row["B08_06_mean"] == pytest.approx(pixels.mean(), rel=0.02)
            assert row["counts"] == pytest.approx(len(pixels), rel=0.15)
            checked += 1
    assert checked > 20


def test_the_same_patch_again_is_the_same_bytes(built: Built, tmp_path: Path) -> None:
    """In a build of few, by one worker."""
    options = ["--limit", "3", "--workers", "1", "--quiet", "--out", str(tmp_path)]
    assert main(["--dataset", "sen4agrinet", *options]) == 0
    few = Built(tmp_path / "sen4agrinet" / "v1.0.0", built.world)
    sums = [dict(zip(*(b.table("samples.parquet")[n].to_pylist() for n in ("key", "sha256")), strict=True))
            for b in (built, few)]  # fmt: skip
    both = set(sums[0]) & set(sums[1])
    assert both
    assert {k: sums[1][k] for k in both} == {k: sums[0][k] for k in both}
    tables = [{r["parcel_id"]: r for r in b.table("oad.parquet").to_pylist()} for b in (built, few)]
    own = {name for name in tables[1] if name.split("/")[0] in both}
    assert own
    assert all(tables[1][name] == tables[0][name] for name in own)


def test_aerial_pictures_have_no_patches(built: Built) -> None:
    """The world's imagery holds them too."""
    assert set(built.table("samples.parquet")["collection"].to_pylist()) == {"sentinel-2-l2a"}
    drops = built.table("drops.parquet")["key"].to_pylist()
    assert not any("-0_6_" in key for key in drops)
