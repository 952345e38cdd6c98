"""Major TOM: names, corners and counts of specs/layouts.md; even density of ssl4eco.md, check 6."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from sampling import ctx_of, keys, scan, scene
from schemas import grids
from schemas.zones import crs_for
from transforms.grid_places import tiles
from transforms.patches import Grid as PatchGrid
from transforms.samplers import Grid

GEOD = Geod(a=6378137.0, b=6378137.0)


def cell(lat: float, lon: float, km: float) -> tuple[int, int]:
    row, column = grids.cells(np.array([lon]), np.array([lat]), km)
    return int(row[0]), int(column[0])


@pytest.mark.parametrize(
    ("km", "n", "step", "rows", "points"),
    [
        (10, 2004, 0.0898203593, 1893, 5_094_350),
        (23, 872, 0.2064220183, 823, 963_919),
        (100, 201, 0.8955223881, 189, 51_145),
    ],
)
def test_the_grid_has_the_published_rows_and_points(
    km: float, n: int, step: float, rows: int, points: int
) -> None:
    assert grids.rows(km) == n
    assert 180 / n == pytest.approx(step, abs=1e-10)
    number = np.arange(-n, n)
    number = number[np.abs(number * (180 / n)) <= 85]
    assert len(number) == rows
    assert int(grids.columns(number, km).sum()) == points


@pytest.mark.parametrize(
    ("lat", "lon", "km", "expected"),
    [
        (46.5, 7.5, 10, "517U_57R"),
        (-23.55, -46.63, 10, "263D_476L"),
        (69.65, 18.96, 10, "775U_73R"),
        (46.5, 7.5, 23, "225U_25R"),
    ],
)
def test_cells_have_their_published_names(lat: float, lon: float, km: float, expected: str) -> None:
    assert grids.name(*cell(lat, lon, km)) == expected


def test_6_a_cell_of_23_km_has_its_published_corner_and_middle() -> None:
    row, column = (np.array([v]) for v in cell(46.5, 7.5, 23))
    assert int(grids.columns(row, 23)[0]) == 1201
    lon, lat = grids.corners(row, column, 23)
    assert (lat[0], lon[0]) == pytest.approx((46.444954, 7.493755), abs=5e-7)
    lon, lat = grids.middles(row, column, 23)
    assert (lat[0], lon[0]) == pytest.approx((46.548165, 7.643630), abs=5e-7)
    assert int(grids.columns(np.array([775]), 10)[0]) == 1397


@pytest.mark.parametrize(
    ("lat", "lon", "crs"),
    [
        (-1, -174.34, 32701),
        (48, -4, 32630),
        (78, 13, 32633),
        (-34, 19.7, 32734),
        (-36, 175.7, 32760),
        (60, 5.0, 32632),
        (50, 5.999, 32631),
        (50, 6.001, 32632),
        (85, 0.0, 5041),
        (-81, 0.0, 5042),
    ],
)
def test_a_place_has_the_published_zone(lat: float, lon: float, crs: int) -> None:
    """FAULTS 40 and 42: exceptions in Norway and on Svalbard, UPS beyond UTM."""
    assert crs_for(lon, lat) == f"EPSG:{crs}"


def test_everywhere_is_every_cell_of_the_grid_once() -> None:
    """As many as Major TOM has, by name; no place twice, at the antimeridian neither."""
    found = scan(Grid(km=100, over="everywhere"), ctx_of())
    assert len(found) == 51_145
    assert len(set(found["key"].to_pylist())) == 51_145
    lon, lat = found["lon"].to_numpy(), found["lat"].to_numpy()
    assert (lon >= -180).all() and (lon < 180).all()
    row, column = grids.cells(lon, lat, 100)
    assert (row == found["grid_row_u"].to_numpy()).all()
    assert (column == found["grid_col_r"].to_numpy()).all()
    assert [grids.name(r, c) for r, c in zip(row.tolist(), column.tolist(), strict=True)] == found[
        "grid_cell"
    ].to_pylist()


def test_the_limit_of_85_degrees_is_a_setting() -> None:
    wide = scan(Grid(km=100, over="everywhere", max_lat=90), ctx_of())
    assert len(wide) > 51_145
    narrow = scan(Grid(km=100, over="everywhere", max_lat=60), ctx_of())
    assert np.abs(narrow["grid_row_u"].to_numpy() * (180 / 201)).max() <= 60


@given(st.floats(-84.9, 84.9), st.floats(-540, 540), st.sampled_from([0.5, 10, 23, 100, 777.7]))
@settings(max_examples=300, deadline=None)
def test_a_point_lies_in_the_cell_that_is_named(lat: float, lon: float, km: float) -> None:
    """Between its corner and the next one, whatever whole turns the longitude has made; and the
    cell's west edge lies in [-180, 180), as in the original."""
    row, column = cell(lat, lon, km)
    west, south = (float(v[0]) for v in grids.corners(np.array([row]), np.array([column]), km))
    wide, tall = 360 / int(grids.columns(np.array([row]), km)[0]), 180 / grids.rows(km)
    assert -1e-6 * tall <= lat - south <= tall * (1 + 1e-6)
    turn = (lon - west + 1e-6 * wide) % 360
    assert turn <= wide * (1 + 2e-6)
    assert -180 - 1e-9 <= west < 180
    middle = grids.middles(np.array([row]), np.array([column]), km)
    assert cell(float(middle[1][0]), float(middle[0][0]), km) == (row, column)


