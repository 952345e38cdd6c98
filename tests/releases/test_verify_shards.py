"""Verify: tar files and the members in them, against their rows."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spoiling import change_member, checks, edit, facts, refresh_shard, repack, reseal


def test_a_tar_cut_between_samples_with_new_sums_is_named(release: Path) -> None:
    path = release / "data" / "train-000001.tar"
    repack(path, lambda entries: entries.__delitem__(slice(-4, None)))
    reseal(release)
    found = checks(release)
    assert any("11 samples" in f.message and f.path.endswith(path.name) for f in found["counts"])


@pytest.mark.parametrize("cut", [100, 512, 1000, 5000])
def test_a_tar_cut_anywhere_with_new_sums_is_named(release: Path, cut: int) -> None:
    path = release / "data" / "train-000001.tar"
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1]
    path.write_bytes(path.read_bytes()[: last.offset_data + 512 + 1024 - cut])
    reseal(release)
    assert "tar" in checks(release) or "counts" in checks(release)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: b.update(cloud=None), "cloud is null"),
        (lambda b: b.update(title=[]), "title is list"),
        (lambda b: b.update(cloud=3), "cloud is int"),
        (lambda b: b.update(cloud=3.25), "the table says"),
        (lambda b: b.update(more=1), "more"),
        (lambda b: b.pop("label"), "label"),
        (lambda b: b.update(blank=0), "blank is int"),
    ],
)
def test_fault_60_a_json_member_off_its_schema_is_named(
    release: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    change_member(release, "json", facts(change))
    found = checks(release)
    assert set(found) == {"json"}
    assert "way-val-0003" in found["json"][0].message and said in found["json"][0].message


def test_a_text_that_is_not_its_column_is_named(release: Path) -> None:
    change_member(release, "txt", lambda data: data + b"!")
    found = checks(release)
    assert set(found) == {"texts"} and "way-val-0003.txt" in found["texts"][0].message


def test_a_picture_of_another_size_is_named(release: Path) -> None:
    def shrink(data: bytes) -> bytes:
        out = io.BytesIO()
        Image.open(io.BytesIO(data)).resize((16, 16)).save(out, "JPEG")
        return out.getvalue()

    change_member(release, "rgb.jpg", shrink)
    assert set(checks(release)) == {"pixels"}


def test_a_broken_picture_is_named(release: Path) -> None:
    change_member(release, "rgb.jpg", lambda data: data[: len(data) // 2])
    assert "does not decode" in checks(release)["pixels"][0].message


def test_a_raster_that_lies_elsewhere_is_named(release: Path) -> None:
    import rasterio
    from rasterio.io import MemoryFile

    def shift(data: bytes) -> bytes:
        with MemoryFile(data) as memory, memory.open() as chip:
            profile, pixels = chip.profile, chip.read()
        profile["transform"] = profile["transform"] @ rasterio.Affine.translation(1, 0)
        with MemoryFile() as memory:
            with memory.open(**profile) as chip:
                chip.write(pixels)
            return bytes(memory.read())

    change_member(release, "ms.geotiff", shift)
    assert set(checks(release)) == {"grid"}


def test_a_wrong_offset_is_named(release: Path) -> None:
    def move(rows: list[dict[str, Any]]) -> None:
        rows[3]["txt_offset"] += 512

    edit(release / "metadata" / "samples.parquet", move)
    reseal(release)
    assert "offsets" in checks(release)


def test_a_changed_member_with_old_sample_sum_is_named(release: Path) -> None:
    path = release / "data" / "val-000000.tar"
    with tarfile.open(path) as tar:
        place = tar.getmember("way-val-0002.ms.geotiff").offset_data
    data = bytearray(path.read_bytes())
    data[place + 4000] ^= 1
    path.write_bytes(data)
    refresh_shard(release, path)
    reseal(release)
    assert "way-val-0002" in checks(release)["sums"][0].message


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda e: setattr(e[0][0], "mtime", 1), "tar"),
        (lambda e: setattr(e[0][0], "uid", 1000), "tar"),
        (lambda e: setattr(e[0][0], "uname", "me"), "tar"),
        (lambda e: setattr(e[0][0], "name", "Way.1.rgb.jpg"), "names"),
        (lambda e: e.__setitem__(slice(0, 2), [e[1], e[0]]), "members"),
        (lambda e: e.pop(2), "members"),
        (lambda e: e.insert(4, e.pop(8)), "members"),
        (lambda e: e.append((tarfile.TarInfo("_meta.json"), b"{}")), "counts"),
        (lambda e: e.extend(e[:4]), "counts"),
    ],
)  # fmt: skip
def test_fault_61_an_odd_archive_is_named(
    release: Path, spoil: Callable[[Any], None], check: str
) -> None:
    repack(release / "data" / "val-000000.tar", spoil)
    reseal(release)
    assert check in checks(release)
