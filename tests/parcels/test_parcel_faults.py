"""Bad registers: FAULTS 51 (outlines), 52 (places), 53 (doubles), 62 (terms), 65 (archives)."""

import json
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from catalogs.sources.parcels import open_parcels
from catalogs.sources.parcels.doubles import ENTRY, later
from catalogs.sources.parcels.shapes import outlines
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from tests.parcels.registers import TERMS, fields, ids, opened, register, say


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "cache"))


BOW = shapely.Polygon([(400_500, 5_700_500), (400_600, 5_700_600), (400_600, 5_700_500),
                       (400_500, 5_700_600)])  # fmt: skip


def test_51_big_bow_tie_is_dropped_and_a_small_crossing_repaired(tmp_path: Path) -> None:
    small = shapely.Polygon([(401_000, 5_700_000), (401_100, 5_700_000), (401_100, 5_700_100),
                             (401_099.5, 5_700_099), (401_100.2, 5_700_099.8),
                             (401_000, 5_700_100)])  # fmt: skip
    assert not small.is_valid and not BOW.is_valid
    path = register(tmp_path / "r_2021.gpkg", [*fields(2), BOW, small])
    parcels, drops = opened(path)
    assert ids(parcels) == ["P0", "P1", "P3"]
    assert [(d["file"], d["row"], d["id"], d["code"]) for d in drops] == [
        ("r_2021.gpkg", 2, "P2", "geometry")
    ]
    assert parcels.counts["repaired"] == 1 and parcels.counts["geometry"] == 1
    kept = pa.concat_tables(parcels.batches()).to_pylist()
    assert all(shapely.from_wkb(row["geometry"]).is_valid for row in kept)


def test_51_no_area_too_few_points_nothing_and_a_country(tmp_path: Path) -> None:
    flat = shapely.Polygon([(400_000, 5_700_000), (400_100, 5_700_000), (400_050, 5_700_000)])
    country = shapely.box(300_000, 5_600_000, 400_000, 5_700_000)
    path = register(tmp_path / "r.gpkg", [fields(1)[0], flat, None, shapely.Polygon(), country])
    parcels, drops = opened(path)
    assert ids(parcels) == ["P0"]
    assert [(d["row"], d["code"]) for d in drops] == [(i, "geometry") for i in (1, 2, 3, 4)]
    assert "km²" in drops[-1]["message"]


def test_51_a_ring_of_three_points_in_the_file_itself() -> None:
    """WKB that no library writes: a ring A, B, A, and one that is cut off."""
    head = np.array([1], "u1").tobytes() + np.array([3, 1, 3], "<u4").tobytes()
    ring = head + np.array([13.0, 52, 13.1, 52, 13.0, 52], "<f8").tobytes()
    good = shapely.to_wkb(shapely.box(13, 52, 13.001, 52.001))
    found = outlines(np.array([ring, ring[:-8], None, good], object), "EPSG:4326", None)
    assert sorted(found.reasons) == [0, 1, 2]
    assert {code for code, _ in found.reasons.values()} == {"geometry"}
    assert found.area[3] == pytest.approx(7_648, rel=0.01)


def test_51_a_huge_multipolygon_is_one_parcel(tmp_path: Path) -> None:
    """20,000 parts and 100,000 corners: kept whole, with the sum of their areas."""
    x, y = np.meshgrid(np.arange(200) * 3.0, np.arange(100) * 3.0)
    parts = shapely.box(400_000 + x, 5_700_000 + y, 400_001 + x, 5_700_001 + y).ravel()
    path = register(tmp_path / "r.parquet", [shapely.MultiPolygon(list(parts))])
    parcels, _ = opened(path)
    row = pa.concat_tables(parcels.batches()).to_pylist()[0]
    assert row["area_m2"] == pytest.approx(20_000, rel=2e-3)
    assert row["perimeter_m"] == pytest.approx(80_000, rel=2e-3)
    assert shapely.get_num_geometries(shapely.from_wkb(row["geometry"])) == 20_000


