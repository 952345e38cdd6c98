"""What columns, layers and sidecars of registers mean, and what cannot be understood."""

import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pytest
import shapely

from catalogs.sources.parcels import open_parcels
from catalogs.sources.parcels.cells import dates
from schemas.errors import SourceError, UsageError
from tests.parcels.registers import fields, ids, opened, register, say


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "cache"))


def test_a_file_without_crops_lists_its_columns(tmp_path: Path) -> None:
    path = register(tmp_path / "r.gpkg", fields(2), nummer=[1, 2])
    with pytest.raises(SourceError, match=r"it has .*nummer.* r\.parcels\.json"):
        open_parcels(path)
    with pytest.raises(SourceError, match=r"no column 'kultur'.*it has .*nummer"):
        opened(path, name="KULTUR")
    with pytest.raises(SourceError, match="names no column of the crop"):
        opened(path, name=[])
    with pytest.raises(UsageError, match="'crops' is not understood; did you mean"):
        opened(path, crops="crop")
    with pytest.raises(UsageError, match=r"r\.parcels\.json: .*unit 'acre'"):
        opened(path, unit="acre")


@pytest.mark.parametrize(
    ("said", "match"),
    [({"name": 5}, "name is 5: write it as text"), ({"country": None}, "country is None"),
     ({"code_list": ["A", "B"]}, "code_list is"), ({"country": "Austria"}, "'Austria' is neither a code"),
     ({"country": "WORT"}, "WORT: 'Austria' is no country's code"),
     ({"date": "tag"}, r"column tag: '15\.05\.2021' is no date"),
     ({"area": "gross"}, "column gross: 'viel' is no number")],
)  # fmt: skip
def test_what_cannot_be_understood_is_one_sentence(
    tmp_path: Path, said: dict[str, Any], match: str
) -> None:
    path = register(
        tmp_path / "r.gpkg", fields(1), WORT=["Austria"], tag=["15.05.2021"], gross=["viel"]
    )
    with pytest.raises((SourceError, UsageError), match=match):
        opened(path, **said)


def test_a_crs_that_nobody_knows_is_named(tmp_path: Path) -> None:
    path = register(tmp_path / "r.gpkg", fields(1), crs=None)
    with pytest.raises(SourceError, match=r"r\.gpkg: its sidecar says the CRS 'LAMB93'"):
        opened(path, crs="LAMB93")


def test_countries_areas_and_dates_as_registers_write_them(tmp_path: Path) -> None:
    """A column in capitals, one that is called as the country, a decimal comma, a date as text."""
    path = register(
        tmp_path / "r.gpkg",
        fields(2),
        LAND=["DE", "at"],
        HA=["1,5", "2"],
        D=["2021-05-15", "20220515"],
    )
    parcels, _ = opened(path, country="LAND", area="HA", date="D")
    rows = pa.concat_tables(parcels.batches()).sort_by("id").to_pylist()
    assert [(r["country"], r["declared_m2"], r["year"]) for r in rows] == [
        ("DE", 15_000, 2021), ("AT", 20_000, 2022),
    ]  # fmt: skip
    assert rows[1]["determined"].isoformat() == "2022-05-15T00:00:00+00:00"
    parcels, _ = opened(path, country="ID")  # Indonesia, not the column `id`
    assert set(pa.concat_tables(parcels.batches())["country"].to_pylist()) == {"ID"}


def test_instants_finer_than_a_microsecond_are_cut(tmp_path: Path) -> None:
    when = pa.array([1_620_000_000_123_456_789], pa.timestamp("ns", "UTC"))
    assert dates(when, "x")[0].as_py().isoformat() == "2021-05-03T00:00:00.123456+00:00"


def test_files_without_a_year_are_known(tmp_path: Path) -> None:
    parcels, _ = opened(register(tmp_path / "r.gpkg", fields(2), jahr=[2021, None]), year="jahr")
    assert parcels.undated == () and parcels.counts["no_year"] == 1
    assert "1 of 2 rows have no year of harvest" in parcels.about.notes[0]
    parcels, _ = opened(tmp_path / "r.gpkg")
    assert parcels.undated == ("r.gpkg",)


