"""Feature tables as OSM sources: the same rows as from an extract."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pytest
import shapely

from catalogs.sources.feature_tags import classes, identity
from catalogs.sources.osm import COLUMNS, Expect, OsmDrop, open_osm
from schemas.errors import SourceError
from tests.real_data import real
from tests.vector_files import write

FORMATS = {"a.gpkg": "GPKG", "a.fgb": "FlatGeobuf", "a.geojson": "GeoJSON", "a.parquet": "Parquet"}


def rows(path: Path, keys: Any = ("building", "landuse"), bbox: Any = None) -> tuple[Any, Any]:
    drops: list[OsmDrop] = []
    table = pa.Table.from_batches(open_osm(path).features(keys, bbox, drops.append), COLUMNS)
    table.validate(full=True)
    return sorted(table.to_pylist(), key=lambda row: row["osm_id"]), drops  # FlatGeobuf reorders


BOX, FAR = shapely.box(10, 50, 10.001, 50.001), shapely.box(11, 51, 11.001, 51.001)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    columns = {
        "osm_id": [7, 8, 9],
        "osm_type": ["way", "relation", "node"],
        "building": ["yes", None, "hut"],
        "landuse": [None, "grass", None],
        "phone": ["+49 30 123456", None, None],
    }
    path = write(tmp_path / name, columns, [BOX, FAR, shapely.Point(1, 2)])
    found, drops = rows(path)
    assert open_osm(path).extract.format == FORMATS[name]
    assert not drops
    assert [(r["osm_type"], r["osm_id"], r["kind"], r["tags"]) for r in found] == [
        ("way", 7, "area", '{"building":"yes"}'),
        ("relation", 8, "area", '{"landuse":"grass"}'),
        ("node", 9, "point", '{"building":"hut"}'),
    ]
    assert shapely.from_wkb(found[0]["geometry"]).equals(BOX)
    assert rows(path, ["landuse"])[0] == [found[1]]
    assert rows(path, bbox=(0, 0, 5, 5))[0] == [found[2]]
    assert rows(path, ["shop"]) == ([], [])


def test_tags_as_json(tmp_path: Path) -> None:
    tags = ['{"landuse": "grass", "layer": 1, "note": "x"}', "not json", None]
    path = write(tmp_path / "a.gpkg", {"id": [1, 2, 3], "tags": tags}, [BOX, BOX, BOX])
    found, drops = rows(path)
    assert [row["tags"] for row in found] == ['{"landuse":"grass","layer":"1"}']
    assert not drops


def test_classes_of_geofabrik_become_tags(tmp_path: Path) -> None:
    columns = {
        "osm_id": ["1", "2", "3"],
        "fclass": ["forest", "building", "unknown"],
        "type": [None, "house", None],
        "name": ["Wald", None, None],
    }
    found, _ = rows(write(tmp_path / "a.gpkg", columns, [BOX, FAR, BOX]))
    assert [row["tags"] for row in found] == [
        '{"landuse":"forest","name":"Wald"}', '{"building":"house"}'
    ]  # fmt: skip


def test_class_table_holds_tags_only() -> None:
    table = classes()
    assert len(table) > 200
    assert table["water"] == ("natural", "water")
    assert table["track_grade1"] == ("highway", "track")
    assert table["wetland"] == ("natural", "wetland")
    assert all(key and value and key.islower() for key, value in table.values())


@pytest.mark.parametrize(
    ("value", "kind", "point", "who"),
    [
        (12, None, False, (1, 12)),
        ("12", None, True, (0, 12)),
        ("way/12", None, True, (1, 12)),
        ("relation/12", "", False, (2, 12)),
        ("n12", None, False, (0, 12)),
        (-12, None, False, (2, 12)),
        (12, "ways_poly", False, (1, 12)),
        (12, "Relation", False, (2, 12)),
        (12.0, None, False, (1, 12)),
        ("x", None, False, None),
        (None, "way", False, None),
    ],
)
def test_identity(value: Any, kind: Any, point: bool, who: Any) -> None:
    assert identity(value, kind, point=point) == who


def test_fault_53_one_object_on_several_rows(tmp_path: Path) -> None:
    left, right = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
    columns = {
        "osm_id": [1, 1, 2, 2, 3, 3, 4],
        "landuse": ["meadow", None, "forest", "forest", "grass", None, "farmland"],
        "natural": [None, "wetland", None, None, None, "water", None],
    }
    shapes = [left, left, left, right, left, right, right]
    found, drops = rows(write(tmp_path / "a.gpkg", columns, shapes), ["landuse", "natural"])
    by_id = {row["osm_id"]: row for row in found}
    assert len(found) == len(by_id) == 4
    assert by_id[1]["tags"] == '{"landuse":"meadow","natural":"wetland"}'  # two classes of one
    assert shapely.from_wkb(by_id[2]["geometry"]).equals(shapely.box(0, 0, 2, 1))  # two parts
    assert by_id[3]["tags"] == '{"landuse":"grass"}'  # a way and a relation
    assert [(drop.osm_id, drop.code) for drop in drops] == [(n, "duplicate") for n in (1, 2, 3)]


def test_positions_are_brought_to_lonlat(tmp_path: Path) -> None:
    near = gpd.GeoSeries([BOX], crs=4326).to_crs(32632).iloc[0]
    columns = {"osm_id": [1], "building": ["yes"]}
    for name in ("a.gpkg", "a.parquet", "a.fgb"):
        found, _ = rows(write(tmp_path / name, columns, [near], crs=32632))
        assert found[0]["west"] == pytest.approx(10, abs=1e-6)
        assert found[0]["north"] == pytest.approx(50.001, abs=1e-6)


@pytest.mark.parametrize("name", ["a.gpkg", "a.fgb", "a.parquet"])
def test_no_crs_is_an_error(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, {"osm_id": [1], "building": ["yes"]}, [BOX], crs=None)
    with pytest.raises(SourceError, match="declares no CRS"):
        open_osm(path)


def test_positions_off_the_globe_are_dropped(tmp_path: Path) -> None:
    shapes = [shapely.box(10, 91, 10.1, 91.1), BOX]
    columns = {"osm_id": [1, 2], "building": ["yes", "yes"]}
    found, drops = rows(write(tmp_path / "a.gpkg", columns, shapes))
    assert [row["osm_id"] for row in found] == [2]
    assert [(drop.osm_id, drop.code) for drop in drops] == [(1, "geometry_invalid")]


def test_fault_51_empty_and_missing_geometry(tmp_path: Path) -> None:
    shapes = [None, shapely.Polygon(), shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), BOX]
    columns = {"osm_id": [1, 2, 3, 4], "building": ["yes"] * 4}
    found, drops = rows(write(tmp_path / "a.gpkg", columns, shapes))
    assert [row["osm_id"] for row in found] == [4]
    assert [drop.osm_id for drop in drops] == [1, 2, 3]
    assert {drop.code for drop in drops} == {"geometry_invalid"}


def test_fault_50_damaged_tables(tmp_path: Path) -> None:
    for name in FORMATS:
        path = write(tmp_path / name, {"osm_id": [1], "building": ["yes"]}, [BOX])
        path.write_bytes(path.read_bytes()[:-60])
        with pytest.raises(SourceError, match=name):
            rows(path)


def test_rows_without_an_id_are_reported(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.gpkg", {"osm_id": [None, "x", "3"], "building": ["yes"] * 3}, [BOX] * 3
    )
    found, drops = rows(path)
    assert [row["osm_id"] for row in found] == [3]
    assert [drop.code for drop in drops] == ["id_missing"] * 2


def test_no_id_column_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg", {"building": ["yes"]}, [BOX])
    with pytest.raises(SourceError, match="needs one of the columns"):
        rows(path)


def test_expectations_hold_for_tables_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fgb", {"osm_id": [1], "building": ["yes"]}, [BOX])
    with pytest.raises(SourceError, match="expected 3"):
        open_osm(path, Expect(size=3))
    assert open_osm(path, Expect(size=path.stat().st_size)).extract.note == ""
    assert open_osm(path).extract.bbox == pytest.approx((10, 50, 10.001, 50.001))


@pytest.mark.realdata
def test_real_brandenburg_has_544_objects_on_604_rows() -> None:
    name = "gis_osm_landuse-water_a_free_1_area-10000-to-500000.gpkg"
    found, drops = rows(real(f"brandenburg_s2_osm/{name}"), ["landuse", "natural"])
    assert (len(found), len(drops)) == (544, 60)
    assert {drop.code for drop in drops} == {"duplicate"}
    assert len({row["osm_id"] for row in found}) == 544
    both = [row for row in found if {"landuse", "natural"} <= json.loads(row["tags"]).keys()]
    assert len(both) == 3  # a meadow that is a wetland, listed once in each layer
    assert all(12.4 < row["west"] < 12.8 and 52.4 < row["south"] < 52.6 for row in found)
    assert shapely.is_valid(shapely.from_wkb([row["geometry"] for row in found])).all()


@pytest.mark.realdata
def test_real_banepa_table_and_extract_agree() -> None:
    table, drops = rows(real("banepa_oam_osm/osm_features.geojson"))
    extract, more = rows(real("banepa_oam_osm/banepa_buildings_derived.osm.pbf"))
    assert (len(table), drops, more) == (1466, [], [])
    ours = {row["osm_id"]: row for row in table}
    assert ours.keys() == {row["osm_id"] for row in extract}
    for row in extract:
        assert json.loads(row["tags"]) == json.loads(ours[row["osm_id"]]["tags"])
        one, two = (shapely.from_wkb(r["geometry"]) for r in (row, ours[row["osm_id"]]))
        assert shapely.equals_exact(one.normalize(), two.normalize(), tolerance=1e-7)
