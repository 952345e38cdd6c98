"""The parcels that a release ships, in the form of fiboa 0.3 (check 8)."""

import csv
import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from catalogs.releases.fiboa import SCHEMAS, columns, write_code_list, write_fiboa
from catalogs.sources.crop_codes import open_codes
from catalogs.sources.parcels import open_parcels
from tests.parcels.registers import SAMPLES, fields, register, sample, say
from tests.real_data import real
from transforms.context import Context
from transforms.crops.declared import PARCELS, number_table
from transforms.crops.tables import Parcels

FACTS = {"title": "Test", "license": "CC-BY-4.0", "attribution": "Tests", "provider": "Tests"}

REQUIRED = ("id", "collection", "geometry", "crop:code_list", "crop:code", "admin:country_code")
"""Columns that Vecorel 0.1, the crop extension 0.2 and that of divisions 0.1 ask for."""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "cache"))


def mapped(*names: str) -> list[pa.Table]:
    codes = open_codes(real("taxonomies"))
    return [codes.map(part) for name in names for part in open_parcels(sample(name)).batches()]


def checked(path: Path) -> Any:
    """The table after the rules of the core and of the extensions."""
    schema = pq.read_schema(path)
    meta = json.loads(schema.metadata[b"collection"])
    for name in REQUIRED:
        assert not schema.field(name).nullable
    assert schema.field("metrics:area").type == pa.float32()
    assert schema.field("hcat:code").type == pa.uint32()
    assert schema.field("determination:datetime").type == pa.timestamp("ms", tz="UTC")
    frame = gpd.read_parquet(path)
    assert set(meta["schemas"]) == set(frame["collection"])
    assert all(urls == list(SCHEMAS) for urls in meta["schemas"].values())
    custom = set(meta["schemas:custom"]["properties"])
    assert {name for name in schema.names if ":" not in name} - custom == {
        "id", "collection", "geometry", "bbox", "category",
    }  # fmt: skip
    assert not frame.duplicated(["collection", "id"]).any() and (frame["id"].str.len() > 0).all()
    assert {c for row in frame["category"] for c in row} <= {
        "conceptual", "operational", "economic", "administrative", "other",
    }  # fmt: skip
    assert frame["metrics:area"].between(1e-9, 1e9).all()
    assert frame["metrics:perimeter"].between(1e-9, 1.25e9).all()
    assert set(frame["determination:method"]) <= {
        "manual", "driven", "surveyed", "auto-operation", "auto-imagery", "unknown",
    }  # fmt: skip
    assert frame["admin:country_code"].str.fullmatch("[A-Z]{2}").all()
    assert frame.geometry.is_valid.all() and frame.crs.to_string() == "OGC:CRS84"
    return frame


def test_the_six_registers_as_one_fiboa_file(tmp_path: Path) -> None:
    parts = mapped(*SAMPLES)
    path = tmp_path / "parcels.parquet"
    assert write_fiboa(parts, path, FACTS) == 600
    frame = checked(path)
    enum = {row["code"]: row["name"] for row in csv.DictReader(real("taxonomies/hcat3.csv").open())}
    pairs = set(zip(frame["hcat:code"].astype(str), frame["hcat:name"], strict=True))
    assert pairs <= set(enum.items())
    other = frame["mapping:hcat3"] != "mapped"
    assert set(frame.loc[other, "hcat:name"]) == {"not_known_and_other"} and other.sum() > 200
    geod = pyproj.Geod(ellps="WGS84")
    sizes = [abs(geod.geometry_area_perimeter(shape)[0]) for shape in frame.geometry]
    apart = np.abs(frame["metrics:area"].to_numpy() - sizes)
    assert (apart < np.maximum(0.01 * np.array(sizes), 0.2)).all()  # pyproj is good to 0.1 m²
    assert (apart[np.array(sizes) > 100] < 0.01 * np.array(sizes)[np.array(sizes) > 100]).all()


def test_hectares_are_converted_once(tmp_path: Path) -> None:
    """A register in hectares: the released area is that of the outline in square metres."""
    path = register(tmp_path / "r.gpkg", fields(5), flaeche=[1.0] * 5, jahr=[2021] * 5)
    say(path, area="flaeche", unit="ha", year="jahr")
    codes = open_codes(real("taxonomies"))
    write_fiboa(map(codes.map, open_parcels(path).batches()), tmp_path / "p.parquet", FACTS)
    frame = checked(tmp_path / "p.parquet")
    assert np.allclose(frame["metrics:declared_area"], 10_000)
    assert np.allclose(frame["metrics:area"], 10_000, rtol=2e-3)
    assert np.allclose(frame["metrics:perimeter"], 400, rtol=2e-3)
    assert set(frame["harvest:year"]) == {2021}


