"""`python -m pipelines.osm`: tables of extracts, from the command line."""

import errno
from pathlib import Path
from typing import Any

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
        (["--workers", "1", "--memory", "-5"], 2, "1 process needs"),
        (["--md5", "abc"], 2, "error: --md5 'abc': not 32"),
        (["--license", "WTF-9"], 2, "error: --license WTF-9: unknown"),
        (["no-such.osm.pbf"], 1, "does not exist"),
        (["."], 2, "is a folder"),
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


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("notes.txt", "is no table; name a .parquet file or a folder"),
        ("new.csv", ".csv is no table's ending; name a .parquet file or a folder"),
        ("notes.txt/a.parquet", "notes.txt is a file"),
    ],
)
def test_a_name_that_no_table_can_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str, message: str
) -> None:
    extract = town(tmp_path / "a.osm.pbf", 8)
    (tmp_path / "notes.txt").write_text("mine")
    assert main([str(extract), "--out", str(tmp_path / out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: --out {tmp_path / out}: ") and message in said
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.osm.pbf", "notes.txt"]


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    extracts = [str(town(tmp_path / f"{name}.osm.pbf", 8)) for name in "ab"]
    for name in ("v1.5", "all.parquet"):
        (tmp_path / name).mkdir()
        assert main([*extracts, "--out", str(tmp_path / name), "--quiet"]) == 0
        assert len(list((tmp_path / name).glob("*.drops.parquet"))) == 2


def test_keys_that_swallow_the_extract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (str(town(tmp_path / f"{name}.osm.pbf", 8)) for name in "ab")
    table = str(tmp_path / "a.parquet")
    for given in (["--keys", "building", one], [one, "--keys", "building", other]):
        assert main([*given, "--out", table]) == 2
        assert "put EXTRACT before --keys" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def barred(prefix: str, suffix: str, dir: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", f"{dir}/{prefix}x{suffix}")

    monkeypatch.setattr("catalogs.sources.osm_features.mkdtemp", barred)
    table = tmp_path / "tables" / "a.parquet"
    assert main([str(town(tmp_path / "a.osm.pbf", 8)), "--out", str(table), "--workers", "1"]) == 2
    said = capsys.readouterr().err
    assert f"error: --out {table}: {table.parent} cannot be written" in said
    assert ".work" not in said


def test_a_folder_that_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    extract, folder = town(tmp_path / "a.osm.pbf", 8), tmp_path / "barred" / "tables"
    make = Path.mkdir

    def barred(path: Path, *given: Any, **more: Any) -> None:
        if path == folder.parent:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        make(path, *given, **more)

    monkeypatch.setattr(Path, "mkdir", barred)
    assert main([str(extract), "--out", str(folder), "--workers", "1"]) == 2
    assert f"error: --out {folder}: {folder} cannot be written" in capsys.readouterr().err


def test_a_table_of_something_else_is_replaced_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    east, west = town(tmp_path / "east.osm.pbf", 9), town(tmp_path / "west.osm.pbf", 8)
    table = tmp_path / "a.parquet"

    def said(*given: str) -> str:
        assert main([*given, "--out", str(table)]) == 0
        return capsys.readouterr().err

    assert "replaced" not in said(str(east))
    assert "replaced" not in said(str(east))
    note = f"note: {table} replaced: it was made"
    assert f"{note} of other keys\n" in said(str(east), "--keys", "building")
    assert f"{note} of another extract and of other keys\n" in said(str(west))
    assert f"{note} under other terms\n" in said(str(west), "--attribution", "me")


def test_keys_that_no_object_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract = town(tmp_path / "a.osm.pbf", 8)

    def warned(*keys: str) -> list[str]:
        assert main([str(extract), "--out", str(tmp_path / "tables"), "--keys", *keys]) == 0
        lines = capsys.readouterr().err.splitlines()
        return [line for line in lines if line.startswith("warning")]

    start = f"warning: no object of {extract} has the key"
    assert warned("bulding") == [f"{start} bulding; did you mean 'building'?"]
    assert warned("building", "naturl") == [f"{start} naturl; did you mean 'natural'?"]
    assert warned("highway") == [f"{start} highway"]
    assert warned("building", "natural") == []


def test_the_tables_line_up_under_a_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And tell which were there."""
    short, long = town(tmp_path / "a.osm.pbf", 8), town(tmp_path / "longer.osm.pbf", 9)
    folder = str(tmp_path / "tables")
    assert main([str(short), "--out", folder]) == 0
    capsys.readouterr()
    assert main([str(short), str(long), "--out", folder]) == 0
    head, first, second = capsys.readouterr().err.splitlines()[-3:]
    assert head.split() == ["extract", "state", "rows", "drops", "MB", "table"]
    assert first.split()[1:3] == ["there", "already"] and second.split()[1] == "made"
    assert first.index("there") == second.index("made") == head.index("state")
    assert first.index(folder) == second.index(folder) == head.index("table")
    assert first[: head.index("rows") + 4].endswith(" 2")


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
