"""Land masks: polygons of any file, rasters, the antimeridian, lakes, bad rows, and how fast."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.sources.land import MOST, Land, cut, open_land
from catalogs.sources.terms import Override
from sampling import ctx_of, keys, scan
from schemas.errors import SourceError
from transforms.samplers import Grid

FREE = Override("CC0-1.0", "us")
ISLAND = shapely.Polygon(
    [(5, 45), (15, 45), (15, 55), (5, 55)], [[(8, 48), (12, 48), (12, 52), (8, 52)]]
)
FIJI = shapely.MultiPolygon([shapely.box(177, -19, 180, -16), shapely.box(-180, -19, -178, -16)])


def write(path: Path, shapes: list[Any], crs: str = "EPSG:4326") -> Path:
    frame = gpd.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs="EPSG:4326").to_crs(
        crs
    )
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("land.geojson", "EPSG:4326"),
        ("land.gpkg", "EPSG:3035"),
        ("land.shp", "EPSG:3035"),
        ("land.fgb", "EPSG:3857"),
        ("land.parquet", "EPSG:4326"),
        ("land.parquet", "EPSG:3857"),
    ],
)
def test_any_vector_file_in_any_crs_is_the_same_land(tmp_path: Path, name: str, crs: str) -> None:
    """By points tried one by one against the shape itself, away from its edges (a straight edge of
    one projection is a curve in another)."""
    land = open_land(write(tmp_path / name, [ISLAND.segmentize(0.02)], crs), FREE)
    lon, lat = np.random.default_rng(1).uniform((4, 44), (16, 56), (5000, 2)).T
    sure = shapely.distance(ISLAND.boundary, shapely.points(lon, lat)) > 0.002
    expected = shapely.intersects_xy(ISLAND, lon, lat)
    assert 0.3 < expected.mean() < 0.7
    assert (land.holds(lon, lat) == expected)[sure].all()
    assert land.about.licence == "CC0-1.0"
    assert len(land.about.checksum) == 64 and land.about.size > 0


def test_places_over_land_are_those_of_everywhere_that_lie_on_it(tmp_path: Path) -> None:
    """None in the lake, none in the sea, every one that is left."""
    land = open_land(write(tmp_path / "land.geojson", [ISLAND]), FREE)
    every = scan(Grid(km=30, over="everywhere"), ctx_of())
    on = shapely.intersects_xy(ISLAND, every["lon"].to_numpy(), every["lat"].to_numpy())
    expected = [k for k, kept in zip(every["key"].to_pylist(), on, strict=True) if kept]
    assert len(expected) > 400
    assert sorted(keys(Grid(km=30, over="land"), ctx_of(land=land))) == sorted(expected)


@pytest.mark.parametrize("how", ["split", "running on", "jumping"])
def test_land_across_the_antimeridian(tmp_path: Path, how: str) -> None:
    """FAULTS 41: whichever way an outline crosses 180 degrees, places lie on both sides of it."""
    if how == "split":
        shapes: list[Any] = [FIJI]
    elif how == "running on":
        shapes = [shapely.box(177, -19, 182, -16)]
    else:
        shapes = [shapely.Polygon([(177, -19), (-178, -19), (-178, -16), (177, -16)])]
    land = open_land(write(tmp_path / "fiji.geojson", shapes), FREE)
    found = scan(Grid(km=20, over="land"), ctx_of(land=land))
    lon, lat = found["lon"].to_numpy(), found["lat"].to_numpy()
    assert ((lon >= 177) | (lon <= -178)).all() and ((lat >= -19) & (lat <= -16)).all()
    assert (lon >= 177).sum() > 200 and (lon <= -178).sum() > 150
    boxed = keys(Grid(km=20, over="land"), ctx_of(land=land, bbox=(179.0, -19.0, -179.0, -16.0)))
    near = (lon >= 179) | (lon <= -179)
    assert sorted(boxed) == sorted(np.array(found["key"].to_pylist())[near].tolist())


def test_land_around_a_pole_in_a_polar_projection(tmp_path: Path) -> None:
    """FAULTS 42: an outline that runs once around the South Pole holds the pole."""
    circle = shapely.Point(0, 0).buffer(1_500_000, 64)
    island = shapely.Point(2_500_000, 0).buffer(100_000)
    path = tmp_path / "antarctica.gpkg"
    gpd.GeoDataFrame({"n": [1, 2]}, geometry=[circle, island], crs="EPSG:3031").to_file(path)
    land = open_land(path, FREE)
    lon = np.linspace(-180, 179, 60)
    assert land.holds(lon, np.full(60, -80.0)).all()
    assert land.holds(np.array([0.0, 13.0]), np.array([-90.0, -89.9])).all()
    assert not land.holds(lon, np.full(60, -72.0)).any()
    assert land.holds(np.array([90.0]), np.array([-67.0])).all()
    found = scan(Grid(km=100, over="land", max_lat=90), ctx_of(land=land))
    assert len(found) == pytest.approx(np.pi * 1500**2 / 1e4, rel=0.06)


def raster(path: Path, nodata: int | None = 255) -> Path:
    """1 is land, 0 water, 255 unknown; 0.1 degrees, EPSG:4326."""
    lon, lat = np.meshgrid(np.arange(4.05, 16, 0.1), np.arange(55.95, 44, -0.1))
    values = shapely.intersects_xy(ISLAND, lon.ravel(), lat.ravel()).reshape(lon.shape)
    values = values.astype(np.uint8)
    values[:, :5] = 255
    with rasterio.open(
        path, "w", driver="GTiff", width=120, height=120, count=1, dtype="uint8", nodata=nodata,
        crs="EPSG:4326", transform=(0.1, 0, 4, 0, -0.1, 56), tiled=True, blockxsize=16,
        blockysize=16,
    ) as out:  # fmt: skip
        out.write(values, 1)
    return path


def test_a_raster_is_a_mask_too(tmp_path: Path) -> None:
    """Pixel by pixel; nodata is no land; outside of it there is none."""
    land = open_land(raster(tmp_path / "land.tif"), FREE)
    lon, lat = np.random.default_rng(2).uniform((3, 43), (17, 57), (4000, 2)).T
    middle = np.floor(lon * 10) / 10 + 0.05, np.floor(lat * 10) / 10 + 0.05
    assert (land.holds(lon, lat) == shapely.intersects_xy(ISLAND, *middle)).all()
    places = keys(Grid(km=30, over="land"), ctx_of(land=land))
    vector = open_land(write(tmp_path / "land.geojson", [ISLAND]), FREE)
    others = keys(Grid(km=30, over="land"), ctx_of(land=vector))
    assert len(set(places) ^ set(others)) < 0.05 * len(others)


def test_nan_is_no_land(tmp_path: Path) -> None:
    path, shape = tmp_path / "land.tif", (2, 3)
    with rasterio.open(
        path, "w", driver="GTiff", width=3, height=2, count=1, dtype="float32", crs="EPSG:4326",
        transform=rasterio.transform.from_origin(10, 50, 1, 1),
    ) as file:  # fmt: skip
        file.write(np.broadcast_to(np.array([1, 0, np.nan], np.float32), shape), 1)
    held = open_land(path, FREE).holds(np.array([10.5, 11.5, 12.5]), np.full(3, 49.5))
    assert held.tolist() == [True, False, False]


def test_a_raster_that_breaks_off_is_named(tmp_path: Path) -> None:
    path = raster(tmp_path / "land.tif")
    land = open_land(path, FREE)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError, match=r"land.tif: "):
        land.holds(np.linspace(6, 15, 50), np.linspace(46, 54, 50))


@given(st.integers(0, 2**31), st.integers(3, 3000), st.floats(0, 0.9))
@settings(max_examples=30, deadline=None)
def test_pieces_are_small_and_make_up_the_whole(seed: int, n: int, rough: float) -> None:
    """Whatever the polygon: area and membership are those of the whole."""
    rng = np.random.default_rng(seed)
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    far = 10 * (1 - rough * rng.random(n))
    shape = shapely.make_valid(
        shapely.Polygon(np.stack([far * np.cos(turn), far * np.sin(turn)], 1))
    )
    parts = [p for g in shapely.get_parts(shape).tolist() for p in cut(g)]
    assert max(shapely.get_num_coordinates(parts)) <= MOST
    assert shapely.area(parts).sum() == pytest.approx(shape.area, rel=1e-9)
    lon, lat = rng.uniform(-11, 11, (2, 500))
    shapely.prepare(shape)
    pieces = np.array(parts, object)
    land = Land(pieces, None)  # type: ignore[arg-type]
    sure = shapely.distance(shape.boundary, shapely.points(lon, lat)) > 1e-9
    assert (land.holds(lon, lat) == shapely.intersects_xy(shape, lon, lat))[sure].all()


@pytest.mark.parametrize(
    ("coordinates", "named"),
    [
        ([[5, 95], [6, 95], [6, 96], [5, 95]], "row 2"),
        ([[5e5, 5e6], [6e5, 5e6], [6e5, 6e6], [5e5, 5e6]], "row 2"),
    ],
)
def test_a_row_outside_the_globe_is_named(
    tmp_path: Path, coordinates: list[list[float]], named: str
) -> None:
    """FAULTS 52: swapped axes, or metres in a file that declares degrees."""
    good = {"type": "Polygon", "coordinates": [[[5, 45], [6, 45], [6, 46], [5, 45]]]}
    bad = {"type": "Polygon", "coordinates": [coordinates]}
    rows = [{"type": "Feature", "properties": {}, "geometry": g} for g in (good, bad)]
    path = tmp_path / "land.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    with pytest.raises(SourceError, match=f"land.geojson: {named} lies outside the globe"):
        open_land(path, FREE)


def test_what_is_no_mask_is_refused_by_name(tmp_path: Path) -> None:
    """FAULTS 62 for the licence; an empty file, another format, nothing at all."""
    good = write(tmp_path / "land.geojson", [ISLAND])
    with pytest.raises(SourceError, match=r"land.geojson: carries no licence.*--license land="):
        open_land(good, Override())
    with pytest.raises(SourceError, match=r"land.geojson.*unknown licence 'mine'"):
        open_land(good, Override("mine"))
    with pytest.raises(SourceError, match="asks for a credit line"):
        open_land(good, Override("CC-BY-4.0"))
    with pytest.raises(SourceError, match="no such file"):
        open_land(tmp_path / "none.gpkg", FREE)
    (tmp_path / "land.vrt").write_text("<OGRVRTDataSource/>")
    with pytest.raises(SourceError, match="no vector file"):
        open_land(tmp_path / "land.vrt", FREE)
    (tmp_path / "cut.gpkg").write_bytes(b"SQLite format 3\x00" + b"x" * 200)
    with pytest.raises(SourceError, match=r"cut.gpkg: no vector file"):
        open_land(tmp_path / "cut.gpkg", FREE)
    line = write(tmp_path / "line.geojson", [shapely.LineString([(1, 1), (2, 2)])])
    with pytest.raises(SourceError, match="holds no polygon"):
        open_land(line, FREE)


def test_the_world_itself_is_land_with_a_lake(tmp_path: Path) -> None:
    """A bow tie is mended, not lost."""
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    land = open_land(write(tmp_path / "bow.geojson", [bow]), FREE)
    assert land.holds(np.array([0.2, 1.8, 1.0]), np.array([1.0, 1.0, 0.2])).tolist() == [
        True,
        True,
        False,
    ]


def test_a_coast_of_many_vertices_is_cut_into_small_pieces(tmp_path: Path) -> None:
    """So that a place costs the same on any coast; cutting adds few vertices."""
    n = 200_000
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    far = 40 * (1 + 0.2 * np.sin(37 * turn) + 0.001 * np.sin(n / 7 * turn))
    coast = shapely.Polygon(np.stack([far * np.cos(turn), far * np.sin(turn)], 1))
    land = open_land(write(tmp_path / "coast.parquet", [coast]), FREE)
    sizes = shapely.get_num_coordinates(land.pieces)
    assert sizes.max() <= MOST
    assert sizes.sum() < 1.2 * n
    lon, lat = np.random.default_rng(3).uniform(-50, 50, (2, 100_000))
    radius, angle = np.hypot(lon, lat), np.arctan2(lat, lon)
    edge = 40 * (1 + 0.2 * np.sin(37 * angle))
    sure = np.abs(radius - edge) > 0.2
    assert (land.holds(lon, lat) == (radius < edge))[sure].all()


def test_the_land_of_the_earth_has_as_many_cells_as_published() -> None:
    """SSL4Eco had about 262,000 locations before dates (254,403 after), of 963,919 cells; coasts drawn
    at 1:110 million leave out islands."""
    import pyogrio

    folder = Path(pyogrio.__file__).parent / "tests" / "fixtures" / "naturalearth_lowres"
    if not folder.exists():
        pytest.skip("pyogrio comes without its own test data here")
    land = open_land(folder / "naturalearth_lowres.shp", FREE)
    count = sum(len(part) for part in Grid(km=23, over="land").scan(ctx_of(land=land), print))
    assert count == pytest.approx(262_000, rel=0.08)
    assert land.holds(np.array([7.5, -30.0]), np.array([46.5, 46.5])).tolist() == [True, False]
