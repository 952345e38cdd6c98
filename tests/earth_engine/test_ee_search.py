"""Scenes found by place and year, as the assets' metadata tell them."""

import pickle
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rasterio
import shapely
from affine import Affine

from catalogs.sources.area import Area
from catalogs.sources.earth_engine.assets import own_grid
from catalogs.sources.earth_engine.search import polygon, scenes_of_earth_engine
from earth_engine_server import Refusal, World
from earth_engine_world import S2, SHIFTED, Clock, asset, band, collection, raster
from schemas.errors import SourceError, UsageError
from schemas.scenes import Scene
from schemas.windows import Grid

BOX = (8.9, 46.8, 9.1, 47.0)
DE = "Germany/Brandenburg/orthos/20cm"
BERLIN = (13.0, 52.0, 14.0, 53.0)


@dataclass(frozen=True)
class Found:
    """What a search gave."""

    scenes: tuple[Scene, ...]
    lost: list[tuple[str, str, str]]
    facts: dict[str, Any]
    caveats: tuple[str, ...]


def search(location: str, where: Any, years: tuple[int, int] | None = None, **more: Any) -> Found:
    """The scenes in a box or an area."""
    lost: list[tuple[str, str, str]] = []
    area = where if isinstance(where, Area) else Area.of_box(where)
    made = scenes_of_earth_engine(location, area, years, lost, **more)
    return Found(made.scenes, lost, made.facts, made.caveats)


def ids(found: Found) -> list[str]:
    return [scene.id for scene in found.scenes]


def test_the_year_decides_by_the_start(served: World) -> None:
    assert ids(search("earth-engine:S2", BOX, (2020, 2020))) == [
        "T32TMT_1", "T32TMT_2", "T32TMT_3",
    ]  # fmt: skip
    assert len(search("earth-engine:S2", BOX, (2020, 2021)).scenes) == 5
    assert len(search("earth-engine:S2", BOX).scenes) == 6


def test_what_is_asked_for(served: World) -> None:
    search("earth-engine:S2", BOX, (2020, 2020))
    (request,) = served.sent("listAssets")
    assert request.method == "GET"
    assert request.path == f"/v1alpha/projects/earthengine-public/assets/{S2}:listAssets"
    times, region = request.query["filter"].split(" AND intersects")
    assert times == ('startTime >= "2020-01-01T00:00:00Z" AND startTime < "2021-01-01T00:00:00Z"')
    asked = shapely.from_geojson(re.sub("^..|..$", "", region).replace("'", '"'))
    assert asked.equals_exact(shapely.box(*BOX), normalize=True)


def test_every_page_is_read(served: World) -> None:
    served.page = 2
    assert len(search("earth-engine:S2", BOX).scenes) == 6
    tokens = [request.query.get("pageToken") for request in served.sent("listAssets")]
    assert tokens == [None, "2", "4"]


def test_a_page_that_fails_is_asked_for_again(served: World, clock: Clock) -> None:
    served.page = 3
    served.refuse("listAssets", Refusal(429, "Too Many Requests"), Refusal(503, "down"))
    found = search("earth-engine:S2", BOX, by=clock.service())
    assert len(found.scenes) == 6
    assert len(clock.slept) == 2


def test_a_scene_is_what_its_metadata_say(served: World) -> None:
    found = search("earth-engine:S2", BOX, (2020, 2020))
    scene = found.scenes[1]
    with rasterio.open(served.rasters[f"{S2}/T32TMT_2"]) as dataset:
        t = dataset.transform
        assert scene.grid == Grid(
            "EPSG:32632", (t.a, t.b, t.c, t.d, t.e, t.f), dataset.width, dataset.height
        )
    assert scene.key == f"{S2}/T32TMT_2"
    assert scene.datetime == datetime(2020, 7, 1, 10, 10, 31, 24_000, UTC)
    assert (scene.cloud, scene.platform, scene.baseline) == (21.0, "Sentinel-2A", "05.00")
    assert scene.licence == "LicenseRef-Copernicus-Sentinel"
    assert scene.attribution == "Contains modified Copernicus Sentinel data 2020"
    assert [(b.name, b.common, b.index) for b in scene.bands] == [
        ("B1", "coastal", 1), ("B2", "blue", 2), ("B3", "green", 3), ("B4", "red", 4),
        ("B8", "nir", 5),
    ]  # fmt: skip
    assert {b.href for b in scene.bands} == {f"ee://{S2}/T32TMT_2"}
    assert {(b.dtype, b.nodata, b.scale) for b in scene.bands} == {("uint16", 0.0, 1e-4)}
    assert [round(b.gsd) for b in scene.bands] == [60, 10, 10, 10, 10]
    assert [own_grid(b, scene).width for b in scene.bands] == [19, 112, 112, 112, 112]
    assert own_grid(scene.bands[0], scene).transform[0] == 60
    assert Scene.from_dict(scene.as_dict()) == scene
    assert pickle.loads(pickle.dumps(scene)) == scene
    assert {k: found.facts[k] for k in ("items", "outside", "scenes")} == {
        "items": 3, "outside": 0, "scenes": 3,
    }  # fmt: skip
    assert found.facts["newest_updated"] == "2024-05-03T00:00:00Z"


