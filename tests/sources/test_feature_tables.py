"""Feature tables: the rows and drops of their extract, sorted in space, found by window."""

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import numpy as np
import osmium
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from catalogs.sources import osm_features as making
from catalogs.sources.feature_matching import meeting
from catalogs.sources.feature_table import FeatureTable, drops_beside
from catalogs.sources.feature_writer import ROWS
from catalogs.sources.osm import COLUMNS, Expect, OsmDrop, features, open_osm
from catalogs.sources.osm_features import feature_table
from osm_world import World, small_town, square
from schemas.curves import hilbert
from schemas.errors import SourceError, UsageError

ROOT = Path(__file__).parents[2]
KEYS = ["building", "highway", "landuse", "natural", "amenity", "leisure", "railway"]
WORLD = (-180.0, -90.0, 180.0, 90.0)


def wide_town(folder: Path, objects: int = 12_000) -> Path:
    """Trees, houses and streets over many blocks and row groups; some big, some broken."""
    world, dice = World(), random.Random(5)
    for index in range(objects):
        at = (dice.uniform(9, 11), dice.uniform(49, 51))
        if index % 3 == 0:
            world.node(at, {"natural": "tree", "height": str(index % 30)})
        elif index % 3 == 1:
            world.way(
                index,
                square(at, 0.0002),
                {"building": "yes", "name": f"N\u00b0 {index}"},
                closed=True,
            )
        else:
            far = (at[0] + dice.uniform(-1, 1) ** 5, at[1] + dice.uniform(-1, 1) ** 5)
            world.way(index, [at, far], {"highway": "path"})
    world.way(objects, square((9, 49), 2), {}, closed=True)
    for ident, way in ((1, objects), (2, objects + 9)):
        world.relation(ident, [("w", way, "outer")], {"type": "boundary", "boundary": "park", "landuse": "forest"})  # fmt: skip
    return world.write(folder / "town.osm.pbf")


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wide_town(tmp_path_factory.mktemp("extract"))


@pytest.fixture(scope="module")
def table(extract: Path) -> FeatureTable:
    return feature_table(extract, extract.with_name("town.parquet"))


def by_id(found: pa.Table) -> list[dict[str, Any]]:
    return sorted(found.to_pylist(), key=lambda row: (row["osm_type"], row["osm_id"]))


def given(path: Path, keys: Any, bbox: Any = None) -> tuple[list[dict[str, Any]], set[OsmDrop]]:
    """Rows and drops that a source gives, in one order."""
    drops: list[OsmDrop] = []
    batches = open_osm(path).features(keys, bbox, drops.append)
    return by_id(pa.Table.from_batches(batches, COLUMNS)), set(drops)


def test_a_table_gives_what_its_extract_gives(extract: Path, table: FeatureTable) -> None:
    for keys in (KEYS, ["natural"], ["boundary"], ["shop"]):
        for bbox in (None, (9.5, 49.5, 10.0, 50.2)):
            rows, drops = given(table.path, keys, bbox)
            assert (rows, drops) == given(extract, keys, bbox)
    rows, drops = given(extract, KEYS)
    assert table.about["rows"] == len(rows) == 11_997  # of 12,002
    assert table.about["drops"] == {"geometry_invalid": 4, "members_missing": 1}
    assert len(drops) == 5


def test_everything_tagged_is_asked_of_the_table_too(extract: Path, table: FeatureTable) -> None:
    drops: list[OsmDrop] = []
    whole = pa.Table.from_batches(features(extract, None, on_drop=drops.append), COLUMNS)
    found = pa.Table.from_batches(table.features(None, None, on_drop=lambda drop: None), COLUMNS)
    assert by_id(found) == by_id(whole) == by_id(table.within(WORLD))
    assert table.drops().num_rows == len(drops)


@pytest.mark.parametrize("keys", [None, ["highway"], ["building", "landuse"]])
def test_within_is_every_object_that_meets_the_box(table: FeatureTable, keys: Any) -> None:
    rows = by_id(table.within(WORLD))
    sides = np.array([[row[side] for side in ("west", "south", "east", "north")] for row in rows])
    named = [not keys or not json.loads(row["tags"]).keys().isdisjoint(keys) for row in rows]
    dice = random.Random(3)
    for size in (0.002, 0.05, 0.5):
        for _ in range(20):
            west, south = dice.uniform(8.8, 11), dice.uniform(48.8, 51)
            box = (west, south, west + size, south + size)
            hit = (sides[:, 0] <= box[2]) & (sides[:, 2] >= west)
            hit &= (sides[:, 1] <= box[3]) & (sides[:, 3] >= south)
            assert by_id(table.within(box, keys)) == [rows[i] for i in np.flatnonzero(hit & named)]


