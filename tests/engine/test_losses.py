"""What a build loses it counts; a bug in a step is a row, and too many of them stop the build."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import rasterio

import building
import pipelines.commands.build as command
from building import arguments, main, release, tree, work
from catalogs.files import read_json
from pipelines.acts.blocks import block_digest
from pipelines.datasets.skyscript import RECIPE
from pipelines.job import scenes_of
from schemas.samples import Sample
from small_world import World
from transforms.blocks import Paths
from transforms.context import Context
from transforms.making import make_block

Capture = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Explode:
    """A step with a bug that some samples meet."""

    endings: tuple[str, ...]
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        if str(sample.facts["osm_id"]).endswith(self.endings):
            raise ZeroDivisionError(f"bug met by {sample.id}")
        return sample


def exploding(monkeypatch: pytest.MonkeyPatch, *endings: str) -> None:
    """Put the bug between the gates and the captions of the recipe."""
    make = (*RECIPE.make[:3], Explode(endings), *RECIPE.make[3:])
    monkeypatch.setattr(command, "recipe", lambda name: replace(RECIPE, make=make))


def drops(out: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(release(out) / "metadata" / "drops.parquet").to_pylist())


def test_fault_12_a_bug_is_a_failed_row(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exploding(monkeypatch, "1003", "2008")
    assert main(arguments(world, tmp_path)) == 0
    failed = [row for row in drops(tmp_path) if row["outcome"] == "failed"]
    assert [row["key"] for row in failed] == ["w1003_local_23", "w2008_local_23"]
    for row in failed:
        assert (row["act"], row["code"], row["retryable"]) == ("make", "unexpected", False)
        assert row["step"].endswith(".Explode")
        assert f"ZeroDivisionError: bug met by {row['key']}" in row["message"]
        assert "test_losses.py" in row["message"], "the traceback says where"
        assert "/" not in row["message"], "but not in whose folders"
    manifest = read_json(release(tmp_path) / "manifest.json")
    assert manifest["counts"] == {"planned": 97, "shipped": 80, "rejected": 15, "failed": 2}


def test_fault_13_error_budget(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    exploding(monkeypatch, "02", "07")  # one in six
    assert main(arguments(world, tmp_path)) == 3
    said = capsys.readouterr().err
    assert "more than the error budget of 5.0%: unexpected" in said and "bug met by w" in said
    assert "--error-budget" in said and "Traceback (most recent" not in said.split("error: ")[0]
    assert not release(tmp_path).exists()
    made = building.times(work(tmp_path) / "make")
    assert main(arguments(world, tmp_path)) == 3, "nothing more is made in vain"
    assert building.times(work(tmp_path) / "make") == made
    kept = building.times(work(tmp_path) / "make")
    assert any(name.endswith(".json") for name in kept)
    assert main(arguments(world, tmp_path, "--error-budget", "0.5")) == 0
    assert kept.items() <= building.times(work(tmp_path) / "make").items(), "work is kept"
    assert read_json(release(tmp_path) / "manifest.json")["counts"]["failed"] == 14


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--set", "gates.least=128"), "empty split train"),
        (("--set", "splits.val=1", "--set", "splits.test=0"), "empty split train"),
        (("--set", "windows.max_px=16", "--set", "windows.min_px=8"), "too_large 97"),
        (("--years", "1999", "2001"), "no_imagery_in_years 97"),
    ],
)
def test_fault_14_all_filtered_out(
    more: tuple[str, ...], why: str, world: World, tmp_path: Path, capsys: Capture
) -> None:
    assert main(arguments(world, tmp_path, *more)) == 1
    assert why in capsys.readouterr().err
    assert not release(tmp_path).exists()


def test_fault_15_a_block_made_twice(world: World, tmp_path: Path) -> None:
    job = building.planned(world, tmp_path)
    plan = read_json(job.planned / "plan.json")
    scenes = scenes_of(job.planned / "scenes.jsonl")
    name = plan["blocks"][0]["id"]
    windows = job.planned / "blocks" / f"{name}.parquet"

    def make(folder: Path) -> Paths:
        paths = Paths(folder, name)
        make_block(windows, scenes, job.recipe, job.context(), paths, block_digest(name))
        return paths

    once = make(tmp_path / "a")
    first, bytes_of = building.times(tmp_path / "a"), tree(tmp_path / "a")
    make(tmp_path / "a")
    assert building.times(tmp_path / "a") == first, "made blocks are left alone"
    once.record.unlink()
    make(tmp_path / "a")
    make(tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b") == bytes_of
    rows = pq.read_table(once.sidecar)["key"].to_pylist()
    assert len(rows) == len(set(rows)) == plan["blocks"][0]["rows"]


def test_retry_failed_brings_the_samples_back(world: World, built: Any, tmp_path: Path) -> None:
    own, out = world.copy(tmp_path / "own"), tmp_path / "out"
    victim = own.imagery / "train-d.tif"
    good, stamp = victim.read_bytes(), victim.stat().st_mtime_ns
    spoil(victim)
    os.utime(victim, ns=(stamp, stamp))  # a disk that fails to read, not another file
    assert main(arguments(own, out, "--error-budget", "0.5")) == 0
    failed = [row for row in drops(out) if row["outcome"] == "failed"]
    assert {row["code"] for row in failed} == {"raster_unreadable"}
    assert {world.objects[int(r["key"][1:].split("_")[0])][0] for r in failed} == {"train-d"}
    assert all(row["retryable"] and row["attempts"] == 1 for row in failed)
    assert len(failed) == 12
    victim.write_bytes(good)
    os.utime(victim, ns=(stamp, stamp))
    assert main(arguments(own, out, "--error-budget", "0.5", "--retry-failed")) == 0
    assert not [row for row in drops(out) if row["outcome"] == "failed"]
    same = ("data", "stac")
    assert tree(release(out), same) == tree(release(built.out), same)
    assert main(arguments(own, out, "--error-budget", "0.5", "--retry-failed")) == 0
    assert tree(release(out), same) == tree(release(built.out), same)


def test_a_mended_file_with_a_new_time(world: World, built: Any, tmp_path: Path) -> None:
    own, out = world.copy(tmp_path / "own"), tmp_path / "out"
    victim = own.imagery / "train-d.tif"
    good = victim.read_bytes()
    spoil(victim)
    assert main(arguments(own, out, "--error-budget", "0.5")) == 0
    assert len([row for row in drops(out) if row["outcome"] == "failed"]) == 12
    victim.write_bytes(good)
    assert main(arguments(own, out)) == 2, "other files: said, not ignored"
    assert main(arguments(own, out, "--retry-failed")) == 0
    assert not [row for row in drops(out) if row["outcome"] == "failed"]
    assert tree(release(out), ("data", "stac")) == tree(release(built.out), ("data", "stac"))
    assert main(arguments(own, out)) == 0, "and is up to date with the mended file"


def spoil(path: Path) -> None:
    """Overwrite the bytes of every tile; header and directory stay."""
    with rasterio.open(path) as source:
        tiles = [
            [int(source.get_tag_item(f"BLOCK_{what}_{x}_{y}", "TIFF", bidx=1))
             for what in ("OFFSET", "SIZE")]
            for x in range(4) for y in range(4)
        ]  # fmt: skip
    data = bytearray(path.read_bytes())
    for offset, size in tiles:
        data[offset : offset + size] = b"\xff" * size
    path.write_bytes(data)
