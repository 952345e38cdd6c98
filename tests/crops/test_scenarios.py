"""Scenarios: no tile, place or year on both sides, classes that both sides have, weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import BuildError, LoomError
from schemas.windows import from_lonlat
from transforms.context import Context
from transforms.crops.declared import PARCELS, number_table
from transforms.crops.scenarios import (
    NAMES,
    Patches,
    Scenarios,
    assign,
    class_weights,
    common_classes,
    roles,
)

Row = tuple[str, str, str, str, int, float, float, tuple[int, ...]]
"""key, split, country, tile, year, lon, lat, classes."""

ROWS: tuple[Row, ...] = (
    ("a1", "train", "XW", "32tqu", 2021, 11.0, 48.0, (110, 120, 998)),
    ("a2", "train", "XW", "32tqu", 2022, 11.0, 48.0, (110,)),
    ("b1", "val", "XW", "32tqu", 2021, 11.3, 48.0, (435,)),
    ("b2", "test", "XW", "32tqu", 2022, 11.6, 48.0, (150,)),
    ("c1", "train", "XW", "33tuq", 2021, 11.97, 48.0, (110,)),  # in a tile of the other country
    ("d1", "train", "XW", "32tqv", 2022, 12.02, 48.3, (120,)),  # 3 km from a patch of the other
    ("e1", "train", "XE", "33tuq", 2021, 12.1, 48.0, (110, 998)),
    ("e2", "val", "XE", "33tuq", 2021, 12.5, 48.0, (120,)),
    ("e3", "test", "XE", "33tuq", 2021, 12.9, 48.0, (150,)),
    ("e4", "train", "XE", "33tuv", 2021, 12.06, 48.3, (770,)),
)
PX = 16


def placed(rows: tuple[Row, ...] = ROWS) -> pa.Table:
    """Rows as the release has them."""
    found: list[dict[str, Any]] = []
    for key, split, country, tile, year, lon, lat, classes in rows:
        x, y = (float(v[0]) for v in from_lonlat("EPSG:32632", np.array([lon]), np.array([lat])))
        parcels = pa.Table.from_pylist(
            [{"key": f"{key}-{code}", "label": code} for code in classes], schema=PARCELS
        )
        pixels = np.arange(1, len(classes) + 1) * 10
        found.append(
            {
                "key": key, "split": split, "country": country, "patch_tile": tile, "year": year,
                "crs": "EPSG:32632", "transform": [10.0, 0.0, x - 80, 0.0, -10.0, y + 80],
                "width": PX, "height": PX, "_numbers": number_table(key, parcels, pixels),
            }
        )  # fmt: skip
    return pa.Table.from_pylist(
        found,
        schema=pa.schema(
            [
                ("key", pa.string()), ("split", pa.string()), ("country", pa.string()),
                ("patch_tile", pa.string()), ("year", pa.int64()), ("crs", pa.string()),
                ("transform", pa.list_(pa.float64(), 6)), ("width", pa.int32()),
                ("height", pa.int32()), ("_numbers", pa.binary()),
            ]
        ),
    )  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(rows of the table, the report)."""
    target = tmp_path / "scenarios.parquet"
    Scenarios().write(iter([placed(ROWS[:4]), placed(ROWS[4:])]), target, Context())
    return pq.read_table(target).to_pylist(), json.loads(target.with_suffix(".json").read_text())


def side(rows: list[dict[str, Any]], name: str, *splits: str) -> set[str]:
    """Keys of patches of some splits of a scenario."""
    return {row["key"] for row in rows if row[name] in splits}


