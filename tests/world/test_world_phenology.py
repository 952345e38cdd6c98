"""The world's phenology rasters: the format of MCD12Q2, the calendar of the world's own spectra."""

from datetime import date, timedelta

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from catalogs.world import phenology, season, truth
from catalogs.world.sites import SITES
from catalogs.world.spectra import BANDS, CALENDAR, reflectance

FILL = 32767


@pytest.fixture(scope="module", params=[2020, 2021, 2022])
def opened(world, request):
    path = world.role("phenology") / f"MCD12Q2_061_{request.param}.tif"
    with rasterio.open(path) as source:
        yield request.param, source, dict(zip(source.descriptions, source.read(), strict=True))


def ndvi(spectrum: str, day: date) -> float:
    red, nir = (
        float(reflectance(spectrum, day.timetuple().tm_yday)[BANDS.index(b)])
        for b in ("B04", "B08")
    )
    return (nir - red) / (nir + red)


def test_the_file_is_what_earth_engine_exports(opened):
    _, source, bands = opened
    assert tuple(bands) == phenology.BANDS and set(source.dtypes) == {"int16"}
    assert source.res == pytest.approx((463.312716, 463.312716), abs=1e-5)
    assert "Sinusoidal" in source.crs.to_wkt() and "6371007.181" in source.crs.to_wkt()
    assert source.tags()["LICENSE"] == "CC0-1.0"
    assert source.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("GENERATED data")
    column = (source.transform.c + 20015109.354) / 463.312716527775
    assert column == pytest.approx(round(column), abs=1e-6)


def test_dates_are_in_order_and_have_their_peak_in_the_product_year(opened):
    year, _, bands = opened
    first = (date(year, 1, 1) - date(1970, 1, 1)).days
    for number in (1, 2):
        dates = np.stack([bands[f"{phase}_{number}"] for phase in phenology.PHASES]).astype(int)
        dated = dates[0] != FILL
        assert ((dates == FILL).all(axis=0) == ~dated).all()
        assert (bands["NumCycles"][dated] >= number).all()
        assert (np.diff(dates[:, dated], axis=0) >= 0).all()
        trusted = dated & (bands[f"QA_Overall_{number}"] < 3)
        peak = dates[3][trusted] - first
        assert peak.min() >= 0 and peak.max() < 365
        assert trusted.sum() > 40 and (number == 2 or (dated & ~trusted).any())
    two = bands["NumCycles"] == 2
    assert (bands["Greenup_2"][two] > bands["Dormancy_1"][two]).all()


def test_the_raster_holds_the_truth_of_its_pixels(world, opened):
    year, source, bands = opened
    first = (date(year, 1, 1) - date(1970, 1, 1)).days
    there = Transformer.from_crs(4326, source.crs, always_xy=True)
    dated = missing = poor = 0
    for site in SITES[::3]:
        for step in (-0.012, 0.0, 0.012):
            lon, lat = site.lon + step, site.lat + step / 2
            row, column = source.index(*there.transform(lon, lat))
            known = truth.cycles(world, lon, lat, year)
            missing += not known
            assert bands["NumCycles"][row, column] == len(known)
            for number, cycle in enumerate(known, 1):
                late = 40 if bands[f"QA_Overall_{number}"][row, column] == 3 else 0
                told = [int(bands[f"{p}_{number}"][row, column]) for p in phenology.PHASES]
                assert told == [first + day + late for day in cycle[:7]]
                dated, poor = dated + 1, poor + bool(late)
    assert dated > 10 and missing


@pytest.mark.parametrize("spectrum", sorted(CALENDAR))
def test_a_cycle_follows_the_vegetation_index_of_its_spectrum(spectrum):
    """The index lies between base and peak as the definition of each date says."""
    start, cycles = date(2022, 1, 1), season.cycles(spectrum)
    line = {day: round(ndvi(spectrum, start + timedelta(day)), 9) for day in range(-365, 730)}
    peaks = (
        [cycles[-1].peak - 365, *(c.peak for c in cycles), cycles[0].peak + 365] if cycles else []
    )
    for number, c in enumerate(cycles):
        rising, falling = range(peaks[number], c.peak + 1), range(c.peak, peaks[number + 2] + 1)
        low, end = min(line[d] for d in rising), min(line[d] for d in falling)
        trough = max(d for d in rising if line[d] == low)
        after = min(d for d in falling if line[d] == end)
        rise, fall = line[c.peak] - low, line[c.peak] - end
        for share, first, last in (
            (0.15, c.greenup, c.dormancy),
            (0.5, c.midgreenup, c.midgreendown),
            (0.9, c.maturity, c.senescence),
        ):
            up, down = low + share * rise, end + share * fall
            assert line[first] >= up and all(line[d] < up for d in range(trough, first))
            assert line[last] >= down and all(line[d] < down for d in range(last + 1, after + 1))
        assert cycles[0].greenup + 365 > cycles[-1].dormancy


def test_evergreen_water_and_roofs_have_no_cycle():
    for spectrum in ("conifer", "mixed", "water", "asphalt", "tile", "soil"):
        assert season.cycles(spectrum) == ()
    assert len(season.cycles("grass")) == 2  # dry in August, green again in October
