"""Parcels as places: one for each, with its box; those of the reader's drops are counted."""

from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from sampling import ctx_of, scan
from transforms.samplers import Parcels


def parcels() -> Any:
    """As the role's reader gives them: two row groups, and two rows that are no parcels."""
    box = {"xmin": 7.0, "ymin": 46.0, "xmax": 7.01, "ymax": 46.01}

    def group(start: int, year: int) -> pa.Table:
        n = 3
        return pa.table(
            {
                "key": [f"xw-{year}-{k:03d}" for k in range(start, start + n)],
                "id": [f"P/{k}" for k in range(start, start + n)],
                "country": ["XW"] * n,
                "year": [year] * n,
                "crop_code": ["1101"] * n,
                "crop_name": ["Weizen"] * n,
                "area_m2": [100.0, 5000.0, 9000.0],
                "overlaps": [False, None, True],
                "lon": [7.005 + k for k in range(n)],
                "lat": [46.005] * n,
                "bbox": [box] * n,
            }
        )

    drops = pa.table(
        {
            "file": ["w.zip", "w.zip"],
            "row": [4, 9],
            "id": ["", "P9"],
            "code": ["geometry", "duplicate"],
            "message": ["it crosses itself", "as P8"],
        }
    )
    groups = [group(0, 2021), group(3, 2022), group(6, 0)]
    return SimpleNamespace(batches=lambda: iter(groups), drops=lambda: drops)


def test_each_parcel_has_a_place_and_its_box() -> None:
    drops: list[Any] = []
    found = scan(Parcels(), ctx_of(parcels=parcels()), drops)
    assert found["key"].to_pylist()[:2] == ["xw-2021-000", "xw-2021-001"] and len(found) == 9
    assert found["_bounds"][0].as_py() == "7.0 46.0 7.01 46.01"
    assert found["parcel_year"].to_pylist() == [2021] * 3 + [2022] * 3 + [None] * 3
    assert [(d.code, d.message) for d in drops] == [
        ("geometry", "w.zip, row 4: it crosses itself"),
        ("duplicate", "w.zip, row 9: as P8"),
    ]


def test_small_and_overlapping_ones_are_counted() -> None:
    drops: list[Any] = []
    sampler = Parcels(least_m2=1000, overlaps=False)
    found = scan(sampler, ctx_of(parcels=parcels(), years=(2021, 2021)), drops)
    assert found["key"].to_pylist() == ["xw-2021-001", "xw-0-007"]
    assert [(d.id, d.code) for d in drops[2:]] == [
        ("xw-2021-000", "small_parcel"), ("xw-2021-002", "overlapping"),
        ("xw-0-006", "small_parcel"), ("xw-0-008", "overlapping"),
    ]  # fmt: skip


def test_a_box_bounds_them() -> None:
    found = scan(Parcels(), ctx_of(parcels=parcels(), bbox=(8.0, 46.0, 8.5, 47.0)))
    assert [round(lon, 9) for lon in found["lon"].to_pylist()] == [8.005] * 3
