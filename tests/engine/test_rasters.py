"""Hostile and broken rasters: refused with a code, before memory, disk or network is touched."""

import json
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine

import building
import small_world
from building import arguments, main, release, work
from catalogs.rasters import READ_LIMIT, open_raster
from catalogs.shelf import SHELF
from catalogs.sources.headers import describe
from schemas.errors import Fault
from schemas.scenes import Part
from schemas.windows import Window
from small_world import World
from transforms.imagery import read_window, valid_pixels

NORTH_UP = Affine(0.6, 0, 500_000, 0, -0.6, 5_200_000)


def write(path: Path, crs: Any = "EPSG:32632", transform: Affine = NORTH_UP, **more: Any) -> Path:
    """A GeoTIFF of noise, 512 x 512, tiled, its directory at the front."""
    pixels = np.random.default_rng(1).integers(1, 255, (3, 512, 512)).astype("uint8")
    profile = {
        "driver": "COG", "count": 3, "width": 512, "height": 512, "dtype": "uint8", "crs": crs,
        "transform": transform, "compress": "deflate", "blocksize": 128, "overviews": "none",
    }  # fmt: skip
    with rasterio.open(path, "w", **{**profile, **more}) as target:
        target.write(pixels)
    return path


def code_of(path: Path | str) -> str:
    with pytest.raises(Fault) as caught:
        describe(Path(path)) if isinstance(path, Path) else open_raster(path)
    return caught.value.code


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


