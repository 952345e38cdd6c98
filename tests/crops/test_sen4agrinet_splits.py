"""The recipe on the sample world: its scenarios, and that `verify` finds parcels on both sides."""

import json
import shutil
from pathlib import Path
from typing import Any

from catalogs.releases.verify.findings import Report
from catalogs.releases.verify.parcels import check_parcels
from sen4agrinet_release import Built
from tests.releases.spoiling import edit


def test_scenarios(built: Built) -> None:
    """West trains and east tests, and the other way in another year; no tile is on both sides."""
    rows = {r["key"]: r for r in built.table("scenarios.parquet").to_pylist()}
    samples = {r["key"]: r for r in built.table("samples.parquet").to_pylist()}
    report = built.report("scenarios.json")
    assert set(rows) == set(samples)
    assert {k: r["scenario_1"] for k, r in rows.items()} == {
        k: r["split"] for k, r in samples.items()
    }
    for name, learns in (("scenario_2", "XW"), ("scenario_3", "XE")):
        tiles: dict[bool, set[str]] = {True: set(), False: set()}
        years: dict[bool, set[int]] = {True: set(), False: set()}
        for key, row in rows.items():
            if row[name]:
                tests = row[name] == "test"
                assert (samples[key]["country"] == learns) is not tests
                tiles[tests].add(samples[key]["patch_tile"])
                years[tests].add(samples[key]["year"])
        assert tiles[True]
        assert tiles[False]
        assert not tiles[True] & tiles[False]
        if name == "scenario_3":
            assert (years[False], years[True]) == ({2021}, {2022})
        assert 998 not in report[name]["classes"]
        assert {110, 120} <= set(report[name]["classes"])
        assert set(report[name]["weights_by_pixels"]) == set(map(str, report[name]["classes"]))


def told(built: Built, target: Path, name: str = "", change: Any = None) -> list[str]:
    """What `verify` says of the parcels after a change of one table that no checksum shows."""
    shutil.copytree(built.release / "metadata", target / "metadata")
    if name:
        edit(target / "metadata" / name, change)
    return findings(target)


def findings(target: Path) -> list[str]:
    """What `verify` says of the parcels of a release."""
    report = Report()
    check_parcels(
        target, {f"metadata/{path.name}" for path in (target / "metadata").iterdir()}, report
    )
    return [str(finding) for finding in report.findings]


def test_verify_finds_parcels_that_are_not_as_promised(built: Built, tmp_path: Path) -> None:
    """A parcel in two splits, another label, an unknown parcel, a tile on both sides."""

    def shared(rows: list[dict[str, Any]]) -> None:
        splits = {r["key"]: r["split"] for r in built.table("samples.parquet").to_pylist()}
        test = next(r for r in rows if splits[r["patch"]] == "test")
        next(r for r in rows if splits[r["patch"]] == "train")["parcel"] = test["parcel"]

    def renamed(rows: list[dict[str, Any]]) -> None:
        rows[3]["label"] = 120 if rows[3]["label"] != 120 else 110

    def dropped(rows: list[dict[str, Any]]) -> None:
        rows.pop(5)

    def leaked(rows: list[dict[str, Any]]) -> None:
        next(r for r in rows if r["scenario_2"] == "train")["scenario_2"] = "test"

    assert told(built, tmp_path / "whole") == []
    said = told(built, tmp_path / "a", "patch_parcels.parquet", shared)
    assert any("is shown in train and in test" in line for line in said)
    (said,) = told(built, tmp_path / "b", "oad.parquet", renamed)
    assert "its label is not that of" in said
    (said,) = told(built, tmp_path / "c", "parcels.parquet", dropped)
    assert "which a patch shows" in said
    said = told(built, tmp_path / "d", "scenarios.parquet", leaked)
    assert any("is learnt from and tested" in line for line in said)


def test_verify_finds_scenarios_whose_sides_are_near(built: Built, tmp_path: Path) -> None:
    """In one year, or within the buffer, though no tile is on both sides."""
    facts = {row["key"]: row for row in built.table("samples.parquet").to_pylist()}

    def same_year(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["scenario_3"] = {"XE": "train", "XW": "test"}[facts[row["key"]]["country"]]

    said = told(built, tmp_path / "year", "scenarios.parquet", same_year)
    assert any("scenario_3: year 2021 is learnt from and tested" in line for line in said)

    shutil.copytree(built.release / "metadata", tmp_path / "near" / "metadata")
    path = tmp_path / "near" / "metadata" / "scenarios.json"
    report = json.loads(path.read_text())
    assert report["scenario_2"]["buffer_m"] == report["scenario_3"]["buffer_m"] == 5000
    report["scenario_2"]["buffer_m"] = 5e6
    path.write_text(json.dumps(report))
    said = findings(tmp_path / "near")
    assert said
    assert all("scenario_2" in line and "the buffer is 5000000 m" in line for line in said)