def test_51_a_hole_outside_of_its_outline_is_no_part_of_it() -> None:
    """And a corner that is no number costs one row, not the register; curved edges are named."""
    shell = [(10, 50), (10.01, 50), (10.01, 50.01), (10, 50.01)]
    hole = [(10.02, 50.02), (10.021, 50.02), (10.021, 50.021)]
    ring = np.array([11.0, 50, 11.01, 50, np.nan, 50.01, 11, 50.01, 11, 50], "<f8")
    head = np.array([1], "u1").tobytes() + np.array([3, 1, 5], "<u4").tobytes()
    arc = np.array([10, 50, 10.005, 50.005, 10.01, 50, 10.005, 49.995, 10, 50], "<f8")
    curve = b"\1" + np.array([10, 1], "<u4").tobytes() + b"\1" + np.array([8, 5], "<u4").tobytes()
    wkb = [shapely.to_wkb(shapely.Polygon(shell)), shapely.to_wkb(shapely.Polygon(shell, [hole])),
           head + ring.tobytes(), curve + arc.tobytes()]  # fmt: skip
    found = outlines(np.array(wkb, object), "EPSG:4326", None)
    assert found.area[1] == pytest.approx(found.area[0], rel=1e-9) and found.repaired[1]
    assert {row: code for row, (code, _) in found.reasons.items()} == {2: "bounds", 3: "geometry"}
    assert "curved" in found.reasons[3][1]


def test_52_latitude_91_and_infinite_places_are_named(tmp_path: Path) -> None:
    good = shapely.box(13, 52, 13.001, 52.001)
    over = shapely.box(13, 90.5, 13.001, 91)
    endless = shapely.Polygon([(13, 52), (np.inf, 52), (13, 53)])
    path = register(tmp_path / "r.parquet", [good, over, good, endless, good], crs=4326)
    parcels, drops = opened(path, id="id")
    assert [(d["file"], d["row"], d["code"]) for d in drops if d["code"] == "bounds"] == [
        ("r.parquet", 1, "bounds"), ("r.parquet", 3, "bounds"),
    ]  # fmt: skip
    assert "91" in drops[0]["message"]
    assert len(parcels) == 1  # the other two are one outline with one crop


@pytest.mark.parametrize("form", ["gpkg", "shp", "parquet"])
def test_52_wrong_crs_or_swapped_axes_is_one_loud_error(tmp_path: Path, form: str) -> None:
    swapped = [shapely.transform(s, lambda xy: xy[:, ::-1]) for s in fields(50)]
    path = register(tmp_path / f"r.{form}", swapped)
    with pytest.raises(SourceError, match=r"50 of 50 outlines .* EPSG:25833 is wrong, or its axes"):
        opened(path)
    other = register(tmp_path / f"o.{form}", fields(50), crs=3857)
    frame = gpd.read_file(other) if form != "parquet" else gpd.read_parquet(other)
    frame = frame.set_crs(28992, allow_override=True)
    frame.to_parquet(tmp_path / "nl.parquet")
    with pytest.raises(SourceError, match="EPSG:28992 is wrong"):
        opened(tmp_path / "nl.parquet")
    assert not list((tmp_path / "cache" / "parcels").glob("*.parquet"))


def test_52_a_known_country_tells_swapped_degrees(tmp_path: Path) -> None:
    """Degrees fit anywhere on the globe: the country's own place is what refuses them."""
    shapes = [shapely.box(52 + i / 100, 5.1, 52.005 + i / 100, 5.105) for i in range(30)]
    frame = gpd.GeoDataFrame(
        {"gewascode": [265] * 30, "gewas": ["Grasland"] * 30, "category": ["Grasland"] * 30},
        geometry=shapes, crs=4326,
    )  # fmt: skip
    frame.to_parquet(tmp_path / "brp_2023.parquet")
    with pytest.raises(SourceError, match="axes are swapped"):
        open_parcels(tmp_path / "brp_2023.parquet")