def test_rows_lie_along_a_curve_once_and_the_bytes_stay(tmp_path: Path) -> None:
    path = register(tmp_path / "r.gpkg", fields(900))
    say(path)
    codes = open_codes(real("taxonomies"))
    parts = [codes.map(part) for part in open_parcels(path).batches()]
    pieces = [parts[0].slice(i, 100) for i in range(0, 900, 100)]
    for name, given in (("a", parts), ("b", [*reversed(pieces), pieces[3]])):
        assert write_fiboa(given, tmp_path / f"{name}.parquet", FACTS) == 900
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    frame = gpd.read_parquet(tmp_path / "a.parquet")
    middle = frame.to_crs(25833).centroid
    step = np.hypot(np.diff(middle.x), np.diff(middle.y))
    assert np.median(step) == pytest.approx(120, rel=0.05)  # the next row is a neighbour
    assert not list(tmp_path.glob(".fiboa-*"))


def test_no_parcels_give_an_empty_file(tmp_path: Path) -> None:
    assert write_fiboa([], tmp_path / "p.parquet", FACTS) == 0
    assert pq.read_table(tmp_path / "p.parquet").num_rows == 0


def test_the_list_of_native_crops(tmp_path: Path) -> None:
    parts = mapped("dk", "es-cat")
    count = write_code_list(parts, tmp_path / "crop_codes.csv")
    rows = list(csv.DictReader((tmp_path / "crop_codes.csv").open(encoding="utf-8")))
    assert len(rows) == count == 23
    assert {"original_code", "original_name", "translated_name"} <= set(rows[0])
    by = {row["original_code"]: row for row in rows}
    assert by["ALBERCOQUER"]["translated_name"] == "Apricots"


def test_parcels_lead_back_to_their_register_and_to_their_crop(tmp_path: Path) -> None:
    """By the register's own id, and by the list and code of a crop that two countries call alike."""
    parts = mapped(*SAMPLES)
    write_fiboa(parts, tmp_path / "p.parquet", FACTS)
    write_code_list(parts, tmp_path / "crop_codes.csv")
    frame = checked(tmp_path / "p.parquet").set_index("id")
    rows = [row for part in parts for row in part.to_pylist()]
    assert {row["key"]: row["id"] for row in rows} == (frame["register:id"].fillna("").to_dict())
    assert frame["register:id"].notna().sum() > 100  # not every register has ids
    crops = csv.DictReader((tmp_path / "crop_codes.csv").open(encoding="utf-8"))
    icc = {
        (r["code_list"], r["original_code"], r["original_name"]): r["fao_icc_code"] for r in crops
    }
    for row in frame.to_dict("records"):
        crop = row["register:code_list"], row["crop:code"], row["crop:name"]
        assert icc[crop] == str(row["fao_icc:code"])


def test_years_and_ids_that_nobody_knows_are_null(tmp_path: Path) -> None:
    """Not the year 0, nor the empty id."""
    part = mapped("dk")[0].slice(0, 2)
    for name, value in (("year", pa.array([0, 2021])), ("id", pa.array(["", "7"]))):
        part = part.set_column(part.schema.get_field_index(name), name, value)
    found = columns(part).to_pylist()
    assert [row["harvest:year"] for row in found] == [None, 2021]
    assert [row["register:id"] for row in found] == [None, "7"]


def test_the_file_names_the_terms_of_code_tables_too(tmp_path: Path) -> None:
    """Names of HCAT3 are share-alike, whatever the register's own licence."""
    source, codes = open_parcels(sample("dk")), open_codes(real("taxonomies"))
    keys = next(source.batches())["key"].to_pylist()[:3]
    parcels = pa.Table.from_pylist([{"key": key, "label": 110} for key in keys], schema=PARCELS)
    row = pa.table({"_numbers": [number_table("patch", parcels, np.ones(3))]})
    context = Context(sources={"parcels": source, "codes": codes})
    Parcels().write(iter([row]), tmp_path / "parcels.parquet", context)
    assert set(checked(tmp_path / "parcels.parquet")["id"]) == set(keys)
    meta = json.loads(pq.read_schema(tmp_path / "parcels.parquet").metadata[b"collection"])
    assert set(meta["license"].split(" AND ")) == {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "MIT"}
    assert "EuroCrops" in meta["attribution"]
    assert "EuroCrops" not in meta["title"] + meta["provider"]


def test_a_parcel_without_a_country_is_of_none(tmp_path: Path) -> None:
    path = register(tmp_path / "r.gpkg", [fields(1)[0]])
    say(path, country="", code_list="DK")
    codes = open_codes(real("taxonomies"))
    write_fiboa(map(codes.map, open_parcels(path).batches()), tmp_path / "p.parquet", FACTS)
    frame = checked(tmp_path / "p.parquet")
    assert frame["admin:country_code"][0] == "ZZ"
    assert shapely.area(frame.geometry[0]) > 0
