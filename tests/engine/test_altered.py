"""`verify` through its command line: every altered, missing or extra file is named."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from building import release
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


def test_no_release(tmp_path: Path, capsys: Capture) -> None:
    assert main([str(tmp_path / "nothing")]) == 2
    assert "no such release" in capsys.readouterr().err
    assert main([str(tmp_path), "--quiet"]) == 4
    assert "manifest.json" in capsys.readouterr().out
