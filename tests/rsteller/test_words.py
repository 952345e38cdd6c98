"""Check 4: nine cells, edges, orientation, shapes and bends; west is left."""

import math
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from schemas.windows import Grid, Window, from_lonlat
from tests.rsteller.patch import GRID, line, told
from transforms.elements import described, words
from transforms.elements.frame import Frame
from transforms.telling import Prompts, Rewrites

FRAME = Frame.of(Window(GRID, 0.6))
GEOD = Geod(ellps="WGS84")

CELLS = {
    (0.1, 0.9): "top left", (0.5, 0.9): "top", (0.9, 0.9): "top right",
    (0.1, 0.5): "left", (0.5, 0.5): "center", (0.9, 0.5): "right",
    (0.1, 0.1): "bottom left", (0.5, 0.1): "bottom", (0.9, 0.1): "bottom right",
}  # fmt: skip


@pytest.mark.parametrize(("place", "name"), CELLS.items())
def test_4_nine_cells(place: tuple[float, float], name: str) -> None:
    """A small area and a small line are where their middle is."""
    x, y = place
    assert words.cell(x, y) == name
    assert words.position(shapely.box(x - 0.05, y - 0.05, x + 0.05, y + 0.05)) == name
    assert words.position(line((x - 0.05, y), (x + 0.05, y))) == name


@pytest.mark.parametrize("lat", [-33.0, 30.0, 40.0, 48.0])
def test_4_west_is_left_and_north_is_top(lat: float) -> None:
    """Places 50 m from the middle by geodesics, whatever the hemisphere."""
    crs = "EPSG:32719" if lat < 0 else "EPSG:32619"
    x, y = (float(v[0]) for v in from_lonlat(crs, np.array([-70.0]), np.array([lat])))
    grid = Grid(crs, (0.6, 0.0, x - 134.4, 0.0, -0.6, y + 134.4), 448, 448)
    frame = Frame.of(Window(grid, 0.6))
    for azimuth, cell in ((270, "left"), (90, "right"), (0, "top"), (180, "bottom")):
        lon, at, _ = GEOD.fwd(-70.0, lat, azimuth, 60)
        spot = shapely.Point(lon, at).buffer(1e-5)
        assert words.position(frame.inside(np.array([spot], object))[0]) == cell


@pytest.mark.parametrize(
    ("shape", "reached"),
    [
        (shapely.box(0.2, 0.2, 0.8, 0.8), ()),
        (shapely.box(0, 0.2, 0.8, 0.8), ("left",)),
        (shapely.box(0.2, 0.2, 1, 1), ("right", "top")),
        (shapely.box(0, 0, 1, 1), ("left", "right", "bottom", "top")),
        (line((0, 0.5), (0.4, 0)), ("left", "bottom")),
    ],
)
def test_4_edges(shape: object, reached: tuple[str, ...]) -> None:
    """Those that a shape in the patch reaches."""
    assert words.edges(shape) == reached


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ((0.5, 0.5), "center"),
        ((0.0, 0.5), "left, at the left edge"),
        ((1.0, 0.9), "top right, at the right edge"),
        ((0.4, 0.0), "bottom, at the bottom edge"),
        ((0.0, 1.0), "top left, at the top left corner"),
    ],
)
def test_4_ends_of_lines_tell_the_edge(place: tuple[float, float], said: str) -> None:
    """The cell always, the edge where the line is cut off."""
    assert words.end(*place) == said


@pytest.mark.parametrize("angle", range(0, 360, 7))
def test_4_orientation_has_sectors_of_60_and_30_degrees(angle: int) -> None:
    """By the angle to the east, whichever way the line is drawn."""
    turn = math.radians(angle)
    way = line((50, 50), (50 + 40 * math.cos(turn), 50 + 40 * math.sin(turn)))
    off = angle % 180
    expected = (
        "east-west" if off <= 30 or off >= 150
        else "north-south" if 60 <= off <= 120
        else "southwest-northeast" if off < 60 else "northwest-southeast"
    )  # fmt: skip
    assert words.orientation(way) == expected
    assert words.orientation(way.reverse()) == expected


@given(*[st.floats(-300, 300, allow_subnormal=False)] * 4)
def test_4_a_line_of_two_points_is_straight(a: float, b: float, c: float, d: float) -> None:
    """Never broken by a rounding step, as in the original."""
    if math.hypot(a - c, b - d) > 1e-3:
        way = line((a, b), (c, d))
        assert words.sinuosity(way) >= 1.0
        assert words.course(way) == "straight"


@pytest.mark.parametrize(
    ("points", "course"),
    [
        ([(0, 0), (50, 1), (100, 0)], "straight"),
        ([(0, 0), (50, 5), (100, 0)], "curved"),
        ([(0, 0), (50, 80), (100, 0)], "twisted"),
        ([(0, 0), (50, 80), (100, 0), (0, 0)], "closed"),
    ],
)
def test_4_bends(points: list[tuple[float, float]], course: str) -> None:
    """By length / distance of the ends: to 1.0005, to 1.5, above, infinite."""
    length = sum(math.dist(a, b) for a, b in pairwise(points))
    apart = math.dist(points[0], points[-1])
    ratio = length / apart if apart else math.inf
    assert words.course(line(*points)) == course
    assert words.sinuosity(line(*points)) == pytest.approx(ratio)
    bands = {
        "straight": (1, 1.0005),
        "curved": (1.0005, 1.5),
        "twisted": (1.5, 99),
        "closed": (99, math.inf),
    }
    low, high = bands[course]
    assert low <= ratio <= high