def test_who_trains_and_who_tests(written: Any) -> None:
    """The country with two years is Catalonia's part, the other one France's."""
    rows, _ = written
    assert {row["key"]: row["scenario_1"] for row in rows} == {r[0]: r[1] for r in ROWS}
    assert side(rows, "scenario_2", "train") == {"a1", "a2"}
    assert side(rows, "scenario_2", "val") == {"b1", "b2"}
    assert side(rows, "scenario_2", "test") == {"e1", "e2", "e3", "e4"}
    assert side(rows, "scenario_2", "") == {"c1", "d1"}
    assert side(rows, "scenario_3", "test") == {"a2", "b2", "d1"}
    assert side(rows, "scenario_3", "train") == {"e1"}  # e4 lies too near to d1
    assert side(rows, "scenario_3", "val") == {"e2", "e3"}


def test_check_10_no_tile_and_no_year_leaks(written: Any) -> None:
    """Of scenarios 2 and 3 no tile is on both sides; of 3 no year."""
    rows, _ = written
    tile, year = ({r[0]: r[place] for r in ROWS} for place in (3, 4))
    for name in NAMES[1:]:
        learnt, tested = side(rows, name, "train", "val"), side(rows, name, "test")
        assert learnt
        assert tested
        assert not {tile[k] for k in learnt} & {tile[k] for k in tested}
    learnt, tested = side(rows, "scenario_3", "train", "val"), side(rows, "scenario_3", "test")
    assert not {year[k] for k in learnt} & {year[k] for k in tested}


def test_check_10_classes_are_the_intersection(written: Any) -> None:
    """Of training and test, not their union; unmapped is no class."""
    _, report = written
    assert report["scenario_1"]["classes"] == []  # 110, 120, 770 are trained, 150 is tested
    assert report["scenario_2"]["classes"] == [110, 120]
    assert report["scenario_3"]["classes"] == [110]
    splits, classes = (
        ["train", "train", "val", "test"],
        [{110, 998}, {120}, {435}, {110, 120, 770, 998}],
    )
    assert common_classes(splits, [frozenset(c) for c in classes]) == [110, 120]


def test_the_report_counts_all_patches(written: Any) -> None:
    """None is lost silently."""
    _, report = written
    for own in report.values():
        assert sum(own["patches"].values()) == len(ROWS)
    assert report["scenario_2"]["patches"]["left_out"] == 2
    assert report["scenario_2"]["sides"] == {
        "train": ["XW-2021", "XW-2022"], "val": ["XW-2021", "XW-2022"], "test": ["XE-2021"],
    }  # fmt: skip
    assert report["scenario_2"]["weights_by_parcels"] == {"110": 0.75, "120": 1.5}
    assert report["scenario_2"]["weights_by_pixels"] == {"110": 1.0, "120": 1.0}


def test_weights() -> None:
    """N / (classes * count): their mean over the samples is 1."""
    found = class_weights({110: 60, 120: 30, 150: 10, 770: 0})
    assert found == {
        110: pytest.approx(100 / 180),
        120: pytest.approx(100 / 90),
        150: pytest.approx(100 / 30),
    }
    assert sum(found[c] * n for c, n in ((110, 60), (120, 30), (150, 10))) == pytest.approx(100)
    assert class_weights({}) == {}


def test_roles_by_years_then_patches() -> None:
    """Without settings; a release of one country has no second."""
    assert roles(["B", "B", "A", "A", "A"], [1, 2, 1, 1, 1]) == ("B", "A")
    assert roles(["B", "A", "A"], [1, 1, 1]) == ("A", "B")
    assert roles(["A"], [1]) == ("A", "")
    assert roles([], []) == ("", "")


def test_one_country_has_no_second_scenario(tmp_path: Path) -> None:
    """Nor a third: nobody learns in one place what is asked in another."""
    target = tmp_path / "scenarios.parquet"
    Scenarios().write(iter([placed(ROWS[:4])]), target, Context())
    rows = pq.read_table(target).to_pylist()
    assert {row[name] for row in rows for name in NAMES[1:]} == {""}
    assert side(rows, "scenario_1", "train") == {"a1", "a2"}
    told = json.loads(target.with_suffix(".json").read_text())
    assert "note" not in told["scenario_1"]
    assert told["scenario_3"]["note"] == "no patch is on the side of train and test"