def test_a_small_window_reads_few_row_groups(table: FeatureTable) -> None:
    meta = pq.ParquetFile(table.path).metadata
    sizes = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
    assert max(sizes) == ROWS
    assert sizes.count(ROWS) >= 2
    asked = FeatureTable(table.path)
    asked.within((9.2, 49.2, 9.2024, 49.2024))
    small = [index for index in asked._kept if sizes[index] == ROWS]
    assert len(small) <= 2
    assert len(asked._kept) < len(sizes) + 1


def test_the_antimeridian(tmp_path: Path) -> None:
    world = World()
    for lon in (179.999, -179.999, 0.0, 179.0):
        world.node((lon, 1), {"natural": "tree"})
    world.way(9, [(-179.9995, 1), (-179.998, 1)], {"highway": "path"})
    found = feature_table(world.write(tmp_path / "a.osm.pbf"), tmp_path)

    def ids(*box: float) -> list[int]:
        return sorted(row["osm_id"] for row in found.within(box).to_pylist())  # type: ignore[arg-type]

    assert ids(179.998, 0, -179.998, 2) == [1, 2, 9]
    assert ids(179.998, 0, 180.002, 2) == [1, 2, 9]
    assert ids(-180.002, 0, -179.998, 2) == [1, 2, 9]
    assert ids(179.998, 0, 180, 2) == [1]
    assert ids(-180, 0, 180, 2) == ids(-200, 0, 200, 2) == [1, 2, 3, 4, 9]
    with pytest.raises(UsageError, match="empty"):
        ids(1, 2, 2, 1)


def test_threads_and_processes_share_a_table(table: FeatureTable) -> None:
    boxes = [(9 + i * 0.05, 49.5, 9.06 + i * 0.05, 49.6) for i in range(30)]
    alone = [table.within(box).num_rows for box in boxes]
    shared = FeatureTable(table.path, cache_mb=0)  # every query reads anew
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda box: shared.within(box).num_rows, boxes * 3)) == alone * 3
    back = pickle.loads(pickle.dumps(shared))
    assert back.within(boxes[0]).num_rows == alone[0]
    assert len(pickle.dumps(table)) < 1000


def test_the_cache_is_bounded(table: FeatureTable) -> None:
    small = FeatureTable(table.path, cache_mb=1)
    small.within(WORLD)
    assert small._size() <= 1 << 20 or len(small._kept) == 1


@pytest.mark.parametrize(
    "more", [{"workers": 2}, {"workers": 3, "memory_mb": 700}, {"memory_mb": 260}]
)
def test_same_bytes_whoever_works_and_with_what(
    extract: Path, table: FeatureTable, tmp_path: Path, more: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "ROW_BYTES", 3000 if "workers" in more else 300)
    other = feature_table(extract, tmp_path / "other.parquet", **more)
    assert other.path.read_bytes() == table.path.read_bytes()
    assert drops_beside(other.path).read_bytes() == drops_beside(table.path).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.drops.parquet", "other.parquet"]  # fmt: skip


