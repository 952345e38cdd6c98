"""Masks of real scenes as fractions, against counts of the same files."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from pixel_world import DATA, REAL, band, chip, measured, scene
from schemas.errors import Reject
from schemas.scenes import Band, Scene
from schemas.windows import Grid
from transforms.clouds import Clear
from transforms.context import Context


def opened(path: Path, name: str, **more: Any) -> tuple[Band, Grid]:
    with rasterio.open(path) as source:
        t = source.transform
        place = Grid(
            source.crs.to_string(), (t.a, t.b, t.c, t.d, t.e, t.f), source.width, source.height
        )
        return band(
            name, str(path), t.a, dtype=source.dtypes[0], nodata=source.nodata, **more
        ), place


def jolanda() -> Iterator[tuple[Scene, Any]]:
    """Scenes of NDVI at 10 m with SCL at 20 m that begins one fine row above, and the SCL itself."""
    folder = DATA / "jolanda_s2_ndvi_scl_fields"
    for path in sorted((folder / "NDVI").glob("*.tif")):
        mask = folder / "SCL" / path.name.replace("NDVI_10", "SCL_10")
        first, place = opened(path, "NDVI")
        second, _ = opened(mask, "SCL")
        when = datetime.strptime(path.name.split("_")[1], "%Y%m%d").replace(tzinfo=UTC)
        with rasterio.open(mask) as source:
            yield scene((first, second), place, id=path.stem, datetime=when), source.read(1)


class TestReal:
    pytestmark = REAL

    def test_jolanda(self) -> None:
        """60 dates; every fine pixel takes the class of the 20 m pixel that holds it."""
        seen = set()
        for told, scl in jolanda():
            facts = measured(chip(told, bands=("NDVI",)))
            fine = scl.repeat(2, 0).repeat(2, 1)[1:8, :25]  # SCL begins 10 m further north
            seen |= set(np.unique(fine).tolist())
            assert facts["cloud_patch"] == pytest.approx(np.isin(fine, (8, 9, 10)).mean())
            assert facts["shadow_patch"] == pytest.approx((fine == 3).mean())
            assert facts["resampled"] == "", "only the mask was"
        assert {4, 5, 8, 9} <= seen

    def test_jolanda_as_a_stack(self) -> None:
        scenes, masks = zip(*jolanda(), strict=True)
        told = chip(*scenes, bands=("NDVI",), mask=True)
        assert told.images["image"].array.shape == (60, 1, 7, 25)
        assert told.images["mask"].array.shape == (60, 1, 7, 25)
        facts = measured(told)
        fine = np.array([m.repeat(2, 0).repeat(2, 1)[1:8, :25] for m in masks])
        cloud = np.isin(fine, (8, 9, 10)) & told.images["image"].valid
        assert facts["cloud_patch"] == pytest.approx(cloud.mean(), abs=1e-9)
        assert facts["cloud_patch_worst"] == 1.0
        with pytest.raises(Reject):
            Clear(0.9, worst=True)(told, Context(seed=0))

    def test_landsat_time_series(self) -> None:
        """63 scenes with classes of CFmask; fill of the images and fill of the masks agree."""
        folder = DATA / "landsat_timeseries_p035r032"
        cloudy = 0
        for path in sorted(p for p in folder.iterdir() if p.is_dir()):
            files = {
                p.stem.rsplit("_", 1)[-1]: p for p in path.iterdir() if p.suffix in (".tif", ".vrt")
            }
            names = sorted(files)
            mask = next(n for n in names if "fmask" in n.lower())
            made = [opened(files[n], "fmask" if n == mask else n) for n in names]
            told = scene(
                tuple(b for b, _ in made), made[0][1], collection="landsat-espa", id=path.name
            )
            sample = chip(told, bands=tuple(n for n in names if n != mask))
            facts = measured(sample)
            with rasterio.open(files[mask]) as source:
                classes = source.read(1)
            valid = sample.images["image"].valid
            assert facts["cloud_mask"] == "cfmask"
            assert facts["cloud_patch"] == pytest.approx(((classes == 4) & valid).mean())
            assert facts["nodata_patch"] == pytest.approx(((classes == 255) | ~valid).mean())
            cloudy += facts["cloud_patch"] > 0.5
        assert cloudy > 5

    def test_slovenia(self) -> None:
        """68 dates in one file, a mask of 0 and 1; legend and band are said by the recipe."""
        folder = DATA / "slovenia_s2_eopatch"
        when = datetime(2015, 7, 11, tzinfo=UTC)
        ndvi, place = opened(folder / "ndvi_68dates.tif", "ndvi")
        mask, _ = opened(folder / "cloudmask_68dates.tif", "cloudmask")
        with rasterio.open(folder / "cloudmask_68dates.tif") as source:
            truth = source.read()
        scenes = [
            scene((replace(ndvi, index=k), replace(mask, index=k)), place, id=str(k),
                  collection="s2-local", datetime=when + timedelta(days=k))
            for k in range(1, 69)
        ]  # fmt: skip
        told = chip(*scenes, bands=("ndvi",))
        image = told.images["image"]
        assert image.array.shape == (68, 1, 101, 100)
        facts = measured(told, mask="cloudmask", legend="cloud")
        assert facts["cloud_patch"] == pytest.approx(((truth == 1) & image.valid).mean(), abs=1e-9)
        assert facts["shadow_patch"] is None
