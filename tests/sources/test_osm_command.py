"""`python -m pipelines.osm`: tables of extracts, from the command line."""

from pathlib import Path

import pytest

from catalogs.sources.feature_table import FeatureTable
from catalogs.sources.osm_means import MB, budget, processes
from osm_world import World, square
from pipelines.commands.osm import main

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


def town(path: Path, at: float) -> Path:
    """A house and a tree, at so many degrees east."""
    world = World()
    world.node((at, 50), {"natural": "tree"})
    world.way(1, square((at, 50)), {"building": "yes"}, closed=True)
    return world.write(path)


def types_of(path: Path) -> list[str]:
    """Types of the objects of a table, in order."""
    table = FeatureTable(path)
    return sorted(table.within(EVERYWHERE, table.about["keys"])["osm_type"].to_pylist())


def test_each_extract_becomes_a_table_in_the_folder(tmp_path: Path) -> None:
    extracts = [town(tmp_path / f"{name}.osm.pbf", at) for name, at in (("a", 8.0), ("b", 9.0))]
    given = [*map(str, extracts), "--out", str(tmp_path / "tables"), "--quiet"]
    assert main(given) == 0
    made = sorted(
        path for path in (tmp_path / "tables").glob("*.parquet") if "drops" not in path.name
    )
    assert [path.name[:2] for path in made] == ["a-", "b-"]
    assert [types_of(path) for path in made] == [["node", "way"]] * 2
    before = [path.stat().st_mtime_ns for path in made]
    assert main(given) == 0  # they stand: nothing is made again
    assert [path.stat().st_mtime_ns for path in made] == before


def test_keys_name_what_is_wanted(tmp_path: Path) -> None:
    extract, table = town(tmp_path / "a.osm.pbf", 8), tmp_path / "a.parquet"
    assert main([str(extract), "--out", str(table), "--keys", "building", "--quiet"]) == 0
    assert types_of(table) == ["way"]


def test_a_broken_extract_does_not_keep_the_others_from_being_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, cut = town(tmp_path / "good.osm.pbf", 8), town(tmp_path / "cut.osm.pbf", 9)
    cut.write_bytes(cut.read_bytes()[:-20])
    assert main([str(cut), str(good), "--out", str(tmp_path / "tables"), "--quiet"]) == 1
    assert "1 of 2 tables were not made" in capsys.readouterr().err
    assert len(list((tmp_path / "tables").glob("good-*.parquet"))) == 2  # the table and its drops
    assert not list((tmp_path / "tables").glob("cut-*.parquet"))


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--md5", "0" * 32], 1, "md5"),
        (["--keys", "phone"], 2, "never leave"),
        (["--workers", "-1"], 2, "negative"),
        (["--workers", "9", "--memory", "700"], 2, "fewer --workers"),
        (["no-such.osm.pbf"], 1, "does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_table_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: int, message: str
) -> None:
    extract = town(tmp_path / "a.osm.pbf", 8)
    found = main([str(extract), *more, "--out", str(tmp_path / "tables"), "--quiet"])
    assert found == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("tables/*.parquet"))


def test_processes_are_those_that_pay_and_fit(tmp_path: Path) -> None:
    small, big = tmp_path / "small", tmp_path / "big"
    small.write_bytes(b"")
    with big.open("wb") as stream:
        stream.truncate(100 * MB)
    assert processes([small], 16, 700) == 1
    assert processes([small, big], 2, 700) == 2
    assert processes([big], 64, 100_000) == 25
    for memory in (300, 700, 2000):
        assert budget(memory, processes([big], 64, memory)) > 0
