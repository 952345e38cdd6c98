"""Phenology read from tables of points, and the real table of one place."""

import csv
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogs.sources.phenology import tables
from phenology_files import BASE, kilometres, opened
from schemas.errors import SourceError
from schemas.phenology import TRANSITIONS, date_of, new_year, summarise

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "phenology_mcd12q2"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the real data are not here")


def points(folder: Path, kind: str, **changes: Any) -> Path:
    """A table of three places in two years."""
    rows = []
    for number, (lon, lat) in enumerate([(10.0, 50.0), (10.5, 50.0), (-60.0, -20.0)]):
        for year in (2020, 2021):
            days = {
                f"{name}_1": int(new_year(year)) + int(BASE[at]) + number * 10 + (year - 2020) * 4
                for at, name in enumerate(TRANSITIONS)
            }
            rows.append({"lon": lon, "lat": lat, "year": year, **days, **changes})
    table = pa.Table.from_pylist(rows)
    path = folder / f"points.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        import pyarrow.csv

        pyarrow.csv.write_csv(table, path)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_points(tmp_path: Path, kind: str) -> None:
    source = opened(points(tmp_path, kind))
    lon, lat = np.array([10.502, 10.003, 10.2, -61.0]), np.array([50.0, 50.001, 50.0, -20.0])
    own = summarise(source.at(lon, lat))
    assert own.known.tolist() == [True, True, False, False]  # within a pixel of the point
    np.testing.assert_array_equal(own.offsets[:2], [BASE + 12, BASE + 2])
    filled, km = source.nearest(lon, lat)
    np.testing.assert_array_equal(filled.offsets[2:], [BASE + 2, BASE + 22])
    np.testing.assert_allclose(
        km[2:], [kilometres(10.2, 50, 10, 50), kilometres(-61, -20, -60, -20)], rtol=1e-9
    )


def test_a_limit_for_tables(tmp_path: Path) -> None:
    summary, km = opened(points(tmp_path, "csv")).nearest(
        np.array([10.2, 10.9]), np.array([50.0, 50.0]), 20.0
    )
    assert summary.known.tolist() == [True, False] and np.isinf(km[1])


def test_tables_that_cannot_be_meant(tmp_path: Path) -> None:
    path = points(tmp_path, "csv")
    text = path.read_text()
    for other, said in (
        (text.replace("Dormancy_1", "other"), "2020 Dormancy_1, 2021 Dormancy_1 missing"),
        (text.replace('"lon"', '"easting"'), "neither a table of the subset service"),
        (text.replace("-20", "-95"), "lies at -60 -95, which is no place"),
        (text + "10,50,2020,1,2,3,4\n", r"Greenup_1 of 2020 at 10 50 is both"),
    ):
        path.write_text(other)
        with pytest.raises(SourceError, match=said):
            opened(path)


@needs_real
@pytest.mark.realdata
def test_the_real_table_decodes_to_its_own_dates() -> None:
    """Morton Arboretum, 17 product years of two layers: every row, and the year's own offset."""
    file = REAL / "MODIS_Greenup_MortonArb.csv"
    with file.open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 34
    for row in rows:
        day = int(row["value"])
        assert date_of(day).isoformat() == row["value_date"]
        offset = day - int(new_year(int(row["calendar_date"][:4])))
        assert offset == int(row["greenup.yday"]) - 1 == date_of(day).timetuple().tm_yday - 1
    read = tables.open_tables([file])
    assert read.years == tuple(range(2001, 2018))
    greenup = {r["calendar_date"][:4]: int(r["value"]) for r in rows if r["BAND"] == "Greenup"}
    found = read.at(np.array([-88.052897]), np.array([41.813583]))
    assert found.days[0, :, 0, 0].tolist() == [greenup[str(year)] for year in read.years]
    with pytest.raises(SourceError, match=r"2001 Maturity_1.* missing"):
        opened(file)


def test_many_points_over_many_years_open_in_little_time_and_memory(tmp_path: Path) -> None:
    """Positions are sorted once, not once for each layer; memory grows with what is kept."""
    rng = np.random.default_rng(4)
    count, years = 4_000, list(range(2001, 2011))
    lon, lat = rng.uniform(-180, 180, count), rng.uniform(-60, 70, count)
    table: dict[str, Any] = {
        "lon": np.tile(lon, len(years)), "lat": np.tile(lat, len(years)),
        "year": np.repeat(years, count),
    }  # fmt: skip
    start = np.repeat(new_year(years), count)
    for cycle in (1, 2):
        for name, offset in zip(TRANSITIONS, (100, 150, 250, 300), strict=True):
            table[f"{name}_{cycle}"] = start + offset + cycle
    pq.write_table(pa.table(table), tmp_path / "p.parquet")
    tracemalloc.start()
    source = opened(tmp_path / "p.parquet")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    rows, layers = count * len(years), 8
    assert peak < 4 * 8 * rows * (layers + 3)
    found = source.at(lon, lat)
    np.testing.assert_array_equal(found.days[:, 3, 1, 2] - new_year(2004), 252)
    assert source.points is not None and len(source.points.lon) == count
