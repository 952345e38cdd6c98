"""Phenology read from rasters and tables: the right pixel, the nearest usable one, clear refusals."""

import csv
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from affine import Affine

from catalogs.sources.phenology import Phenology, cubes, open_phenology, tables
from catalogs.sources.phenology.rasters import Rasters
from catalogs.sources.terms import Override
from phenology_files import CELL, CORNER, SINUSOIDAL, middles, write, year_of_layers
from schemas.errors import SourceError
from schemas.phenology import TRANSITIONS, date_of, new_year, summarise
from schemas.windows import EARTH_M, to_lonlat

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "phenology_mcd12q2"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the real data are not here")

BASE = np.array([109.0, 175, 252, 318])


def opened(path: Path) -> Phenology:
    return open_phenology(path, Override())


def field(shape: tuple[int, int], seed: int = 1) -> Any:
    """Offsets `(y, x, 4)` in order, other in every pixel."""
    rng = np.random.default_rng(seed)
    return BASE + rng.integers(-30, 30, (*shape, 1)) + rng.integers(0, 5, (*shape, 4)).cumsum(-1)


def kilometres(lon1: Any, lat1: Any, lon2: Any, lat2: Any) -> Any:
    """Great-circle distance by the haversine formula."""
    a, b, c, d = map(np.radians, (lon1, lat1, lon2, lat2))
    h = np.sin((d - b) / 2) ** 2 + np.cos(b) * np.cos(d) * np.sin((c - a) / 2) ** 2
    return 2 * EARTH_M / 1000 * np.arcsin(np.sqrt(h))


def test_each_point_gets_its_own_pixel(tmp_path: Path) -> None:
    """Over two chunks of reading, three years, in the product's projection."""
    shape = (270, 300)
    truth = {year: field(shape, year) for year in (2020, 2021, 2022)}
    for year, offsets in truth.items():
        write(tmp_path / f"MCD12Q2_061_{year}.tif", year_of_layers(year, offsets, shape))
    source = opened(tmp_path)
    assert source.years == (2020, 2021, 2022)
    lon, lat = middles(shape)
    rng = np.random.default_rng(0)
    picked = rng.permutation(len(lon))[:500]
    shift = rng.uniform(-0.4, 0.4, (2, 500)) * CELL / 111_000  # within the pixel still
    found = source.at(lon[picked] + shift[0], lat[picked] + shift[1])
    for place, year in enumerate(source.years):
        expected = truth[year].reshape(-1, 4)[picked] + int(new_year(year))
        np.testing.assert_array_equal(found.days[:, place, 0], expected)
    assert not found.valid[:, :, 1].any()
    outside = source.at(np.array([14.9, -60.0]), np.array([48.0, -20.0]))
    assert not outside.valid.any()


def test_years_of_another_extent_are_not_lost(tmp_path: Path) -> None:
    """The export of one year is a column wider than that of the others, on the same lattice."""
    wide, narrow = (6, 7), (6, 6)
    base = {year: np.zeros((*wide, 4)) + BASE + 10 * (year - 2019) for year in (2019, 2020, 2021)}
    for year, offsets in base.items():
        shape = narrow if year == 2019 else wide
        own = offsets[: shape[0], : shape[1]]
        if year == 2020:
            own[0, 0] = np.nan
        write(tmp_path / f"MCD12Q2_{year}.tif", year_of_layers(year, own, shape))
    source = opened(tmp_path)
    lon, lat = middles(wide)
    found = summarise(source.at(lon, lat))
    assert found.years.reshape(wide).tolist() == [[2, 3, 3, 3, 3, 3, 2]] + [[3] * 6 + [2]] * 5
    assert found.left_out.sum() == 0
    assert found.offsets.reshape(*wide, 4)[3, 3].tolist() == (BASE + 10).tolist()
    assert found.offsets.reshape(*wide, 4)[3, 6].tolist() == (BASE + 15).tolist()
    near, km = source.nearest(lon[8:9] + 1e-5, lat[8:9])
    assert near.years.tolist() == [3] and km[0] < 0.1
    assert any("2019; 2020, 2021" in note for note in source.about.notes)


