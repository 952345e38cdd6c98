"""Partitions and blocks: every row once, whatever the order and the size."""

import tempfile
from collections import Counter, OrderedDict
from itertools import chain, pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.errors import Reject
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.windows import Grid
from transforms.context import Context
from transforms.imagery import Find, slug
from transforms.planning import spool as spools
from transforms.planning.blocks import blocks, tile_order
from transforms.planning.spool import BITS, Cell, Spool, morton

TINY = 1e-12  # degrees, lost in adding 180
Points = list[tuple[float, float]]


def rows(points: Points, start: int = 0) -> pa.Table:
    return pa.table(
        {
            "key": [f"w{start + i}" for i in range(len(points))],
            "lon": pa.array([p[0] for p in points], pa.float64()),
            "lat": pa.array([p[1] for p in points], pa.float64()),
        }
    )


def degrees(least: float, most: float) -> st.SearchStrategy[float]:
    """Degrees in steps of 1e-7, as in OSM."""
    return st.integers(round(least * 1e7), round(most * 1e7)).map(lambda v: v / 1e7)


LON = st.one_of(degrees(-180, 180), degrees(9.29, 9.31), st.sampled_from([-180.0, 180.0, 0.0]))
LAT = st.one_of(degrees(-90, 90), degrees(46.9, 46.91), st.sampled_from([-90.0, 90.0, 0.0]))
POINTS = st.lists(st.tuples(LON, LAT), min_size=1, max_size=60)