def test_the_order_of_rows_does_not_matter() -> None:
    """Each patch has its split whatever stands before it."""
    xyz = np.eye(3)[[0, 1, 2]]
    forward = Patches(["a", "b", "c"], ["train"] * 3, ["X", "X", "Y"], ["1", "2", "3"], [1, 2, 1],
                      xyz, np.ones(3))  # fmt: skip
    back = Patches(["c", "b", "a"], ["train"] * 3, ["Y", "X", "X"], ["3", "2", "1"], [1, 2, 1],
                   xyz[::-1], np.ones(3))  # fmt: skip
    one, two = (assign(found, "X", "Y", 5000.0) for found in (forward, back))
    assert {n: v[::-1] for n, v in two.items()} == one


def test_settings_name_the_countries(tmp_path: Path) -> None:
    """And turn them round."""
    target = tmp_path / "scenarios.parquet"
    Scenarios(many="XE", one="XW", buffer_km=0).write(iter([placed()]), target, Context())
    rows = pq.read_table(target).to_pylist()
    assert side(rows, "scenario_2", "test") == {r[0] for r in ROWS if r[2] == "XW"}
    with pytest.raises((ValueError, LoomError), match="buffer_km"):
        Scenarios(buffer_km=-1)


@pytest.mark.parametrize(
    ("named", "second", "third"),
    [({"many": "XE"}, "XW", "XE"), ({"one": "XW"}, "XW", "XE"), ({"one": "XE"}, "XE", "XW")],
)
def test_one_name_is_enough(tmp_path: Path, named: dict[str, str], second: str, third: str) -> None:
    """The other part is another country's: nobody trains and tests in the same one."""
    target = tmp_path / "scenarios.parquet"
    Scenarios(**named, buffer_km=0).write(iter([placed()]), target, Context())  # type: ignore[arg-type]
    rows = pq.read_table(target).to_pylist()
    own = {r[0]: r[2] for r in ROWS}
    assert {own[key] for key in side(rows, "scenario_2", "test")} == {second}
    assert {own[key] for key in side(rows, "scenario_2", "train", "val")} == {third}


def test_countries_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """With those that are; and one country has one part."""
    for named in ({"many": "FRR", "one": "XE"}, {"one": "xe"}):
        with pytest.raises(BuildError, match="no patch is of that country, they are of XE, XW"):
            Scenarios(**named).write(iter([placed()]), tmp_path / "s.parquet", Context())  # type: ignore[arg-type]
    with pytest.raises(LoomError, match="both XE"):
        Scenarios(many="XE", one="XE")


def test_classes_have_pixels_on_both_sides(tmp_path: Path) -> None:
    """A class whose parcels are too narrow for any pixel is none that can be learnt."""
    table = placed()
    rows = table.to_pylist()
    for row, (key, *_, classes) in zip(rows, ROWS, strict=True):
        parcels = pa.Table.from_pylist(
            [{"key": f"{key}-{code}", "label": code} for code in classes], schema=PARCELS
        )
        pixels = np.array([0 if code == 120 else 10 for code in classes])
        row["_numbers"] = number_table(key, parcels, pixels)
    target = tmp_path / "scenarios.parquet"
    Scenarios().write(iter([pa.Table.from_pylist(rows, schema=table.schema)]), target, Context())
    found = json.loads(target.with_suffix(".json").read_text())["scenario_2"]
    assert found["classes"] == [110]
    assert set(found["weights_by_pixels"]) == set(found["weights_by_parcels"]) == {"110"}
    assert found["buffer_m"] == 5000


def test_same_bytes(tmp_path: Path) -> None:
    """However the batches come."""
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    Scenarios().write(iter([placed()]), one, Context())
    Scenarios().write(iter([placed((row,)) for row in ROWS]), two, Context())
    assert one.read_bytes() == two.read_bytes()
    assert one.with_suffix(".json").read_bytes() == two.with_suffix(".json").read_bytes()
