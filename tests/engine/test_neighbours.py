"""Thinning, buffers and quotas against brute force."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.chance import rank, unit
from schemas.windows import EARTH_M, unit_vectors
from transforms.context import Context
from transforms.neighbours import better_ranked_within, within_buffer
from transforms.packing import class_weights
from transforms.quotas import PerClass
from transforms.splits import ByCell, split_of
from transforms.windows import Thin

CENTRES = [(9.3, 46.9), (179.99, -16.5), (-180.0, 65.0), (30.0, 89.98), (0.0, 0.0)]


def haversine(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres on the sphere between two (lon, lat), by the textbook."""
    (lon1, lat1), (lon2, lat2) = ((math.radians(v) for v in p) for p in (a, b))
    h = math.sin((lat2 - lat1) / 2) ** 2
    h += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(h))


@st.composite
def places(draw: Any, spread_m: float, most: int = 25) -> list[tuple[float, float]]:
    """Points around one centre, on both sides of the date line where it lies there."""
    lon, lat = draw(st.sampled_from(CENTRES))
    degrees = spread_m / 111_000
    offsets = st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32))
    found = []
    for right, up in draw(st.lists(offsets, max_size=most)):
        east = lon + right * degrees / max(math.cos(math.radians(lat)), 0.01)
        found.append(((east + 180) % 360 - 180, min(lat + up * degrees, 90.0)))
    return found


def table(points: list[tuple[float, float]], **columns: Any) -> pa.Table:
    """Rows as a neighbourhood step sees them; anchors lie at the centres."""
    lon, lat = (np.array([p[i] for p in points], float) for i in (0, 1))
    count = len(points)
    base = {
        "key": [f"w{i}" for i in range(count)], "lon": lon, "lat": lat,
        "centre_lon": lon, "centre_lat": lat, "radius_m": np.full(count, 30.0),
        "gsd_m": np.full(count, 0.6), "rank": [rank(0, f"w{i}") for i in range(count)],
        "collection": ["a"] * count, "year": pa.array([2020] * count, pa.int64()),
    }  # fmt: skip
    return pa.table({**base, **columns})


@given(points=places(150.0), data=st.data())
@settings(max_examples=80, deadline=None)
def test_thin_equals_brute_force(points: list[tuple[float, float]], data: st.DataObject) -> None:
    count = len(points)
    years = data.draw(st.lists(st.sampled_from([2019, 2020, None]), min_size=count, max_size=count))
    gsds = data.draw(st.lists(st.sampled_from([0.3, 0.6, 1.2]), min_size=count, max_size=count))
    part = table(points, year=pa.array(years, pa.int64()), gsd_m=pa.array(gsds, pa.float64()))
    ranks = part["rank"].to_pylist()
    expected = set()
    for i in range(count):
        for j in range(count):
            apart = haversine(points[i], points[j])
            assume(i == j or abs(apart - 64 * gsds[i]) > 1e-3)
            if i != j and years[i] == years[j] and ranks[j] < ranks[i] and apart < 64 * gsds[i]:
                expected.add(i)
    step = Thin(px=64)
    assert set(step.settle(part, part.slice(0, 0), Context())) == expected
    # any partition, given its halo, decides the same
    cut = data.draw(st.integers(0, count))
    near = part.select([*part.column_names]).slice(cut)
    assert set(step.settle(part.slice(0, cut), near, Context())) == {i for i in expected if i < cut}
    if count:
        assert step.halo_m(part) >= max(gsds) * 64


def test_no_group_means_no_rival() -> None:
    xyz = unit_vectors(np.zeros(4), np.zeros(4))
    ranks, reach = np.array([3, 1, 2, 0]), np.full(4, 10.0)
    assert better_ranked_within(xyz, ranks, np.arange(4), reach).tolist() == [False] * 4
    assert better_ranked_within(xyz, ranks, np.zeros(4, int), reach).tolist() == [1, 1, 1, 0]


