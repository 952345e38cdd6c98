"""Broken rasters: refused with a code, never read as pixels; whole ones stay open."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from catalogs.rasters import open_raster
from catalogs.shelf import SHELF
from catalogs.sources.headers import describe
from raster_files import NORTH_UP, code_of, write
from schemas.errors import Fault
from schemas.scenes import Part
from schemas.windows import Window
from transforms.imagery import read_window


def test_fault_36_spoilt_jpeg_tiles_are_no_grey_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", compress="jpeg", quality=90)
    scene = describe(path)
    with rasterio.open(path) as source:
        offset = int(source.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=1))
        size = int(source.get_tag_item("BLOCK_SIZE_1_1", "TIFF", bidx=1))
        far = source.read(window=rasterio.windows.Window(300, 300, 64, 64))
    data = bytearray(path.read_bytes())
    middle = offset + size // 2
    data[middle : middle + 400] = np.random.default_rng(3).bytes(400)
    path.write_bytes(data)
    near, away = (Window(scene.grid.cut(at, at, 64, 64), 0.6, at, at) for at in (140, 300))
    for _ in range(2):  # the second time, too: nothing is answered from the decoded tile
        with pytest.raises(Fault, match="Corrupt JPEG") as caught:
            read_window(scene.bands, near, scene)
        assert caught.value.code == "raster_unreadable"
        assert (read_window(scene.bands, away, scene) == far).all()
    SHELF.clear()


def test_fault_36_a_file_of_another_size_than_declared(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif")
    scene = describe(path)
    window = Window(scene.grid.cut(0, 0, 64, 64), 0.6, 0, 0)
    size = path.stat().st_size
    for stated, good in ((0, True), (size, True), (size + 1, False)):
        bands = tuple(replace(band, size=stated) for band in scene.bands)
        if good:
            assert read_window(bands, window, scene).shape[1:] == (64, 64)
            continue
        with pytest.raises(
            Fault, match=f"has {size:,} bytes, its catalogue says {stated:,}"
        ) as got:
            read_window(bands, window, scene)
        assert (got.value.code, got.value.retryable) == ("checksum", True)
    SHELF.clear()


def test_all_files_of_a_year_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve dates of four bands: reopened for every chip, each tile would be decoded again."""
    from catalogs import held
    from catalogs.shelf import Shelf

    count = 0

    def opened(href: str, remote: Any = None) -> Any:
        nonlocal count
        count += 1
        return open_raster(href, remote)

    monkeypatch.setattr(held, "open_raster", opened)
    pixels = write(tmp_path / "0.tif").read_bytes()
    for k in range(48):
        (tmp_path / f"{k}.tif").write_bytes(pixels)
    out = [np.empty((8, 8), "uint8")]
    shelf, scene = Shelf(), describe(tmp_path / "0.tif")

    def part(k: int) -> Part:
        return Part(
            (replace(scene.bands[0], href=str(tmp_path / f"{k}.tif")),), scene, (0, 0, 8, 8)
        )

    for _ in range(3):
        for k in range(48):
            shelf.read(part(k), out)
    assert count == 48
    small = Shelf(20)
    small.read(part(0), out)
    for k in range(1, 30):
        small.read(part(k), out)
        assert len(small.open) <= 20
    shelf.clear()
    small.clear()


def test_fault_35_truncated_cog(tmp_path: Path) -> None:
    path = write(tmp_path / "whole.tif")
    scene = describe(path)
    cut = tmp_path / "cut.tif"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert code_of(cut) == "raster_truncated"  # its directory is whole: it opens all the same
    bands = tuple(replace(band, href=str(cut)) for band in scene.bands)  # cut after the plan
    lost = replace(scene, bands=bands)
    window = Window(scene.grid.cut(0, 0, 64, 64), 0.6, 0, 0)
    with rasterio.open(path) as source:
        first = source.read(window=rasterio.windows.Window(0, 0, 64, 64))
    assert (read_window(lost.bands, window, lost) == first).all()
    window = Window(scene.grid.cut(448, 448, 64, 64), 0.6, 448, 448)
    with pytest.raises(Fault) as caught:
        read_window(lost.bands, window, lost)
    assert caught.value.code == "raster_unreadable" and caught.value.retryable
    SHELF.clear()


@pytest.mark.parametrize(
    "more",
    [{"driver": "GTiff", "blocksize": None, "overviews": None, "interleave": "band"},
     {"driver": "GTiff", "blocksize": None, "overviews": None, "tiled": True, "blockxsize": 128,
      "blockysize": 128}, {}],
)  # fmt: skip
def test_fault_35_one_byte_short(more: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "x.tif", **more)
    describe(path)
    whole, cut = path.read_bytes(), tmp_path / "cut.tif"
    with rasterio.open(path) as source:
        last = max(
            int(source.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=band) or 0)
            + int(source.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=band) or 0)
            for band in (1, 2, 3) for x in range(4) for y in range(512)
        )  # fmt: skip
    cut.write_bytes(whole[: last - 1])
    assert code_of(cut) in ("raster_truncated", "raster_unreadable")
    if more:  # the directory stands before the pixels
        assert code_of(cut) == "raster_truncated"


def test_a_sparse_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=512, height=512, count=1, dtype="uint8",
        crs="EPSG:32632", transform=NORTH_UP, tiled=True, blockxsize=128, SPARSE_OK=True,
        blockysize=128,
    ):  # fmt: skip
        pass
    assert path.stat().st_size < 512 * 512
    assert describe(path).grid.width == 512


def test_fault_35_no_strip_offsets(tmp_path: Path) -> None:
    tags = [
        (256, 3, 64),
        (257, 3, 64),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (277, 3, 1),
        (278, 3, 64),
    ]
    entries = b"".join(struct.pack("<HHIHH", tag, kind, 1, value, 0) for tag, kind, value in tags)
    path = tmp_path / "bare.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4))
    assert code_of(path) == "raster_unreadable"


@pytest.mark.parametrize("content", [b"", b"hello", b"GIF89a" + bytes(99), b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_raster(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(content)
    assert code_of(path) == "not_a_raster"
