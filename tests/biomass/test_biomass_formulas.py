"""Formulas against the numbers of the user guides and of specs/agbd.md, and against pyproj."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from pyproj import Transformer

from schemas.biomass import (
    CHANNELS,
    EBT_SAS,
    MODES,
    S2_BANDS,
    cyclic,
    day_of_year,
    decibels,
    land_cover,
    normalised,
    normalised_stack,
    places,
    position,
    rasterised,
    reflectance,
    stack,
)
from schemas.sensors import L2A_BANDS, convention
from transforms.imagery.radiometry import remove_offset


def test_the_model_of_evergreen_broadleaf_trees_in_south_asia() -> None:
    """Acceptance check 2: t = 15.6053, 271.134 Mg/ha."""
    assert float(EBT_SAS.agbd([19.15, 37.15])) == pytest.approx(271.134, abs=0.01)
    x = [math.sqrt(119.15), math.sqrt(137.15)]
    t = EBT_SAS.par[0] + EBT_SAS.par[1] * x[0] + EBT_SAS.par[2] * x[1]
    assert t == pytest.approx(15.6053, abs=1e-4)
    many = EBT_SAS.agbd(np.array([[19.15, 37.15], [5.0, 12.0]]))
    assert many.shape == (2,) and many[0] > many[1]


def test_decibels() -> None:
    """Acceptance check 8: 1 -> -83.00, 5000 -> -9.02, 0 -> no data, never -inf."""
    with np.errstate(all="raise"):
        found = decibels(np.array([1, 5000, 0, 65535], np.uint16))
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(-83.0, abs=1e-5)
    assert found[1] == pytest.approx(-9.02, abs=0.005)
    assert np.isnan(found[2])
    assert not np.isinf(found).any()
    assert found[3] == pytest.approx(20 * math.log10(65535) - 83, abs=1e-4)


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [("05.10", -1000), ("05.00", -1000), ("04.00", -1000), ("02.07", 0), ("03.01", 0)],
)
def test_the_offset_goes_by_baseline(baseline: str, offset: int) -> None:
    """Acceptance check 9: a product sensed in 2019 at baseline 05.xx carries the offset, at 02.xx it does not."""
    rule = convention("sentinel-2-l2a", baseline)
    assert rule.offset == offset
    stored = np.array([0, 1, 1400, 3500], np.uint16)
    moved = remove_offset(stored, rule.offset, 0)
    found = reflectance(moved)
    expected = [np.nan, 0.0001, 0.04, 0.25] if offset else [np.nan, 0.0001, 0.14, 0.35]
    assert np.allclose(found, expected, equal_nan=True, atol=1e-6)
    if offset:
        direct = reflectance(stored, -1000)
        assert np.allclose(direct, [np.nan, 0, 0.04, 0.25], equal_nan=True, atol=1e-6)


def test_cyclic_encodings() -> None:
    """0 -> (1, 0.5), a quarter turn -> (0.5, 1), half a turn -> (0, 0.5)."""
    cosine, sine = cyclic([0, np.pi / 2, np.pi])
    assert np.allclose(cosine, [1, 0.5, 0]) and np.allclose(sine, [0.5, 1, 0.5])
    lat_cos, lat_sin, lon_cos, lon_sin = position(90.0, 45.0)
    assert np.allclose([lat_cos, lat_sin, lon_cos, lon_sin], [0.5, 1.0, 0.5, 1.0])
    assert day_of_year(datetime(2020, 1, 1, tzinfo=UTC)) == (1.0, 0.5)
    july = day_of_year(datetime(2019, 7, 2, tzinfo=UTC))  # day 183
    assert july[0] == pytest.approx((math.cos(2 * math.pi * 182 / 365) + 1) / 2)
    found = land_cover(np.array([0, 25, 50, 255], np.uint8))
    assert np.allclose(found[0], [1, 0.5, 0, np.nan], equal_nan=True)
    assert np.allclose(found[1], [0.5, 1, 0.5, np.nan], equal_nan=True)


@pytest.mark.parametrize(("lon", "lat"), [(12.0, 47.0), (-60.0, -10.0), (9.0, 0.0), (170.5, -44.0)])
def test_pixels_of_a_patch_lie_where_they_are(lon: float, lat: float) -> None:
    """Within a hundredth of a pixel's size in encoding of what pyproj says; north is the first row."""
    zone = int((lon + 180) // 6) + 1
    to = Transformer.from_crs(
        "OGC:CRS84", f"EPSG:{(32600 if lat >= 0 else 32700) + zone}", always_xy=True
    )
    x, y = to.transform(lon, lat)
    steps = (np.arange(25) - 12) * 10.0
    lons, lats = to.transform(*np.meshgrid(x + steps, y - steps), direction="INVERSE")
    east, north = places(lon, lat, 25)
    assert np.abs(lats - north).max() < 1e-4 and np.abs(lons - east).max() < 2e-4
    assert north[0, 12] > north[24, 12] and east[12, 24] > east[12, 0]
    assert (east[12, 12], north[12, 12]) == (lon, lat)


def patch() -> np.ndarray:
    """A patch whose layers hold their own numbers, with one pixel of each missing."""
    s2 = np.stack([np.full((25, 25), 1000 + 100 * i, np.uint16) for i in range(12)])
    palsar = np.stack([np.full((25, 25), 5000, np.uint16), np.full((25, 25), 2000, np.uint16)])
    canopy = np.stack([np.full((25, 25), 30, np.uint8), np.full((25, 25), 5, np.uint8)])
    landcover = np.stack([np.full((25, 25), 112, np.uint8), np.full((25, 25), 80, np.uint8)])
    dem = np.full((1, 25, 25), 431, np.int16)
    for array, fill in ((s2, 0), (palsar, 0), (canopy, 255), (landcover, 255), (dem, -9999)):
        array[:, 0, 0] = fill
    return stack(s2, palsar, canopy, landcover, dem, -60.5, -3.25)


def test_the_stack_of_24_channels() -> None:
    found = patch()
    assert found.shape == (24, 25, 25) and found.dtype == np.float32
    middle = dict(zip(CHANNELS, found[:, 12, 12].tolist(), strict=True))
    assert middle["B01"] == pytest.approx(0.1) and middle["B12"] == pytest.approx(0.21)
    assert middle["lat_cos"] == pytest.approx((math.cos(math.pi * -3.25 / 90) + 1) / 2)
    assert middle["lon_sin"] == pytest.approx((math.sin(math.pi * -60.5 / 180) + 1) / 2)
    assert middle["HH"] == pytest.approx(-9.02, abs=0.005)
    assert (middle["ch"], middle["std"], middle["DEM"]) == (30, 5, 431)
    assert middle["lc_prob"] == pytest.approx(0.8)
    assert middle["lc_cos"] == pytest.approx((math.cos(2 * math.pi * 1.12) + 1) / 2)
    lost = {name for name, value in zip(CHANNELS, found[:, 0, 0], strict=True) if np.isnan(value)}
    assert lost == set(CHANNELS) - {"lat_cos", "lat_sin", "lon_cos", "lon_sin"}
    assert not np.isnan(found[:, 1:]).any()


def test_normalising_leaves_fill_out() -> None:
    """No data becomes 0, nothing else does; three ways."""
    stats = {"mean": 10.0, "std": 4.0, "min": 0.0, "max": 40.0, "p1": 2.0, "p99": 34.0}
    x = np.array([10.0, 14.0, 40.0, np.nan], np.float32)
    assert normalised(x, stats).tolist() == [0, 1, 7.5, 0]
    assert normalised(x, stats, "min_max").tolist() == [0.25, pytest.approx(0.35), 1, 0]
    assert normalised(x, stats, "percentile").tolist() == [0.25, 0.375, 1, 0]
    with pytest.raises(ValueError, match="one of"):
        normalised(x, stats, "z")
    for mode in MODES:
        found = normalised_stack(
            patch(), {"B01": {**stats, "mean": 0.1, "std": 1.0}, "DEM": stats}, mode
        )
        assert np.isfinite(found).all() and (found[:, 0, 0][[0, 16, 23]] == 0).all()


def test_names_of_bands() -> None:
    from schemas.sensors import SENTINEL_2

    assert tuple(SENTINEL_2[name] for name in S2_BANDS) == L2A_BANDS


def test_sparse_labels_on_a_grid() -> None:
    """Muszynski et al.: shots on 30 m pixels, the mean where several lie, nothing elsewhere."""
    transform = (30.0, 0.0, 500_000.0, 0.0, -30.0, 5_000_000.0)
    x = [500_015.0, 500_020.0, 500_089.9, 499_999.9, 500_090.0]
    y = [4_999_985.0, 4_999_999.0, 4_999_911.0, 4_999_985.0, 4_999_985.0]
    found = rasterised(x, y, [100, 300, 50, 7, 9], transform, 3, 3)
    assert found.tolist() == [[200, -9999, -9999], [-9999, -9999, -9999], [-9999, -9999, 50]]
