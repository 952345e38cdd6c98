"""The table of parcels: what it answers, that it stays the same, and that memory stays small."""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from catalogs.sources.parcels import COLUMNS, making, open_parcels
from catalogs.sources.terms import Override
from schemas.errors import UsageError
from tests.parcels.registers import fields, register, say

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "cache"))


def many(tmp_path: Path, count: int = 6000) -> Path:
    """Squares of two years, so many that they fill several row groups."""
    years = [2020 + i % 2 for i in range(count)]
    path = register(tmp_path / "r.parquet", fields(count), jahr=years)
    say(path, year="jahr")
    return path


def everything(parcels: Any) -> pa.Table:
    return pa.concat_tables(parcels.batches())


def test_questions_by_place_and_year_get_what_a_search_of_all_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "GROUP", 256)
    parcels = open_parcels(many(tmp_path))
    table = everything(parcels)
    assert table.schema == COLUMNS and len(table) == len(parcels) == 6000
    boxes = shapely.bounds(shapely.from_wkb(table["geometry"].to_pylist()))
    years = table["year"].to_numpy()
    west, south, east, north = parcels.bounds
    chance = np.random.default_rng(1)
    for year in (None, 2020, 2021, 1999):
        x, y = chance.uniform(west, east, 2), chance.uniform(south, north, 2)
        box = (min(x), min(y), max(x), max(y))
        meets = (boxes[:, 0] <= box[2]) & (boxes[:, 2] >= box[0])
        meets &= (boxes[:, 1] <= box[3]) & (boxes[:, 3] >= box[1])
        if year is not None:
            meets &= years == year
        truth = sorted(np.array(table["key"].to_pylist())[meets].tolist())
        assert parcels.within(box, year)["key"].to_pylist() == truth
        assert bool(truth) == (year != 1999)
    with pytest.raises(UsageError, match="empty"):
        parcels.within((0, 1, 0, 0))


def test_a_question_reads_only_the_groups_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "GROUP", 256)
    parcels = open_parcels(many(tmp_path))
    reads: list[int] = []
    read = parcels._read
    monkeypatch.setattr(parcels, "_read", lambda index: reads.append(index) or read(index))
    row = everything(open_parcels(tmp_path / "r.parquet")).slice(3000, 1).to_pylist()[0]
    box = tuple(row["bbox"].values())
    assert row["key"] in parcels.within(box, row["year"])["key"].to_pylist()
    assert 1 <= len(set(reads)) <= 4 < parcels._file.metadata.num_row_groups
    before = len(reads)
    parcels.within(box, row["year"])
    assert len(reads) == before, "a second question is answered from memory"


def test_the_table_is_the_same_bytes_again_and_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many(tmp_path, 500)
    first = open_parcels(path).path
    held, stamp = first.read_bytes(), first.stat().st_mtime_ns
    assert open_parcels(path).path == first and first.stat().st_mtime_ns == stamp
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(making, "RUN", 100)
    monkeypatch.setattr(making, "READ", 33)
    second = open_parcels(path).path
    assert second != first and second.read_bytes() == held
    say(path, year="jahr", licence="CC-BY-4.0")
    assert open_parcels(path).path.name != first.name, "other terms, another table"
    left = [p.name for p in first.parent.iterdir() if p.suffix in (".work", ".part")]
    assert not left


def test_a_changed_table_of_a_shapefile_is_another_register(tmp_path: Path) -> None:
    """The outlines' file stays the same: what changed lies beside it."""
    path = register(tmp_path / "r_2021.shp", fields(3))
    say(path)
    first = open_parcels(path)
    dbf = path.with_suffix(".dbf")
    dbf.write_bytes(dbf.read_bytes().replace(b"Weizen", b"Roggen"))
    second = open_parcels(path)
    assert set(everything(first)["crop_name"].to_pylist()) == {"Weizen"}
    assert set(everything(second)["crop_name"].to_pylist()) == {"Roggen"}
    assert first.about.checksum != second.about.checksum
    with zipfile.ZipFile(tmp_path / "r_2021.zip", "w") as archive:
        for part in sorted(tmp_path.glob("r_2021.[sdcp]*")):
            archive.write(part, part.name)
    assert everything(open_parcels(tmp_path / "r_2021.zip")) == everything(second)


def test_a_sidecar_in_another_folder_makes_another_table(tmp_path: Path) -> None:
    """Same files, same names, same sums: what it says counts where it lies."""
    shapes = gpd.GeoSeries(fields(4), crs=25833).to_crs(4326)
    for number, name in enumerate("ab"):
        (tmp_path / "r" / name).mkdir(parents=True)
        columns = {"id": ["1", "2"], "crop:code": ["w"] * 2, "admin:country_code": ["DE"] * 2,
                   "other": ["x"] * 2}  # fmt: skip
        part = shapes.iloc[2 * number : 2 * number + 2].reset_index(drop=True)
        gpd.GeoDataFrame(columns, geometry=part).to_parquet(
            tmp_path / "r" / name / "fields_2021.parquet"
        )
    terms, said = Override("CC0-1.0", "Tests"), []
    for name in "ab":
        beside = tmp_path / "r" / name / "fields_2021.parcels.json"
        beside.write_text(json.dumps({"id": "id", "code": "other", "country": "XX"}))
        rows = everything(open_parcels(tmp_path / "r", terms)).to_pylist()
        said.append([row["country"] for row in sorted(rows, key=lambda row: row["lon"])])
        beside.unlink()
    assert said == [["XX", "XX", "DE", "DE"], ["DE", "DE", "XX", "XX"]]


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many(tmp_path, 5)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(UsageError, match="EARTHLOOM_CACHE"):
        open_parcels(path)