def test_clouds_that_nobody_measured(served: World, tmp_path: Path) -> None:
    name = "LANDSAT/LC08/C02/T1_TOA"
    collection(served, name)
    path = raster(tmp_path / "l8.tif", "B2 B3 B4 B5", Affine(30, 0, 5e5, 0, -30, 52e5), "EPSG:32632",
                  "float32")  # fmt: skip
    stated = asset(served, f"{name}/LC08_1", path, "2020-06-01T10:00:00Z", CLOUD_COVER=-1)
    fine = Affine(15, 0, 499_992.5, 0, -15, 5_200_007.5)
    stated["bands"].append(band("B8", "float32", fine, "EPSG:32632", 224, 192))
    (scene,) = search("earth-engine:L8", BOX).scenes
    assert scene.cloud is None
    assert [b.common for b in scene.bands] == ["blue", "green", "red", "nir08"]
    assert scene.grid.transform[0] == 30, "the panchromatic band is no part of the scene"
    assert scene.bands[0].dtype == "float32"
    assert scene.display == (0.0, 0.4)


def test_only_what_meets_the_area_itself(served: World) -> None:
    """The service is asked with a box; the area is a triangle that leaves the scenes out."""
    triangle = "POLYGON ((8.9 46.8, 9.0 47.2, 8.9 47.2, 8.9 46.8))"
    found = search("earth-engine:S2", Area(triangle))
    assert served.sent("listAssets") and not found.scenes
    assert found.facts["outside"] == found.facts["items"] == 6


def test_an_area_across_the_antimeridian(served: World, tmp_path: Path) -> None:
    path = raster(tmp_path / "fiji.tif", "B2 B3 B4", Affine(10, 0, 8e5, 0, -10, 8e6), "EPSG:32760")
    asset(served, f"{S2}/FIJI", path, "2020-06-01T10:00:00Z")
    west, south, east, north = shapely.geometry.shape(
        served.assets[f"{S2}/FIJI"]["geometry"]
    ).bounds
    found = search("earth-engine:S2", (west - 0.1, south, -179.9, north))
    assert ids(found) == ["FIJI"]
    assert len(served.sent("listAssets")) == 2
    assert east < 180


@pytest.mark.parametrize("single", [True, False])
def test_brandenburg_is_an_image_or_a_collection(
    served: World, tmp_path: Path, single: bool
) -> None:
    path = raster(tmp_path / "de.tif", "N R G B", SHIFTED, "EPSG:25833")
    if not single:
        collection(served, DE)
    name = DE if single else f"{DE}/dop_33404"
    asset(served, name, path, "2021-08-23T00:00:00Z")
    (scene,) = search("earth-engine:DE", BERLIN, (2021, 2022)).scenes
    assert (scene.collection, scene.id) == (DE, "20cm" if single else "dop_33404")
    assert [b.common for b in scene.bands] == ["nir", "red", "green", "blue"]
    assert scene.bands[0].href == f"ee://{name}"
    assert scene.grid.transform == tuple(SHIFTED)[:6]
    assert scene.licence == "DL-DE-BY-2.0"


def test_the_dead_swiss_id_is_replaced(served: World, tmp_path: Path) -> None:
    now = "Switzerland/SWISSIMAGE/orthos/10cm"
    collection(served, now)
    path = raster(tmp_path / "ch.tif", "R G B", Affine(0.1, 0, 26e5, 0, -0.1, 12e5), "EPSG:2056")
    asset(served, f"{now}/2018", path, "2018-01-01T00:00:00Z")
    for location in ("earth-engine:CH", "earth-engine#ORTHO/Switzerland/SWISSIMAGE/10cm"):
        found = search(location, (7, 46, 8, 47.2), (2017, 2020))
        assert found.scenes[0].collection == now
        assert "ORTHO/Switzerland/SWISSIMAGE/10cm is no longer available" in found.caveats[0]
        assert found.scenes[0].display == (11, 190)
    assert not any("ORTHO" in request.path for request in served.requests)


def test_several_collections_in_one_location(served: World, tmp_path: Path) -> None:
    path = raster(tmp_path / "de.tif", "N R G B", SHIFTED, "EPSG:25833")
    asset(served, DE, path, "2021-08-23T00:00:00Z")
    found = search("earth-engine:S2,DE", (8.9, 46.8, 14.0, 53.0))
    assert {scene.collection for scene in found.scenes} == {S2, DE}
    assert found.facts["collections"] == [S2, DE]


