"""The recipe on the sample world: what becomes of the registers, their crops and their faults."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from catalogs.sources.parcels import open_parcels
from catalogs.world import ensure
from pipelines.commands.build import main
from pipelines.datasets.sen4agrinet import RECIPE
from pipelines.sources import stamp
from sen4agrinet_release import Built


def test_the_mapping_is_reported(built: Built) -> None:
    """One crop of each register is unknown on purpose; its parcels are 998 and counted."""
    report = built.report("mapping.json")
    unmapped = report["schemes"]["s4a"]["unmapped"]
    assert {row["name"] for row in unmapped} == {"Versuchsfläche"}
    labels = built.table("patch_parcels.parquet")
    unknown = {r["parcel"] for r in labels.to_pylist() if r["label"] == 998}
    assert sum(row["parcels"] for row in unmapped) == len(unknown) > 0
    assert report["parcels"] == len(built.table("parcels.parquet"))
    assert report["schemes"]["s4a"]["share"] > 0.99


def test_too_many_unknown_crops_end_the_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any pixel is read, with the country, the share and what to do."""
    options = ["--plan", "--set", "crops.unmapped=0.0001", "--quiet", "--out", str(tmp_path)]
    assert main(["--dataset", "sen4agrinet", *options]) == 1
    said = capsys.readouterr().err
    assert "parcels of XE" in said
    assert "--set crops.unmapped" in said
    assert "Traceback" not in said


def test_a_country_whose_list_is_missing_ends_the_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of its crops are unknown: its patches are not dropped as if nothing grew there."""
    world = ensure()
    (tmp_path / "codes").mkdir()
    for path in world.role("codes").iterdir():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.lower().startswith(("xe,", "xe_2021,"))]
        (tmp_path / "codes" / path.name).write_text("".join(kept), encoding="utf-8")
    named = [
        word for role in ("imagery", "parcels") for word in (f"--{role}", str(world.role(role)))
    ]
    options = ["--codes", str(tmp_path / "codes"), "--plan", "--quiet", "--out", str(tmp_path)]
    assert main(["--dataset", "sen4agrinet", *named, *options]) == 1
    assert (
        "parcels of XE (100%) declare a crop that --codes gives no FAO ICC class"
        in capsys.readouterr().err
    )


def test_rows_that_are_no_parcels_are_told(built: Built) -> None:
    """The world's three bow ties and three doubles: in a table, in the counts, and on the card."""
    lost = built.table("parcel_drops.parquet")
    assert sorted(lost["code"].to_pylist()) == ["duplicate"] * 3 + ["geometry"] * 3
    assert set(lost["file"].to_pylist()) == {
        "world_east_2021.zip", "world_west_2021.parquet", "world_west_2022.parquet",
    }  # fmt: skip
    counts = built.report("mapping.json")["registers"]
    assert (counts["duplicate"], counts["geometry"], counts["repaired"]) == (3, 3, 3)
    card = (built.release / "README.md").read_text(encoding="utf-8")
    assert "3 without a sound outline, 0 outside of where they should lie, 3 doubles" in card


def test_parcels_can_be_joined_back_to_their_registers(built: Built) -> None:
    """By the register's own id, within country and year; the list of the crop is named too."""
    rows = built.table("parcels.parquet").to_pylist()
    own = {(r["admin:country_code"], r["harvest:year"], r["register:id"]) for r in rows}
    assert len(own) == len(rows)
    assert all(r["register:code_list"] == r["admin:country_code"] for r in rows)


def test_a_sidecar_counts_in_the_sign_that_nothing_changed(tmp_path: Path) -> None:
    """Also one beside a single file: what it says shapes the labels."""
    path = tmp_path / "east_2021.zip"
    shutil.copy(ensure().role("parcels") / "world_east_2021.zip", path)
    source = ensure().role("parcels") / "world_east_2021.parcels.json"
    said, marks, versions = json.loads(source.read_text(encoding="utf-8")), [], []
    for lists in ("XE", "NOSUCH"):
        beside = tmp_path / "east_2021.parcels.json"
        beside.write_text(json.dumps({**said, "code_list": lists}), encoding="utf-8")
        args = SimpleNamespace(imagery="world", parcels=str(path), codes="world", region=None)
        marks.append(stamp(args, RECIPE)["parcels"])
        versions.append(open_parcels(path).version)
    assert marks[0] != marks[1] and versions[0] != versions[1]
