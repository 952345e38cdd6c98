"""The table of statistics by parcel: its columns, its rows, its labels, its bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from parcel_world import box, context, grid, image, parcel, sample
from schemas.windows import Grid
from transforms.crops.cube import BANDS
from transforms.crops.declared import unpacked
from transforms.crops.join import Join
from transforms.crops.labels import Labels
from transforms.crops.oad import SCHEMA, Oad, Statistics

L2A = tuple(name for name in BANDS if name != "B10")


def cube(bands: tuple[str, ...] = L2A, seed: int = 1) -> Any:
    """Twelve months of noise."""
    return np.random.default_rng(seed).integers(1, 9000, (12, len(bands), 61, 61)).astype(np.uint16)


def measured(
    *rows: Any, on: Grid | None = None, key: str = "2021_32utp_patch_0_0", **more: Any
) -> Any:
    """(sample, its rows of the table)."""
    bands = more.pop("bands", L2A)
    one = sample(key, on=on)
    Join().across([one], context(*rows))
    one.images["image"] = image(more.pop("array", cube(bands)), bands, on)
    step = Statistics(**{"inner_m": 0.0, **more})
    return one, unpacked(step(one, context()).facts["_oad"])


FIELDS = (
    parcel("p1", box(100, 100, 200, 240), "W"),
    parcel("p2", box(205, 100, 333, 222), "M"),
    parcel("p3", box(560, 300, 900, 420), "?"),
)


def test_check_2_columns() -> None:
    """315 whatever bands there are; 13 bands x 12 months x 2 and three."""
    assert len(SCHEMA) == 315
    assert len(set(SCHEMA.names)) == 315
    assert SCHEMA.names[:5] == ["parcel_id", "label", "counts", "B01_01_mean", "B01_01_std"]
    for bands in (BANDS, L2A, ("B04",)):
        _, table = measured(*FIELDS, bands=bands)
        assert table.schema.equals(SCHEMA)
        empty = {name for name in SCHEMA.names if table[name].null_count}
        assert empty == {n for n in SCHEMA.names[3:] if n.split("_")[0] not in bands}


def test_check_2_rows_and_labels() -> None:
    """One for each parcel, none for the background; the label is the declared code, cut or not."""
    one, table = measured(*FIELDS)
    assert table["parcel_id"].to_pylist() == [f"{one.id}/{n}" for n in (1, 2, 3)]
    assert table["label"].to_pylist() == [110, 120, 998]
    east = Grid(grid().crs, (10.0, 0.0, grid().bounds()[2], 0.0, -10.0, grid().bounds()[3]), 61, 61)
    two, cut = measured(*FIELDS, on=east, key="2021_32utp_patch_0_1")
    assert cut["parcel_id"].to_pylist() == [f"{two.id}/1"]
    assert cut["label"].to_pylist() == [998]
    whole = table["counts"][2].as_py() + cut["counts"][0].as_py()
    assert whole == pytest.approx(34 * 12, rel=1e-6)


def test_numbers_of_one_parcel() -> None:
    """Whole pixels: mean and standard deviation of exactly those."""
    array = cube()
    _, table = measured(FIELDS[0], array=array)
    inside = array[:, :, 10:24, 10:20].astype(np.float64)
    row = table.to_pylist()[0]
    assert row["counts"] == pytest.approx(140)
    for place, band in enumerate(L2A):
        for month in range(12):
            own = inside[month, place]
            assert row[f"{band}_{month + 1:02d}_mean"] == pytest.approx(own.mean(), rel=1e-6)
            assert row[f"{band}_{month + 1:02d}_std"] == pytest.approx(own.std(), rel=1e-6)


def test_parts_of_pixels_count_as_such() -> None:
    """A field that ends in the middle of pixels: part of them by area, by centre all or nothing."""
    array = np.zeros((12, 1, 61, 61), np.uint16)
    array[:, :, :, 20:] = 1000
    field = parcel("p", box(100, 100, 203, 200))
    _, exact = measured(field, array=array, bands=("B04",))
    _, centre = measured(field, array=array, bands=("B04",), pixels="centre")
    assert exact["counts"][0].as_py() == pytest.approx(103, rel=1e-5)
    assert exact["B04_06_mean"][0].as_py() == pytest.approx(1000 * 3 / 103, rel=1e-3)
    assert centre["counts"][0].as_py() == 100


def test_the_rim_is_left_out() -> None:
    """10 m from each edge; a parcel of nothing but rim keeps its row, with nulls."""
    thin = parcel("p4", box(400, 100, 415, 400), "W")
    _, table = measured(*FIELDS, thin, inner_m=10.0)
    assert table["counts"].to_pylist()[0] == pytest.approx(8 * 12, rel=1e-3)
    assert table["counts"].to_pylist()[3] == 0
    assert table["label"].to_pylist()[3] == 110
    assert all(table[name][3].as_py() is None for name in SCHEMA.names[3:])
    _, centre = measured(*FIELDS, thin, inner_m=10.0, pixels="centre")
    assert centre["counts"].to_pylist()[3] == 0
    assert centre["counts"].to_pylist()[0] == pytest.approx(96, abs=22)  # edges run through centres


def test_overlapping_parcels_each_count_their_own() -> None:
    """By exact coverage a parcel's statistics do not depend on who else claims its pixels."""
    alone = measured(parcel("p1", box(0, 0, 200, 200)))[1].to_pylist()[0]
    both = measured(parcel("p1", box(0, 0, 200, 200)), parcel("p2", box(50, 50, 90, 90), "M"))[1]
    assert both.to_pylist()[0] == alone


