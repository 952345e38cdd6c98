"""Farmers' declarations: two registers in two formats, with a few faults on purpose.

Places of the western UTM zone are in fiboa GeoParquet files (country XW), those of the eastern one
in a zipped Shapefile (country XE) as an authority might publish it: another CRS, German names in an
old encoding, hectares. Each file holds one parcel twice, one bow tie and one unknown crop.
"""

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import shapely
from pyproj import Geod, Transformer
from shapely import Polygon

from catalogs.world.codes import CROPS, UNKNOWN
from catalogs.world.fields import Parcel, parcels
from catalogs.world.layout import Place
from catalogs.world.stacfile import NOTICE, PROVIDERS, Json

WEST, EAST = (2021, 2022), (2021,)
"""Years of each register."""

SCHEMAS = (
    "https://vecorel.org/specification/v0.1.0/schema.yaml",
    "https://fiboa.org/specification/v0.3.0/schema.yaml",
    "https://fiboa.org/crop-extension/v0.2.0/schema.yaml",
)


class Row(NamedTuple):
    """A declaration: id, outline in degrees, crop code and name, whole square metres."""

    id: str
    shape: Polygon
    code: str
    name: str
    area: float


def declared(places: Sequence[Place], year: int, epsg: int) -> tuple[list[Row], dict[str, str]]:
    """Rows of one register and year in the order of their ids, and the ids of its faulty parcels.

    Returns:
        The rows; ids by fault: `duplicate` (in two rows), `bow_tie`, `unknown` (a crop that no
        table knows), and `small_crossing`, which a reader can repair.
    """
    rows = []
    for place in places:
        if place.site.epsg == epsg:
            there = Transformer.from_crs(epsg, 4326, always_xy=True)
            rows += [_row(parcel, there, epsg) for parcel in parcels(place, year)]
    rows.sort()
    faults = {"duplicate": 7, "bow_tie": 40, "unknown": 71, "small_crossing": 103}
    rows[40] = rows[40]._replace(shape=_bow_tie(rows[40].shape))
    rows[71] = rows[71]._replace(code=UNKNOWN[0], name=UNKNOWN[1])
    rows[103] = rows[103]._replace(shape=_spike(rows[103].shape))
    named = {fault: rows[at].id for fault, at in faults.items()}
    rows.insert(8, rows[7])
    return rows, named


def _row(parcel: Parcel, there: Transformer, epsg: int) -> Row:
    ring = [
        (round(float(x), 8), round(float(y), 8))
        for x, y in zip(*there.transform(*parcel.geom.exterior.xy), strict=True)
    ]
    holes = [
        [(round(x, 8), round(y, 8)) for x, y in zip(*there.transform(*hole.xy), strict=True)]
        for hole in parcel.geom.interiors
    ]
    crop, shape = CROPS[parcel.material], shapely.orient_polygons(Polygon(ring, holes))
    area = abs(Geod(ellps="WGS84").geometry_area_perimeter(shape)[0])
    west = epsg == 32632
    return Row(parcel.id, shape, crop.code, crop.west if west else crop.east, round(area, 1))


def _bow_tie(shape: Polygon) -> Polygon:
    """A polygon of four corners whose sides cross in the middle."""
    a, b, c, d = list(shape.minimum_rotated_rectangle.exterior.coords)[:4]
    return Polygon([a, c, b, d])


def _spike(shape: Polygon) -> Polygon:
    """The same outline with a loop of a few centimetres at its first corner."""
    (x, y), *rest = list(shape.exterior.coords)
    loop = [(x, y), (x + 3e-7, y + 3e-7), (x + 3e-7, y), (x, y + 3e-7)]
    return Polygon([*loop, *rest[:-1]], shape.interiors)