def test_only_boxes_around_points_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two points in two corners of a large raster read two pixels of each layer."""
    shape = (600, 600)
    write(tmp_path / "MCD_2021.tif", year_of_layers(2021, field(shape), shape))
    source = opened(tmp_path)
    lon, lat = middles(shape)
    boxes, read = [], Rasters.read

    def watched(self: Rasters, box: Any) -> Any:
        boxes.append(box)
        return read(self, box)

    monkeypatch.setattr(Rasters, "read", watched)
    ends = np.array([0, len(lon) - 1])
    assert source.at(lon[ends], lat[ends]).valid[:, 0, 0].all()
    assert boxes == [(0, 0, 1, 1), (599, 599, 1, 1)]


def test_files_a_layer_and_year_are_the_same_as_one_a_year(tmp_path: Path) -> None:
    """AppEEARS counts cycles from 0 and names the layer and the year in the file's name."""
    shape = (12, 9)
    for folder in ("export", "appeears"):
        (tmp_path / folder).mkdir()
    for year in (2020, 2021):
        layers = year_of_layers(year, field(shape, year), shape)
        layers |= year_of_layers(year, field(shape, year) + 60, shape, cycle=2)
        layers["EVI_Amplitude_1"] = np.full(shape, 2000, np.int16)
        layers["EVI_Amplitude_2"] = (
            np.where(np.arange(9) > 4, 3000, 1000).repeat(12).reshape(9, 12).T
        )
        layers["EVI_Amplitude_2"] = layers["EVI_Amplitude_2"].astype(np.int16)
        layers["QA_Overall_1"] = np.zeros(shape, np.int16)
        layers["NumCycles"] = np.full(shape, 2, np.int16)
        write(tmp_path / "export" / f"MCD12Q2_{year}-0000000000-0000002048.tif", layers)
        for name, array in layers.items():
            plain = name if name == "NumCycles" else f"{name[:-2]}_{int(name[-1]) - 1}"
            file = f"MCD12Q2.061_{plain}_doy{year}001_aid0001.tif"
            write(tmp_path / "appeears" / file, {"": array})
    lon, lat = middles(shape)
    one, other = (opened(tmp_path / f).at(lon, lat) for f in ("export", "appeears"))
    for name in ("years", "days", "amplitude", "quality", "cycles"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    summary = summarise(one)
    assert summary.cycle.reshape(shape)[:, 5:].tolist() == [[2] * 4] * 12
    assert summary.cycle.reshape(shape)[:, :5].tolist() == [[1] * 5] * 12
    assert set(summary.n_cycles.tolist()) == {2}


def test_another_projection(tmp_path: Path) -> None:
    shape, transform = (8, 10), Affine(0.005, 0, -63.0, 0, -0.005, -17.0)
    layers = year_of_layers(2021, field(shape), shape)
    write(tmp_path / "south_2021.tif", layers, "EPSG:4326", transform)
    lon, lat = middles(shape, "EPSG:4326", transform)
    found = opened(tmp_path / "south_2021.tif").at(lon, lat)
    np.testing.assert_array_equal(found.days[:, 0, 0, 0], layers["Greenup_1"].ravel())


def one_valid(folder: Path, places: list[tuple[int, int]]) -> Phenology:
    """A raster of 3 x 3 pixels with few that are usable."""
    offsets = np.full((3, 3, 4), np.nan)
    for row, col in places:
        offsets[row, col] = BASE + row * 3 + col
    write(folder / "tiny_2021.tif", year_of_layers(2021, offsets, (3, 3)))
    return opened(folder)


@pytest.mark.parametrize("place", [(0, 0), (1, 1), (2, 1)])
def test_one_usable_pixel_fills_the_other_eight(tmp_path: Path, place: tuple[int, int]) -> None:
    """Check 4."""
    source = one_valid(tmp_path, [place])
    lon, lat = middles((3, 3))
    direct = summarise(source.at(lon, lat)).known
    number = place[0] * 3 + place[1]
    assert np.flatnonzero(direct).tolist() == [number]
    summary, km = source.nearest(lon, lat)
    np.testing.assert_array_equal(summary.offsets, np.tile(BASE + number, (9, 1)))
    assert (km[~direct] > 0).all() and km[number] < 1e-6
    np.testing.assert_allclose(
        km, kilometres(lon, lat, lon[number], lat[number]), rtol=1e-9, atol=1e-8
    )


def test_of_equally_near_pixels_the_first_counts(tmp_path: Path) -> None:
    """Check 4: in whatever order the points are asked for."""
    source = one_valid(tmp_path, [(1, 0), (1, 2), (0, 0)])
    lon, lat = middles((3, 3))
    middle = np.array([4, 4])
    for _ in range(2):
        summary, _ = source.nearest(lon[middle], lat[middle])
        assert summary.offsets[:, 0].tolist() == [BASE[0] + 3] * 2
    every = source.nearest(lon, lat)[0].offsets
    back = source.nearest(lon[::-1], lat[::-1])[0].offsets[::-1]
    np.testing.assert_array_equal(every, back)


def test_the_nearest_of_many_equals_a_plain_search(tmp_path: Path) -> None:
    """Usable pixels scattered over chunks, points inside and far outside of the raster."""
    shape = (520, 530)
    offsets = np.full((*shape, 4), np.nan)
    rng = np.random.default_rng(5)
    rows, cols = rng.integers(0, 520, 40), rng.integers(300, 530, 40)
    offsets[rows, cols] = field((40, 1), 9)[:, 0]
    write(tmp_path / "sparse_2021.tif", year_of_layers(2021, offsets, shape))
    source = opened(tmp_path)
    lon, lat = middles(shape)
    usable = np.flatnonzero(~np.isnan(offsets[..., 0].ravel()))
    asked_lon = np.concatenate([rng.uniform(lon.min() - 3, lon.max() + 3, 200), [178.0, -60.0]])
    asked_lat = np.concatenate([rng.uniform(lat.min() - 3, lat.max() + 3, 200), [-80.0, 0.0]])
    summary, km = source.nearest(asked_lon, asked_lat)
    away = kilometres(asked_lon[:, None], asked_lat[:, None], lon[usable], lat[usable])
    np.testing.assert_allclose(km, away.min(axis=1), rtol=1e-9)
    expected = offsets.reshape(-1, 4)[usable[away.argmin(axis=1)]]
    np.testing.assert_array_equal(summary.offsets, expected)


def test_a_limit_ends_the_search(tmp_path: Path) -> None:
    """Pixels beyond it are as good as not there, and nobody reads them."""
    source = one_valid(tmp_path, [(0, 0)])
    lon, lat = middles((3, 3))
    free = source.nearest(lon, lat)[1]
    summary, km = source.nearest(lon, lat, 0.7)
    near = free <= 0.7
    assert 1 < near.sum() < 9
    np.testing.assert_array_equal(summary.known, near)
    np.testing.assert_array_equal(km, np.where(near, free, np.inf))
    far = source.nearest(np.array([-60.0]), np.array([0.0]), 100)
    assert not far[0].known[0] and np.isinf(far[1][0])


def test_a_broken_order_is_filled_from_beside(tmp_path: Path) -> None:
    """Check 3: what is out of order never gets out."""
    offsets = field((3, 3))
    offsets[1, 1] = [200, 150, 250, 300]
    offsets[0, 0] = [10, 100, 200, 375]  # dormancy after the next greenup
    write(tmp_path / "b_2021.tif", year_of_layers(2021, offsets, (3, 3)))
    source = opened(tmp_path)
    lon, lat = middles((3, 3))
    own = summarise(source.at(lon, lat))
    assert np.flatnonzero(~own.known).tolist() == [0, 4]
    assert own.left_out.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 0]
    filled, km = source.nearest(lon, lat)
    assert filled.known.all() and km[[0, 4]].min() > 0.3 and km[[0, 4]].max() < 0.6


