"""`verify` through its command line: every altered, missing or extra file is named."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from building import release
from pipelines.commands.export import main as export
from pipelines.commands.verify import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def copy(built: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release(built.out), tmp_path / "v1.0.0"))


def test_an_untouched_release_passes(built: Any, capsys: Capture) -> None:
    assert main([str(release(built.out))]) == 0
    assert "every promise holds" in capsys.readouterr().out
    assert main([str(release(built.out).parent)]) == 0  # by its pointer


@pytest.mark.parametrize(
    "name",
    ["data/train-000000.tar", "metadata/samples.parquet", "metadata/drops.parquet", "README.md",
     "stac/collection.json", "SHA256SUMS", "manifest.json"],
)  # fmt: skip
def test_fault_20_one_byte_altered(name: str, copy: Path, capsys: Capture) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    assert main([str(copy), "--quiet"]) == 4
    said = capsys.readouterr().out
    assert f" {name}: " in said


@pytest.mark.parametrize("name", ["data/val-000000.tar", "metadata/splits.parquet", "LICENSE.md"])
def test_fault_21_missing(name: str, copy: Path, capsys: Capture) -> None:
    (copy / name).unlink()
    assert main([str(copy), "--quiet"]) == 4
    assert f"files: {name}: missing" in capsys.readouterr().out


def test_fault_21_extra_and_truncated(copy: Path, capsys: Capture) -> None:
    (copy / "data" / "train-999999.tar").write_bytes(b"")
    tar = copy / "data" / "test-000000.tar"
    tar.write_bytes(tar.read_bytes()[:-512])
    assert main([str(copy), "--quiet"]) == 4
    said = capsys.readouterr().out
    assert "files: data/train-999999.tar: extra" in said
    assert "files: data/test-000000.tar: truncated" in said


def test_an_export_leaves_the_release_alone(copy: Path, tmp_path: Path, capsys: Capture) -> None:
    assert export([str(copy), str(copy / "inside")]) == 2
    assert "lies in the release" in capsys.readouterr().err
    assert export([str(copy), str(tmp_path / "flat")]) == 0
    assert main([str(copy)]) == 0
    terms = {p.name for p in (tmp_path / "flat").iterdir() if p.is_file()}
    assert {"LICENSE.md", "ATTRIBUTION.md", "train.csv"} <= terms


def test_any_other_folder(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert main([str(tmp_path)]) == 2
    assert "is no release" in capsys.readouterr().err


def test_no_release(tmp_path: Path, capsys: Capture) -> None:
    assert main([str(tmp_path / "nothing")]) == 2
    assert "no such release" in capsys.readouterr().err
    assert main([str(tmp_path), "--quiet"]) == 4
    assert "manifest.json" in capsys.readouterr().out