def test_the_cell_across_the_antimeridian_has_one_name() -> None:
    """FAULTS 41 and check 6 of layouts.md: 1201 columns, the middle one of the far side is 600R."""
    assert grids.name(*cell(46.5, 179.99, 23)) == "225U_600R"
    assert grids.name(*cell(46.5, -179.99, 23)) == "225U_600R"
    assert grids.name(*cell(46.5, -179.5, 23)) == "225U_599L"
    box = (179.0, 46.44, -179.0, 46.66)
    found = scan(Grid(km=23, over="everywhere"), ctx_of(bbox=box))
    assert found["grid_cell"].to_pylist().count("225U_600R") == 1
    assert len(found) == len(set(found["key"].to_pylist()))
    lon = found["lon"].to_numpy()
    assert ((lon >= 179) | (lon <= -179)).all()
    assert len(lon) == sum(abs((k + 0.5) * 360 / 1201) >= 179 for k in range(-600, 601))


def test_6_places_have_one_density_from_pole_to_pole() -> None:
    """In bands of equal area the counts vary by no more than the rows that an edge cuts, and do
    not rise or fall with |latitude|: 10 bands of whole rows differ by less than 1 %."""
    km = 40.0
    lat = np.abs(scan(Grid(km=km, over="everywhere", max_lat=90), ctx_of())["lat"].to_numpy())
    edges = np.degrees(np.arcsin(np.linspace(0, 1, 31)))
    counts = np.histogram(lat, edges)[0]
    expected = len(lat) / 30
    row = 180 / grids.rows(km)
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        # a row more or less at each edge, and up to a cell a row that the ceiling adds
        slack = 2 * 2 * math.cos(math.radians(low)) * 2 * math.pi * grids.RADIUS_KM / km
        assert abs(count - expected) <= slack + (high - low) / row * 2, (low, high, count)
    edges = np.round(np.degrees(np.arcsin(np.linspace(0, 1, 11))) / row) * row
    area = np.diff(np.sin(np.radians(edges)))
    density = np.histogram(lat, edges)[0] / area
    assert np.abs(density / density.mean() - 1).max() < 0.02
    assert density.std() / density.mean() < 0.01


