"""Sen4AgriNet's patches: names, cover of the tile, and windows on its pixels (spec, check 5)."""

from datetime import UTC, datetime
from typing import Any

import mgrs
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.sources.imagery import Imagery
from pipelines.datasets.sen4agrinet import RECIPE
from sampling import ctx_of, scan, scene
from schemas.errors import Reject
from schemas.mgrs import tile_of
from schemas.samples import Sample
from schemas.windows import Grid as Pixels
from schemas.windows import to_lonlat
from transforms.samplers import Acquisitions, Patch, Tiles

CATALONIA = ("EPSG:32631", 300_000.0, 4_700_040.0)


def at(year: int, month: int = 6, day: int = 1) -> datetime:
    return datetime(year, month, day, 10, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "top", "crs", "lat", "tile"),
    [
        (300_000, 4_700_040, "EPSG:32631", 42.0, "31TCG"),
        (199_980, 4_600_020, "EPSG:32631", 41.0, "31TBF"),
        (399_960, 4_700_040, "EPSG:32631", 42.0, "31TDG"),
        (399_960, 5_600_040, "EPSG:32631", 50.0, "31UDR"),
        (600_000, 5_300_040, "EPSG:32632", 47.0, "32TPT"),
        (699_960, 7_600_000, "EPSG:32723", -22.0, "23KQR"),
    ],
)
def test_a_whole_tile_has_its_published_name(
    left: float, top: float, crs: str, lat: float, tile: str
) -> None:
    """Tiles of the spec, and one south of the equator; checked against the library `mgrs` as well."""
    grid = Pixels(crs, (10.0, 0.0, left, 0.0, -10.0, top), 10980, 10980)
    assert tile_of(grid) == tile
    lon, north = to_lonlat(crs, np.array([left + 5e4]), np.array([top - 5e4]))
    assert abs(north[0] - lat) < 1
    said = mgrs.MGRS().toMGRS(float(north[0]), float(lon[0]), MGRSPrecision=0)
    assert said == tile


@given(st.integers(1, 60), st.booleans(), st.integers(2, 7), st.integers(2, 78))
@settings(max_examples=200, deadline=None)
def test_every_square_is_named_as_the_library_names_it(
    zone: int, north: bool, east: int, hundred: int
) -> None:
    """Where the middle of the square lies in its own zone."""
    top = hundred * 100_000.0 + (0 if north else 1_900_000)
    crs = f"EPSG:{(32600 if north else 32700) + zone}"
    lon, lat = to_lonlat(crs, np.array([east * 1e5 + 5e4]), np.array([top - 5e4]))
    own = -183 + 6 * zone - 3 <= lon[0] < -183 + 6 * zone + 3
    exceptions = 31 <= zone <= 37 and lat[0] > 55
    if not own or exceptions or not -79 < lat[0] < 83 or north != (lat[0] >= 0):
        return
    grid = Pixels(crs, (10.0, 0.0, east * 1e5, 0.0, -10.0, top), 10980, 10980)
    assert tile_of(grid) == mgrs.MGRS().toMGRS(float(lat[0]), float(lon[0]), MGRSPrecision=0).zfill(
        5
    )


def test_the_band_is_that_of_the_scene_where_a_square_has_two() -> None:
    """48 N runs through 32UMU, which some call 32TMU; another tile's name changes nothing."""
    grid = Pixels("EPSG:32632", (10.0, 0.0, 399_960.0, 0.0, -10.0, 5_400_000.0), 10980, 10980)
    assert tile_of(grid) == "32UMU"
    assert tile_of(grid, "S2B_MSIL2A_20210601T102559_N0300_R108_T32TMU_20210601") == "32TMU"
    assert tile_of(grid, "S2A_31TCG_20210601_0_L2A") == "32UMU"


@pytest.mark.parametrize(("px", "n"), [(10.0, 3840), (10.0, 10000), (8.0, 10980)])
def test_what_is_no_whole_tile_has_no_name(px: float, n: int) -> None:
    grid = Pixels("EPSG:32631", (px, 0.0, 300_000.0, 0.0, -px, 4_700_040.0), n, n)
    assert tile_of(grid) == ""