def test_52_files_in_several_crs_lie_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    base = gpd.GeoSeries(fields(6), crs=25833)
    for number, crs in enumerate((25833, 3035, 4326)):
        part = base.iloc[2 * number : 2 * number + 2].to_crs(crs)
        path = register(folder / f"r{number}.gpkg", list(part), crs=crs)
        say(path, collection="r", id="")
    table = pa.concat_tables(open_parcels(folder).batches())
    truth = base.centroid.to_crs("OGC:CRS84")
    found = set(zip(table["lon"].to_pylist(), table["lat"].to_pylist(), strict=True))
    near = [min(np.hypot(x - t.x, y - t.y) for t in truth) for x, y in found]
    assert len(found) == 6 and max(near) < 2e-4


def test_53_duplicates_are_kept_once_and_counted(tmp_path: Path) -> None:
    a, b, c, d = fields(4)
    path = register(
        tmp_path / "r_2021.gpkg", [a, b, a, c, d, d, a],
        id=["1", "2", "9", "2", "4", "5", "1"],
        crop=["Weizen", "Mais", "Weizen", "Mais", "Raps", "Roggen", "Hafer"],
    )  # fmt: skip
    parcels, drops = opened(path)
    assert ids(parcels) == ["1", "2", "2", "4", "5"]  # 2: two outlines; 4 and 5: two crops
    assert parcels.counts["duplicate"] == 2 == len(drops) and parcels.counts["id_again"] == 1
    assert [(x["row"], x["code"]) for x in sorted(drops, key=lambda x: x["row"])] == [
        (2, "duplicate"), (6, "duplicate"),
    ]  # fmt: skip
    counts = parcels.counts
    assert counts["read"] == counts["kept"] + counts["duplicate"] == 7
    assert "2 of 7 rows of the registers are no parcels" in parcels.about.notes[0]
    keys = pa.concat_tables(parcels.batches())["key"].to_pylist()
    assert len(set(keys)) == 5 and all(key.startswith("xe-2021-") for key in keys)
    assert counts["overlaps"] == 2


