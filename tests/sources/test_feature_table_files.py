"""Feature tables as files: GeoParquet for any reader, sorted in space, with their origin and nothing personal."""

import json
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from catalogs.sources.feature_table import FeatureTable, drops_beside
from catalogs.sources.osm import COLUMNS, open_osm
from catalogs.sources.osm_features import feature_table
from osm_world import WORLD, World, square
from schemas.curves import hilbert
from schemas.errors import SourceError


def test_it_is_geoparquet_with_a_covering(table: FeatureTable) -> None:
    meta = json.loads(pq.read_schema(table.path).metadata[b"geo"])
    column = meta["columns"]["geometry"]
    assert meta["version"] == "1.1.0"
    assert column["encoding"] == "WKB"
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert column["geometry_types"] == ["Point", "LineString", "Polygon"]
    frame = gpd.read_parquet(table.path)
    assert frame.crs == "OGC:CRS84"
    assert frame.geometry.is_valid.all()
    assert frame.geometry.total_bounds == pytest.approx(column["bbox"])
    box = (9.5, 49.5, 9.6, 49.6)
    near = gpd.read_parquet(table.path, bbox=box)
    assert len(near) == table.within(box).num_rows > 0
    area = frame[frame.kind == "area"].geometry
    assert all(part.exterior.is_ccw for part in area)
    boxes = pq.read_table(table.path, columns=["bbox", "geometry"])
    sides = np.array([list(box.values()) for box in boxes["bbox"].to_pylist()])
    assert (sides == shapely.bounds(shapely.from_wkb(boxes["geometry"].to_pylist()))).all()


def test_duckdb_reads_it(table: FeatureTable) -> None:
    query = f"SELECT count(*), sum((bbox.xmax >= 9.5)::int) FROM '{table.path}' WHERE kind = 'area'"
    ((count, east),) = duckdb.sql(query).fetchall()
    rows = [row for row in table.within(WORLD).to_pylist() if row["kind"] == "area"]
    assert (count, east) == (len(rows), sum(row["east"] >= 9.5 for row in rows))


def test_rows_follow_the_curve_size_by_size(table: FeatureTable) -> None:
    rows = pq.read_table(table.path).to_pylist()
    boxes = np.array([[row["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax")] for row in rows])  # fmt: skip
    size = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    level = np.searchsorted([0.02, 0.2, 2.0], size)
    assert (np.diff(level) >= 0).all()
    assert set(level) == {0, 1, 2, 3} or set(level) == {0, 1, 2}
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    code = hilbert(middle[:, 0], middle[:, 1]).astype(np.int64)
    assert all((np.diff(code[level == one]) >= 0).all() for one in set(level))


def test_the_curve_visits_neighbours() -> None:
    side = 32
    at = (np.arange(side) + 0.5) / side
    lon, lat = np.meshgrid(at * 360 - 180, at * 180 - 90)
    order = np.argsort(hilbert(lon.ravel(), lat.ravel()))
    row, column = np.divmod(order, side)
    assert (np.abs(np.diff(row)) + np.abs(np.diff(column)) == 1).all()
    assert hilbert([-180.0, 180.0], [-90.0, -90.0]).tolist() == [0, 4**24 - 1]


def test_what_the_table_was_made_of_survives(extract: Path, table: FeatureTable) -> None:
    source, made = open_osm(extract).extract, open_osm(table.path).extract
    assert made.format == "Parquet"
    assert made.origin == f"town.osm.pbf, sha256 {source.sha256}"
    assert (made.timestamp, made.licence) == (source.timestamp, "ODbL-1.0")
    assert made.attribution == "\u00a9 OpenStreetMap contributors"
    assert made.bbox == pytest.approx(shapely.total_bounds(gpd.read_parquet(table.path).geometry))
    assert "unverified" in made.note


def test_fault_50_a_table_that_was_altered(table: FeatureTable, tmp_path: Path) -> None:
    whole = bytearray(table.path.read_bytes())
    path = tmp_path / "t.parquet"
    for at in (len(whole) // 3, len(whole) // 2):
        spoilt = whole.copy()
        spoilt[at] ^= 0x10
        path.write_bytes(spoilt)
        with pytest.raises(SourceError, match=r"t\.parquet is damaged"):
            FeatureTable(path).within(WORLD)
    path.write_bytes(whole[:-100])
    with pytest.raises(SourceError, match=r"t\.parquet (is damaged|cannot be read)"):
        open_osm(path)


def test_a_table_without_its_drops_says_so(table: FeatureTable, tmp_path: Path) -> None:
    alone = tmp_path / "t.parquet"
    alone.write_bytes(table.path.read_bytes())
    assert "no t.drops.parquet beside the table" in open_osm(alone).extract.note


def test_fault_57_nothing_personal_is_in_a_table(tmp_path: Path) -> None:
    world = World()
    secret = {"phone": "canary", "contact:email": "canary", "note": "canary", "operator": "canary@example.org"}  # fmt: skip
    world.way(1, square((0, 0)), {**secret, "building": "yes"}, closed=True, user="canary", uid=77777, changeset=88888)  # fmt: skip
    world.way(2, [(0, 0), (0, 0)], {**secret, "building": "yes"}, user="canary")
    world.node((1, 1), secret)
    made = feature_table(world.write(tmp_path / "a.osm.pbf"), tmp_path / "t.parquet")
    assert made.about["rows"] == 1  # nothing that may leave: no row
    assert made.drops().num_rows == 1
    for path in (made.path, drops_beside(made.path)):
        loose = tmp_path / "loose"
        pq.write_table(pq.read_table(path), loose, compression="none", use_dictionary=False)
        for trace in (b"canary", b"77777", b"88888"):
            assert trace not in path.read_bytes() + loose.read_bytes()
    numbers = {name for name, kind in zip(COLUMNS.names, COLUMNS.types, strict=True) if pa.types.is_integer(kind)}  # fmt: skip
    assert numbers == {"osm_id", "version"}
