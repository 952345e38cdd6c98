"""Scenes, windows and neighbours on both sides of 180 degrees, against geodesics."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from affine import Affine
from pyproj import Geod, Transformer

from catalogs.sources.headers import describe
from catalogs.sources.imagery import Imagery
from raster_world import noise, write
from schemas.geo import beside, continuous, mended, split
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.windows import Window
from transforms.context import Context
from transforms.osm import Nearby
from transforms.planning.spool import Spool

GEOD = Geod(ellps="WGS84")
LAT = -16.8  # Taveuni, Fiji: land on both sides
PIXEL = 20.0


def across(folder: Path, crs: str, lat: float = LAT) -> Scene:
    """A scene of 64 x 64 pixels whose middle lies on the antimeridian."""
    x, y = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(180.0, lat)
    corner = Affine(PIXEL, 0, x - 32 * PIXEL, 0, -PIXEL, y + 32 * PIXEL)
    return describe(write(folder / "x.tif", noise(), crs=crs, transform=corner))


@pytest.mark.parametrize("crs", ["EPSG:32660", "EPSG:32760", "EPSG:32701", "EPSG:3832"])
def test_fault_41_a_scene_across_the_antimeridian(tmp_path: Path, crs: str) -> None:
    scene = across(tmp_path, crs)
    outline = shapely.from_wkt(scene.footprint)
    assert outline.geom_type == "MultiPolygon" and outline.is_valid
    west, east = sorted(part.bounds for part in outline.geoms)
    assert west[0] == -180 and east[2] == 180
    assert west[2] < -179.99 and east[0] > 179.99
    area = sum(abs(GEOD.geometry_area_perimeter(part)[0]) for part in outline.geoms)
    assert area == pytest.approx((64 * scene.bands[0].gsd) ** 2, rel=2e-3)
    imagery = Imagery((scene,), ())
    for lon, inside in ((179.997, True), (-179.997, True), (0.0, False), (179.9, False),
                        (-179.9, False)):  # fmt: skip
        assert bool(imagery.over(lon, LAT)) == inside, lon


def test_a_scene_of_the_globe_keeps_its_outline(tmp_path: Path) -> None:
    whole = Affine(360 / 64, 0, -180, 0, -180 / 64, 90)
    scene = describe(write(tmp_path / "x.tif", noise(), crs="EPSG:4326", transform=whole))
    assert shapely.from_wkt(scene.footprint).bounds == (-180, -90, 180, 90)
    assert Imagery((scene,), ()).over(100.0, 40.0)


def test_longitudes_beyond_180_in_a_geographic_grid(tmp_path: Path) -> None:
    grid = Affine(0.1, 0, 178, 0, -0.1, 3)
    scene = describe(write(tmp_path / "x.tif", noise(), crs="EPSG:4326", transform=grid))
    west, east = sorted(part.bounds for part in shapely.from_wkt(scene.footprint).geoms)
    assert west == pytest.approx((-180, -3.4, -175.6, 3), abs=1e-9)
    assert east == pytest.approx((178, -3.4, 180, 3), abs=1e-9)


def test_outlines_that_a_catalogue_did_not_cut() -> None:
    jump = shapely.Polygon([(179, 0), (-179, 0), (-179, 1), (179, 1)])
    found = sorted(part.bounds for part in mended(jump).geoms)
    assert found == [(-180, 0, -179, 1), (179, 0, 180, 1)]
    for whole in (shapely.box(-180, -90, 180, 90), shapely.box(-170, 0, 20, 1),
                  shapely.box(5, 5, 6, 6), split(shapely.box(179, 0, 181, 1))):  # fmt: skip
        assert mended(whole).equals(whole)


def test_longitudes_beside_one_another() -> None:
    assert beside([-179.0, 179.0, 10.0], 179.5).tolist() == [181.0, 179.0, 10.0]
    assert beside(179.0, -179.5) == -181.0
    ring = np.array([[179.0, 0], [-179, 0], [-179, 1], [179, 0]])
    assert continuous(ring)[:, 0].tolist() == [179, 181, 181, 179]


def spooled(folder: Path, points: dict[str, tuple[float, float]]) -> Spool:
    """Start rows of trees, one point each."""
    lon, lat = (np.array(side) for side in zip(*points.values(), strict=True))
    zero = np.zeros(len(lon))
    table = pa.table({
        "key": pa.array(list(points)), "lon": lon, "lat": lat, "_half_lon": zero, "_half_lat": zero,
        "_tags": ['{"natural":"water"}'] * len(lon),
        "focus_geometry": pa.array(shapely.to_wkb(shapely.points(lon, lat)).tolist(), pa.binary()),
    })  # fmt: skip
    spool = Spool(folder)
    spool.fill([table])
    return spool


POINTS = {
    "n1": (179.9999, LAT), "n2": (-179.9999, LAT), "n3": (179.998, LAT), "n4": (-179.997, LAT),
    "n5": (0.0, LAT), "n6": (179.9, LAT), "n7": (-179.9, LAT),
}  # fmt: skip


@pytest.mark.parametrize("focus", ["n1", "n2", "n4"])
@pytest.mark.parametrize("crs", ["EPSG:32660", "EPSG:3832"])
def test_neighbours_across_the_antimeridian(tmp_path: Path, focus: str, crs: str) -> None:
    scene = across(tmp_path, crs)
    spool = spooled(tmp_path / "start", POINTS)
    asked: list[Any] = []

    def start_rows(bounds: Any) -> pa.Table:
        asked.append(bounds)
        return spool.meeting(bounds)

    samples = [
        Sample(key, *POINTS[key], Window(scene.grid, 0.6),
               facts={"osm_type": "node", "osm_id": int(key[1:])})
        for key in (focus, "n3")
    ]  # fmt: skip
    made = Nearby().across(samples, Context(start_rows=start_rows))
    inside = {"n1", "n2", "n3", "n4"}
    for sample in made:
        order = sorted(
            inside - {sample.id},
            key=lambda key: GEOD.inv(sample.lon, sample.lat, *POINTS[key])[2],
        )
        assert str(sample.facts["surrounding_ids"]).split() == order
    ((west, south, east, north),) = asked
    assert west > east and (east - west) % 360 < 0.1, "no walk around the globe"
    assert south < LAT < north


def test_rows_in_a_box_across_the_antimeridian(tmp_path: Path) -> None:
    spool = spooled(tmp_path, POINTS)
    found = spool.meeting((179.95, LAT - 1, -179.95, LAT + 1))["key"].to_pylist()
    assert found == ["n1", "n2", "n3", "n4"]
    found = spool.within((179.85, LAT - 1, -179.85, LAT + 1))["key"].to_pylist()
    assert found == ["n1", "n2", "n3", "n4", "n6", "n7"]
