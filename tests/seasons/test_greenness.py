"""NDVI of stored bands, shares of cloud by date, weights, and the tables beside the samples."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogs.sources.land import open_mountains
from catalogs.sources.terms import Override
from schemas.errors import Fault, SourceError
from schemas.samples import Image, Sample
from schemas.windows import Grid
from transforms.context import Context
from transforms.encode import GeoTiff
from transforms.seasons.greenness import Ndvi, ndvi
from transforms.seasons.tables import Comparison, ImageTable, compared, days_apart
from transforms.seasons.weights import Weight, weight_of

GRID = Grid("EPSG:32632", (10.0, 0.0, 680_000.0, 0.0, -10.0, 5_330_000.0), 4, 3)


def stack(kind: str = "uint16", dates: int = 2) -> Image:
    """Two dates of blue, red and nir; one pixel without data, one of which red and nir are 0."""
    rng = np.random.default_rng(1)
    array = rng.integers(1, 9000, (dates, 3, 3, 4)).astype(kind)
    array[0, :, 0, 0] = 0
    valid = np.ones((dates, 3, 4), bool)
    valid[0, 0, 0] = False
    times = tuple(datetime(2020 + n, 6, 1, tzinfo=UTC) for n in range(dates))
    return Image(array, ("blue", "red", "nir"), GRID, 0, valid, times=times)


def made(image: Image, **facts: Any) -> Sample:
    sample = Sample(
        "a", 0.0, 0.0, images={"image": image}, facts={"offset": 0.0, "scale": 1e-4, **facts}
    )
    return Ndvi()(sample, Context())


def test_ndvi_is_that_of_the_stored_bands() -> None:
    """Check 7: computed anew from what is shipped, nodata for 0 / 0 and where there is no data."""
    image = stack()
    sample = made(image)
    import rasterio

    with rasterio.MemoryFile(GeoTiff()(sample, Context())) as a, a.open() as file:
        bands = dict(zip(file.descriptions, file.read().astype(np.float64), strict=True))
    with rasterio.MemoryFile(GeoTiff(image="ndvi")(sample, Context())) as b, b.open() as file:
        shipped = dict(zip(file.descriptions, file.read(), strict=True))
        assert file.dtypes == ("float32", "float32") and np.isnan(file.nodata)
    for date in ("T0", "T1"):
        red, nir = bands[f"{date}_red"], bands[f"{date}_nir"]
        with np.errstate(invalid="ignore"):
            expected = ((nir - red) / (nir + red)).astype(np.float32)
        np.testing.assert_array_equal(shipped[f"{date}_ndvi"], expected)
    assert np.isnan(shipped["T0_ndvi"][0, 0]) and np.isnan(shipped["T0_ndvi"]).sum() == 1
    means = [float(np.nanmean(shipped[f"T{n}_ndvi"].astype(float))) for n in (0, 1)]
    assert [float(t) for t in sample.facts["ndvi_means"].split(",")] == pytest.approx(
        means, abs=1e-4
    )


def test_nothing_over_nothing_is_nodata_even_where_zero_is_a_number() -> None:
    found = ndvi(np.array([0, 5, 0]), np.array([0, 0, 5]), np.ones(3, bool))
    assert np.isnan(found[0]) and found[1:].tolist() == [-1, 1]
    image = stack()
    image.nodata = None
    image.array[1, 1:, 2, 3] = 0
    sample = made(image)
    assert np.isnan(sample.images["ndvi"].array[1, 0, 2, 3])
    assert not sample.images["ndvi"].valid[1, 2, 3] and not sample.images["ndvi"].valid[0, 0, 0]


def test_an_offset_that_is_still_there_is_taken_off() -> None:
    """Reflectance = stored x 0.0001 - 0.1: 2000 and 4000 are 0.1 and 0.3."""
    image = stack()
    image.array[:, 1], image.array[:, 2] = 2000, 4000
    sample = made(image, offset=-0.1)
    assert sample.images["ndvi"].array[1, 0, 1, 1] == pytest.approx(0.5)


def test_a_chip_of_one_date_and_one_without_red() -> None:
    image = stack(dates=1).date(0)
    sample = made(image)
    assert sample.images["ndvi"].array.shape == (1, 3, 4)
    assert "," not in sample.facts["ndvi_means"]
    image.bands = ("blue", "green", "nir")
    with pytest.raises(Fault) as caught:
        made(image)
    assert caught.value.code == "band_mismatch"


def test_weights() -> None:
    assert weight_of([0.05, 0.02], 0.1, False) == 0.25
    assert weight_of([0.05, 0.3], 0.1, False) == 1
    assert weight_of([0.05, float("nan")], 0.1, True) == 0.5
    assert weight_of([float("nan")], 0.1, True) == 2  # nothing is known of its plants
    assert weight_of([0.4], 0.1, True) == 2


def test_mountains_from_a_file(tmp_path: Path) -> None:
    ring = [[10, 46], [12, 46], [12, 48], [10, 48], [10, 46]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    path = tmp_path / "mountains.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {}, "geometry": shape}]}))  # fmt: skip
    ground = open_mountains(path, Override("CC0-1.0"))
    step, ctx = Weight(), Context(sources={"mountains": ground})
    facts = [
        step(Sample("a", lon, 47.0, facts={"ndvi_means": "0.01,0.05"}), ctx).facts
        for lon in (11.0, 13.0)
    ]
    assert [f["sampling_weight"] for f in facts] == [0.5, 0.25]
    assert [f["mountain"] for f in facts] == ["yes", "no"]
    assert step.roles == ("mountains",)  # so that block ids know the content
    alone = Sample("a", 11.0, 47.0, facts={"ndvi_means": "0.3"})
    plain = Weight()(alone, Context()).facts
    assert plain["sampling_weight"] == 1 and plain["mountain"] == ""
    with pytest.raises(SourceError, match=r"--mountains .*: is a folder; name the file in it"):
        open_mountains(tmp_path, Override("CC0-1.0"))
    with pytest.raises(SourceError, match=r"--mountains .*none.gpkg: no such file"):
        open_mountains(tmp_path / "none.gpkg", Override("CC0-1.0"))
    with pytest.raises(SourceError, match=r"--license mountains="):
        open_mountains(path, Override())


# --- tables


def rows() -> pa.Table:
    """Two samples of two and three images."""
    return pa.table(
        {
            "key": ["a", "b"],
            "scene_ids": [["c/1", "c/2"], ["c/3", "c/4", "c/5"]],
            "lat": [48.0, -30.0],
            "split": ["train", "val"],
            "datetimes": [
                "2020-05-01T10:00:00+00:00,2021-08-01T10:00:00+00:00",
                "2019-01-01T00:00:00+00:00,2019-05-01T00:00:00+00:00,2019-09-01T00:00:00+00:00",
            ],
            "seasons": ["spring,summer", "summer,autumn,winter"],
            "clouds": ["1.5,0.0", "3.0,2.0,1.0"],
            "cloud_patches": ["0.250000,", ",,"],
            "ndvi_means": ["0.4000,nan", "0.1,0.2,0.3"],
        }
    )


def test_a_row_for_each_image(tmp_path: Path) -> None:
    target = tmp_path / "images.parquet"
    ImageTable().write(iter([rows(), rows().slice(0, 0)]), target, Context())
    found = pq.read_table(target)
    assert found["sample_id"].to_pylist() == ["a", "a", "b", "b", "b"]
    assert found["image"].to_pylist() == [0, 1, 0, 1, 2]
    assert found["item_id"].to_pylist() == ["c/1", "c/2", "c/3", "c/4", "c/5"]
    assert found["datetime"][1].as_py() == datetime(2021, 8, 1, 10, tzinfo=UTC)
    assert found["season"].to_pylist() == ["spring", "summer", "summer", "autumn", "winter"]
    assert found["cloud_scene"].to_pylist() == [1.5, 0, 3, 2, 1]
    assert found["cloud_patch"].to_pylist() == [0.25, None, None, None, None]
    assert found["split"].to_pylist() == ["train"] * 2 + ["val"] * 3
    again = tmp_path / "again.parquet"
    ImageTable().write(iter([rows(), rows().slice(0, 0)]), again, Context())
    assert again.read_bytes() == target.read_bytes()


def test_dates_of_the_year_are_compared_the_short_way_round() -> None:
    assert days_apart([5, 360, 396, 100], [360, 5, 31, 100]).tolist() == [10, 10, 0, 0]


def test_how_far_phenology_lies_from_the_calendar() -> None:
    """Check 8, by hand: middles 142, 213.5, 285 and 31 against 78, 171, 264 and 354 (0-based)."""
    offsets = np.array(
        [[109.0, 175, 252, 318], [109.0 - 182.5, 175 - 182.5, 252 - 182.5, 318 - 182.5]]
    )
    named, nearest = compared(offsets, np.array([48.0, -30.0]))
    assert named[0].tolist() == [64, 42.5, 21, 42]
    assert nearest[0].tolist() == [29, 42.5, 21, 42]
    # half a year later in the south, where 22 September is spring: the quarters are not equally long
    assert named[1].tolist() == pytest.approx([60.5, 42, 24.5, 42.5])
    report = {
        (r["season"], r["against"]): r for r in Comparison().report(offsets, np.array([48, -30]))
    }
    assert report["spring", "named"]["share"] == 1 and report["spring", "nearest"]["differing"] <= 1
    assert report["autumn", "named"]["differing"] == 0
    assert report["any", "named"]["share"] == 1 and report["any", "named"]["locations"] == 2
    assert {r["locations"] for r in Comparison().report(np.empty((0, 4)), np.empty(0))} == {0}


def test_the_comparison_is_written(tmp_path: Path) -> None:
    names = ("pheno_greenup", "pheno_maturity", "pheno_senescence", "pheno_dormancy")
    samples = pa.table(
        {**dict(zip(names, ([109.0], [175.0], [252.0], [318.0]), strict=True)), "lat": [48.0]}
    )
    target = tmp_path / "c.parquet"
    Comparison().write(iter([samples]), target, Context())
    found = pq.read_table(target).to_pylist()
    assert len(found) == 10 and found[0]["median_days"] == 64