def test_pixels_without_data_do_not_count() -> None:
    """A pixel that was never clear is no zero."""
    one = sample()
    Join().across([one], context(FIELDS[0]))
    months = image(cube(), L2A)
    months.valid[:, :15] = False
    one.images["image"] = months
    row = unpacked(Statistics(inner_m=0.0)(one, context()).facts["_oad"]).to_pylist()[0]
    assert row["counts"] == pytest.approx(90)
    assert row["B02_03_mean"] == pytest.approx(months.array[2, 1, 15:24, 10:20].mean(), rel=1e-6)


def test_the_file_is_the_same_bytes(tmp_path: Path) -> None:
    """Rows of all patches in the order of their keys, however they come in batches."""
    facts = []
    for col in range(3):
        one, _ = measured(*FIELDS, array=cube(seed=col), key=f"2021_32utp_patch_0_{col}")
        facts.append({"key": one.id, "_oad": one.facts["_oad"]})
    schema = pa.schema([("key", pa.string()), ("_oad", pa.binary())])
    whole = pa.Table.from_pylist(facts, schema=schema)
    Oad().write(iter([whole]), tmp_path / "one.parquet", context())
    Oad().write(iter([whole]), tmp_path / "two.parquet", context())
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    found = pq.read_table(tmp_path / "one.parquet")
    assert found.schema.equals(SCHEMA)
    assert len(found) == 9
    assert len(set(found["parcel_id"].to_pylist())) == 9
    Oad().write(iter([whole.slice(i, 1) for i in range(3)]), tmp_path / "torn.parquet", context())
    assert pq.read_table(tmp_path / "torn.parquet").equals(found)


def test_labels_and_statistics_number_parcels_alike() -> None:
    """The number in the raster is the number in the name."""
    one, table = measured(*FIELDS)
    Labels()(one, context())
    numbers = one.images["labels"].array[1]
    rows = unpacked(one.facts["_numbers"])
    assert rows["parcel_id"].to_pylist() == table["parcel_id"].to_pylist()
    inside = np.bincount(numbers.ravel(), minlength=4)[1:]
    assert rows["pixels"].to_pylist() == inside.tolist()
