"""Places, pixels and grids against computations of their own."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from schemas.grids import cells, name
from schemas.samples import Sample
from schemas.windows import Grid, Window, ground_gsd
from transforms.planning.rows import outlines, to_table
from transforms.windows import Around, pixel_box, place

GEOD = Geod(ellps="WGS84")


@given(st.data())
def test_place_holds_the_focus_and_stays_inside(data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, 20_000))
    length = data.draw(st.integers(1, limit))
    start = data.draw(st.integers(0, limit - length))
    side = data.draw(st.integers(length, limit))
    share = data.draw(st.floats(0, 1, exclude_max=True))
    left = place(start, length, side, limit, share)
    assert 0 <= left <= start
    assert start + length <= left + side <= limit


def test_place_uses_its_free_play() -> None:
    found = {place(50, 10, 20, 200, share) for share in np.linspace(0, 0.999, 500)}
    assert found == set(range(40, 51))


@pytest.mark.parametrize("bad", [{"jitter": 1.5}, {"jitter": -0.1}, {"margin": -1.0}, {"min_px": 4},
                                 {"max_px": 32}])  # fmt: skip
def test_around_refuses_what_it_cannot_keep(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"windows\.Around"):
        Around(**bad)  # type: ignore[arg-type]


@given(
    zone=st.integers(1, 60), lat=st.floats(-80, 80), east=st.floats(-2.9, 2.9),
    wide=st.floats(1e-5, 4e-3), tall=st.floats(1e-5, 4e-3), gsd=st.sampled_from([0.3, 0.6, 10.0]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_pixel_box_covers_and_is_tight(
    zone: int, lat: float, east: float, wide: float, tall: float, gsd: float
) -> None:
    west = zone * 6 - 183 + east
    assume(-179.9 < west < 179.9)
    crs = f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"
    project = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform
    x, y = project(west, lat)
    grid = Grid(crs, (gsd, 0, math.floor(x) - 500.0, 0, -gsd, math.floor(y) + 700.0), 9999, 9999)
    col, row, width, height = pixel_box(grid, (west, lat, west + wide, lat + tall))
    t = np.linspace(0, 1, 20)
    ring = np.concatenate([np.stack(side, 1) for side in (
        (west + wide * t, 0 * t + lat), (west + wide * t, 0 * t + lat + tall),
        (0 * t + west, lat + tall * t), (0 * t + west + wide, lat + tall * t))])  # fmt: skip
    xs, ys = project(ring[:, 0], ring[:, 1])
    across, down = (xs - grid.transform[2]) / gsd, (grid.transform[5] - ys) / gsd
    slack = 0.05  # the edges of a lon/lat box bend by centimetres
    assert col - slack <= across.min() and across.max() <= col + width + slack
    assert row - slack <= down.min() and down.max() <= row + height + slack
    assert across.min() < col + 1 + slack and across.max() > col + width - 1 - slack
    assert down.min() < row + 1 + slack and down.max() > row + height - 1 - slack


@given(
    lon=st.floats(-179, 179), lat=st.floats(-79, 79), kind=st.sampled_from(["utm", "web", "geo"])
)
@settings(max_examples=80, deadline=None)
def test_ground_gsd_against_the_geodesic(lon: float, lat: float, kind: str) -> None:
    zone = int((lon + 180) // 6) + 1
    crs, pixel = {
        "utm": (f"EPSG:{(32600 if lat >= 0 else 32700) + zone}", 10.0),
        "web": ("EPSG:3857", 10.0),
        "geo": ("EPSG:4326", 1e-4),
    }[kind]
    to = Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    x, y = to.transform(lon, lat)
    back = to.transform([x, x + pixel, x], [y, y, y - pixel], direction="INVERSE")
    across = GEOD.inv(back[0][0], back[1][0], back[0][1], back[1][1])[2]
    along = GEOD.inv(back[0][0], back[1][0], back[0][2], back[1][2])[2]
    found = ground_gsd(Grid(crs, (pixel, 0, x, 0, -pixel, y), 1, 1), x, y)
    assert found == pytest.approx(math.sqrt(across * along), rel=2e-5)


@pytest.mark.parametrize("lat", [-66.0, -16.5, 0.0, 52.0, 71.0])
@pytest.mark.parametrize("zone", [1, 32, 60])
def test_outline_has_the_area_of_its_pixels(zone: int, lat: float) -> None:
    crs = f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"
    centre = {1: 180.0, 32: 9.3, 60: 180.0}[zone]
    x, y = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(centre, lat)
    window = Window(Grid(crs, (10.0, 0, x - 2560, 0, -10.0, y + 2560), 512, 512), 10.0)
    ring = window.outline(16)
    assert np.abs(np.diff(ring[:, 0])).max() < 0.05, "no jump at the antimeridian"
    area, _ = GEOD.polygon_area_perimeter(ring[:, 0], ring[:, 1])
    scale = ground_gsd(window.grid, x, y)
    assert area == pytest.approx(512 * 512 * scale**2, rel=1e-3), "and counter-clockwise"
    west, south, east, north = window.bbox()
    assert south < lat < north
    assert -180 <= east <= 180
    assert (west > east) == (zone != 32), "RFC 7946: west is greater across the antimeridian"


def test_fault_41_split_geometry_at_the_antimeridian() -> None:
    crs = "EPSG:32760"
    x, y = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(179.999, -16.5)
    grid = Grid(crs, (1.0, 0, x - 100, 0, -1.0, y + 100), 512, 200)
    sample = Sample("w1", 179.999, -16.5, Window(grid, 1.0))
    boxes, shapes = outlines(to_table([sample], {}, 0))
    west, east = boxes[0]["xmin"].as_py(), boxes[0]["xmax"].as_py()
    assert 179.9 < west < 180 and -180 < east < -179.9
    shape = shapely.from_wkb(shapes[0].as_py())
    assert shape.geom_type == "MultiPolygon" and shape.is_valid
    bounds = sorted(part.bounds for part in shape.geoms)
    assert bounds[0][0] == -180.0 and bounds[1][2] == 180.0
    area = sum(abs(GEOD.geometry_area_perimeter(part)[0]) for part in shape.geoms)
    assert area == pytest.approx(512 * 200, rel=5e-3)


VECTORS = [(46.5, 7.5, "517U_57R"), (-23.55, -46.63, "263D_476L"), (69.65, 18.96, "775U_73R")]


@pytest.mark.parametrize(("lat", "lon", "expected"), VECTORS)
def test_major_tom_names(lat: float, lon: float, expected: str) -> None:
    row, column = cells(np.array([lon]), np.array([lat]), 10.0)
    assert name(int(row[0]), int(column[0])) == expected


@pytest.mark.parametrize(("km", "count", "step"), [(10, 2004, 0.0898203593), (23, 872, 0.2064220183),
                                                   (100, 201, 0.8955223881)])  # fmt: skip
def test_major_tom_rows(km: float, count: int, step: float) -> None:
    lat = (np.arange(-5, 6) + 0.5) * step
    rows, _ = cells(np.zeros(11), lat, km)
    assert rows.tolist() == list(range(-5, 6))
    assert math.ceil(math.pi * 6378.137 / km) == count


@given(lon=st.floats(-180, 179.999), lat=st.floats(-84, 84), km=st.sampled_from([10, 20, 100]))
def test_major_tom_cell_holds_its_point(lon: float, lat: float, km: float) -> None:
    (row,), (column,) = cells(np.array([lon]), np.array([lat]), km)
    step = 180 / math.ceil(math.pi * 6378.137 / km)
    assert row * step - 1e-6 <= lat <= (row + 1) * step + 1e-6
    around = math.ceil(2 * math.pi * 6378.137 * math.cos(math.radians(row * step)) / km)
    assert column * 360 / around - 1e-6 <= lon <= (column + 1) * 360 / around + 1e-6
    assert 0.9 * km < 2 * math.pi * 6378.137 * math.cos(math.radians(row * step)) / around <= km + 1
