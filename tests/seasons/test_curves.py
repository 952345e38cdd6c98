"""Transition dates of curves that are known, and of real series beside this repository."""

import csv
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalogs.rasters import open_raster
from schemas.phenology import Dates, in_order, new_year, summarise
from schemas.windows import from_lonlat
from transforms.seasons.curves import Cycle, cycle, despiked, smooth

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_real = pytest.mark.skipif(not DATA.exists(), reason="the real data are not here")
EPOCH = date(1970, 1, 1).toordinal()


def epoch(when: date) -> float:
    return float(when.toordinal() - EPOCH)


def test_a_trapezoid() -> None:
    """Rise from day 100 to 200, level until 250, fall until 350: the shares are days themselves."""
    days = np.arange(0.0, 366)
    curve = np.interp(days, [0, 100, 200, 250, 350, 365], [0.2, 0.2, 0.7, 0.7, 0.2, 0.2])
    found = cycle(days, curve, 0, 366)
    assert found is not None
    assert found.rising == pytest.approx((115, 150, 190))
    assert found.falling == pytest.approx((260, 300, 335))
    assert found.transitions == pytest.approx((115, 190, 260, 335))
    assert found.amplitude == pytest.approx(0.5)


def test_first_crossing_up_last_crossing_down() -> None:
    """A dip on the way up comes after the first crossing; one on the way down before the last."""
    days = np.arange(0.0, 366)
    curve = np.interp(
        days, [0, 50, 100, 120, 200, 250, 270, 300, 365], [0, 0, 0.5, 0.1, 1, 0.1, 0.5, 0, 0]
    )
    found = cycle(days, curve, 0, 366)
    assert found is not None
    assert found.rising[0] == pytest.approx(65) and found.rising[1] == pytest.approx(100)
    assert found.falling[1] == pytest.approx(270) and found.falling[2] == pytest.approx(291)


def test_amplitudes_of_rise_and_fall_are_their_own() -> None:
    """Each side has a minimum of its own, as segments of MCD12Q2 have."""
    days = np.arange(0.0, 366)
    curve = np.interp(days, [0, 150, 300, 365], [0.5, 0.5, 0.9, 0.1])
    found = cycle(days, curve, 0, 366)
    assert found is not None
    assert found.rising[1] == pytest.approx(225) and found.falling[1] == pytest.approx(332.5)
    assert cycle(days, days, 0, 366) is None  # it only rises


def test_smoothing_keeps_a_line_and_fills_gaps() -> None:
    days, line = smooth([0, 10, 20, 50, 90], [0.0, 1, 2, 5, 9])
    np.testing.assert_allclose(line, days / 10, atol=1e-6)
    rng = np.random.default_rng(0)
    when = np.sort(rng.choice(365, 60, replace=False))
    truth = 0.4 - 0.3 * np.cos(2 * np.pi * when / 365)
    grid, found = smooth(when, truth + rng.normal(0, 0.02, 60))
    assert np.abs(found - (0.4 - 0.3 * np.cos(2 * np.pi * grid / 365))).max() < 0.04
    with pytest.raises(ValueError, match="2 values are no curve"):
        smooth([1, 2, 3], [0.1, np.nan, 0.2])


def test_haze_is_taken_out() -> None:
    found = despiked([0.5, 0.6, 0.1, 0.7, 0.65, 0.5, 0.3, 0.2])
    assert np.flatnonzero(np.isnan(found)).tolist() == [2]


# --- real series


def medians_of(chip: Any, good: Any, least: float = 0.3) -> Any:
    """Median of each date `(date, y, x)` over good pixels, NaN where there are few."""
    return np.array(
        [np.median(c[g]) if g.mean() > least else np.nan for c, g in zip(chip, good, strict=True)]
    )


def slovenia(kind: int) -> tuple[Any, Any]:
    """(days, NDVI) of a class of land use: 2 forest, 3 grass."""
    folder = DATA / "slovenia_s2_eopatch"
    times = json.loads((folder / "timestamps.json").read_text())
    with open_raster(str(folder / "ndvi_68dates.tif")) as file:
        values = file.read()
    with open_raster(str(folder / "cloudmask_68dates.tif")) as file:
        clear = file.read() == 0
    with open_raster(str(folder / "lulc.tif")) as file:
        wanted = file.read(1) == kind
    days = np.array([epoch(datetime.fromisoformat(text).date()) for text in times])
    return days, medians_of(values[:, wanted], clear[:, wanted])


def cycles_of(days: Any, values: Any, years: tuple[int, ...]) -> list[Cycle]:
    grid, curve = smooth(days, values)
    found = [cycle(grid, curve, float(new_year(y)), float(new_year(y + 1))) for y in years]
    return [one for one in found if one is not None]


@needs_real
@pytest.mark.realdata
@pytest.mark.parametrize("kind", [2, 3])
def test_slovenian_woods_and_meadows(kind: int) -> None:
    """Green from spring to autumn in both years, in the order of the product, alike from year to year."""
    days, values = slovenia(kind)
    found = cycles_of(days, values, (2016, 2017))
    assert len(found) == 2
    offsets = np.array(
        [
            np.array(c.transitions) - int(new_year(y))
            for c, y in zip(found, (2016, 2017), strict=True)
        ]
    )
    assert in_order(offsets).all()
    greenup, maturity, senescence, dormancy = offsets.T
    assert (greenup > 45).all() and (greenup < 95).all()  # mid-February to the first days of April
    assert (maturity < 190).all() and (senescence > 230).all() and (dormancy > 320).all()
    assert np.abs(np.diff(offsets, axis=0)).max() < 45
    shifts = []
    for drop in range(5):  # every fifth date left out: how sure the dates are
        kept = np.arange(len(days)) % 5 != drop
        again = cycles_of(days[kept], values[kept], (2016, 2017))
        shifts += [
            np.abs(np.subtract(a.transitions, b.transitions))
            for a, b in zip(found, again, strict=True)
        ]
    assert np.median(shifts) < 7 and np.percentile(shifts, 90) < 21