def test_runs_of_any_size_give_the_same_table(
    extract: Path, table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalogs.sources.osm_means.LIBRARIES", 0)
    monkeypatch.setattr("catalogs.sources.osm_means.LEAST", 0)
    monkeypatch.setattr("catalogs.sources.osm_work.LEAST_RUN", 1 << 14)
    runs: list[int] = []
    real = making.write

    def counted(sink: Any, some: Any, *rest: Any) -> None:
        runs.append(len(some.runs))
        real(sink, some, *rest)

    monkeypatch.setattr(making, "write", counted)
    other = feature_table(extract, tmp_path / "other.parquet", memory_mb=1)
    assert runs[0] > 4
    assert other.path.read_bytes() == table.path.read_bytes()


@pytest.mark.parametrize("suffix", [".osm", ".osm.bz2", ".osm.gz"])
def test_xml_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    town = small_town()
    one = feature_table(town.write(tmp_path / "a.osm.pbf"), tmp_path)
    two = feature_table(town.write(tmp_path / f"b{suffix}"), tmp_path)
    assert by_id(two.within(WORLD)) == by_id(one.within(WORLD))
    assert two.path.name.startswith("b-")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_extract_in_no_order(tmp_path: Path, workers: int) -> None:
    town = small_town()
    path = tmp_path / "a.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for thing in [*town.relations, *reversed(town.ways), *reversed(town.nodes)]:
            writer.add(thing)
    plain = feature_table(town.write(tmp_path / "b.osm.pbf"), tmp_path)
    found = feature_table(path, tmp_path, workers=workers)
    assert by_id(found.within(WORLD)) == by_id(plain.within(WORLD))


def test_an_extract_in_no_order_needs_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = small_town()
    town.nodes.reverse()
    path = town.write(tmp_path / "a.osm.pbf")
    monkeypatch.setattr(making, "budget", lambda *_: 1)
    with pytest.raises(SourceError, match=r"not sorted by type and id, and too big .*osmium sort"):
        feature_table(path, tmp_path)


def test_fault_53_a_double_in_another_block(tmp_path: Path) -> None:
    path = tmp_path / "twice.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for ident in [*range(1, 17_000), 5]:
            node = osmium.osm.mutable.Node(id=ident, version=1, location=(ident / 1e4, 2), tags={"natural": "tree"})  # fmt: skip
            writer.add_node(node)
    found = feature_table(path, tmp_path, workers=2)
    assert found.about["rows"] == 16_999
    assert [(row["osm_id"], row["code"]) for row in found.drops().to_pylist()] == [(5, "duplicate")]


def test_it_is_geoparquet_with_a_covering(table: FeatureTable) -> None:
    meta = json.loads(pq.read_schema(table.path).metadata[b"geo"])
    column = meta["columns"]["geometry"]
    assert meta["version"] == "1.1.0"
    assert column["encoding"] == "WKB"
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert column["geometry_types"] == ["Point", "LineString", "Polygon"]
    frame = gpd.read_parquet(table.path)
    assert frame.crs == "OGC:CRS84"
    assert frame.geometry.is_valid.all()
    assert frame.geometry.total_bounds == pytest.approx(column["bbox"])
    box = (9.5, 49.5, 9.6, 49.6)
    near = gpd.read_parquet(table.path, bbox=box)
    assert len(near) == table.within(box).num_rows > 0
    area = frame[frame.kind == "area"].geometry
    assert all(part.exterior.is_ccw for part in area)
    boxes = pq.read_table(table.path, columns=["bbox", "geometry"])
    sides = np.array([list(box.values()) for box in boxes["bbox"].to_pylist()])
    assert (sides == shapely.bounds(shapely.from_wkb(boxes["geometry"].to_pylist()))).all()


def test_duckdb_reads_it(table: FeatureTable) -> None:
    query = f"SELECT count(*), sum((bbox.xmax >= 9.5)::int) FROM '{table.path}' WHERE kind = 'area'"
    ((count, east),) = duckdb.sql(query).fetchall()
    rows = [row for row in table.within(WORLD).to_pylist() if row["kind"] == "area"]
    assert (count, east) == (len(rows), sum(row["east"] >= 9.5 for row in rows))


def test_rows_follow_the_curve_size_by_size(table: FeatureTable) -> None:
    rows = pq.read_table(table.path).to_pylist()
    boxes = np.array([[row["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax")] for row in rows])  # fmt: skip
    size = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    level = np.searchsorted([0.02, 0.2, 2.0], size)
    assert (np.diff(level) >= 0).all()
    assert set(level) == {0, 1, 2, 3} or set(level) == {0, 1, 2}
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    code = hilbert(middle[:, 0], middle[:, 1]).astype(np.int64)
    assert all((np.diff(code[level == one]) >= 0).all() for one in set(level))


def test_the_curve_visits_neighbours() -> None:
    side = 32
    at = (np.arange(side) + 0.5) / side
    lon, lat = np.meshgrid(at * 360 - 180, at * 180 - 90)
    order = np.argsort(hilbert(lon.ravel(), lat.ravel()))
    row, column = np.divmod(order, side)
    assert (np.abs(np.diff(row)) + np.abs(np.diff(column)) == 1).all()
    assert hilbert([-180.0, 180.0], [-90.0, -90.0]).tolist() == [0, 4**24 - 1]


def test_an_address_is_extract_keys_and_code(extract: Path, tmp_path: Path) -> None:
    one = feature_table(extract, tmp_path, keys=["natural"])
    before = one.path.stat().st_mtime_ns
    assert feature_table(extract, tmp_path, keys={"natural"}).path == one.path
    assert one.path.stat().st_mtime_ns == before  # nothing is made twice
    assert feature_table(extract, tmp_path, keys=["building"]).path != one.path
    assert feature_table(extract, tmp_path, keys=["natural"], licence="CC0-1.0").path != one.path
    assert one.path.stem.removeprefix("town-") == one.about["address"][:12]
    with pytest.raises(UsageError, match="holds objects with natural only, not building"):
        one.within(WORLD, ["building", "natural"])
    with pytest.raises(UsageError, match="not all keys"):
        one.within(WORLD)


def test_other_keys_replace_a_named_table(extract: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    feature_table(extract, path, keys=["natural"])
    assert feature_table(extract, path, keys=["building"]).about["keys"] == ["building"]
    path.write_bytes(b"PAR1 of another kind")
    with pytest.raises(UsageError, match="no feature table: name another file, or remove it"):
        feature_table(extract, path)
    assert path.read_bytes() == b"PAR1 of another kind"


def test_what_the_table_was_made_of_survives(extract: Path, table: FeatureTable) -> None:
    source, made = open_osm(extract).extract, open_osm(table.path).extract
    assert made.format == "Parquet"
    assert made.origin == f"town.osm.pbf, sha256 {source.sha256}"
    assert (made.timestamp, made.licence) == (source.timestamp, "ODbL-1.0")
    assert made.attribution == "\u00a9 OpenStreetMap contributors"
    assert made.bbox == pytest.approx(shapely.total_bounds(gpd.read_parquet(table.path).geometry))
    assert "unverified" in made.note


def test_fault_49_a_cut_extract_makes_no_table(extract: Path, tmp_path: Path) -> None:
    whole = extract.read_bytes()
    path = tmp_path / "a.osm.pbf"
    path.write_bytes(whole[: whole.rindex(b"\x0a\x07OSMData") - 4])  # at the border of two blobs
    with pytest.raises(SourceError, match="expected"):
        feature_table(path, tmp_path / "t.parquet", expect=Expect(size=len(whole)))
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_fault_50_damage_met_half_way_leaves_nothing(
    extract: Path, tmp_path: Path, workers: int
) -> None:
    whole = bytearray(extract.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 40] = bytes(40)
    path = tmp_path / "a.osm.pbf"
    path.write_bytes(whole)
    with pytest.raises(SourceError, match=r"a\.osm\.pbf is (damaged|cut)"):
        feature_table(path, tmp_path / "t.parquet", workers=workers)
    assert [one.name for one in tmp_path.iterdir()] == ["a.osm.pbf"]


def test_fault_50_a_table_that_was_altered(table: FeatureTable, tmp_path: Path) -> None:
    whole = bytearray(table.path.read_bytes())
    path = tmp_path / "t.parquet"
    for at in (len(whole) // 3, len(whole) // 2):
        spoilt = whole.copy()
        spoilt[at] ^= 0x10
        path.write_bytes(spoilt)
        with pytest.raises(SourceError, match=r"t\.parquet is damaged"):
            FeatureTable(path).within(WORLD)
    path.write_bytes(whole[:-100])
    with pytest.raises(SourceError, match=r"t\.parquet (is damaged|cannot be read)"):
        open_osm(path)


def test_a_table_without_its_drops_says_so(table: FeatureTable, tmp_path: Path) -> None:
    alone = tmp_path / "t.parquet"
    alone.write_bytes(table.path.read_bytes())
    assert "no t.drops.parquet beside the table" in open_osm(alone).extract.note


def test_fault_57_nothing_personal_is_in_a_table(tmp_path: Path) -> None:
    world = World()
    secret = {"phone": "canary", "contact:email": "canary", "note": "canary", "operator": "canary@example.org"}  # fmt: skip
    world.way(1, square((0, 0)), {**secret, "building": "yes"}, closed=True, user="canary", uid=77777, changeset=88888)  # fmt: skip
    world.way(2, [(0, 0), (0, 0)], {**secret, "building": "yes"}, user="canary")
    world.node((1, 1), secret)
    made = feature_table(world.write(tmp_path / "a.osm.pbf"), tmp_path / "t.parquet")
    assert made.about["rows"] == 1  # nothing that may leave: no row
    assert made.drops().num_rows == 1
    for path in (made.path, drops_beside(made.path)):
        loose = tmp_path / "loose"
        pq.write_table(pq.read_table(path), loose, compression="none", use_dictionary=False)
        for trace in (b"canary", b"77777", b"88888"):
            assert trace not in path.read_bytes() + loose.read_bytes()
    numbers = {name for name, kind in zip(COLUMNS.names, COLUMNS.types, strict=True) if pa.types.is_integer(kind)}  # fmt: skip
    assert numbers == {"osm_id", "version"}


def test_keys_in_values_are_no_keys(tmp_path: Path) -> None:
    world = World()
    for value in ('"highway":', ',"highway":"x', 'x{"highway":1}', "\\", '\\",highway'):
        world.node((1, 1), {"natural": value})
    world.node((1, 1), {'x"highway': "yes"})
    world.node((1, 1), {"highway": "stop"})
    made = feature_table(world.write(tmp_path / "a.osm.pbf"), tmp_path)
    assert [row["osm_id"] for row in made.within(WORLD, ["highway"]).to_pylist()] == [7]
    assert made.within(WORLD, ["natural"]).num_rows == 5
    assert made.within(WORLD, ['x"highway']).num_rows == 1


def test_too_little_memory_is_a_usage_error(extract: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--memory 200: 4 processes need at least \d+ MB"):
        feature_table(extract, tmp_path, memory_mb=200, workers=4)


def test_an_empty_extract_is_an_empty_table(tmp_path: Path) -> None:
    world = World()
    world.node((1, 1))
    made = feature_table(world.write(tmp_path / "a.osm.pbf"), tmp_path)
    assert made.within(WORLD).num_rows == made.about["rows"] == 0
    assert made.within((0, 0, 1, 1)).schema == COLUMNS
    assert list(made.features(["building"], None, on_drop=print)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_fault_1_killed_and_run_again(extract: Path, table: FeatureTable, tmp_path: Path, workers: int) -> None:  # fmt: skip
    """Killed at several moments, without a chance to tidy up: the next run does both."""
    path = tmp_path / "town.parquet"
    script = (
        "import sys, pathlib\n"
        "from catalogs.sources.osm_features import feature_table\n"
        "if __name__ == '__main__':\n"
        "    say = lambda done, total: print(done, flush=True)\n"
        "    feature_table(*map(pathlib.Path, sys.argv[1:3]), workers=int(sys.argv[3]), on_progress=say)\n"
    )
    for moment in range(3):
        run = subprocess.Popen(
            [sys.executable, "-c", script, str(extract), str(path), str(workers)],
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert run.stdout is not None
        for _ in range(2**moment):
            run.stdout.readline()
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        assert not path.exists()
    assert list(tmp_path.glob(".town.parquet.*.work"))
    made = feature_table(extract, path, workers=workers)
    assert made.path.read_bytes() == table.path.read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["town.drops.parquet", "town.parquet"]


def test_a_living_process_keeps_its_scratch(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with making.scratch(path) as one, making.scratch(path) as two:
        assert one != two
        assert one.exists()
    assert not one.exists()


def test_meeting_counts_borders() -> None:
    boxes = np.array([[0.0, 0, 1, 1], [1, 1, 2, 2], [3, 3, 4, 4]])
    assert meeting(boxes, (1, 1, 1, 1)).tolist() == [True, True, False]
    assert meeting(boxes, (3.5, 0, 0.5, 9)).tolist() == [True, False, True]


def test_workers_end_with_their_parent(extract: Path, tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, os, time\n"
        "from catalogs.processes import Crew\n"
        "from catalogs.sources.feature_table import FeatureTable\n"
        "if __name__ == '__main__':\n"
        "    crew = Crew(2, FeatureTable, pathlib.Path('x'))\n"
        "    print(*[process.pid for process, _ in crew.hands], flush=True)\n"
        "    time.sleep(60)\n"
    )
    del extract
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True)  # fmt: skip
    assert run.stdout is not None
    pids = [int(word) for word in run.stdout.readline().split()]
    run.kill()
    run.wait()
    run.stdout.close()
    assert len(pids) == 2
    for _ in range(600):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return
        time.sleep(0.05)
    pytest.fail(f"{pids} live on")
