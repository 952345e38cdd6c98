"""The world's parcels: they lie on their pixels, the files open with plain libraries and are true."""

import csv
import json
import zipfile
from collections import Counter
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from pyproj import Geod, Transformer
from rasterio.features import rasterize

from catalogs.world import codes, parcels, truth
from catalogs.world.sites import SITES, scene_affine
from schemas import grids

TAXONOMIES = Path(__file__).parents[3] / "shared" / "data" / "taxonomies"


@pytest.fixture(scope="module")
def west(world):
    return geopandas.read_parquet(world.role("parcels") / "world_west_2021.parquet")


@pytest.fixture(scope="module")
def east(world):
    return geopandas.read_file(world.role("parcels") / "world_east_2021.zip")


def rows(world, name):
    with (world.role("codes") / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- on the ground


@pytest.mark.parametrize("site", [SITES[1], SITES[12], SITES[20]], ids=lambda s: s.id)
def test_a_parcel_lies_on_the_pixels_of_its_crop(world, site):
    known = truth.parcels(world, site.id, 2021)
    assert len(known) > 100 and min(p.geom.area for p in known) >= 1000
    names = sorted({p.material for p in known})
    affine = scene_affine(site, 10)
    inner = [(p.geom.buffer(-10), names.index(p.material) + 1) for p in known]
    label = rasterize([s for s in inner if not s[0].is_empty], (384, 384), transform=affine)
    row, column = np.nonzero(label)
    east, north = affine @ np.array([column + 0.5, row + 0.5])
    lon, lat = Transformer.from_crs(site.epsg, 4326, always_xy=True).transform(east, north)
    seen = truth.materials(world, lon, lat, 2021)
    assert row.size > 15_000
    assert (seen == np.array(["", *names])[label[row, column]]).mean() >= 0.995


def ndvi(world, day, site, crop, year):
    """Mean NDVI of the inner pixels of a crop's parcels on a day, over clear pixels."""
    (scene,) = (world.root / "sentinel-2-l2a").glob(f"*_{day}T*_{site.id}")
    item = json.loads(next(scene.glob("*.json")).read_text(encoding="utf-8"))
    offset = 1000 if float(item["properties"]["s2:processing_baseline"]) >= 4 else 0
    bands = {}
    for band in ("B04", "B08", "SCL"):
        with rasterio.open(scene / f"{band}.tif") as source:
            bands[band] = source.read(1).astype(float)
    red, nir = bands["B04"] - offset, bands["B08"] - offset
    clear = np.isin(bands["SCL"], (4, 5)).repeat(2, 0).repeat(2, 1)
    shapes = [p.geom.buffer(-15) for p in truth.parcels(world, site.id, year) if p.material == crop]
    inside = rasterize([s for s in shapes if not s.is_empty], (384, 384),
                       transform=scene_affine(site, 10)).astype(bool) & clear  # fmt: skip
    assert inside.sum() > 300
    return float(((nir - red) / (nir + red))[inside].mean())


def test_maize_is_bare_in_april_and_green_in_august(world):
    site = next(s for s in SITES if s.id == "haselau")
    assert ndvi(world, "20210425", site, "maize", 2021) < 0.25
    assert ndvi(world, "20210828", site, "maize", 2021) > 0.8
    assert ndvi(world, "20210614", site, "wheat", 2021) > 0.8
    assert ndvi(world, "20210828", site, "wheat", 2021) < 0.3
    assert ndvi(world, "20210425", site, "meadow", 2021) > 0.8


def test_crops_rotate_and_outlines_stay(world):
    first, second = (truth.parcels(world, "haselau", year) for year in (2021, 2022))
    assert [p.id for p in first] == [p.id for p in second]
    assert [p.geom.wkb for p in first] == [p.geom.wkb for p in second]
    changed = sum(a.material != b.material for a, b in zip(first, second, strict=True))
    assert 0.3 < changed / len(first) < 0.9


# ---- in the files


def test_the_western_file_is_fiboa(world, west):
    schema = pq.read_schema(world.role("parcels") / "world_west_2021.parquet")
    about = json.loads(schema.metadata[b"collection"])
    assert about["license"] == "CC0-1.0" and about["description"].startswith("GENERATED")
    assert any("fiboa.org/specification" in url for url in about["schemas"]["world-west"])
    assert {"id", "geometry", "metrics:area", "determination:datetime", "crop:code", "crop:name",
            "admin:country_code", "bbox"} <= set(schema.names)  # fmt: skip
    assert west.crs.to_epsg() in (4326, None) or west.crs.to_string() == "OGC:CRS84"
    assert set(west["admin:country_code"]) == {"XW"}
    geod, valid = Geod(ellps="WGS84"), west[west.geometry.is_valid]
    for shape, area in zip(valid.geometry[::50], valid["metrics:area"][::50], strict=True):
        assert area == pytest.approx(abs(geod.geometry_area_perimeter(shape)[0]), rel=1e-4)


def test_the_eastern_file_is_an_old_shapefile(world, east):
    assert east.crs.to_epsg() == 25833
    assert list(east.columns) == ["PARZ_ID", "KULTUR", "FLAECHE_HA", "JAHR", "geometry"]
    assert {"Körnermais", "Obstbäume", "Mähwiese"} <= set(east["KULTUR"])
    with zipfile.ZipFile(world.role("parcels") / "world_east_2021.zip") as pack:
        table = pack.read("world_east_2021.dbf")
    assert "Körnermais".encode("cp1252") in table and "Körnermais".encode() not in table
    assert table[1:4] == bytes((121, 12, 31))
    area = east.geometry.area / 10_000  # the UTM scale error is under 0.1 per cent
    whole = east.geometry.is_valid
    told, measured = (values[whole].to_numpy() for values in (east["FLAECHE_HA"], area))
    assert told == pytest.approx(measured, rel=2e-3)


def test_the_files_hold_the_truth_of_their_places(world, west, east):
    faults = truth.faults(world)
    for frame, key, name, epsg, file in (
        (west, "id", "crop:name", 32632, "world_west_2021.parquet"),
        (east, "PARZ_ID", "KULTUR", 32633, "world_east_2021.zip"),
    ):
        known = {
            p.id: p for site in SITES[::5] if site.epsg == epsg
            for p in truth.parcels(world, site.id, 2021)
        }  # fmt: skip
        told = frame[frame[key].isin(known)].to_crs(epsg)
        assert set(told[key]) == set(known) and len(known) > 100
        for identity, crop, shape in zip(told[key], told[name], told.geometry, strict=True):
            wrong = {fault for fault, one in faults[file].items() if one == identity}
            parcel = known[identity]
            entry = codes.CROPS[parcel.material]
            if "unknown" not in wrong:
                assert crop == (entry.west if epsg == 32632 else entry.east)
            if "bow_tie" not in wrong:
                apart = shape.buffer(0).symmetric_difference(parcel.geom).area
                assert apart < 0.001 * parcel.geom.area


def test_the_faults_are_where_the_truth_says(world, west, east):
    faults = truth.faults(world)
    assert set(faults) == {p.name for p in world.role("parcels").iterdir() if p.suffix != ".json"}
    for frame, key, name, file in (
        (west, "id", "crop:name", "world_west_2021.parquet"),
        (east, "PARZ_ID", "KULTUR", "world_east_2021.zip"),
    ):
        told = faults[file]
        assert {k for k, n in Counter(frame[key]).items() if n > 1} == {told["duplicate"]}
        broken = frame[~frame.geometry.is_valid]
        assert set(broken[key]) == {told["bow_tie"], told["small_crossing"]}
        assert set(frame[key][frame[name] == "Versuchsfläche"]) == {told["unknown"]}


# ---- codes and land


def test_the_code_tables_know_every_crop_but_the_unknown_one(world, west, east):
    mapping = {(r["source"], r["native_crop_code_or_name"]): int(r["s4a_code"])
               for r in rows(world, "s4a_lpis_class_mapping.csv")}  # fmt: skip
    assert set(west["crop:code"]) - {c for s, c in mapping if s == "XW"} == {"999"}
    assert set(east["KULTUR"]) - {c for s, c in mapping if s == "XE"} == {"Versuchsfläche"}
    names = {int(r["code"]): r["name"] for r in rows(world, "s4a_fao_icc_taxonomy.csv")}
    assert set(mapping.values()) <= set(names)
    assert mapping["XW", "171"] == mapping["XE", "Körnermais"] == 120 and names[120] == "Maize"
    for name in ("s4a_fao_icc_taxonomy.csv", "hcat3.csv", "hcat4.csv"):
        table = rows(world, name)
        assert {r["parent_code"] for r in table} - {""} <= {r["code"] for r in table}


@pytest.mark.parametrize("name", sorted(codes.tables()))
@pytest.mark.skipif(not TAXONOMIES.exists(), reason="the real tables are not here")
def test_codes_are_those_of_the_real_tables(name):
    """Every row of the taxonomies stands in the real tables; of mappings, the columns are theirs."""
    with (TAXONOMIES / name).open(encoding="utf-8", newline="") as file:
        real = list(csv.reader(file))
    told = [["" if v is None else str(v) for v in row] for row in codes.tables()[name]]
    assert told[0] == real[0]
    if "mapping" not in name:
        assert {tuple(row) for row in told} <= {tuple(row) for row in real}


def test_every_site_lies_on_land_and_one_cell_in_the_lake(world):
    land = geopandas.read_file(world.role("land"))
    assert set(land["license"]) == {"CC0-1.0"} and land.geometry.is_valid.all()
    whole = land.union_all()
    for site in SITES:
        assert whole.contains(shapely.box(site.lon - 0.03, site.lat - 0.02,
                                          site.lon + 0.03, site.lat + 0.02))  # fmt: skip
    lon, lat = grids.middles(np.array(230), np.array(38), 23)
    assert not whole.contains(shapely.Point(float(lon), float(lat)))


def test_the_files_are_the_same_bytes_again(world, tmp_path):
    places = [truth.place(world, site.id) for site in SITES]
    listed, _ = parcels.declared(places, 2021, 32633)
    parcels.write_shapefile(tmp_path / "world_east_2021.zip", listed, 2021)
    listed, _ = parcels.declared(places, 2021, 32632)
    parcels.write_fiboa(tmp_path / "world_west_2021.parquet", listed, 2021)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (world.role("parcels") / path.name).read_bytes(), path.name
