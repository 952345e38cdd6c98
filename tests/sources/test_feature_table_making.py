"""Making feature tables: the same bytes whoever works, from any extract, through damage and kills."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import osmium
import pytest

from catalogs.sources import osm_features as making
from catalogs.sources.feature_table import FeatureTable, drops_beside
from catalogs.sources.osm import COLUMNS, Expect
from catalogs.sources.osm_features import feature_table
from osm_world import WORLD, World, by_id, small_town
from schemas.errors import SourceError, UsageError

ROOT = Path(__file__).parents[2]


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