@needs_real
@pytest.mark.realdata
def test_a_field_in_italy_has_its_summer() -> None:
    """Jolanda, 60 dates of 2020 with scene classification: bare in winter and after the harvest."""
    folder = DATA / "jolanda_s2_ndvi_scl_fields"
    days, values = [], []
    for path in sorted((folder / "NDVI").iterdir(), key=lambda p: p.name[6:14]):
        with open_raster(str(path)) as file:
            stored = file.read(1).astype(float)
        with open_raster(str(folder / "SCL" / path.name.replace("NDVI", "SCL"))) as file:
            classes = file.read(1).repeat(2, 0).repeat(2, 1)[1:8, :25]
        good = np.isin(classes, (4, 5, 7)) & (stored > -32768)
        days.append(epoch(datetime.strptime(path.name[6:14], "%Y%m%d").date()))
        values.append(np.median(stored[good]) * 1e-4 if good.mean() > 0.5 else np.nan)
    assert np.isfinite(values).sum() == 30
    (found,) = cycles_of(np.array(days), np.array(values), (2020,))
    offsets = np.array(found.transitions) - int(new_year(2020))
    assert in_order(offsets)
    assert 30 < offsets[0] < 75 and 230 < offsets[3] < 285


@needs_real
@pytest.mark.realdata
def test_southern_fields_by_product_year() -> None:
    """Sinop, 12 images from September 2013 to August 2014 (one hazy, 18 February): the year of the peak
    is the product year, and a rise that began in the year before has a negative offset."""
    folder = DATA / "sinop_mod13q1"
    paths = sorted(folder.glob("*.jp2"))
    days = np.array([epoch(date.fromisoformat(p.stem[-10:])) for p in paths])
    with (folder / "samples_sinop_crop.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    images = []
    for path in paths:
        with open_raster(str(path)) as file:
            images.append(file.read(1))
            crs, t = file.crs.to_wkt(), file.transform
    lon, lat = (np.array([float(r[k]) for r in rows]) for k in ("longitude", "latitude"))
    xs, ys = from_lonlat(crs, lon, lat)
    col, row = ((xs - t.c) // t.a).astype(int), ((ys - t.f) // t.e).astype(int)
    ndvi = np.stack(images)[:, row, col].T * 1e-4
    haze = days == epoch(date(2014, 2, 18))
    assert np.isnan(np.stack([despiked(v) for v in ndvi])[:, haze]).mean() > 0.6
    before = {}
    for record, values in zip(rows, ndvi, strict=True):
        clean = np.where(haze, np.nan, values)
        if record["label"] in ("Forest", "Cerrado"):
            continue  # evergreen, no cycle to speak of
        grid, curve = smooth(days, clean)
        found = cycle(grid, curve, grid[1], grid[-1])
        if found is None:
            continue
        year = date.fromordinal(EPOCH + int(found.peak)).year
        dates = Dates.blank(1, [year])
        dates.days[0, 0, 0] = np.round(found.transitions)
        summary = summarise(dates)
        assert summary.known[0] and in_order(summary.offsets)[0]
        print(record["label"], year, summary.offsets[0])
        before[record["id"]] = (record["label"], year, summary.offsets[0].tolist())
    labels = [label for label, _, _ in before.values()]
    assert labels.count("Soy_Corn") >= 6
    rises = {year: [o[0] for _, y, o in before.values() if y == year] for year in (2013, 2014)}
    assert rises[2014] and max(rises[2014]) < 0 and min(rises[2014]) > -115
    assert all(o > 250 for o in rises[2013])
    assert all(o[3] > 365 for _, y, o in before.values() if y == 2013)


@needs_real
@pytest.mark.realdata
def test_phenocam_dates_are_crossings_of_its_own_curve() -> None:
    """Ahwahnee: no series of this camera is here, so no date of ours can be held against its own. What
    can: three points of each of its curves, on which our rule (share of the amplitude, by a straight line
    between days) must give dates within its confidence limits, and the table's own order."""
    path = DATA / "phenology_phenocam" / "ahwahnee_GR_3000_3day_transition_dates.csv"
    with path.open() as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    assert len(rows) == 24
    apart = []
    for row in rows:
        low, high = float(row["min_gcc"]), float(row["max_gcc"])
        dates = np.array([epoch(date.fromisoformat(row[f"transition_{s}"])) for s in (10, 25, 50)])
        levels = np.array([float(row[f"threshold_{s}"]) for s in (10, 25, 50)])
        assert (
            (np.diff(dates) > 0).all()
            if row["direction"] == "rising"
            else (np.diff(dates) < 0).all()
        )
        for place, share in enumerate((10, 25, 50)):
            limits = sorted(
                epoch(date.fromisoformat(row[f"transition_{share}_{side}_ci"]))
                for side in ("lower", "upper")
            )
            assert limits[0] <= dates[place] <= limits[1]
            level = low + share / 100 * (high - low)
            first = 0 if level <= levels[1] else 1
            slope = np.diff(dates)[first] / np.diff(levels)[first]
            ours = dates[first] + (level - levels[first]) * slope
            assert limits[0] - 0.5 <= ours <= limits[1] + 0.5, row
            apart.append(abs(ours - dates[place]))
    assert np.median(apart) < 1 and max(apart) < 4
