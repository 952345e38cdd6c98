"""GeoParquet's metadata, as another reader takes them."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from catalogs.geoparquet import declared, geo_metadata, group_boxes, kinds_of
from schemas.errors import SourceError
from schemas.tables import BBOX

SHAPES: dict[str, Any] = {
    "Point": shapely.Point(1, 2),
    "LineString": shapely.LineString([(0, 0), (3, 4)]),
    "Polygon": shapely.box(5, 6, 7, 8),
    "MultiPoint": shapely.MultiPoint([(0, 0), (1, 1)]),
    "MultiLineString": shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 5)]]),
    "MultiPolygon": shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]),
    "GeometryCollection": shapely.GeometryCollection([shapely.Point(9, 9)]),
}


def written(path: Path, shapes: list[Any], **more: str) -> Path:
    """A table of shapes with their boxes, two rows in a row group."""
    corners = [
        dict(zip(BBOX.names, shapely.bounds(shape).tolist(), strict=True)) for shape in shapes
    ]
    wkb = pa.array([shape.wkb for shape in shapes], pa.binary())
    table = pa.table({"geometry": wkb, "bbox": pa.array(corners, BBOX)})
    about = geo_metadata(shapely.total_bounds(shapes).tolist(), kinds_of(wkb), **more)
    table = table.replace_schema_metadata({"geo": json.dumps(about)})
    pq.write_table(table, path, row_group_size=2)
    return path


@pytest.mark.parametrize("names", [[name] for name in SHAPES] + [list(SHAPES)])
def test_geopandas_reads_what_is_said(tmp_path: Path, names: list[str]) -> None:
    """Every kind by its name, also those that shapely numbers otherwise than WKB."""
    path = written(tmp_path / "a.parquet", [SHAPES[name] for name in names], edges="planar")
    frame = gpd.read_parquet(path)
    assert frame.crs == "OGC:CRS84" and frame.geom_type.tolist() == names
    column = json.loads(pq.read_schema(path).metadata[b"geo"])["columns"]["geometry"]
    assert column["geometry_types"] == names
    assert column["bbox"] == frame.total_bounds.tolist()
    said = declared(path, path)
    assert (said.geometry, said.crs, said.fields) == ("geometry", "OGC:CRS84", ("bbox",))


def test_boxes_of_row_groups_hold_their_rows(tmp_path: Path) -> None:
    shapes = list(SHAPES.values())
    with pq.ParquetFile(written(tmp_path / "a.parquet", shapes)) as file:
        found = group_boxes(file.metadata)
    assert found.tolist() == [
        shapely.total_bounds(shapes[first : first + 2]).tolist() for first in range(0, 7, 2)
    ]


def test_heights_are_named(tmp_path: Path) -> None:
    shapes = [shapely.Point(1, 2, 3), shapely.force_3d(SHAPES["MultiPolygon"], 4)]
    path = written(tmp_path / "a.parquet", shapes)
    column = json.loads(pq.read_schema(path).metadata[b"geo"])["columns"]["geometry"]
    assert column["geometry_types"] == ["Point Z", "MultiPolygon Z"]
    assert gpd.read_parquet(path).has_z.all()


@pytest.mark.parametrize(
    "geo",
    ["{", "[]", "{}", '{"primary_column": "g", "columns": {}}', '{"primary_column": "g"}',
     '{"primary_column": "g", "columns": {"g": {"encoding": "WKB", "crs": {}}}}',
     '{"primary_column": "g", "columns": {"g": {"encoding": "WKB", "bbox": [1, "x"]}}}'],
)  # fmt: skip
def test_odd_metadata_are_one_sentence(tmp_path: Path, geo: str) -> None:
    table = pa.table({"g": pa.array([b""])}).replace_schema_metadata({"geo": geo})
    pq.write_table(table, tmp_path / "odd.parquet")
    with pytest.raises(SourceError, match=r"odd\.parquet has `geo` metadata that cannot be read"):
        declared(tmp_path / "odd.parquet", tmp_path / "odd.parquet")


def test_rows_without_geometry_have_no_kind() -> None:
    assert kinds_of(pa.array([None, SHAPES["Polygon"].wkb], pa.binary())) == {3}
    assert geo_metadata(None, set())["columns"]["geometry"]["geometry_types"] == []


def test_what_is_no_geoparquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a\.parquet is Parquet without `geo` metadata"):
        declared(tmp_path / "a.parquet", tmp_path / "a.parquet")
    gpd.GeoSeries([SHAPES["Point"]]).to_frame("geometry").to_parquet(
        tmp_path / "b.parquet", geometry_encoding="geoarrow", schema_version="1.1.0"
    )
    with pytest.raises(SourceError, match=r"of\.zip encodes geometry as point: write it as WKB"):
        declared(tmp_path / "b.parquet", Path("of.zip"))