def test_6_bins_of_equal_area_in_a_region_hold_equally_many() -> None:
    """Greece to Finland, cells of 12 km: bins by sin(lat) and longitude, to grid rounding."""
    box = (10.0, 36.0, 34.0, 68.0)
    found = scan(Grid(km=12, over="everywhere"), ctx_of(bbox=box))
    lon, lat = found["lon"].to_numpy(), found["lat"].to_numpy()
    edges = np.linspace(math.sin(math.radians(36)), math.sin(math.radians(68)), 7)
    counts = np.histogram2d(np.sin(np.radians(lat)), lon, [edges, np.linspace(10, 34, 5)])[0]
    # of n cells in a bin about the square root are cut by its edge on each of four sides
    slack = 4 * math.sqrt(counts.mean())
    assert np.abs(counts - counts.mean()).max() <= slack
    assert counts.std() / counts.mean() < 0.08
    assert abs(np.corrcoef(np.arange(6), counts.sum(axis=1))[0, 1]) < 0.9


@pytest.mark.parametrize("lat", [5.0, 46.0, 70.0])
def test_neighbours_lie_the_spacing_apart(lat: float) -> None:
    row, column = cell(lat, 20.0, 23)
    lon, lats = grids.middles(
        np.array([row, row, row + 1]), np.array([column, column + 1, column]), 23
    )
    assert GEOD.inv(lon[0], lats[0], lon[1], lats[1])[2] == pytest.approx(23_000, rel=0.01)
    assert GEOD.inv(lon[0], lats[0], lon[0], lats[2])[2] == pytest.approx(23_000, rel=0.01)


def test_a_region_and_a_box_bound_the_places() -> None:
    """The same places as without them, those inside; cheap where the box is small."""
    region = shapely.Polygon([(5, 45), (15, 45), (10, 55)])
    shapely.prepare(region)
    every = scan(Grid(km=50, over="everywhere"), ctx_of())
    inside = shapely.intersects_xy(region, every["lon"].to_numpy(), every["lat"].to_numpy())
    expected = [k for k, kept in zip(every["key"].to_pylist(), inside, strict=True) if kept]
    assert sorted(keys(Grid(km=50, over="everywhere"), ctx_of(region=region))) == sorted(expected)
    fine = keys(Grid(km=0.1, over="everywhere"), ctx_of(bbox=(10.0, 45.0, 10.02, 45.02)))
    assert 300 < len(fine) < 500


def test_over_imagery_is_one_place_a_cell_however_many_scenes() -> None:
    """Thirty dates of a tile are one footprint; the same places as rsteller's grid has."""
    one = scene("a", "EPSG:32632", 600_000, 5_300_040)
    many = [scene(f"s{k}", "EPSG:32632", 600_000, 5_300_040) for k in range(30)]
    alone = keys(Grid(km=5), ctx_of(imagery=[one]))
    assert 450 < len(alone) < 520
    assert keys(Grid(km=5), ctx_of(imagery=many)) == alone
    assert keys(PatchGrid(side_m=2500, step=2, coarsest=0), ctx_of(imagery=many)) == alone


@pytest.mark.parametrize(
    ("setting", "value"), [("km", 0), ("over", "sea"), ("drop", 1.1), ("max_lat", 91)]
)
def test_a_setting_that_means_nothing_is_refused(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"samplers.Grid.{setting}"):
        Grid(**{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("km", [23.0, 100.0])
def test_tiles_hold_each_cell_once(km: float) -> None:
    whole = np.array([shapely.box(-180, -90, 180, 90)], object)
    found = [np.stack(tile.cells(km)) for tile in tiles(whole, km)]
    both = np.concatenate(found, axis=1)
    assert len(np.unique(both, axis=1).T) == both.shape[1]
    n = grids.rows(km)
    number = np.arange(-n, n)
    number = number[
        np.abs(number + 0.5) * (180 / n) < 90 - 1e-9
    ]  # a middle on the pole has no place
    assert both.shape[1] == int(grids.columns(number, km).sum())
