"""A small Earth Engine on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from affine import Affine

from earth_engine_server import World, serving
from earth_engine_world import PROJECT, S2, TEN, Clock, asset, band, collection, raster


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Six Sentinel-2 scenes of one tile, in 2019, 2020 and 2021."""
    made = World()
    collection(made, S2)
    names = "B1 B2 B3 B4 B8"
    for number, start in enumerate(
        ("2019-12-31T23:59:59Z", "2020-01-01T00:00:00Z", "2020-07-01T10:10:31.024Z",
         "2020-12-31T23:59:59Z", "2021-01-01T00:00:00Z", "2021-05-05T10:00:00Z")
    ):  # fmt: skip
        path = raster(tmp_path / f"{'x' * number}s2.tif", names, TEN, "EPSG:32632", "uint16")
        stated = asset(
            made, f"{S2}/T32TMT_{number}", path, start, CLOUDY_PIXEL_PERCENTAGE=number * 10.5,
            PROCESSING_BASELINE="05.00", SPACECRAFT_NAME="Sentinel-2A",
        )  # fmt: skip
        coarse = Affine(60, 0, TEN.c, 0, -60, TEN.f)  # B1 lies on 60 m
        stated["bands"][0] = band("B1", "uint16", coarse, "EPSG:32632", 19, 16)
    return made


@pytest.fixture
def served(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world, at an address that the environment names."""
    pytest.importorskip("ee", reason="the Earth Engine client (extra `gee`) is not installed")
    with serving(world) as url:
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("EARTHLOOM_EE_URL", url)
        monkeypatch.setenv("EARTHLOOM_EE_PROJECT", PROJECT)
        monkeypatch.delenv("EARTHLOOM_PROCESSES", raising=False)
        yield world


@pytest.fixture
def clock() -> Clock:
    return Clock()