VRT = (
    '<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:32632</SRS>'
    "<GeoTransform>0,1,0,0,0,-1</GeoTransform>"
    '<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>{}</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)
XML = [
    "<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1/</ServerUrl></Service></GDAL_WMS>",
    "\ufeff<GDALTileIndexDataset><IndexDataset>x</IndexDataset></GDALTileIndexDataset>",
    "\n\n  <WMT_MS_Capabilities/>",
    "<html>service unavailable</html>",
]
PROBE = """
import json, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from catalogs.rasters import open_raster
from schemas.errors import Fault
try:
    open_raster(sys.argv[1])
    code = "opened"
except Fault as fault:
    code = fault.code
names = list(opened)
status = open("/proc/self/status").read()  # ru_maxrss would count the parent's memory too
peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
print(json.dumps({"code": code, "opened": names, "peak_mb": peak}))
"""


def probe(path: Path) -> dict[str, Any]:
    """Open a raster in a process of its own: the code, the files it opened, its peak memory."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)], cwd=building.ROOT, capture_output=True,
        text=True, check=True, timeout=60,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def test_fault_37_vrt_named_tif(tmp_path: Path) -> None:
    import os

    secret = tmp_path / "secret.tif"
    os.mkfifo(secret)  # whoever opens it, Python or GDAL, hangs until the time is up
    path = tmp_path / "innocent.tif"
    path.write_text(VRT.format(secret))
    found = probe(path)
    assert found["code"] == "driver_not_allowed"
    assert [name for name in found["opened"] if name.startswith(str(tmp_path))] == [str(path)]


@pytest.mark.parametrize("text", XML)
def test_fault_37_descriptions_of_services(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    path.write_text(text, encoding="utf-8")
    assert code_of(path) in ("driver_not_allowed", "not_a_raster")


@pytest.mark.parametrize(
    "href",
    ["/vsicurl/http://127.0.0.1:9/x.tif", "/vsizip/x.zip/x.tif", "NETCDF:x.nc:band", "HDF5:x.h5://a",
     "file:///etc/hostname", "GTIFF_DIR:1:x.tif", "WMS:http://127.0.0.1"],
)  # fmt: skip
def test_fault_37_prefixes(href: str) -> None:
    assert code_of(href) == "driver_not_allowed"


def test_fault_37_a_url_within_the_own_network() -> None:
    assert code_of("http://127.0.0.1:9/x.tif") == "blocked_href"


def test_pictures_without_a_place_are_refused_without_a_warning(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "x.png"
    Image.new("RGB", (8, 8)).save(path)
    code = "import sys; from catalogs.rasters import open_raster; open_raster(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=building.ROOT, capture_output=True,
        text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert code_of(path) == "no_crs"


def test_fault_38_sparse_tiff(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=200_000, height=200_000, count=1, dtype="uint8",
        crs="EPSG:32632", transform=NORTH_UP, tiled=True, blockxsize=512, blockysize=512,
        SPARSE_OK=True, compress="deflate",
    ):  # fmt: skip
        pass
    assert path.stat().st_size < 4_000_000
    found = probe(path)
    assert found["code"] == "too_large"
    assert found["peak_mb"] < 200


def test_fault_38_png_bomb(tmp_path: Path) -> None:
    side = 30_000  # one bit a pixel: 900 million pixels in some hundred kilobytes
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side // 8)) for _ in range(side)) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    assert path.stat().st_size < 300_000
    found = probe(path)
    assert found["code"] == "too_large"
    assert found["peak_mb"] < 200


def test_fault_11_a_window_too_large_is_never_read(tmp_path: Path) -> None:
    scene = describe(write(tmp_path / "x.tif"))
    side = int((READ_LIMIT / 3) ** 0.5) + 1
    with pytest.raises(Fault) as caught:
        read_window(scene.bands, Window(scene.grid.cut(0, 0, side, side), 0.6), scene)
    assert caught.value.code == "too_large"


LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'


@pytest.mark.parametrize(
    ("crs", "transform", "code"),
    [
        (None, NORTH_UP, "no_crs"),
        (None, Affine.identity(), "no_crs"),
        (LOCAL, NORTH_UP, "local_crs"),
        ("EPSG:32632", NORTH_UP @ Affine.rotation(20), "rotated_grid"),
        ("EPSG:32632", Affine(0, 0.6, 500_000, -0.6, 0, 5_200_000), "rotated_grid"),
    ],
)
def test_fault_39_pixels_without_an_honest_place(
    crs: Any, transform: Affine, code: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.tif", crs, transform, driver="GTiff", blocksize=None, overviews=None)
    assert code_of(path) == code


def test_fault_39_geographic_crs_is_measured(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tif", "EPSG:4326", Affine(1e-5, 0, 10, 0, -1e-5, 60))
    band = describe(path).bands[0]
    from pyproj import Geod

    geod = Geod(ellps="WGS84")
    lon, lat = 10 + 256e-5, 60 - 256e-5
    across = geod.inv(lon, lat, lon + 1e-5, lat)[2]
    along = geod.inv(lon, lat, lon, lat - 1e-5)[2]
    assert band.gsd == pytest.approx((across * along) ** 0.5, rel=1e-4)


def test_fault_39_no_crs_through_the_command_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = world.copy(tmp_path / "own")
    path = own.imagery / "nowhere.tif"
    write(path, None, driver="GTiff", blocksize=None, overviews=None)
    only = ["--imagery", str(path), "--until", "plan"]
    assert main([*arguments(own, tmp_path / "a"), *only]) == 1
    said = capsys.readouterr().err
    assert "no_crs" in said and "gdal_edit.py" in said and "nowhere.tif" in said
    assert main(arguments(own, tmp_path / "b", "--until", "plan")) == 0
    said = capsys.readouterr().err
    assert "unusable" in said and "nowhere.tif" in said and "84 samples planned" in said


def test_fault_43_nodata_share_is_dropped_with_its_number(world: World, built: Any) -> None:
    key = f"w{world.way(*small_world.BAD['no data'])}_local_23"
    drops = pq.read_table(release(built.out) / "metadata" / "drops.parquet").to_pylist()
    drop = next(row for row in drops if row["key"] == key)
    assert (drop["code"], drop["outcome"], drop["retryable"]) == ("nodata_share", "rejected", False)
    blocks = (work(built.out) / "plan" / "blocks").glob("*.parquet")
    row = next(r for b in blocks for r in pq.read_table(b).to_pylist() if r["key"] == key)
    box = rasterio.windows.Window(row["col"], row["row"], row["width"], row["height"])
    with rasterio.open(world.imagery / "train-a.tif") as source:
        pixels = source.read(window=box)
    share = float((pixels == 0).all(axis=0).mean())
    assert 0.02 < share < 1
    assert drop["message"] == f"{share:.3f} of the pixels hold no data"


def test_fault_43_valid_pixels_by_kind() -> None:
    eight = np.array([[[0, 5]], [[0, 0]]], np.uint8)
    assert valid_pixels(eight, 0).tolist() == [[False, True]], "one dark band is a colour"
    assert valid_pixels(eight.astype(np.uint16), 0).tolist() == [[False, False]]
    real = np.array([[[1.0, np.nan, np.inf, -9.0]]], np.float32)
    assert valid_pixels(real, -9.0).tolist() == [[True, False, False, False]]
    assert valid_pixels(real, None).tolist() == [[True, False, False, True]]
    assert valid_pixels(real, float("nan")).tolist() == [[True, False, False, True]]
