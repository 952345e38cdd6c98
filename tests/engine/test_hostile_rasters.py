"""Hostile rasters: refused with a code, before memory, disk or network is touched."""

import json
import logging
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import rasterio

import building
from catalogs.rasters import READ_LIMIT, guard_environment
from catalogs.sources.headers import describe
from raster_files import NORTH_UP, code_of, write
from schemas.errors import Fault
from schemas.windows import Window
from transforms.imagery import read_window

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


def test_drivers_that_are_not_there_are_not_talked_of(caplog: pytest.LogCaptureFixture) -> None:
    """GDAL warns of each that it is to leave out and has not; other warnings stay."""
    guard_environment()
    log = logging.getLogger("rasterio._env")
    log.warning("CPLE_AppDefined in Unable to find driver WFS to unload from GDAL_SKIP environment")
    log.warning("CPLE_AppDefined in a.tif: something else")
    assert [record.getMessage() for record in caplog.records] == [
        "CPLE_AppDefined in a.tif: something else"
    ]
