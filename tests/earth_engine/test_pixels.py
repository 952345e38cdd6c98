"""Pixels through the real client: what is asked for, and that it is what the raster holds."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window as Box

from catalogs.readers import reader_of
from catalogs.sources.area import Area
from catalogs.sources.earth_engine.calls import Service
from catalogs.sources.earth_engine.limits import Limits
from catalogs.sources.earth_engine.pixels import grid_request, pieces
from catalogs.sources.earth_engine.pixels import read as read_both
from catalogs.sources.earth_engine.search import scenes_of_earth_engine
from earth_engine_server import Refusal, World, graph
from earth_engine_world import PROJECT, S2, SHIFTED, TEN, Clock, asset, raster, whole_graph
from schemas.errors import Fault
from schemas.scenes import Scene
from schemas.windows import Grid

NAME = f"{S2}/T32TMT_2"
GRID = Grid("EPSG:32632", tuple(TEN)[:6], 112, 96)


def stored(path: Path, bands: list[int], col: int, row: int, width: int, height: int) -> Any:
    with rasterio.open(path) as dataset:
        return dataset.read(bands, window=Box(col, row, width, height))


def read(*what: Any, **how: Any) -> Any:
    """The pixels, all of them valid."""
    pixels, valid = read_both(*what, **how)
    assert valid.shape == pixels.shape[1:] and valid.all()
    return pixels


def test_a_window_is_the_rasters_own_pixels(served: World) -> None:
    got = read(NAME, ["B4", "B2"], GRID.cut(17, 23, 40, 30), itemsize=2)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, stored(served.rasters[NAME], [4, 2], 17, 23, 40, 30))


def test_what_is_asked_for(served: World) -> None:
    read(NAME, ["B4", "B2"], GRID.cut(17, 23, 40, 30), itemsize=2)
    (request,) = served.sent("computePixels")
    assert request.method == "POST"
    assert request.path == f"/v1alpha/projects/{PROJECT}/image:computePixels"
    assert request.headers["X-Goog-User-Project"] == PROJECT
    assert "Authorization" not in request.headers
    assert request.body["fileFormat"] == "NPY"
    assert request.body["grid"] == {
        "crsCode": "EPSG:32632",
        "dimensions": {"width": 40, "height": 30},
        "affineTransform": {
            "scaleX": 10, "shearX": 0, "translateX": 500_170,
            "shearY": 0, "scaleY": -10, "translateY": 5_199_770,
        },
    }  # fmt: skip
    assert graph(request.body["expression"]) == whole_graph(NAME, ["B4", "B2"])


def test_a_grid_with_an_odd_origin(served: World, tmp_path: Path) -> None:
    path = raster(tmp_path / "de.tif", "N R G B", SHIFTED, "EPSG:25833")
    asset(served, "Germany/Brandenburg/orthos/20cm", path, "2021-08-23T00:00:00Z")
    grid = Grid("EPSG:25833", tuple(SHIFTED)[:6], 112, 96).cut(31, 47, 50, 20)
    got = read("Germany/Brandenburg/orthos/20cm", ["R", "G", "B"], grid)
    np.testing.assert_array_equal(got, stored(path, [2, 3, 4], 31, 47, 50, 20))
    sent = served.sent("computePixels")[0].body["grid"]["affineTransform"]
    assert sent["translateX"] == pytest.approx(400_003.07 + 31 * 0.2, abs=1e-9)


def test_beyond_the_image_there_is_nothing(served: World) -> None:
    got, valid = read_both(NAME, ["B4"], GRID.cut(-5, 90, 10, 10))
    assert not got[:, 6:].any()
    assert not got[:, :, :5].any()
    np.testing.assert_array_equal(valid, got[0] > 0)
    np.testing.assert_array_equal(got[:, :6, 5:], stored(served.rasters[NAME], [4], 0, 90, 5, 6))


def test_a_crs_without_a_code_travels_as_wkt() -> None:
    text = rasterio.CRS.from_epsg(32632).to_wkt()
    sent = grid_request(replace(GRID, crs=text))
    assert sent["crsWkt"] == text
    assert "crsCode" not in sent


def test_a_read_beyond_the_limits_is_cut(served: World) -> None:
    limits = Limits(request_bytes=4_000, side=50, bands=2)
    served.request_bytes = limits.request_bytes
    got = read(NAME, ["B4", "B3", "B2"], GRID, itemsize=2, by=Service(limits))
    np.testing.assert_array_equal(got, stored(served.rasters[NAME], [4, 3, 2], 0, 0, 112, 96))
    sizes = [request.body["grid"]["dimensions"] for request in served.sent("computePixels")]
    assert len(sizes) > 6
    assert max(max(s["width"], s["height"]) for s in sizes) <= 50


@pytest.mark.parametrize(
    ("width", "height", "count", "itemsize", "limits"),
    [
        (512, 512, 3, 1, Limits()),
        (10_001, 4, 1, 1, Limits()),
        (4_000, 3_000, 4, 2, Limits()),
        (7, 5, 201, 8, Limits()),
        (9, 9, 3, 8, Limits(request_bytes=1)),
    ],
)
def test_pieces_cover_everything_once(
    width: int, height: int, count: int, itemsize: int, limits: Limits
) -> None:
    grid = replace(GRID, width=width, height=height)
    seen = np.zeros((count, height, width), np.uint8)
    for p in pieces(grid, count, itemsize, limits):
        assert p.width <= limits.side
        assert p.height <= limits.side
        assert p.count <= limits.bands
        small = p.width * p.height == 1
        assert small or p.width * p.height * p.count * itemsize <= limits.request_bytes
        seen[p.first : p.first + p.count, p.row : p.row + p.height, p.col : p.col + p.width] += 1
    assert (seen == 1).all()


def test_a_usual_window_is_one_request() -> None:
    assert len(pieces(replace(GRID, width=768, height=768), 4, 2, Limits())) == 1


def test_never_more_requests_under_way_than_allowed(served: World) -> None:
    cap = 3
    served.together = threading.Barrier(cap, timeout=30)  # fewer at once would never be answered
    limits = Limits(requests=cap, side=28)
    read(NAME, ["B4"], replace(GRID, width=112, height=84), by=Service(limits))
    assert len(served.sent("computePixels")) == 12
    assert served.most == cap


def test_threads_share_the_places(served: World) -> None:
    cap = 2
    by = Service(Limits(requests=cap, side=28))
    served.together = threading.Barrier(cap, timeout=30)
    grid = replace(GRID, width=56, height=56)
    readers = [
        threading.Thread(target=read, args=(NAME, ["B4"], grid), kwargs={"by": by})
        for _ in range(4)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(served.sent("computePixels")) == 16
    assert served.most == cap


def scene(served: World) -> Scene:
    area = Area.of_box((8.9, 46.8, 9.1, 47.0))
    found = scenes_of_earth_engine("earth-engine:S2", area, (2020, 2020), [])
    return next(s for s in found.scenes if s.id == "T32TMT_2")


def test_a_thumbnail_shows_the_whole_scene(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalogs.sources.earth_engine.reader.SIDE", 28)
    found = scene(served)
    small, valid = reader_of(found.bands[1]).thumbnail(found.bands[1:4], found)
    assert small.shape == (3, 24, 28)
    assert valid is not None and valid.all()
    whole = stored(served.rasters[NAME], [2, 3, 4], 0, 0, 112, 96)
    np.testing.assert_array_equal(small, whole[:, 2::4, 2::4])


def test_the_services_own_limit_is_a_fault_with_its_words(served: World, clock: Clock) -> None:
    served.request_bytes = 10
    with pytest.raises(Fault, match="Total request size") as fault:
        read(NAME, ["B4"], GRID, by=clock.service())
    assert fault.value.code == "ee_invalid"
    assert not fault.value.retryable
    assert not clock.slept


def test_a_cut_answer_is_asked_for_again(served: World, clock: Clock) -> None:
    served.refuse("computePixels", Refusal(200, "cut", cut=True))
    got = read(NAME, ["B4"], GRID, by=clock.service())
    np.testing.assert_array_equal(got, stored(served.rasters[NAME], [4], 0, 0, 112, 96))
    assert len(clock.slept) == 1


def test_an_answer_that_is_no_array_is_asked_for_again(served: World, clock: Clock) -> None:
    served.refuse("computePixels", Refusal(200, "<html>"))
    assert read(NAME, ["B4"], GRID, by=clock.service()).shape == (1, 96, 112)
    assert len(clock.slept) == 1
