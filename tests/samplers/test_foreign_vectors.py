"""Vector files that only point to others: nothing else of the machine, and no host, is asked."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from catalogs.sources.land import open_land
from catalogs.sources.points import open_points
from catalogs.sources.terms import Override
from catalogs.sources.vector import read_shapes
from schemas.errors import SourceError

FREE = Override("CC0-1.0", "us")
SECRET: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"id": "p1", "password": "x"},
         "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}
    ],
}  # fmt: skip


def virtual(tmp_path: Path) -> str:
    """A virtual dataset of another file."""
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "secret.geojson").write_text(json.dumps(SECRET))
    return (
        f'<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{tmp_path}/else/secret.geojson'
        "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )


@pytest.mark.parametrize("name", ["a.geojson", "a.json", "a.gpkg", "a.shp", "a.fgb", "a.parquet"])
def test_a_file_that_points_to_another_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(virtual(tmp_path))
    with pytest.raises(SourceError, match=name):
        open_land(path, FREE)
    with pytest.raises(SourceError, match=name):
        list(open_points(path, FREE).batches(lambda *row: None, ()))


def test_nor_does_it_help_to_look_like_json(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text('{"type": "Feature"} ' + virtual(tmp_path))
    with pytest.raises(SourceError, match=r"a\.geojson"):
        open_land(path, FREE)


@pytest.mark.parametrize("inside", ["land.vrt", "land.geojson", "land.shp"])
def test_nor_is_one_in_a_zip_opened(tmp_path: Path, inside: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(inside, virtual(tmp_path))
    with pytest.raises(SourceError, match=r"a\.zip"):
        list(read_shapes(tmp_path / "a.zip"))


def test_the_driver_itself_is_not_there(tmp_path: Path) -> None:
    """In a process of its own: drivers are registered once."""
    path = tmp_path / "a.vrt"
    path.write_text(virtual(tmp_path))
    code = (
        "import sys; from catalogs.rasters import guard_environment; guard_environment()\n"
        "import pyogrio; print('OGR_VRT' in pyogrio.list_drivers())\n"
        "try: pyogrio.read_info(sys.argv[1]); print('read')\n"
        "except Exception as error: print(type(error).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["False", "DataSourceError"], done.stderr


def test_a_zip_of_one_shapefile_is_read(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"n": [1]}, geometry=[shapely.box(7, 46, 8, 47)], crs="EPSG:4326")
    frame.to_file(tmp_path / "land.shp")
    with zipfile.ZipFile(tmp_path / "land.zip", "w") as archive:
        for part in sorted(tmp_path.glob("land.[sdpc]*")):
            archive.write(part, f"inner/{part.name}")
    found = list(read_shapes(tmp_path / "land.zip"))
    assert found[0].shapes[0].equals(shapely.box(7, 46, 8, 47))
    assert open_land(tmp_path / "land.zip", FREE).about.size > 0


def test_a_file_of_two_layers_is_refused_not_halved(tmp_path: Path) -> None:
    for layer, west in (("one", 7), ("two", 9)):
        gpd.GeoDataFrame(
            {"n": [1]}, geometry=[shapely.box(west, 46, west + 1, 47)], crs="EPSG:4326"
        ).to_file(tmp_path / "land.gpkg", layer=layer)
    with pytest.raises(SourceError, match="2 layers"):
        open_land(tmp_path / "land.gpkg", FREE)
