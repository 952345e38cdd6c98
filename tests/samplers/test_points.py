"""Points of files: ids, columns, CRS, and bad rows named by file and row (FAULTS 52)."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from catalogs.sources.points import open_points
from catalogs.sources.terms import Override
from sampling import ctx_of, scan
from schemas.errors import SourceError
from schemas.samples import KEY
from transforms.samplers import Points
from transforms.samplers.points import key_of
from transforms.samplers.seen import Seen

FREE = Override("CC0-1.0")
PLACES = [("a1", 7.5, 46.5), ("b2", -46.63, -23.55), ("c3", 179.99, -17.0), ("d4", -0.001, 0.0)]


def write(path: Path, crs: str = "EPSG:4326") -> Path:
    ids, lon, lat = zip(*PLACES, strict=True)
    cover = [0.5, 1.0, 0.25, 0.0]
    if path.suffix in (".csv", ".tsv"):
        sign = "\t" if path.suffix == ".tsv" else ","
        rows = ["id,lon,lat,cover".replace(",", sign)]
        rows += [sign.join(map(str, row)) for row in zip(ids, lon, lat, cover, strict=True)]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    elif path.name == "plain.parquet":
        pq.write_table(
            pa.table({"id": ids, "longitude": lon, "LATITUDE": lat, "cover": cover}), path
        )
    else:
        frame = gpd.GeoDataFrame(
            {"id": ids, "cover": cover}, geometry=gpd.points_from_xy(lon, lat), crs="EPSG:4326"
        ).to_crs(crs)
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_file(path)
    return path


def of(
    path: Path, drops: list[Any] | None = None, sampler: Points | None = None, **ctx: Any
) -> pa.Table:
    return scan(sampler or Points(), ctx_of(points=open_points(path, FREE), **ctx), drops)


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("p.csv", ""),
        ("p.tsv", ""),
        ("plain.parquet", ""),
        ("geo.parquet", "EPSG:4326"),
        ("geo.parquet", "EPSG:3857"),
        ("p.gpkg", "EPSG:3857"),
        ("p.geojson", "EPSG:4326"),
        ("p.fgb", "EPSG:6933"),
    ],
)
def test_every_kind_of_file_gives_the_same_points(tmp_path: Path, name: str, crs: str) -> None:
    """In any CRS, under their own ids, with the columns asked for."""
    path = write(tmp_path / name, crs)
    found = of(path, sampler=Points(columns=("cover:float64",))).sort_by("key")
    assert found["key"].to_pylist() == [p[0] for p in PLACES]
    assert found["point_id"].to_pylist() == [p[0] for p in PLACES]
    np.testing.assert_allclose(found["lon"].to_numpy(), [p[1] for p in PLACES], atol=1e-6)
    np.testing.assert_allclose(found["lat"].to_numpy(), [p[2] for p in PLACES], atol=1e-6)
    assert found["cover"].to_pylist() == [0.5, 1.0, 0.25, 0.0]


def test_52_bad_rows_are_drops_that_name_file_and_row(tmp_path: Path) -> None:
    """Latitude 91, swapped axes, no number, no value, no id, too many values; the rest is read."""
    path = tmp_path / "plots.csv"
    path.write_text(
        "id,lon,lat\ngood,7.5,46.5\nhigh,7.5,91\nswapped,46.5,-122.0\nword,x,46\nempty,,46\n"
        ",7.5,46.5\nmany,1,2,3\n\nnan,nan,46\nlast,+8.25, 47e0 \n"
    )
    drops: list[Any] = []
    found = of(path, drops)
    assert found["key"].to_pylist() == ["good", "last"]
    assert found["lon"].to_pylist() == [7.5, 8.25] and found["lat"].to_pylist() == [46.5, 47.0]
    said = {d.id: (d.code, d.message) for d in drops}
    assert said["row-2"][0] == "bounds"
    assert said["row-2"][1].startswith("plots.csv, row 2: lon 7.5, lat 91 is no place on Earth")
    assert said["row-3"][0] == "bounds" and "axes may be swapped" in said["row-3"][1]
    assert {k: v[0] for k, v in said.items() if k not in ("row-2", "row-3")} == {
        "row-4": "no_coordinates", "row-5": "no_coordinates", "row-6": "no_id",
        "row-7": "ragged", "row-8": "no_coordinates", "row-9": "no_coordinates",
    }  # fmt: skip
    assert all("plots.csv, row" in message for _, message in said.values())


def test_52_a_geometry_that_is_no_point_is_a_drop(tmp_path: Path) -> None:
    path = tmp_path / "mixed.geojson"
    rows = [
        {"type": "Point", "coordinates": [7, 46]},
        {"type": "LineString", "coordinates": [[7, 46], [8, 47]]},
        None,
    ]
    features = [
        {"type": "Feature", "properties": {"id": f"f{i}"}, "geometry": g}
        for i, g in enumerate(rows)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    drops: list[Any] = []
    assert of(path, drops)["key"].to_pylist() == ["f0"]
    assert [(d.id, d.code) for d in drops] == [
        ("row-2", "no_coordinates"),
        ("row-3", "no_coordinates"),
    ]


def test_row_numbers_hold_over_many_batches(tmp_path: Path) -> None:
    """Two hundred thousand rows with a bad one here and there: each is named by its own number."""
    path, bad = tmp_path / "many.csv", {7, 65_536, 65_537, 131_072, 199_999}
    ragged = {11, 70_000, 150_000}
    with path.open("w") as out:
        out.write("id,lon,lat,note\n")
        for n in range(1, 200_001):
            lat = 95 if n in bad else (n % 170) - 85
            more = ",x" if n in ragged else ""
            out.write(f"p{n},{(n * 7) % 360 - 180},{lat},{'some words ' * 5}{more}\n")
    drops: list[Any] = []
    found = of(path, drops)
    assert {int(d.id[4:]) for d in drops if d.code == "bounds"} == bad
    assert {int(d.id[4:]) for d in drops if d.code == "ragged"} == ragged
    assert len(found) == 200_000 - len(bad) - len(ragged)
    assert len(list(Points().scan(ctx_of(points=open_points(path, FREE)), drops.append))) > 2


def test_without_ids_they_are_made_of_the_coordinates(tmp_path: Path) -> None:
    """So that another order of the rows gives the same samples."""
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("lon,lat\n7.5,46.5\n8.5,47.5\n")
    two.write_text("lat,lon\n47.5,8.5\n46.5,7.5\n")
    assert sorted(of(one)["key"].to_pylist()) == sorted(of(two)["key"].to_pylist())


def test_a_region_bounds_them(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv")
    assert of(path, region=shapely.box(7, 46, 8, 47))["key"].to_pylist() == ["a1"]
    assert of(path, bbox=(179.0, -20.0, -179.0, 0.0))["key"].to_pylist() == ["c3"]


def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    none = tmp_path / "n.csv"
    none.write_text("id,a,b\n1,2,3\n")
    with pytest.raises(SourceError, match=r"n.csv: no column of longitude among id, a, b"):
        of(none)
    with pytest.raises(SourceError, match=r"n.csv: has no column 'plot', only id, a, b"):
        of(none, sampler=Points(ident="plot", lon="a", lat="b"))
    assert of(none, sampler=Points(lon="a", lat="b"))["lat"].to_pylist() == [3.0]
    latin = tmp_path / "l.csv"
    latin.write_bytes("id,lon,lat\nMühle,1,2\n".encode("latin-1"))
    with pytest.raises(SourceError, match=r"l.csv: .*iconv"):
        of(latin)
    path = write(tmp_path / "p.csv")
    with pytest.raises(SourceError, match=r"--license points="):
        open_points(path, Override())
    with pytest.raises(SourceError, match="has no column 'height', only id, lon, lat, cover"):
        of(path, sampler=Points(columns=("height:float64",)))
    with pytest.raises(ValueError, match="say name:type"):
        Points(columns=("height",))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,lon,lat,lon\n1,11,47,12\n")
    with pytest.raises(SourceError, match=r"p\.csv: has two columns 'lon'"):
        of(tmp_path / "p.csv")


def test_the_second_row_of_an_id_is_a_drop_wherever_it_lies(tmp_path: Path) -> None:
    """Though it lies on the other side of the Earth, and many rows later."""
    path = tmp_path / "twice.csv"
    rows = [f"p{n},{n % 170},{n % 80}" for n in range(150_000)]
    path.write_text("\n".join(["id,lon,lat", *rows, "p7,-100,-50", "p149999,3,3"]) + "\n")
    drops: list[Any] = []
    found = of(path, drops)
    assert [(d.id, d.code) for d in drops] == [("p7", "duplicate"), ("p149999", "duplicate")]
    assert len(found) == 150_000 and found["lon"][7].as_py() == 7.0


@given(st.lists(st.lists(st.text("abc", max_size=3), max_size=30), max_size=12))
def test_what_was_seen_before_is_known(batches: list[list[str]]) -> None:
    seen, before = Seen(), set[str]()
    for batch in batches:
        expected = []
        for key in batch:
            expected.append(key in before)
            before.add(key)
        assert seen.again(batch).tolist() == expected


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_id_becomes_a_key_of_its_own(one: str, two: str) -> None:
    assert KEY.fullmatch(key_of(one)) and KEY.fullmatch(key_of(two))
    assert len(key_of(one)) <= 64
    assert (key_of(one) == key_of(two)) == (one == two)
