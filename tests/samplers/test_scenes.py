"""S2-100K: scene-uniform sampling repeats the revisit rate; weighting by tiles removes it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely

from sampling import ctx_of, scan, scene
from schemas.errors import Reject
from schemas.samples import Sample
from schemas.windows import from_lonlat
from schemas.zones import crs_for
from transforms.samplers import Drawn, Scenes
from transforms.samplers.scenes import areas, shares
from transforms.windows import Centred

START = datetime(2021, 1, 1, 10, 0, tzinfo=UTC)


def catalogue() -> list[Any]:
    """Tiles of 100 km at 3 degrees east: 4 scenes each to 60 degrees, 12 each beyond."""
    found = []
    for number, lat in enumerate(np.arange(2.0, 80.0, 2.0).tolist()):
        crs = crs_for(3.0, lat)
        x, y = from_lonlat(crs, np.array([3.0]), np.array([lat]))
        corner = round(float(x[0]) - 50_000), round(float(y[0]) + 50_000)
        for k in range(4 if lat < 60 else 12):
            when = START + timedelta(days=10 * k + number)
            found.append(scene(f"t{number}-{k}", crs, *corner, n=10_000, when=when, cloud=float(k)))
    return found


def per_tile(table: Any) -> np.ndarray[Any, Any]:
    names = [key.split("/")[1].split("-")[0] for key in table["_scene"].to_pylist()]
    return np.array([names.count(f"t{n}") for n in range(39)])


def test_4_scene_uniform_sampling_repeats_the_revisits_and_weights_remove_them() -> None:
    """Three times the scenes near the pole: three times the density, and none by weight."""
    scenes = catalogue()
    polar = np.arange(2.0, 80.0, 2.0) >= 60
    counts = per_tile(scan(Scenes(count=30_000), ctx_of(imagery=scenes)))
    assert counts[polar].mean() / counts[~polar].mean() == pytest.approx(3, rel=0.02)
    counts = per_tile(scan(Scenes(count=30_000, weighted=True), ctx_of(imagery=scenes)))
    assert counts[polar].mean() / counts[~polar].mean() == pytest.approx(1, rel=0.03)
    assert counts.std() / counts.mean() < 0.02


def test_4_few_places_of_many_scenes_keep_the_ratio() -> None:
    """A scene has then a place by chance only: 300 of 624 scenes, over 40 seeds."""
    scenes = catalogue()
    polar = np.arange(2.0, 80.0, 2.0) >= 60
    ratio = []
    for weighted in (False, True):
        counts = sum(
            per_tile(scan(Scenes(count=150, weighted=weighted), ctx_of(seed, imagery=scenes)))
            for seed in range(40)
        )
        ratio.append(counts[polar].mean() / counts[~polar].mean())
    assert ratio[0] == pytest.approx(3, rel=0.1)
    assert ratio[1] == pytest.approx(1, rel=0.1)


def test_1_the_same_seed_gives_the_same_points() -> None:
    """In whatever order the scenes come; and a new scene moves none of the others' places."""
    scenes = catalogue()
    first = scan(Scenes(count=2000), ctx_of(imagery=scenes)).sort_by("key")
    assert scan(Scenes(count=2000), ctx_of(imagery=scenes[::-1])).sort_by("key").equals(first)
    other = scan(Scenes(count=2000), ctx_of(1, imagery=scenes))
    assert not set(other["lon"].to_pylist()) & set(first["lon"].to_pylist())
    more = [*scenes, scene("new", "EPSG:32631", 400_000.0, 900_000.0, n=10_000, when=START)]
    both = set(scan(Scenes(count=2000), ctx_of(imagery=more))["lon"].to_pylist())
    assert len(set(first["lon"].to_pylist()) - both) < 0.02 * len(first)


def test_a_window_of_a_place_lies_in_the_scene_that_was_drawn() -> None:
    """Every one, to the edge: by `Drawn` and `Centred`; and places fill the scene evenly."""
    image = scene("a", "EPSG:32632", 600_000.0, 5_300_040.0, n=1000, when=START, baseline="03.00")
    found = scan(Scenes(count=3000, px=256), ctx_of(imagery=[image]))
    ctx = ctx_of(imagery=SimpleNamespace(scenes=(image,)))
    places = []
    for row in found.to_pylist():
        start = Sample(row["key"], row["lon"], row["lat"], facts={"_scene": row["_scene"]})
        sample = Centred(px=256)(Drawn()(start, ctx), ctx)
        assert sample.id == row["key"]
        assert sample.window is not None
        places.append((sample.window.col, sample.window.row))
    assert sample.facts["processing_baseline"] == "03.00" and sample.facts["year"] == 2021
    col, row_ = np.array(places).T
    assert col.min() >= 0 and col.max() <= 744
    counts = np.histogram2d(col, row_, bins=4, range=[[0, 745]] * 2)[0]
    assert np.abs(counts - 3000 / 16).max() < 5 * np.sqrt(3000 / 16)
    lost = Sample("x", 0, 0, facts={"_scene": "sentinel-2-l2a/none"})
    with pytest.raises(Reject):
        Drawn()(lost, ctx)


def test_what_lies_beyond_the_outline_is_counted() -> None:
    """A swath that covers half of its tile: half of the places are drops."""
    image = scene("a", "EPSG:32632", 600_000.0, 5_300_040.0, when=START)
    west, south, east, north = shapely.from_wkt(image.footprint).bounds
    half = replace(image, footprint=shapely.box(west - 1, south, (west + east) / 2, north).wkt)
    drops: list[Any] = []
    found = scan(Scenes(count=2000), ctx_of(imagery=[half]), drops)
    assert {d.code for d in drops} == {"outside_footprint"}
    assert len(found) + len(drops) == 2000
    assert len(found) == pytest.approx(1000, rel=0.1)


def test_scenes_that_are_too_cloudy_small_or_old_are_not_drawn() -> None:
    good = scene("good", "EPSG:32632", 600_000.0, 5_300_040.0, when=START, cloud=5.0)
    cloudy = scene("cloudy", "EPSG:32632", 600_000.0, 5_300_040.0, when=START, cloud=50.0)
    small = scene("small", "EPSG:32632", 600_000.0, 5_300_040.0, n=200, when=START)
    old = scene("old", "EPSG:32632", 600_000.0, 5_300_040.0, when=START.replace(year=2016))
    drops: list[Any] = []
    ctx = ctx_of(imagery=[good, cloudy, small, old], years=(2020, 2022))
    found = scan(Scenes(count=100), ctx, drops)
    assert set(found["_scene"].to_pylist()) == {"sentinel-2-l2a/good"}
    assert [(d.code, d.message) for d in drops] == [("scene_too_small", "sentinel-2-l2a/small")]


def test_shares_sum_to_one_and_follow_the_area() -> None:
    """Two tiles, one of a quarter of the area and with ten scenes."""
    large = scene("large", "EPSG:32632", 600_000.0, 5_300_040.0, n=10_000, when=START)
    small = [
        scene(f"s{k}", "EPSG:32632", 300_000.0, 5_300_040.0, n=5000, when=START) for k in range(10)
    ]
    found = shares([large, *small], weighted=True)
    assert found.sum() == pytest.approx(1)
    assert found[0] / found[1:].sum() == pytest.approx(4, rel=0.01)
    assert areas([large])[0] == pytest.approx(10_000, rel=0.01)
    assert set(shares([large, *small], weighted=False)) == {1 / 11}