def test_53_a_row_is_no_double_of_a_row_that_is_itself_dropped(tmp_path: Path) -> None:
    """Y is a double of X by id and outline, Z one of Y by outline and crop: Z stays where Y is dropped."""
    a, b = fields(2)
    entries = [(1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]
    assert later(np.array(entries, ENTRY)).tolist() == [1, 3]
    path = register(
        tmp_path / "r_2021.gpkg", [a, a, a, b], id=["1", "1", "2", "2"],
        crop=["Weizen", "Mais", "Mais", "Mais"],
    )  # fmt: skip
    parcels, drops = opened(path)
    assert ids(parcels) == ["1", "2", "2"] and [d["row"] for d in drops] == [1]


def test_53_registers_do_not_push_each_other_out(tmp_path: Path) -> None:
    """Files and layers that number their parcels alike: all stay, whatever they are called."""
    squares = gpd.GeoSeries(fields(15), crs=25833).to_crs(4326)
    common = {"id": ["1", "2", "3"], "crop:code": ["w"] * 3, "admin:country_code": ["DE"] * 3}
    folder = tmp_path / "many"
    for number, name in enumerate(("bb_2021", "nrw_2021", "a/fields_2021", "b/fields_2021")):
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = squares.iloc[3 * number : 3 * number + 3].reset_index(drop=True)
        gpd.GeoDataFrame(common, geometry=part).to_parquet(path)
    parcels = open_parcels(folder, Override("CC0-1.0", "Tests"))
    assert len(parcels) == 12 and parcels.counts["duplicate"] == parcels.counts["id_again"] == 0
    for layer in ("one", "two"):
        frame = gpd.GeoDataFrame(common, geometry=squares.iloc[:3] if layer == "one" else part)
        frame.to_file(tmp_path / "layers_2021.gpkg", layer=layer, engine="pyogrio")
    parcels = open_parcels(tmp_path / "layers_2021.gpkg", Override("CC0-1.0", "Tests"))
    assert len(parcels) == 6 and parcels.counts["id_again"] == 0


def test_53_the_same_id_in_another_year_is_another_parcel(tmp_path: Path) -> None:
    a = fields(1)[0]
    path = register(tmp_path / "r.gpkg", [a, a], id=["1", "1"], jahr=[2020, 2021])
    parcels, drops = opened(path, year="jahr")
    assert not drops and parcels.years == (2020, 2021)
    assert parcels.counts["overlaps"] == 0


def test_overlapping_neighbours_are_flagged(tmp_path: Path) -> None:
    a, b, c = (shapely.box(400_000 + x, 5_700_000, 400_100 + x, 5_700_100) for x in (0, 95, 195))
    parcels, _ = opened(register(tmp_path / "r.gpkg", [a, b, c]))
    table = pa.concat_tables(parcels.batches()).sort_by("id")
    assert table["overlaps"].to_pylist() == [True, True, False]  # b and c share a border only


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"licence": ""}, r"r\.gpkg: carries no licence; say it with --license parcels="),
        ({"licence": "My-Own"}, r"r\.gpkg: licence 'My-Own' is unknown"),
        ({"licence": "CC-BY-4.0", "attribution": ""}, "asks for a credit line"),
    ],
)
def test_62_unknown_terms_name_source_and_option(
    tmp_path: Path, said: dict[str, str], match: str
) -> None:
    path = register(tmp_path / "r.gpkg", fields(1))
    with pytest.raises(SourceError, match=match):
        opened(path, **said)


def test_62_the_option_says_what_the_file_does_not(tmp_path: Path) -> None:
    path = register(tmp_path / "r.gpkg", fields(1))
    parcels, _ = opened(path, Override("CC-BY-4.0", "Me"), licence="", attribution="")
    assert (parcels.about.licence, parcels.about.attribution) == ("CC-BY-4.0", "Me")
    with pytest.raises(UsageError, match=r"declares CC0-1\.0"):
        opened(path, Override("CC-BY-4.0", "Me"))


def test_62_the_option_changes_no_terms_of_a_known_register(tmp_path: Path) -> None:
    """What its publisher states stands; so does the credit line."""
    shapes = list(gpd.GeoSeries(fields(2), crs=25833).to_crs(4326))
    path = register(
        tmp_path / "fr_2021.gpkg", shapes, 4326, id_parcel=["1", "2"], code_cultu=["A", "B"]
    )
    with pytest.raises(
        UsageError, match=r"--license parcels=CC0-1\.0: .*declares etalab-2\.0; leave"
    ):
        open_parcels(path, Override("CC0-1.0", "Me"))
    about = open_parcels(path, Override("ETALAB-2.0", "Me")).about
    assert (about.licence, about.attribution) == (
        "etalab-2.0", "IGN, ASP: Registre parcellaire graphique",
    )  # fmt: skip


def test_62_the_option_names_terms_that_a_file_calls_otherwise(tmp_path: Path) -> None:
    path = register(tmp_path / "r.gpkg", fields(1))
    said = "Licence Ouverte 2.0 <https://www.etalab.gouv.fr>"
    with pytest.raises(SourceError, match="say which it is with --license parcels=ID"):
        opened(path, licence=said)
    parcels, _ = opened(path, Override("etalab-2.0"), licence=said)
    assert parcels.about.licence == "etalab-2.0"


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"", "is no file of parcels"), (b"id,crop\n1,wheat\n", "is no file of parcels"),
     (b"PK\x03\x04junk", "cannot be unpacked"), (b"PAR1", "cannot be read as parcels")],
)  # fmt: skip
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "r.zip"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=match):
        open_parcels(path)