@given(points=places(9_000.0), data=st.data())
@settings(max_examples=80, deadline=None)
def test_within_buffer_equals_brute_force(points: Any, data: st.DataObject) -> None:
    count = len(points)
    radii = np.array(data.draw(st.lists(st.floats(1, 900), min_size=count, max_size=count)))
    side = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
    lower, upper = np.flatnonzero(~side), np.flatnonzero(side)
    expected = set()
    for i in lower:
        for j in upper:
            gap = haversine(points[i], points[j]) - radii[i] - radii[j]
            assume(abs(gap - 5_000) > 1e-3)
            if gap < 5_000:
                expected.add(int(i))
    xyz = unit_vectors(*(np.array([p[k] for p in points], float) for k in (0, 1)))
    assert set(within_buffer(xyz, radii, lower, upper, 5_000.0).tolist()) == expected


@given(points=places(30_000.0, most=60), seed=st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_splits_keep_their_distance(points: Any, seed: int) -> None:
    step, ctx = ByCell(km=20, buffer_km=5, val=0.3, test=0.3), Context(seed=seed)
    part = table(points)
    columns = step.columns(part, ctx)
    lost = step.settle(part, part.slice(0, 0), ctx)
    splits = columns["split"]
    kept = [i for i in range(len(points)) if i not in lost]
    order = {"test": 0, "val": 1, "train": 2}

    def gap(i: int, j: int) -> float:
        return haversine(points[i], points[j]) - 60.0

    for i in kept:
        for j in kept:
            assert splits[i] == splits[j] or gap(i, j) >= 5_000 - 1e-3
    for i in lost:
        assert splits[i] != "test", "test never loses"
        near = [j for j in range(len(points)) if order[splits[j]] < order[splits[i]]]
        assert any(gap(i, j) < 5_000 + 1e-3 for j in near), "nothing is lost without a reason"
    half = len(points) // 2
    again = step.settle(part.slice(0, half), part.slice(half), ctx)
    assert set(again) == {i for i in lost if i < half}


def test_split_shares_and_stability() -> None:
    names = [f"{i}U_{j}R" for i in range(100) for j in range(100)]
    found = [split_of(n, 0, 0.1, 0.2) for n in names]
    assert abs(found.count("val") - 1_000) < 120 and abs(found.count("test") - 2_000) < 160
    larger = [split_of(n, 0, 0.2, 0.2) for n in names]
    assert all(b == "val" for a, b in zip(found, larger, strict=True) if a == "val")
    assert all(b == "test" for a, b in zip(found, larger, strict=True) if a == "test")


@pytest.mark.parametrize("cap", [0, 1, 50, 400, 10_000])
def test_quota_is_a_threshold(cap: int) -> None:
    classes = ["a"] * 1_000 + ["b"] * 300 + ["c"] * 20
    part = pa.table({"key": [f"w{i}" for i in range(1320)], "main_tag": classes})
    step, ctx = PerClass(cap=cap), Context(seed=3)
    totals = step.count(part)
    assert totals == {"a": 1_000, "b": 300, "c": 20}
    lost = step.decide(part, totals, ctx)
    for name, total in totals.items():
        rows = [i for i in range(1320) if classes[i] == name]
        kept = [i for i in rows if i not in lost]
        if not cap or total <= cap:
            assert kept == rows
        else:
            shares = {i: unit(3, "quota", f"w{i}") for i in rows}
            assert kept == [i for i in rows if shares[i] < cap / total]
            assert abs(len(kept) - cap) < 5 * math.sqrt(cap) + 1
    assert all(code == "quota" for code, _ in lost.values())
    # any cut of the table decides the same
    parts = [step.decide(part.slice(i, 100), totals, ctx) for i in range(0, 1320, 100)]
    assert {100 * k + i for k, found in enumerate(parts) for i in found} == set(lost)


def test_class_weights_balance_the_classes() -> None:
    counts = {"a": 10, "b": 30, "c": 1}
    weights = class_weights(counts)
    assert sum(counts[n] * weights[n] for n in counts) == pytest.approx(sum(counts.values()))
    assert len({round(counts[n] * weights[n], 6) for n in counts}) == 1