def test_4_a_line_in_several_parts_is_broken() -> None:
    """Its length is that of all parts."""
    parts = shapely.union(line((0, 0.2), (0.4, 0.2)), line((0.6, 0.2), (1, 0.2)))
    found = described(parts, FRAME)
    assert found["course"] == "broken"
    assert found["sinuosity"] is None
    assert found["length_sides"] == pytest.approx(0.8, abs=0.01)


CIRCLE = [
    (50 + 30 * math.cos(t), 50 + 30 * math.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)[:-1]
]


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (shapely.box(0, 0, 50, 50), "square"),
        (shapely.affinity.rotate(shapely.box(0, 0, 50, 50), 31), "square"),
        (shapely.box(0, 0, 90, 50), "rectangular"),
        (shapely.affinity.rotate(shapely.box(0, 0, 90, 50), 77), "rectangular"),
        (shapely.Polygon(CIRCLE), "circular"),
        (shapely.Polygon([(0, 0), (60, 0), (30, 60)]), "irregular"),
        (shapely.Polygon([(0, 0), (90, 0), (90, 20), (20, 20), (20, 90), (0, 90)]), "irregular"),
        (shapely.Polygon([(0, 0), (45, 0.05), (90, 0), (90, 50), (0, 50)]), "rectangular"),
        (shapely.MultiPolygon([shapely.box(0, 0, 9, 9), shapely.box(20, 0, 29, 9)]), "multi-polygonal"),
    ],
)  # fmt: skip
def test_4_shapes(shape: object, name: str) -> None:
    """A corner that lies on a side within 0.2 m does not count."""
    assert words.outline(shape) == name


@pytest.mark.parametrize(
    ("lon", "lat"), [(-120.0, 25.0), (-96.0, 40.0), (-70.0, 49.0), (12.0, -30.0)]
)
def test_4_lengths_and_areas_are_those_on_the_ground(lon: float, lat: float) -> None:
    """To a tenth of a percent of geodesics: no far-away projection."""
    zone = int((lon + 180) // 6) + 1
    crs = f"EPSG:{32600 + zone if lat > 0 else 32700 + zone}"
    x, y = (float(v[0]) for v in from_lonlat(crs, np.array([lon]), np.array([lat])))
    grid = Grid(crs, (0.6, 0.0, x - 134.4, 0.0, -0.6, y + 134.4), 448, 448)
    frame = Frame.of(Window(grid, 0.6))
    ring = [(lon - 5e-4, lat - 3e-4), (lon + 5e-4, lat - 2e-4), (lon + 3e-4, lat + 4e-4)]
    shapes = np.array([shapely.LineString(ring), shapely.Polygon(ring)], object)
    way, area = frame.metres(frame.inside(shapes))
    assert shapely.length(way) == pytest.approx(
        GEOD.line_length(*zip(*ring, strict=True)), rel=1e-3
    )
    true = abs(GEOD.polygon_area_perimeter(*zip(*ring, strict=True))[0])
    assert shapely.area(area) == pytest.approx(true, rel=1e-3)
    assert frame.width_m * frame.height_m * shapely.area(frame.inside(shapes)[1]) == pytest.approx(
        true, rel=1e-3
    )


def test_4_only_the_explicit_flag_mirrors_a_prompt() -> None:
    """The note on directions, and nothing else."""
    road = (line((0, 0.5), (1, 0.5)), {"highway": "track"})
    prompts = [str(told(road, steps=(Prompts(mirrored=m),)).facts["prompt"]) for m in (False, True)]
    right, wrong = (
        "the left is west and the right is east",
        "the left is east and the right is west",
    )
    assert right in prompts[0] and wrong not in prompts[0]
    assert prompts[1] == prompts[0].replace(right, wrong)
    facts = told(road).facts
    assert wrong not in str(facts["rewrite_prompt"]) and Prompts() == Prompts(mirrored=False)
    assert Rewrites() == Rewrites(mirrored=False)


def test_the_antimeridian_is_no_border() -> None:
    """A field on both sides of 180 degrees, as the two halves that a map holds."""
    x, y = (float(v[0]) for v in from_lonlat("EPSG:32601", np.array([-180.0]), np.array([52.0])))
    grid = Grid("EPSG:32601", (0.6, 0.0, x - 134.4, 0.0, -0.6, y + 134.4), 448, 448)
    frame = Frame.of(Window(grid, 0.6))
    halves = np.array([shapely.box(179.9, 51, 180, 53), shapely.box(-180, 51, -179.9, 53)], object)
    west, east = frame.inside(halves)
    assert words.position(west) == "left" and words.position(east) == "right"
    assert shapely.area(west) + shapely.area(east) == pytest.approx(1, rel=1e-6)