def test_parquet_without_geo_and_points_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"crop": ["x"]}), tmp_path / "plain.parquet")
    with pytest.raises(SourceError, match="GeoParquet"):
        open_parcels(tmp_path / "plain.parquet")
    register(tmp_path / "points.gpkg", [shapely.Point(400_000, 5_700_000)])
    with pytest.raises(SourceError, match="no layer of polygons"):
        opened(tmp_path / "points.gpkg")
    with pytest.raises(SourceError, match="no such file"):
        open_parcels(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no file of parcels"):
        open_parcels(tmp_path / "empty")


@pytest.mark.parametrize("name", ["../evil.gpkg", "/evil.gpkg", "a/../../evil.gpkg", "c:\\x.gpkg"])
def test_65_members_that_leave_the_archive(tmp_path: Path, name: str) -> None:
    path = tmp_path / "r.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(SourceError, match="archive_unsafe"):
        open_parcels(path)


def test_65_links_and_bombs(tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    link = zipfile.ZipInfo("r.gpkg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SourceError, match="is a link"):
        open_parcels(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.dbf", bytes(300 << 20))
    with pytest.raises(SourceError, match=r"archive_unsafe.*grows"):
        open_parcels(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"r{number}.dbf", bytes(100 << 20))
    with pytest.raises(SourceError, match=r"archive_unsafe, its members grow"):
        open_parcels(path)
    assert not list((tmp_path / "cache").rglob("*.dbf"))


def test_65_a_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("r.gpkg", b"a")
        archive.writestr("r.gpkg", b"b")
    with pytest.raises(SourceError, match=r"holds 'r\.gpkg' twice"):
        open_parcels(path)


def test_65_a_spoilt_stream_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.dbf", b"Weizen" * 100)
    held = bytearray(path.read_bytes())
    held[35:43] = b"\xff" * 8
    path.write_bytes(held)
    with pytest.raises(SourceError, match=r"r\.zip cannot be unpacked"):
        open_parcels(path)


def test_a_shapefile_in_folders_of_a_zip_is_read(tmp_path: Path) -> None:
    inner = register(tmp_path / "r_2021.shp", fields(3))
    path = tmp_path / "world_2021.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in sorted(tmp_path.glob("r_2021.*")):
            archive.write(part, f"deep/er/{part.name}")
    assert inner.exists()
    beside = tmp_path / "parcels.json"
    beside.write_text(json.dumps(TERMS))
    parcels = open_parcels(path)
    assert len(parcels) == 3 and parcels.years == (2021,)


def test_files_that_are_cut_or_spoilt_are_refused(tmp_path: Path) -> None:
    """Whatever the form, and wherever the bytes are missing."""
    for form in ("gpkg", "shp", "parquet"):
        path = register(tmp_path / f"whole_{form}.{form}", fields(30))
        say(path)
        held = path.read_bytes()
        path.write_bytes(held[: len(held) // 2])
        with pytest.raises(SourceError, match=f"whole_{form}"):
            open_parcels(path)
    path = register(tmp_path / "spoilt.parquet", fields(30))
    say(path)
    bytes_ = bytearray(path.read_bytes())
    bytes_[200:400] = bytes(200)
    path.write_bytes(bytes_)
    with pytest.raises(SourceError, match="is damaged"):
        open_parcels(path)
    left = [p.name for p in (tmp_path / "cache").rglob("*") if p.suffix in (".part", ".parquet")]
    assert not left


def test_a_register_of_which_nothing_is_a_parcel_is_refused(tmp_path: Path) -> None:
    path = register(tmp_path / "r.gpkg", [BOW, None])
    with pytest.raises(
        SourceError, match=r"r\.gpkg has no row that is a parcel \(2 read, 2 without"
    ):
        opened(path)
