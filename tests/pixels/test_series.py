"""A series of dates: which scenes make one, in which order, and that nothing is mixed up."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixel_world import band, chip, cut, scene
from schemas.errors import Fault, Reject
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.windows import Grid, to_lonlat
from series_world import PLACE, START, many
from transforms.context import Context
from transforms.imagery import Find
from transforms.imagery.choice import one_zone


class Source:
    """An imagery role."""

    def __init__(self, scenes: list[Scene]) -> None:
        self.scenes = scenes

    def over(self, lon: float, lat: float) -> list[Scene]:
        return self.scenes


def found(
    scenes: list[Scene], years: Any = None, facts: Any = None, **settings: Any
) -> list[Sample]:
    ctx = Context(sources={"imagery": Source(scenes)}, years=years)
    return list(Find(**settings)(Sample("w1", 13.65, 47.83, facts=facts or {}), ctx))


@pytest.mark.parametrize("value", ["2022-02-01", START + timedelta(days=31, hours=23)])
def test_a_fact_that_holds_a_day_is_that_day(value: Any, tmp_path: Path) -> None:
    told = found(many(tmp_path), dates=("@shot",), facts={"shot": value}, nearest_before=True)
    assert [s.id for s in told[0].scenes] == ["s1"]


def test_by_default_one_scene_of_a_year_and_the_old_names(tmp_path: Path) -> None:
    (only,) = found(many(tmp_path))
    assert only.id == "w1_local_22" and [s.id for s in only.scenes] == ["s0"]
    assert "datetimes" not in only.facts and "datetimes" not in Find().gives


def test_scenes_come_in_time_order_and_the_array_with_them(tmp_path: Path) -> None:
    (sample,) = found(many(tmp_path), every="1mo")
    assert [s.id for s in sample.scenes] == ["s0", "s1", "s2", "s3"]
    assert sample.id == "w1_local_22" and sample.facts["datetime"] == START
    assert sample.facts["cloud_scene"] == 3.0
    assert str(sample.facts["datetimes"]).split(",")[1] == "2022-02-01T00:00:00+00:00"
    image = chip(*sample.scenes).images["image"]
    assert image.array.shape == (4, 3, 16, 16) and image.valid.shape == (4, 16, 16)
    assert image.times == tuple(s.datetime for s in sample.scenes)
    expected = 100 * np.arange(4)[:, None] + np.arange(3) + 1
    np.testing.assert_array_equal(image.array[:, :, 5, 5], expected)


def test_a_single_date_of_a_series_is_a_stack_of_one(tmp_path: Path) -> None:
    scenes = many(tmp_path)
    (sample,) = found(scenes, count=1)
    sample.window = cut(PLACE, 0, 0, 16, 16)
    from transforms.imagery import Read

    image = Read(("b0",))(sample, Context(seed=0)).images["image"]
    assert image.array.shape == (1, 1, 16, 16)


def test_count_and_gap(tmp_path: Path) -> None:
    scenes = many(tmp_path)
    (sample,) = found(scenes, count=2, min_gap_days=40)
    assert [s.id for s in sample.scenes] == ["s0", "s2"]
    with pytest.raises(Reject) as caught:
        found(scenes, count=3, min_gap_days=40)
    assert caught.value.code == "too_few_dates" and "3" in caught.value.message
    (sample,) = found(scenes, count=3, min_gap_days=20, max_cloud=2.0)
    assert len(sample.scenes) == 3


def test_dates_and_facts_that_hold_one(tmp_path: Path) -> None:
    scenes = many(tmp_path)
    (sample,) = found(scenes, dates=("2022-02-10", "2022-01-05"))
    assert [s.id for s in sample.scenes] == ["s0", "s1"]
    (sample,) = found(scenes, dates=("2022-02-28",))
    assert [s.id for s in sample.scenes] == ["s2"], "the fourth of March is nearer"
    (sample,) = found(scenes, dates=("2022-02-28",), nearest_before=True)
    assert [s.id for s in sample.scenes] == ["s1"], "but later"
    shot = Find(dates=("@shot",))
    assert shot.needs == ("shot",)
    when = START + timedelta(days=35)
    (sample,) = found(scenes, dates=("@shot",), facts={"shot": when})
    assert [s.id for s in sample.scenes] == ["s1"]
    with pytest.raises(Reject) as caught:
        found(scenes, dates=("@shot",), facts={"shot": None})
    assert caught.value.code == "too_few_dates"


def test_series_of_two_years_are_two_samples(tmp_path: Path) -> None:
    scenes = many(tmp_path)
    later = [
        replace(s, id=s.id + "b", datetime=s.datetime.replace(year=2023))
        for s in scenes
        if s.datetime
    ]
    samples = found(scenes + later, every="1mo")
    assert [s.id for s in samples] == ["w1_local_22", "w1_local_23"]
    assert found(scenes + later, years=(2023, 2023), every="1mo")[0].id == "w1_local_23"


def test_only_one_way_of_choosing() -> None:
    for wrong in ({"every": "1mo", "count": 3}, {"dates": ("2022-01-01",), "count": 1}):
        with pytest.raises(ValueError, match="only one of"):
            Find(**wrong)  # type: ignore[arg-type]
    for bad in ({"every": "soon"}, {"dates": ("June",)}, {"count": -1}):
        with pytest.raises(ValueError):
            Find(**bad)  # type: ignore[arg-type]


def test_fault_40_a_series_never_mixes_zones(tmp_path: Path) -> None:
    """The zone of the place wins, even where the other one has more dates."""
    scenes = many(tmp_path)
    other = Grid("EPSG:32632", PLACE.transform, 16, 16)
    foreign = [replace(s, grid=other, id=s.id + "w") for s in scenes]
    (sample,) = found(scenes[:2] + foreign, every="1mo")
    assert {s.grid.crs for s in sample.scenes} == {"EPSG:32633"} and len(sample.scenes) == 2
    (sample,) = found(foreign, every="1mo")
    assert {s.grid.crs for s in sample.scenes} == {"EPSG:32632"}
    with pytest.raises(Fault) as caught:
        chip(scenes[0], foreign[1])
    assert caught.value.code == "band_mismatch"


def test_neighbouring_tiles_of_one_pass_count_once(tmp_path: Path) -> None:
    scenes = many(tmp_path)
    aside = Grid(PLACE.crs, PLACE.cut(-8, 0, 16, 16).transform, 16, 16)
    twin = replace(
        scenes[0], id="t", grid=aside, datetime=scenes[0].datetime + timedelta(seconds=15)
    )  # type: ignore[operator]
    (sample,) = found([*scenes, twin], count=4)
    assert [s.id for s in sample.scenes] == ["s0", "s1", "s2", "s3"]


def tiles(cloud: tuple[float | None, float | None]) -> list[Scene]:
    """Two neighbouring tiles with 8 columns in common, on four days, with cloud of each."""
    made, east = [], Grid(PLACE.crs, PLACE.cut(8, 0, 16, 16).transform, 16, 16)
    for day in range(4):
        for name, place, share, late in (("w", PLACE, cloud[0], 0), ("e", east, cloud[1], 15)):
            made.append(
                scene((band("b0", "x"),), place, id=f"{name}{day}", cloud=share, platform="s2a",
                      datetime=START + timedelta(days=10 * day, seconds=late), collection="local")
            )  # fmt: skip
    return made


def columns(first: int, last: int) -> dict[str, str]:
    """A box on some columns of the western tile, rows 4 to 8, as facts have it."""
    a, _, c, _, e, f = PLACE.transform
    xs, ys = np.array([c + a * first, c + a * last]), np.array([f + e * 8, f + e * 4])
    lon, lat = to_lonlat(PLACE.crs, xs, ys)
    return {"_bounds": f"{lon[0]} {lat[0]} {lon[1]} {lat[1]}"}


@pytest.mark.parametrize("cloud", [(1.0, 1.0), (0.0, 15.0), (None, None)])
@pytest.mark.parametrize(("box", "tile"), [((2, 6), "w"), ((14, 18), "e")])
def test_a_series_is_of_the_tile_that_holds_the_object(
    box: tuple[int, int], tile: str, cloud: tuple[float | None, float | None]
) -> None:
    """As a single date is; however clear its neighbour."""
    for way in ({"count": 3}, {"every": "10d"}, {"dates": ("2022-01-01", "2022-01-11")}):
        (sample,) = found(tiles(cloud), facts=columns(*box), **way)
        assert {s.id[0] for s in sample.scenes} == {tile}


def test_of_neighbours_that_both_hold_it_the_clearest_counts() -> None:
    """Whichever begins further west."""
    for cloud, tile in (((15.0, 1.0), "e"), ((1.0, 15.0), "w"), ((None, 9.0), "e")):
        (sample,) = found(tiles(cloud), facts=columns(10, 14), count=4)
        assert [s.id for s in sample.scenes] == [f"{tile}{day}" for day in range(4)]


@pytest.mark.parametrize(
    ("platform", "minutes", "dates"), [("s2a", 1.9, 1), ("s2a", 2.1, 2), ("s2b", 0.5, 2)]
)
def test_what_one_pass_is(platform: str, minutes: float, dates: int) -> None:
    """Tiles of one platform within two minutes; two satellites that meet are two dates."""
    one, two = tiles((1.0, 1.0))[:2]
    when = START + timedelta(minutes=minutes)
    two = replace(two, platform=platform, datetime=when)
    assert len(one_zone([one, two], 13.65, 47.83)) == dates
