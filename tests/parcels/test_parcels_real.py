"""The six real samples: what is read of them, how much of their crops is known, and back again."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely

from catalogs.sources.crop_codes import open_codes
from catalogs.sources.crop_report import Tally
from catalogs.sources.parcels import COLUMNS, Parcels, open_parcels
from catalogs.sources.parcels.files import tables
from catalogs.sources.terms import Override
from tests.parcels.registers import SAMPLES, sample, say
from tests.real_data import real

KNOWN = {
    "at": (98, 80, 100, 2025, "CC-BY-4.0"),
    "br-ba-lem": (77, 0, 0, 2020, "CC-BY-4.0"),
    "de-bb": (65, 71, 71, 2025, "DL-DE-BY-2.0"),
    "dk": (100, 99, 100, 2026, "CC0-1.0"),
    "es-cat": (100, 0, 0, 2023, "LicenseRef-Catalonia-Open"),
    "nl": (56, 91, 100, 2023, "CC0-1.0"),
}
"""Parcels with a FAO ICC, HCAT3 and HCAT4 code of 100; year; licence. 29 rows of Brandenburg are
landscape features without a crop; 43 Dutch rows are ditches."""

pytestmark = pytest.mark.realdata


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "cache"))


def rows(parcels: Parcels) -> pa.Table:
    return pa.concat_tables(parcels.batches())


@pytest.mark.parametrize("name", SAMPLES)
def test_every_row_is_read_and_mapped_as_measured(name: str) -> None:
    parcels, codes = open_parcels(sample(name)), open_codes(real("taxonomies"))
    counts, tally = parcels.counts, Tally(codes)
    assert (counts["read"], counts["kept"], len(parcels)) == (100, 100, 100)
    assert counts["repaired"] == counts["duplicate"] == counts.get("geometry", 0) == 0
    for batch in parcels.batches():
        tally.add(codes.map(batch))
    schemes = tally.report()["schemes"]
    mapped = tuple(schemes[scheme]["mapped"] for scheme in ("s4a", "hcat3", "hcat4"))
    unknown = schemes["s4a"]["unmapped"]
    print(f"{name}: FAO ICC, HCAT3, HCAT4 of 100 parcels: {mapped}")
    for crop in unknown:
        print(f"    no FAO ICC: {crop['parcels']} x {crop['code']} {crop['name']}")
    assert (*mapped, parcels.years[0], parcels.about.licence) == KNOWN[name]
    assert sum(crop["parcels"] for crop in unknown) == 100 - mapped[0]


@pytest.mark.parametrize("name", SAMPLES)
def test_areas_and_outlines_are_those_of_the_register(name: str) -> None:
    """Area and perimeter against pyproj's: its geodesic areas are good to 0.1 m², an equal-area map
    about each parcel is good to far less."""
    table = rows(open_parcels(sample(name)))
    geod = pyproj.Geod(ellps="WGS84")
    shapes = shapely.from_wkb(table["geometry"].to_pylist())
    assert shapely.is_valid(shapes).all()
    for shape, area, around in zip(
        shapes, table["area_m2"].to_pylist(), table["perimeter_m"].to_pylist(), strict=True
    ):
        size = geod.geometry_area_perimeter(shape)[0]
        assert area == pytest.approx(abs(size), rel=1e-5, abs=0.2)
        x, y = shape.centroid.coords[0]
        local = pyproj.Transformer.from_crs("OGC:CRS84", f"+proj=laea +lon_0={x} +lat_0={y}")
        flat = shapely.transform(shape, lambda xy, t=local: np.stack(t.transform(*xy.T), 1))
        assert area == pytest.approx(flat.area, rel=1e-6)
        assert around == pytest.approx(geod.geometry_length(shape.boundary), rel=1e-9)
    inside = shapely.points(table["lon"].to_numpy(), table["lat"].to_numpy())
    assert shapely.contains(shapes, inside).all()


@pytest.mark.parametrize("name", ["at", "de-bb", "dk", "es-cat"])
def test_declared_hectares_become_square_metres_once(name: str) -> None:
    table = rows(open_parcels(sample(name)))
    ratio = table["declared_m2"].to_numpy() / table["area_m2"].to_numpy()
    assert np.median(ratio) == pytest.approx(1, abs=0.01)


def test_crops_of_months_become_the_crop_of_the_season() -> None:
    """Western Bahia: soy stands in January and February; what follows it is not the label."""
    table = rows(open_parcels(sample("br-ba-lem")))
    found = dict(zip(table["id"].to_pylist(), table["crop_name"].to_pylist(), strict=True))
    path = real("lpis_samples/br_ba_lem_LEM_dataset.zip")
    frame = gpd.read_file(path)
    soy = frame[frame["Jan_2020"] == "Soybean"]
    assert len(soy) > 20
    assert {found[i] for i in soy["id"].astype(str)} == {"Soybean"}
    assert "Uncultivated soil" not in found.values()


@pytest.mark.parametrize("name", SAMPLES)
def test_no_number_of_a_farm_or_application_is_kept(name: str, tmp_path: Path) -> None:
    """Danish rows name the company (CVR) and the application (Journalnr), those of Brandenburg a farm."""
    path = sample(name)
    table = rows(open_parcels(path))
    names = {"cvr", "journalnr", "gp_xx", "ref_ident", "bind_code"}
    source = tables(path, tmp_path / "unpacked")[0]
    private = [n for n in source.names if n.lower() in names]
    assert name not in ("dk", "de-bb") or private
    kept = {str(v) for column in ("key", "id", "collection") for v in table[column].to_pylist()}
    for column in private:
        batch = next(source.batches([column], 200))
        values = {str(v) for v in batch.column(column).to_pylist() if v and len(str(v)) > 4}
        assert not values & kept


@pytest.mark.parametrize("form", ["gpkg", "shp", "parquet"])
@pytest.mark.parametrize("name", SAMPLES)
def test_generic_files_of_any_form_give_the_same_parcels(
    name: str, form: str, tmp_path: Path
) -> None:
    table = rows(open_parcels(sample(name)))
    frame = _frame(table)
    path = tmp_path / f"generic.{form}"
    if form == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path, engine="pyogrio", encoding="UTF-8")
    licence, country = "CC-BY-4.0", table["country"][0].as_py()
    say(
        path, id="ident", code="kode", name="title", area="square", unit="m2", year="harvest",
        country=country, licence=licence, code_list=table["code_list"][0].as_py(),
    )  # fmt: skip
    again = rows(open_parcels(path))
    assert again.schema == COLUMNS
    one, two = (_by_id(t, key) for t, key in ((table, "key"), (again, "id")))
    for name_ in ("country", "year", "code_list", "crop_code", "crop_name"):
        assert one[name_].to_pylist() == two[name_].to_pylist()
    assert np.allclose(one["area_m2"], two["area_m2"], rtol=1e-9)
    assert np.allclose(two["declared_m2"], one["area_m2"], rtol=1e-9)
    shapes = [shapely.from_wkb(t["geometry"].to_pylist()) for t in (one, two)]
    same = shapely.equals_exact(shapes[0], shapes[1], tolerance=1e-12, normalize=True)
    assert same.all()


def _by_id(table: pa.Table, column: str) -> pa.Table:
    return table.sort_by(column)


def _frame(table: pa.Table) -> Any:
    columns = {
        "ident": table["key"].to_pylist(),
        "kode": table["crop_code"].to_pylist(),
        "title": table["crop_name"].to_pylist(),
        "square": table["area_m2"].to_pylist(),
        "harvest": table["year"].to_pylist(),
    }
    shapes = shapely.from_wkb(table["geometry"].to_pylist())
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs="OGC:CRS84")


def test_several_registers_of_a_folder_keep_their_terms(tmp_path: Path) -> None:
    folder = tmp_path / "registers"
    folder.mkdir()
    for name in ("dk", "nl", "de-bb"):
        (folder / SAMPLES[name]).symlink_to(sample(name).resolve())
    parcels = open_parcels(folder, Override())
    assert {about.licence for about in parcels.abouts} == {"CC0-1.0", "DL-DE-BY-2.0"}
    assert len({about.attribution for about in parcels.abouts}) == 3
    assert len(parcels) == 300 and parcels.years == (2023, 2025, 2026)
    assert {r["country"] for r in rows(parcels).to_pylist()} == {"DK", "NL", "DE"}
