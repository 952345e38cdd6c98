"""Chips of a searched catalogue with all of its bands and masks: what is asked for, and what is cloud."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from rasterio.io import MemoryFile

import clouded
from catalogs.world import World, ensure
from fault_server import FaultServer
from stub_api import Catalogue, collection, serving

SCENES = [f"S2A_MSIL2A_20221022T101559_N0509_R022_{site}" for site in ("badsonn", "kornau")]
"""Under clouds by 45 percent, of baseline 05.09."""


@dataclass
class Built:
    """A build up to its chips.

    Attributes:
        rows: of the sidecars; members: (key, member) -> bytes.
        asked: (file, first byte) of every request for pixels.
    """

    rows: list[dict[str, Any]]
    members: dict[tuple[str, str], bytes]
    asked: list[tuple[str, int]]

    def files(self) -> Counter[str]:
        """How often each band was asked for, over all scenes."""
        return Counter(Path(path).stem for path, _ in self.asked)

    def headers(self) -> Counter[str]:
        """How often each file was opened."""
        return Counter(path for path, start in self.asked if start == 0)


@pytest.fixture(scope="module")
def world() -> World:
    return ensure()


@pytest.fixture(scope="module")
def builds(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Built]]:
    """The recipe with a gate of clouds, and the plain one."""
    found = {}
    for recipe in ("gated", "plain"):
        server = FaultServer()
        try:
            found[recipe] = build(recipe, world, server, tmp_path_factory.mktemp(recipe))
        finally:
            server.close()
    yield found


def build(recipe: str, world: World, server: FaultServer, out: Path) -> Built:
    found = clouded.items(world, server, SCENES)
    sides = [[item["bbox"][k] for item in found] for k in range(4)]
    box = [min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3])]
    known = collection("sentinel-2-l2a", "http://x")
    with serving(Catalogue(found, size=250, collections=[known])) as log:
        argv = [
            "--dataset", "skyscript", "--imagery", f"{log.url}#sentinel-2-l2a",
            "--osm", str(world.osm), "--bbox", *map(str, box), "--out", str(out),
            "--workers", "1", "--until", "make", "--set", "imagery.max_cloud=60",
            "--set", "splits.val=0", "--set", "splits.test=0", "--error-budget", "0",
        ]  # fmt: skip
        done = clouded.built(recipe, argv, {**os.environ, "EARTHLOOM_ALLOW_HOSTS": "127.0.0.1"})
    assert done.returncode == 0, done.stderr
    rows, members = [], {}
    for path in (out / "skyscript" / ".work" / "make").glob("*.parquet"):
        payload = path.with_suffix(".bin").read_bytes()
        for row in pq.read_table(path).to_pylist():
            rows.append(row)
            for member in ("ms.geotiff", "mask.geotiff"):
                stem = member.replace(".", "_")
                if row.get(f"{stem}_size"):
                    start, size = row[f"{stem}_offset"], row[f"{stem}_size"]
                    members[row["key"], member] = payload[start : start + size]
    asked = [(hit.path, first_byte(hit.headers.get("Range", ""))) for hit in server.hits]
    return Built(rows, members, asked)


def first_byte(stated: str) -> int:
    return int(stated.removeprefix("bytes=").partition("-")[0] or 0)


def bands(world: World, row: dict[str, Any], names: tuple[str, ...]) -> Any:
    """Bands `(band, y, x)` of the row's scene within its window, coarse pixels repeated."""
    folder = world.root / "sentinel-2-l2a" / row["scene_ids"][0].partition("/")[2]
    found = []
    for name in names:
        with rasterio.open(folder / f"{name}.tif") as source:
            factor = round(source.transform.a / 10)
            whole = source.read(1).repeat(factor, axis=0).repeat(factor, axis=1)
            left = round((row["transform"][2] - source.transform.c) / 10)
            top = round((source.transform.f - row["transform"][5]) / 10)
        found.append(whole[top : top + row["height"], left : left + row["width"]])
    return np.stack(found)


@contextmanager
def opened(found: Built, row: dict[str, Any], member: str) -> Iterator[Any]:
    """A GeoTIFF of a chip."""
    with MemoryFile(found.members[row["key"], member]) as memory, memory.open() as source:
        yield source


COLOURS = ("B04", "B03", "B02", "B08", "B11")