def test_processes_that_ask_at_once_make_one_table(tmp_path: Path) -> None:
    """Each of four gets the whole table; nothing is left beside it."""
    path = many(tmp_path, 400)
    code = (
        "import sys; from pathlib import Path; from catalogs.sources.parcels import open_parcels; "
    )
    code += "print(len(open_parcels(Path(sys.argv[1]))))"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    crew = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=env)
        for _ in range(4)
    ]
    assert [one.communicate(timeout=200)[0].strip() for one in crew] == [b"400"] * 4
    left = {p.name for p in (tmp_path / "cache" / "parcels").iterdir() if p.name[0] != "."}
    assert len(left) == 3  # table, drops, sums


def test_keys_stay_when_rows_move_and_parcels_pickle(tmp_path: Path) -> None:
    path = many(tmp_path, 300)
    keys = set(everything(open_parcels(path))["key"].to_pylist())
    frame = gpd.read_parquet(path).iloc[::-1]
    frame.to_parquet(path)
    parcels = open_parcels(path)
    assert set(everything(parcels)["key"].to_pylist()) == keys and len(keys) == 300
    assert all(key.replace("-", "").isalnum() and key.islower() for key in keys)
    again = pickle.loads(pickle.dumps(parcels))
    assert again.within(parcels.bounds) == parcels.within(parcels.bounds)
    assert again.about == parcels.about and again.counts == parcels.counts


def test_the_table_is_geoparquet(tmp_path: Path) -> None:
    parcels = open_parcels(many(tmp_path, 50))
    frame = gpd.read_parquet(parcels.path)
    assert frame.crs.to_string() == "OGC:CRS84" and frame.geometry.is_valid.all()
    truth = gpd.GeoSeries(fields(50), crs=25833).to_crs("OGC:CRS84")
    assert frame.union_all().symmetric_difference(truth.union_all()).area < 1e-15


@pytest.mark.parametrize("unit", ["ha", "m2"])
@pytest.mark.parametrize("column", ["area", "metrics:area"])
def test_fiboa_in_hectares_or_square_metres_is_told_apart(
    tmp_path: Path, column: str, unit: str
) -> None:
    """fiboa wrote hectares up to 0.2; the outlines say which it is, whatever the column's name."""
    size = [1.0 if unit == "ha" else 10_000.0] * 30
    shapes = gpd.GeoSeries(fields(30), crs=25833).to_crs(4326)
    frame = gpd.GeoDataFrame(
        {"id": [str(i) for i in range(30)], "crop:code": ["110"] * 30, column: size,
         "determination:datetime": ["2021-05-15T00:00:00Z"] * 30,
         "admin:country_code": ["XW"] * 30},
        geometry=shapes,
    )  # fmt: skip
    path = tmp_path / "world.parquet"
    frame.to_parquet(path)
    table = pq.read_table(path)
    collection = {"collection": "xw", "license": "CC0-1.0", "attribution": "Tests"}
    meta = {**table.schema.metadata, b"collection": json.dumps(collection).encode()}
    pq.write_table(table.replace_schema_metadata(meta), path)
    parcels = open_parcels(path)
    rows = everything(parcels)
    assert np.allclose(rows["declared_m2"], 10_000)
    assert set(rows["collection"].to_pylist()) == {"xw"} and parcels.years == (2021,)
    assert set(rows["country"].to_pylist()) == {"XW"} == set(rows["code_list"].to_pylist())
    assert (parcels.about.licence, parcels.about.attribution) == ("CC0-1.0", "Tests")
    assert bool(parcels.about.notes) == (unit == "ha")
    assert rows["determined"][0].as_py().isoformat() == "2021-05-15T00:00:00+00:00"


def test_eurocrops_by_region_and_year(tmp_path: Path) -> None:
    """EuroCrops v2: region and year stand in the file's name, outlines in EPSG:3035."""
    shapes = gpd.GeoSeries(fields(10), crs=25833).to_crs(3035)
    frame = gpd.GeoDataFrame(
        {"cropfield": range(10), "original_code": ["115"] * 10, "off_area": [1.0] * 10,
         "area_ha": [1.0] * 10},
        geometry=shapes,
    )  # fmt: skip
    frame.to_parquet(tmp_path / "DE4_2021.parquet")
    rows = everything(open_parcels(tmp_path / "DE4_2021.parquet")).to_pylist()
    assert {(r["country"], r["year"], r["code_list"], r["collection"]) for r in rows} == {
        ("DE", 2021, "DE4", "eurocrops-de4")
    }
    assert {r["crop_code"] for r in rows} == {"115"} and rows[0]["declared_m2"] == 10_000


PEAK = """
import re, sys
from pathlib import Path
from catalogs.sources.parcels import making, open_parcels
making.RUN = 8192  # what is put in order at a time: the small register has several, too
found = open_parcels(Path(sys.argv[1]))
peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())  # not the parent's
print(len(found), int(peak[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "gpkg"])
def test_memory_does_not_grow_with_the_register(tmp_path: Path, form: str) -> None:
    """Ten times the parcels, of 60 corners each, in about the same memory (check 11)."""
    peaks = {}
    for count in (10_000, 100_000):
        places = np.arange(count)
        x, y = 400_000 + places % 400 * 120, 5_600_000 + places // 400 * 120
        shapes = shapely.buffer(shapely.points(x, y), 50, quad_segs=15)
        path = register(tmp_path / f"r{count}.{form}", list(shapes))
        say(path)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, timeout=300,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
        )  # fmt: skip
        found, peaks[count] = map(int, done.stdout.split())
        assert found == count
        size = path.stat().st_size >> 20
        print(f"{form}: {count:,} parcels of {size} MB: {peaks[count]} MB at most")
    assert peaks[100_000] < peaks[10_000] + 200  # caches of a fixed size
