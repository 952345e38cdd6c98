"""Areas and the cells they are searched by."""

import json
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.sources.area import Area
from pipelines.sources import region_of
from schemas.geo import mended

degrees = st.integers(-1800, 1800).map(lambda n: n / 10)
lats = st.integers(-900, 900).map(lambda n: n / 10)


@settings(deadline=None, max_examples=60)
@given(west=degrees, east=degrees, south=lats, north=lats)
def test_cells_cover_a_box_and_nothing_twice(
    west: float, east: float, south: float, north: float
) -> None:
    south, north = min(south, north), max(south, north)
    if west == east or south == north:
        return
    area = Area.of_box((west, south, east, north))
    cells = area.cells(most=400)
    width = east - west if west < east else 360 + east - west
    boxes = [shapely.box(*cell.box) for cell in cells]
    assert 0 < len(cells) <= 400
    assert len({cell.name for cell in cells}) == len(cells)
    whole = shapely.union_all(boxes)
    assert whole.area == pytest.approx(sum(box.area for box in boxes))
    assert area.shape.difference(whole).area == pytest.approx(0, abs=1e-6)
    assert area.shape.area == pytest.approx(width * (north - south))
    assert all(
        -180 <= c.box[0] < c.box[2] <= 180 and -90 <= c.box[1] < c.box[3] <= 90 for c in cells
    )


def test_a_small_area_is_one_search_no_larger_than_itself() -> None:
    (cell,) = Area.of_box((85.518, 27.629, 85.523, 27.634)).cells()
    assert (cell.name, cell.box) == ("n27e085-1", (85.518, 27.629, 85.523, 27.634))


def test_west_of_east_runs_across_180_degrees() -> None:
    area = Area.of_box((179.5, -17.0, -179.5, -16.5))
    assert [cell.name for cell in area.cells()] == ["s17w180-1", "s17e179-1"]
    assert area.boxes() == [(-180.0, -17.0, -179.5, -16.5), (179.5, -17.0, 180.0, -16.5)]
    assert area.meets(shapely.box(-179.9, -16.9, -179.8, -16.8))
    assert not area.meets(shapely.box(0, -16.9, 1, -16.8))


def test_the_whole_earth_is_some_thousands_of_larger_cells() -> None:
    cells = Area.of_box((-180, -90, 180, 90)).cells()
    assert 1_000 < len(cells) <= 4_096
    assert {cell.name.rsplit("-", 1)[1] for cell in cells} == {"4"}


def test_a_region_is_searched_only_where_it_is() -> None:
    corner = Area(
        "POLYGON ((10.1 47.1, 12.9 47.1, 12.9 47.2, 10.2 47.2, 10.2 49.9, 10.1 49.9, 10.1 47.1))"
    )
    assert sorted(cell.name for cell in corner.cells()) == [
        "n47e010-1", "n47e011-1", "n47e012-1", "n48e010-1", "n49e010-1",
    ]  # fmt: skip
    assert all(corner.meets(shapely.box(*cell.box)) for cell in corner.cells())
    assert not corner.meets(shapely.box(11.5, 48.5, 12.5, 49.5))


def test_a_cell_that_an_area_only_touches_is_not_searched() -> None:
    """It would be a box without ground, which servers refuse."""
    apart = shapely.MultiPolygon([shapely.box(10, 47, 11, 48), shapely.box(12, 47, 13, 48)])
    assert [cell.name for cell in Area(apart.wkt).cells()] == ["n47e010-1", "n47e012-1"]


ACROSS = [
    shapely.box(179.2, -17.8, 180.8, -17.2),
    shapely.box(-180.8, -17.8, -179.2, -17.2),
    shapely.Polygon([(179.2, -17.8), (-179.2, -17.8), (-179.2, -17.2), (179.2, -17.2)]),
    shapely.MultiPolygon(
        [shapely.box(179.2, -17.8, 180, -17.2), shapely.box(-180, -17.8, -179.2, -17.2)]
    ),
]


@pytest.mark.parametrize("shape", ACROSS)
def test_a_region_across_180_degrees(shape: shapely.Geometry, tmp_path: Path) -> None:
    """Whichever way its file writes it, the same two cells are searched."""
    path = tmp_path / "r.geojson"
    path.write_text(json.dumps(shapely.geometry.mapping(shape)))
    area = Area(region_of(str(path)))
    assert sorted(cell.name for cell in area.cells()) == ["s18e179-1", "s18w180-1"]
    assert area.shape.area == pytest.approx(1.6 * 0.6)
    assert area.meets(shapely.box(-179.6, -17.7, -179.4, -17.3))
    assert area.meets(shapely.box(179.4, -17.7, 179.6, -17.3))


def test_a_hole_stays_one_on_either_side_of_180_degrees() -> None:
    whole = shapely.box(179, -18, 181, -16).difference(shapely.box(179.5, -17.5, 180.5, -16.5))
    turned = shapely.transform(
        whole,
        lambda xy: xy - [[360.0, 0.0]] * (xy[:, :1] > 180),  # as writers fold it
    )
    assert mended(turned).area == pytest.approx(3.0)
    earth = shapely.box(-180, -90, 180, 90).difference(shapely.box(0, 0, 10, 10))
    assert mended(earth).area == pytest.approx(360 * 180 - 100)