def test_a_raster_without_a_usable_pixel_is_one_clear_error(tmp_path: Path) -> None:
    source = one_valid(tmp_path, [])
    with pytest.raises(SourceError, match=r"--phenology .*: no pixel has the four dates .* 2021"):
        source.nearest(np.array([11.0]), np.array([48.0]))


@pytest.mark.parametrize(
    ("name", "layers", "said"),
    [
        ("a_2021.tif", {"red": 1}, "no band is called as a layer of MCD12Q2"),
        ("a.tif", {"Greenup_1": 1}, "must hold the product year, once"),
        ("a_2019_2020.tif", {"Greenup_1": 1}, r"found 2019, 2020"),
        ("a_2021.tif", {"Greenup_1": 1, "Maturity_1": 1}, "2021 Senescence_1, 2021 Dormancy_1"),
    ],
)
def test_other_rasters_are_refused(
    tmp_path: Path, name: str, layers: dict[str, int], said: str
) -> None:
    write(tmp_path / name, {key: np.ones((2, 2), np.int16) for key in layers})
    with pytest.raises(SourceError, match=said):
        opened(tmp_path)


def test_a_layer_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    for name in ("one_2021.tif", "two_2021.tif"):
        write(tmp_path / name, year_of_layers(2021, field((2, 2)), (2, 2)))
    with pytest.raises(SourceError, match=r"of 2021 is in one_2021\.tif too"):
        opened(tmp_path)


def test_no_source_and_unknown_terms(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        opened(tmp_path / "none")
    with pytest.raises(SourceError, match="holds no GeoTIFF, CSV or Parquet"):
        opened(tmp_path)
    one_valid(tmp_path, [(0, 0)])
    with pytest.raises(
        SourceError, match=r"--phenology .*unknown licence 'mine'.*--license phenology="
    ):
        open_phenology(tmp_path, Override("mine"))


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    source = one_valid(tmp_path, [(0, 0)])
    again = opened(tmp_path)
    assert source.about == again.about and len(source.about.checksum) == 64
    assert source.about.datetime == "2021-12-31" and "MCD12Q2" in source.about.attribution
    tile = write(tmp_path / "tiny_2022.tif", year_of_layers(2022, field((3, 3)), (3, 3)))
    assert opened(tmp_path).about.checksum != again.about.checksum
    assert opened(tile).about.size == tile.stat().st_size


# --- tables


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


def test_pixels_lie_where_the_sinusoidal_grid_has_them() -> None:
    """Tile h11v04's pixel that the real table names: x, y of its lower left corner."""
    x, y = -7297638.56, 4649343.11
    lon, lat = to_lonlat(SINUSOIDAL, np.array([x + CELL / 2]), np.array([y + CELL / 2]))
    assert abs(lat[0] - 41.813583) < 0.005 and abs(lon[0] + 88.052897) < 0.006
    grid = cubes.Grid(SINUSOIDAL, (CELL, 0.0, x, 0.0, -CELL, y + CELL), 1, 1)
    cols, rows, inside = cubes.places(grid, np.array([-88.052897]), np.array([41.813583]))
    assert (cols[0], rows[0], inside[0]) == (0, 0, True)
    assert CORNER.a == CELL


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
