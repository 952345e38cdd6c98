"""Real bands of several resolutions and sensors on one grid."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from pixel_world import DATA, REAL, band, chip, cut, repeat, scene
from schemas.scenes import Scene
from schemas.windows import Grid


def whole_scene(files: dict[str, Path], collection: str, **more: Any) -> Scene:
    """A scene of real files, one band each, on the grid of its finest one."""
    bands, grids = [], []
    for name, path in files.items():
        with rasterio.open(path) as source:
            t = source.transform
            grids.append(
                Grid(
                    source.crs.to_string(),
                    (t.a, t.b, t.c, t.d, t.e, t.f),
                    source.width,
                    source.height,
                )
            )
            bands.append(band(name, str(path), t.a, dtype=source.dtypes[0], nodata=source.nodata))
    finest = min(grids, key=lambda g: g.transform[0])
    return scene(tuple(bands), finest, collection=collection, **more)


class TestReal:
    pytestmark = REAL

    def test_fault_44_all_thirteen_bands_of_brandenburg(self) -> None:
        folder = DATA / "brandenburg_s2_osm" / "IMG_DATA"
        names = [
            "B01",
            "B02",
            "B03",
            "B04",
            "B05",
            "B06",
            "B07",
            "B08",
            "B8A",
            "B09",
            "B10",
            "B11",
            "B12",
        ]
        files = {n: folder / f"T33UUU_20170216T102101_{n}.jp2" for n in names}
        told = whole_scene(files, "sentinel-2-l1c", baseline="02.04")
        window = cut(told.grid, 601, 203, 517, 301)
        found = chip(told, window=window)
        image = found.images["image"]
        assert image.array.shape == (13, 301, 517) and image.valid.all()
        assert all(corner % 10 == 0 for corner in image.grid.bounds())
        assert str(found.facts["resampled"]).count("20->10") == 6
        assert str(found.facts["resampled"]).count("60->10") == 3
        for place, name in enumerate(names):
            with rasterio.open(files[name]) as source:
                factor = int(source.transform.a // 10)
                expected = repeat(source.read(1), factor)[203:504, 601:1118]
                np.testing.assert_array_equal(image.array[place], expected)
                with WarpedVRT(
                    source, crs=source.crs, transform=Affine(*told.grid.transform),
                    width=told.grid.width, height=told.grid.height, resampling=Resampling.nearest,
                ) as warped:  # fmt: skip
                    np.testing.assert_array_equal(warped.read(1)[203:504, 601:1118], expected)

    def test_fault_44_kernels_on_real_bands(self) -> None:
        folder = DATA / "brandenburg_s2_osm" / "IMG_DATA"
        files = {n: folder / f"T33UUU_20170216T102101_{n}.jp2" for n in ("B04", "B11", "B09")}
        told = whole_scene(files, "sentinel-2-l1c", baseline="02.04")
        image = chip(told, window=cut(told.grid, 333, 111, 200, 160), resampling="bilinear").images[
            "image"
        ]
        for place, name in ((1, "B11"), (2, "B09")):
            with rasterio.open(files[name]) as source, WarpedVRT(
                source, crs=source.crs, transform=Affine(*told.grid.transform),
                width=told.grid.width, height=told.grid.height, resampling=Resampling.bilinear,
            ) as warped:  # fmt: skip
                expected = warped.read(1)[111:271, 333:533].astype(int)
            assert np.abs(image.array[place].astype(int) - expected).max() <= 1
            near = image.array[place].astype(float)
            assert np.corrcoef(near.ravel(), expected.ravel())[0, 1] > 0.9999

    @pytest.mark.parametrize("pair", range(4))
    def test_fault_44_radar_and_optics_on_one_grid(self, pair: int) -> None:
        """Pairs of BigEarthNet: what Sentinel-1 and Sentinel-2 give has one transform."""
        root = DATA / "bigearthnet_s1_s2"
        optical = sorted((root / "S2").iterdir())[pair]
        radar = next(
            p
            for p in (root / "S1").iterdir()
            if p.name.endswith("_".join(optical.name.split("_")[3:]))
        )
        bands = {p.stem.rsplit("_", 1)[1]: p for p in sorted(optical.glob("*.tif"))}
        sar = {p.stem.rsplit("_", 1)[1]: p for p in sorted(radar.glob("*.tif"))}
        one = chip(whole_scene(bands, "sentinel-2-l2a", baseline="02.05")).images["image"]
        two = chip(whole_scene(sar, "sentinel-1-grd")).images["image"]
        assert one.grid.transform == two.grid.transform and one.grid.crs == two.grid.crs
        assert one.array.shape == (12, 120, 120) and two.array.shape == (2, 120, 120)
        assert two.array.dtype == np.float32 and two.array.mean() < 0, "decibels"
        with rasterio.open(bands["B11"]) as source:
            np.testing.assert_array_equal(
                one.array[one.bands.index("B11")], repeat(source.read(1), 2)
            )