def test_naip_names_tell_the_colours(served: World, tmp_path: Path) -> None:
    name = "USDA/NAIP/DOQQ"
    collection(served, name)
    place = Affine(1, 0, 6e5, 0, -1, 41e5)
    for image, bands in (("m_1", "R G B N"), ("n_1", "R G B"), ("c_1", "N R G"), ("c_2", "R G B")):
        path = raster(tmp_path / f"{image}.tif", bands, place, "EPSG:32610")
        asset(served, f"{name}/{image}", path, "2012-05-01T00:00:00Z")
    found = search("earth-engine:US", (-122.5, 36.5, -121.0, 37.5))
    colours = {scene.id: [b.common for b in scene.bands] for scene in found.scenes}
    assert colours == {
        "m_1": ["red", "green", "blue", "nir"],
        "n_1": ["red", "green", "blue"],
        "c_1": ["nir", "red", "green"],
        "c_2": ["nir", "red", "green"],
    }


def test_another_collection_brings_no_terms(served: World, tmp_path: Path) -> None:
    name = "projects/a-private-one/assets/flights"
    served.assets[name] = {"type": "IMAGE_COLLECTION", "name": name}
    path = raster(tmp_path / "f.tif", "b1 b2", SHIFTED, "EPSG:25833")
    asset(served, f"{name}/1", path, "2021-08-23T00:00:00Z")["name"] = f"{name}/1"
    found = search(f"earth-engine:{name}", BERLIN)
    assert (found.scenes[0].licence, found.scenes[0].attribution) == ("", "")
    assert found.scenes[0].bands[0].nodata is None, "0 may be a number like any other"
    assert found.scenes[0].bands[0].href == f"ee://{name}/1"
    assert served.sent("listAssets")[0].path == f"/v1alpha/{name}:listAssets"


def test_images_that_cannot_be_used_are_named(served: World) -> None:
    turned = served.assets[f"{S2}/T32TMT_1"]
    turned["bands"][1]["grid"]["affineTransform"]["shearX"] = 0.5
    del served.assets[f"{S2}/T32TMT_2"]["bands"][1]["grid"]["crsCode"]
    served.assets[f"{S2}/T32TMT_3"]["bands"] = [{"id": "TCI_R"}]
    served.assets[f"{S2}/T32TMT_4"]["bands"][0]["grid"]["dimensions"] = {}
    served.assets[f"{S2}/T32TMT_5"]["bands"][0]["grid"]["crsCode"] = "SR-ORG:6974"
    found = search("earth-engine:S2", BOX)
    assert ids(found) == ["T32TMT_0"]
    assert {name[-1]: code for name, code, _ in found.lost} == {
        "1": "rotated_grid", "2": "no_crs", "3": "ee_metadata", "4": "ee_metadata",
        "5": "local_crs",
    }  # fmt: skip


def test_a_listing_without_bands_is_completed(served: World) -> None:
    served.brief = True
    (first, *_) = search("earth-engine:S2", BOX, (2020, 2020)).scenes
    assert len(first.bands) == 5
    assert sum(r.path.endswith("/T32TMT_2") for r in served.requests) == 1


def test_an_outline_without_limits_is_taken_from_the_grid(served: World) -> None:
    """The server finds such an image everywhere; where it lies, its grid says."""
    stated = served.assets[f"{S2}/T32TMT_2"]
    true = shapely.geometry.shape(stated["geometry"])
    stated["geometry"] = shapely.geometry.mapping(shapely.box(-1000, -1000, 1000, 1000))
    scene = search("earth-engine:S2", BOX, (2020, 2020)).scenes[1]
    assert shapely.hausdorff_distance(shapely.from_wkt(scene.footprint), true) < 1e-3
    assert "T32TMT_2" not in ids(search("earth-engine:S2", (0.0, 0.0, 1.0, 1.0)))


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("earth-engine", "name a collection, such as earth-engine:S2"),
        ("earth-engine:", "name a collection"),
        ("earth-engine:S3", "neither an alias nor a collection id; did you mean"),
        ("earth-engine:a/../b", "neither an alias"),
    ],
)
def test_locations_that_name_nothing(location: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        search(location, BOX)


@pytest.mark.parametrize(
    ("years", "says"), [((2021, 2024), "2017 to 2020"), ((2000, 2016), "2017")]
)
def test_years_without_imagery(years: tuple[int, int], says: str) -> None:
    with pytest.raises(UsageError, match=f"imagery from {says}"):
        search("earth-engine:CH", BOX, years)


def test_a_collection_that_is_gone(served: World) -> None:
    with pytest.raises(SourceError, match=r"Spain/PNOA/PNOA10.*not found.*ee_not_found"):
        search("earth-engine:ES", BOX)


def test_a_table_is_no_imagery(served: World) -> None:
    served.assets["Spain/PNOA/PNOA10"] = {"type": "TABLE"}
    with pytest.raises(SourceError, match="is a TABLE, not IMAGE_COLLECTION"):
        search("earth-engine:ES", BOX)


def test_long_edges_have_points_between() -> None:
    """A geodesic leaves the parallel: 40 degrees wide at 50 N by 200 km in the middle."""
    wide = shapely.get_coordinates(shapely.from_geojson(polygon((0, 50, 40, 60))))
    steps = abs(wide[1:] - wide[:-1]).max()
    assert steps <= 1.25
    assert len(shapely.get_coordinates(shapely.from_geojson(polygon((0, 50, 0.5, 50.5))))) == 5