def test_5_900_patches_cover_a_tile_without_gap() -> None:
    """30 x 30 of 366 pixels: 900 x 366^2 = 10,980^2, every pixel once; the name as published."""
    found = scan(Tiles(), ctx_of(imagery=[scene("a", *CATALONIA, when=at(2020))]))
    assert len(found) == 900
    assert 900 * 366**2 == 10980**2
    assert "2020_31tcg_patch_14_14" in found["key"].to_pylist()
    assert found["patch_tile"].unique().to_pylist() == ["31TCG"]
    cover = np.zeros((30, 30), int)
    np.add.at(cover, (found["patch_row"].to_numpy(), found["patch_col"].to_numpy()), 1)
    assert (cover == 1).all()
    first = found["key"].to_pylist().index("2020_31tcg_patch_0_0")
    lon, lat = to_lonlat("EPSG:32631", np.array([301_830.0]), np.array([4_698_210.0]))
    assert found["lon"][first].as_py() == pytest.approx(float(lon[0]))
    assert found["lat"][first].as_py() == pytest.approx(float(lat[0]))
    west, south, east, north = map(float, found["_bounds"][first].as_py().split())
    assert west < lon[0] < east and south < lat[0] < north
    assert (east - west) * 111_195 * np.cos(np.radians(lat[0])) == pytest.approx(3660, rel=0.05)


def test_each_grid_and_year_has_its_patches_however_many_dates() -> None:
    """Two tiles, 2019 and 2020, several dates and collections each."""
    left = ("EPSG:32631", 300_000.0, 4_700_040.0)
    right = ("EPSG:32631", 399_960.0, 4_700_040.0)
    scenes = [
        scene(f"{place[1]:.0f}-{year}-{month}", *place, when=at(year, month), collection=kind)
        for place in (left, right) for year in (2019, 2020) for month in (3, 7)
        for kind in ("sentinel-2-l1c", "sentinel-2-l2a")
    ]  # fmt: skip
    found = scan(Tiles(), ctx_of(imagery=scenes))
    assert len(found) == 4 * 900 == len(set(found["key"].to_pylist()))
    part = scan(Tiles(), ctx_of(imagery=scenes, years=(2020, 2020)))
    assert set(part["year"].to_pylist()) == {2020} and len(part) == 2 * 900


def test_partial_patches_are_counted_and_left_out() -> None:
    """A scene of 3840 pixels holds ten of 366 a side, and is named by CRS and corner."""
    drops: list[Any] = []
    image = scene("w", "EPSG:32633", 412_340.0, 5_301_230.0, n=3840, when=at(2021))
    found = scan(Tiles(), ctx_of(imagery=[image]), drops)
    assert len(found) == 100
    assert {d.code for d in drops} == {"partial_patch"} and len(drops) == 21
    assert found["key"][0].as_py() == "2021_32633-412340-5301230_patch_0_0"


def test_scenes_that_can_give_none_are_named() -> None:
    """One without a date, and one whose rows do not run east-west."""
    drops: list[Any] = []
    plain = scene("undated", *CATALONIA)
    assert len(scan(Tiles(), ctx_of(imagery=[plain]), drops)) == 0
    assert [(d.code, d.message) for d in drops] == [("undated", "sentinel-2-l2a/undated")]


def test_finer_and_coarser_tiles_of_one_name_stay_apart() -> None:
    """Harmonised products have 30 m on the same tiles."""
    fine = scene("s2", *CATALONIA, when=at(2020))
    coarse = scene("hls", *CATALONIA, px=30.0, n=3660, when=at(2020), collection="hls2-s30")
    found = scan(Tiles(), ctx_of(imagery=[fine, coarse]))
    assert len(found) == 900 + 100 == len(set(found["key"].to_pylist()))
    assert len(scan(Tiles(coarsest=10), ctx_of(imagery=[fine, coarse]))) == 900


def test_a_region_asks_for_the_patches_whose_middles_it_holds() -> None:
    image = scene("a", *CATALONIA, when=at(2020))
    every = scan(Tiles(), ctx_of(imagery=[image]))
    region = shapely.box(1.0, 41.8, 1.3, 42.0)
    part = scan(Tiles(), ctx_of(imagery=[image], region=region))
    lon, lat = every["lon"].to_numpy(), every["lat"].to_numpy()
    inside = shapely.intersects_xy(region, lon, lat)
    assert 0 < inside.sum() == len(part)