def test_shares_of_every_chip_are_those_of_its_mask(builds: dict[str, Built], world: World) -> None:
    """Made or refused: each chip is what its 20 m classes say, pixel by pixel."""
    seen = Counter[str]()
    for row in builds["gated"].rows:
        scl = bands(world, row, ("SCL",))[0]
        there = (bands(world, row, COLOURS) != 0).all(axis=0)
        nothing = np.isin(scl, (0, 1)) | ~there
        cloud = np.isin(scl, (8, 9, 10)) & ~nothing
        shadow = (scl == 3) & ~nothing
        seen[row["outcome"]] += 1
        if row["outcome"] == "rejected":
            assert row["code"] == "cloudy_patch" and cloud.mean() > clouded.MOST
            assert row["message"] == f"{cloud.mean():.3f} of the chip is cloud"
            continue
        assert row["outcome"] == "made", row["message"]
        assert cloud.mean() <= clouded.MOST
        assert row["cloud_patch"] == pytest.approx(cloud.mean(), abs=1e-12)
        assert row["shadow_patch"] == pytest.approx(shadow.mean(), abs=1e-12)
        assert row["snow_patch"] == pytest.approx(((scl == 11) & ~nothing).mean(), abs=1e-12)
        assert row["nodata_patch"] == pytest.approx(nothing.mean(), abs=1e-12)
        bad = nothing | cloud | shadow
        assert row["valid_patch"] == pytest.approx(1 - bad.mean(), abs=1e-12)
        assert row["cloud_mask"] == "scl"
        seen["shadowed"] += bool(shadow.any())
    assert min(seen["made"], seen["rejected"], seen["shadowed"]) >= 3, "there is something to tell"


def test_chips_hold_what_the_files_hold(builds: dict[str, Built], world: World) -> None:
    """10 m bands as they are, 20 m ones repeated, 1000 taken off by the baseline, the mask untouched."""
    made = [row for row in builds["gated"].rows if row["outcome"] == "made"]
    for row in made:
        stored = bands(world, row, COLOURS).astype(int)
        expected = np.where(stored == 0, 0, np.maximum(stored - 1000, 1))
        with opened(builds["gated"], row, "ms.geotiff") as source:
            np.testing.assert_array_equal(source.read(), expected)
            assert source.dtypes[0] == "uint16"
            assert source.descriptions == clouded.BANDS
            assert list(source.transform)[:6] == row["transform"]
        with opened(builds["gated"], row, "mask.geotiff") as source:
            np.testing.assert_array_equal(source.read(), bands(world, row, ("SCL",)))
            assert source.dtypes == ("uint8",)
        assert (row["offset_applied"], row["radiometric_convention"]) == (-1000, "dn_pre04")
        assert row["resampled"] == "B11:20->10 nearest" and row["transform"][0] == 10


def test_only_bands_that_are_read_are_asked_for(builds: dict[str, Built]) -> None:
    """Of sixteen files of a scene those of the chip and its mask, and the header of each once."""
    gated, plain = builds["gated"], builds["plain"]
    assert set(gated.files()) == {*COLOURS, "SCL"}
    assert set(plain.files()) == {"B02", "B03", "B04", "B08"}
    for found, count in ((gated, 6), (plain, 4)):
        headers = found.headers()
        assert len(headers) == count * len(SCENES)
        assert set(headers.values()) == {1}, "one request opens a file"
    beyond = [start for _, start in plain.asked if start]
    assert len(beyond) <= len(plain.rows), "tiles are fetched by ranges that chips share"


def test_the_usual_chip_has_its_usual_bands(builds: dict[str, Built], world: World) -> None:
    """With all bands kept, a recipe that asks for none of them finds the grid and bands it always had."""
    rows = [row for row in builds["plain"].rows if row["outcome"] == "made"]
    assert len(rows) >= 10
    for row in rows:
        assert row["bands"] == "red,green,blue,nir" and row["resampled"] == ""
        assert row["transform"][0] == 10
        stored = bands(world, row, COLOURS[:4]).astype(int)
        expected = np.where(stored == 0, 0, np.maximum(stored - 1000, 1))
        with opened(builds["plain"], row, "ms.geotiff") as source:
            np.testing.assert_array_equal(source.read(), expected)