def test_a_layer_without_crops_is_passed_over_with_a_note(tmp_path: Path) -> None:
    """The French register has one of blocks beside that of parcels."""
    path = tmp_path / "RPG_2019.gpkg"
    shapes = gpd.GeoSeries(fields(2, west=400_000), crs=25831).to_crs(2154)
    columns = {"ID_PARCEL": ["1", "2"], "CODE_CULTU": ["BTH", "MIS"]}
    gpd.GeoDataFrame(columns, geometry=shapes).to_file(path, layer="PARCELLES", engine="pyogrio")
    gpd.GeoDataFrame({"ID_ILOT": ["1", "2"]}, geometry=shapes).to_file(
        path, layer="ILOTS", engine="pyogrio"
    )
    parcels = open_parcels(path)
    assert len(parcels) == 2
    assert "layer ILOTS holds no crop and is not read" in parcels.about.notes[0]


@pytest.mark.parametrize("name", ["b.shp", "b.7z", "b.kml", "b.gpkg"])
def test_what_was_meant_as_a_register_is_not_passed_over(tmp_path: Path, name: str) -> None:
    say(register(tmp_path / "a.gpkg", fields(1)))
    (tmp_path / name).write_bytes(b"\0" * 50)
    with pytest.raises(SourceError, match=rf"{name} is named as a register and cannot be read"):
        open_parcels(tmp_path)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(tmp_path / "a.gpkg", "a.gpkg")
        archive.writestr("deep/b.shp", bytes(50))
    with pytest.raises(SourceError, match=r"c\.zip: b\.shp is named as a register"):
        open_parcels(tmp_path / "c.zip")


def test_geojson_that_is_called_parcels_is_no_sidecar(tmp_path: Path) -> None:
    shapes = list(gpd.GeoSeries(fields(1), crs=25833).to_crs(4326))
    path = register(tmp_path / "r.geojson", shapes, 4326).rename(tmp_path / "farm_parcels.json")
    say(path)
    assert len(open_parcels(tmp_path)) == 1


def test_a_file_without_crs_asks_for_it(tmp_path: Path) -> None:
    path = register(tmp_path / "r.gpkg", fields(1), crs=None)
    with pytest.raises(SourceError, match=r"declares no CRS: say it in r\.parcels\.json"):
        opened(path)
    parcels, _ = opened(path, crs="EPSG:25833")
    assert len(parcels) == 1


@pytest.mark.parametrize("form", ["geojson", "fgb"])
def test_further_forms_and_outlines_with_heights(tmp_path: Path, form: str) -> None:
    shapes = gpd.GeoSeries(fields(3), crs=25833).to_crs("OGC:CRS84")
    path = register(tmp_path / f"r_2021.{form}", list(shapely.force_3d(shapes, 5.0)), crs=4326)
    parcels, drops = opened(path)
    assert ids(parcels) == ["P0", "P1", "P2"] and not drops
    row = pa.concat_tables(parcels.batches()).to_pylist()[0]
    assert not shapely.has_z(shapely.from_wkb(row["geometry"]))


def test_columns_in_upper_case_are_known_too(tmp_path: Path) -> None:
    """The French register changed the case of its columns between years."""
    base = gpd.GeoSeries(fields(2, west=700_000), crs=25831)
    for number, spell in enumerate((str.upper, str.lower)):
        names = {spell("id_parcel"): ["1", "2"], spell("code_cultu"): ["BTH", "MIS"],
                 spell("surf_parc"): [1.0, 1.0]}  # fmt: skip
        path = tmp_path / f"RPG{number}_2018.shp"
        gpd.GeoDataFrame(names, geometry=base).to_crs(2154).to_file(path, engine="pyogrio")
        rows = pa.concat_tables(open_parcels(path).batches()).sort_by("id").to_pylist()
        assert [(r["id"], r["crop_code"], r["year"], r["country"]) for r in rows] == [
            ("1", "BTH", 2018, "FR"), ("2", "MIS", 2018, "FR"),
        ]  # fmt: skip
        assert rows[0]["declared_m2"] == 10_000


def test_codes_as_numbers_and_empty_cells(tmp_path: Path) -> None:
    path = register(
        tmp_path / "r.gpkg", fields(3), kode=[110.0, np.nan, 7.5], crop=[None, "Mais", ""]
    )
    parcels, _ = opened(path, code="kode")
    rows = pa.concat_tables(parcels.batches()).sort_by("id").to_pylist()
    found = [(row["crop_code"], row["crop_name"]) for row in rows]
    assert found == [("110", ""), ("", "Mais"), ("7.5", "")]