def first_sample(scenes: list[Any], place: int = 465) -> Sample:
    row = scan(Tiles(), ctx_of(imagery=scenes)).slice(place, 1).to_pylist()[0]
    return Sample(row.pop("key"), row.pop("lon"), row.pop("lat"), facts=row)


def test_a_patch_is_the_window_of_its_row_and_column() -> None:
    """Exactly the tile's pixels, of all dates of its tile and year, cloudy ones too, in time order."""
    scenes = [
        scene(f"d{month}", *CATALONIA, when=at(2020, month), cloud=float(month * 8))
        for month in (9, 3, 12, 6)
    ]
    neighbour = scene("n", "EPSG:32631", 399_960.0, 4_700_040.0, when=at(2020, 4))
    other_year = scene("o", *CATALONIA, when=at(2019, 4))
    imagery = Imagery((*scenes, neighbour, other_year), ())
    start = first_sample(scenes)
    ctx = ctx_of(imagery=imagery)
    found = Patch()(Acquisitions()(start, ctx), ctx)
    assert [s.id for s in found.scenes] == ["d3", "d6", "d9", "d12"]
    assert found.facts["datetimes"].split(",")[0] == "2020-03-01T10:56:00+00:00"
    assert found.facts["cloud_scene"] == 96.0
    row, col = start.facts["patch_row"], start.facts["patch_col"]
    assert (row, col) == (15, 15)
    assert found.window is not None
    assert (found.window.col, found.window.row) == (col * 366, row * 366)
    own = scenes[0].grid.cut(col * 366, row * 366, 366, 366)
    assert found.window.grid == own
    lon, lat = found.window.centre()
    assert (lon, lat) == pytest.approx((start.lon, start.lat), abs=1e-9)
    assert [s.id for s in Acquisitions(max_cloud=30)(start, ctx).scenes] == ["d3"]


def test_scenes_of_other_grids_are_let_go_and_of_the_neighbouring_tile_kept() -> None:
    """Where it has the same pixels; one in the next zone, or shifted by half a pixel, has not."""
    own = scene("own", *CATALONIA, when=at(2020, 3))
    beside = scene("beside", "EPSG:32631", 199_980.0, 4_700_040.0, when=at(2020, 4))
    shifted = scene("shifted", "EPSG:32631", 300_005.0, 4_700_040.0, when=at(2020, 5))
    zone = scene("zone", "EPSG:32630", 700_000.0, 4_700_040.0, when=at(2020, 6))
    start = first_sample([own], 30 * 10)  # column 0: the neighbour's overlap holds it
    start.facts["datetimes"] = "kept in step"
    start.scenes = (own, beside, shifted, zone)
    found = Patch()(start, ctx_of())
    assert [s.id for s in found.scenes] == ["own", "beside"]
    assert found.facts["datetimes"] == "2020-03-01T10:56:00+00:00,2020-04-01T10:56:00+00:00"
    start.scenes = (shifted, zone)
    with pytest.raises(Reject) as caught:
        Patch()(start, ctx_of())
    assert caught.value.code == "outside_imagery"


def test_a_collection_is_chosen_by_name_or_by_most_dates() -> None:
    scenes = [
        scene("a", *CATALONIA, when=at(2020, 3), collection="l1c"),
        scene("b", *CATALONIA, when=at(2020, 3), collection="l2a"),
        scene("c", *CATALONIA, when=at(2020, 5), collection="l2a"),
    ]
    start, ctx = first_sample(scenes), ctx_of(imagery=Imagery(tuple(scenes), ()))
    assert Acquisitions()(start, ctx).facts["collection"] == "l2a"
    assert Acquisitions(collection="l1c")(start, ctx).facts["collection"] == "l1c"
    with pytest.raises(Reject) as caught:
        Acquisitions(collection="l1c", least=2)(start, ctx)
    assert caught.value.code == "too_few_dates"


def test_the_recipe_of_crops_takes_no_coarser_scenes() -> None:
    """Its card says 10 m, and a blue band of 30 m is no B02."""
    coarse = scene("hls", *CATALONIA, px=30.0, n=3660, when=at(2020), collection="landsat-c2-l2")
    fine = scene("s2", *CATALONIA, px=10.0, n=10980, when=at(2020))
    assert len(scan(RECIPE.start, ctx_of(imagery=[coarse]))) == 0
    assert len(scan(RECIPE.start, ctx_of(imagery=[coarse, fine]))) == 900