def filled(points: Points, folder: Path, runs: int) -> Spool:
    """A spool of several sorted runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spools, "RUN_BYTES", 1)
        step = -(-len(points) // runs)
        tables = [rows(points[i : i + step], i) for i in range(0, len(points), step)]
        assert Spool(folder).fill(tables) == len(points)
    return Spool(folder)


@given(points=POINTS, most=st.integers(1, 10), runs=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_partitions_cover_every_row_once(points: Points, most: int, runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = filled(points, Path(folder), runs)
        cells = list(spool.partitions(most))
        found: list[str] = []
        for cell in cells:
            table = spool.rows(cell)
            assert 0 < len(table) == spool.count(cell)
            assert len(table) <= most or cell.level == BITS
            west, south, east, north = cell.bounds()
            for row in table.to_pylist():
                assert west - TINY <= row["lon"] <= east + TINY
                assert south - TINY <= row["lat"] <= north + TINY
            keys = table["key"].to_pylist()
            assert keys == sorted(keys)
            found += keys
    assert sorted(found) == sorted(f"w{i}" for i in range(len(points)))
    assert [c.low for c in cells] == sorted(c.low for c in cells)
    assert all(a.high <= b.low for a, b in pairwise(cells))


@given(points=POINTS, runs=st.integers(1, 3), data=st.data())
@settings(max_examples=80, deadline=None)
def test_within_equals_a_filter(points: Points, runs: int, data: st.DataObject) -> None:
    west, east = data.draw(LON), data.draw(LON)
    south, north = sorted((data.draw(LAT), data.draw(LAT)))
    if west <= east:
        hit = [w for w, (x, y) in enumerate(points) if west <= x <= east and south <= y <= north]
    else:
        inside = ((x >= west or x <= east) and south <= y <= north for x, y in points)
        hit = [w for w, found in enumerate(inside) if found]
    with tempfile.TemporaryDirectory() as folder:
        found = filled(points, Path(folder), runs).within((west, south, east, north))
        assert sorted(found["key"].to_pylist()) == sorted(f"w{i}" for i in hit)


HALF = st.one_of(st.just(0.0), st.floats(0, 0.02), st.floats(0, 3))


@given(
    things=st.lists(st.tuples(st.floats(-170, 170), st.floats(-80, 80), HALF, HALF), min_size=1, max_size=40),
    near=st.booleans(), runs=st.integers(1, 3), data=st.data(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_meeting_finds_what_reaches_into_a_box(
    things: Any, near: bool, runs: int, data: st.DataObject
) -> None:
    """A forest whose middle lies far away still surrounds the house in it."""
    if near:
        things = [(9 + x / 5000, 47 + y / 5000, w, h) for x, y, w, h in things]
    x, y = data.draw(st.sampled_from([t[:2] for t in things]))
    west, south = x + data.draw(st.floats(-0.05, 0.05)), y + data.draw(st.floats(-0.05, 0.05))
    east, north = west + data.draw(st.floats(0, 0.1)), south + data.draw(st.floats(0, 0.1))
    box = shapely.box(west, south, east, north)
    expected = set()
    for i, (lon, lat, wide, tall) in enumerate(things):
        apart = shapely.box(lon - wide, lat - tall, lon + wide, lat + tall).distance(box)
        assume(not 0 < apart < 1e-8)
        if apart == 0:
            expected.add(f"w{i}")
    table = rows([t[:2] for t in things])
    for place, name in enumerate(("_half_lon", "_half_lat"), start=2):
        table = table.append_column(name, pa.array([t[place] for t in things], pa.float64()))
    step = -(-len(table) // runs)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spools, "RUN_BYTES", 1)
        Spool(Path(folder)).fill(table.slice(i, step) for i in range(0, len(table), step))
        found = Spool(Path(folder)).meeting((west, south, east, north))["key"].to_pylist()
        assert sorted(found) == found and len(found) == len(set(found))
        assert set(found) == expected


@given(st.integers(0, BITS), st.floats(-179.9, 179.9), st.floats(-89.9, 89.9))
def test_cells_and_morton_codes_agree(level: int, lon: float, lat: float) -> None:
    code = int(morton(np.array([lon]), np.array([lat]))[0])
    cell = Cell(code >> (2 * (BITS - level)) << (2 * (BITS - level)), level)
    assert cell.low <= code < cell.high
    west, south, east, north = cell.bounds()
    assert west - TINY <= lon <= east + TINY and south - TINY <= lat <= north + TINY
    if level < BITS:
        children = cell.children()
        assert [c.low for c in children] + [cell.high] == [cell.low] + [c.high for c in children]
        assert sum(c.low <= code < c.high for c in children) == 1


def windows(places: list[tuple[int, int, int]], start: int = 0) -> pa.Table:
    """(scene, row, column) as a table that can be cut into blocks."""
    return pa.table(
        {
            "key": [f"w{start + i:05d}" for i in range(len(places))],
            "scene_ids": pa.array([[f"c/s{p[0]}"] for p in places], pa.list_(pa.string())),
            "row": pa.array([p[1] for p in places], pa.int32()),
            "col": pa.array([p[2] for p in places], pa.int32()),
            "tile": pa.array([512 if p[0] else 0 for p in places], pa.int32()),
        }
    )


PLACES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5000), st.integers(0, 5000)), max_size=200
)


@given(places=PLACES, most=st.integers(1, 40), seed=st.randoms())
@settings(max_examples=60, deadline=None)
def test_blocks_cover_every_window_once(places: Any, most: int, seed: Any) -> None:
    table = windows(places)
    found = [block["key"].to_pylist() for block in blocks(table, most)]
    assert sorted(chain.from_iterable(found)) == table["key"].to_pylist()
    assert all(0 < len(block) <= most for block in found)
    order = list(range(len(places)))
    seed.shuffle(order)
    shuffled = [b["key"].to_pylist() for b in blocks(table.take(pa.array(order, pa.int64())), most)]
    assert shuffled == found, "the order of the rows is forgotten"
    # tiles are met in runs: no scene and tile row is left and come back to
    tiles = [
        (places[int(k[1:])][0], places[int(k[1:])][1] // 512) for k in chain.from_iterable(found)
    ]
    assert tiles == sorted(tiles)


def decoded(order: pa.Table, room: int) -> int:
    """How often a tile is decoded by a reader of 256 px that keeps the `room` latest places."""
    kept: OrderedDict[tuple[int, int], None] = OrderedDict()
    count = 0
    for row, col in zip(order["row"].to_pylist(), order["col"].to_pylist(), strict=True):
        for place in product({row // 512, (row + 255) // 512}, {col // 512, (col + 255) // 512}):
            count += place not in kept
            kept[place] = None
            kept.move_to_end(place)
            if len(kept) > room:
                kept.popitem(last=False)
    return count


def test_a_year_is_read_in_strips_and_a_day_is_not() -> None:
    """512 MB hold 21 places of 12 dates of 4 bands, or 256 of one date."""
    rng = np.random.default_rng(8)
    places = [(1, int(r), int(c)) for r, c in rng.integers(0, 10_724, (1000, 2))]
    day = windows(places)
    year = day.set_column(1, "scene_ids", pa.array([[f"c/s{t}" for t in range(12)]] * 1000))
    tiles = len({p for _, r, c in places
                 for p in product((r // 512, (r + 255) // 512), (c // 512, (c + 255) // 512))})  # fmt: skip
    assert decoded(tile_order(day), 256) == tiles, "each once"
    assert decoded(tile_order(day), 21) > 1.7 * tiles, "rows of a day are too long for a year"
    assert decoded(tile_order(year), 21) < 1.3 * tiles
    assert sorted(tile_order(year)["key"].to_pylist()) == day["key"].to_pylist()


def test_most_blocks_survive_a_new_window() -> None:
    rng = np.random.default_rng(5)
    places = [(int(s), int(r), int(c)) for s, r, c in zip(
        rng.integers(0, 4, 4000), rng.integers(0, 9000, 4000), rng.integers(0, 9000, 4000),
        strict=True)]  # fmt: skip
    table = windows(places)
    before = {tuple(b["key"].to_pylist()) for b in blocks(table, 128)}
    survived = []
    for extra in places[:20]:
        more = pa.concat_tables([table, windows([extra], 90_000)])
        after = {tuple(b["key"].to_pylist()) for b in blocks(more, 128)}
        survived.append(len(before & after) / len(before))
    assert np.mean(survived) > 0.8


def scene(ident: str, day: str, cloud: float | None, collection: str = "c") -> Scene:
    from datetime import UTC, datetime

    when = datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None
    grid = Grid("EPSG:32632", (1, 0, 0, 0, -1, 0), 1, 1)
    return Scene(ident, collection, when, grid, "", (), "CC0-1.0", "", cloud=cloud)


def found(scenes: list[Scene], years: tuple[int, int] | None = None) -> list[str]:
    """Ids of the scenes that `Find` chooses over a point, or the reason why there are none."""

    class Source:
        def over(self, lon: float, lat: float) -> list[Scene]:
            return scenes

    context = Context(seed=0, sources={"imagery": Source()}, years=years)
    try:
        samples = list(Find(max_cloud=20)(Sample("w1", 9.0, 47.0), context))
    except Reject as reject:
        return [reject.code]
    return [sample.scenes[0].id for sample in samples]


def test_fault_43_cloudy_years_and_their_reasons() -> None:
    clear, hazy = scene("a", "2020-05-01", 3.0), scene("b", "2020-06-01", 15.0)
    late, cloudy = scene("c", "2020-07-01", 3.0), scene("d", "2021-05-01", 90.0)
    every = [cloudy, hazy, clear, late]
    assert found(every) == ["c"], "one a year; ties go to the newest"
    assert found(every[::-1]) == ["c"], "in whatever order they come"
    assert found([*every, scene("f", "2019-05-01", 9.0)]) == ["f", "c"]
    assert found([cloudy]) == ["cloudy"]
    assert found([cloudy], (2018, 2019)) == ["no_imagery_in_years"]
    assert found([]) == ["no_imagery"]
    undated = scene("e", "", None)
    assert found([undated]) == ["e"]
    assert found([undated], (2020, 2020)) == ["no_imagery_in_years"]


def test_slugs_stay_apart() -> None:
    names = ["sentinel-2-l2a", "sentinel-2-l2a-cogs", "sentinel-2-l1c", "sentinel-2-c1-l2a", "naip"]
    found = [slug(n) for n in names]
    assert found[0] == "sentinel2l2a" and found[4] == "naip"
    assert len(set(found)) == len(found)
    assert all(len(s) <= 12 and s.isalnum() for s in found)
    assert Counter(found) == Counter(slug(n) for n in names)