def write_fiboa(path: Path, rows: Sequence[Row], year: int) -> None:
    """Writes declarations as fiboa GeoParquet, lon/lat, areas in square metres."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    boxes = [dict(zip(("xmin", "ymin", "xmax", "ymax"), row.shape.bounds, strict=True))
             for row in rows]  # fmt: skip
    when = pa.scalar(f"{year}-05-15T00:00:00").cast(pa.timestamp("us")).as_py()
    same = {
        "collection": "world-west", "crop:code_list": "XW", "admin:country_code": "XW",
        "determination:method": "auto-imagery",
    }  # fmt: skip
    columns: dict[str, Any] = {
        "id": [row.id for row in rows],
        "geometry": pa.array([shapely.to_wkb(row.shape) for row in rows], pa.binary()),
        "bbox": boxes,
        "metrics:area": pa.array([row.area for row in rows], pa.float32()),
        "determination:datetime": pa.array([when] * len(rows), pa.timestamp("us", "UTC")),
        "crop:code": [row.code for row in rows],
        "crop:name": [row.name for row in rows],
        **{name: [value] * len(rows) for name, value in same.items()},
    }
    cover = {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB", "geometry_types": ["Polygon"], "covering": {"bbox": cover},
            }
        },
    }  # fmt: skip
    about = {
        "schemas": {"world-west": list(SCHEMAS)},
        "title": f"Parcels of the western sample world, {year}",
        "description": NOTICE,
        "license": "CC0-1.0",
        "provider": PROVIDERS[0]["name"],
        "attribution": "earthloom sample world",
    }
    table = pa.table(columns).replace_schema_metadata(
        {"geo": json.dumps(geo), "collection": json.dumps(about)}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", row_group_size=512)


def write_shapefile(path: Path, rows: Sequence[Row], year: int) -> None:
    """Writes declarations as a zipped Shapefile in EPSG:25833, and a sidecar that explains it."""
    import geopandas

    frame = geopandas.GeoDataFrame(
        {
            "PARZ_ID": [row.id for row in rows],
            "KULTUR": [row.name for row in rows],
            "FLAECHE_HA": [round(row.area / 10_000, 4) for row in rows],
            "JAHR": [year] * len(rows),
        },
        geometry=[row.shape for row in rows],
        crs=4326,
    ).to_crs(25833)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        frame.to_file(home / f"{path.stem}.shp", driver="ESRI Shapefile", encoding="cp1252")
        table = home / f"{path.stem}.dbf"
        table.write_bytes(_dated(table.read_bytes(), year))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
            for part in sorted(home.iterdir()):
                entry = zipfile.ZipInfo(part.name, (year, 12, 31, 0, 0, 0))
                pack.writestr(entry, part.read_bytes(), zipfile.ZIP_DEFLATED)
    sidecar: Mapping[str, object] = {
        "id": "PARZ_ID", "name": "KULTUR", "area": "FLAECHE_HA", "unit": "ha", "year": "JAHR",
        "country": "XE", "collection": "world-east", "code_list": "XE", "licence": "CC0-1.0",
        "attribution": "earthloom sample world", "provider": PROVIDERS[0]["name"],
        "title": f"{NOTICE} Parcels of the eastern sample world, {year}",
    }  # fmt: skip
    text = json.dumps(sidecar, indent=1, ensure_ascii=False) + "\n"
    path.with_name(f"{path.stem}.parcels.json").write_text(text, encoding="utf-8")


def _dated(table: bytes, year: int) -> bytes:
    """A DBF file whose date of change is the end of `year`, not today."""
    return table[:1] + bytes((year - 1900, 12, 31)) + table[4:]


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """Writes the registers; returns no collection, and counts and faults per file."""
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {}
    for year in WEST:
        rows, faults = declared(places, year, 32632)
        write_fiboa(folder / f"world_west_{year}.parquet", rows, year)
        facts[f"world_west_{year}.parquet"] = {"rows": len(rows), "faults": faults}
    for year in EAST:
        rows, faults = declared(places, year, 32633)
        write_shapefile(folder / f"world_east_{year}.zip", rows, year)
        facts[f"world_east_{year}.zip"] = {"rows": len(rows), "faults": faults}
    return {}, facts
