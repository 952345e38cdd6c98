"""A series of dates: which are chosen, in which order they are stored, and that nothing is mixed up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from pixel_world import band, chip, cut, grid, scene, write
from schemas.errors import Fault, Reject
from schemas.samples import Image, Sample
from schemas.scenes import Scene
from schemas.windows import Grid, to_lonlat
from transforms.context import Context
from transforms.encode import GeoTiff, Jpeg, planes
from transforms.gates import contrast
from transforms.hashes import perceptual
from transforms.imagery import Find
from transforms.imagery.choice import choose_bands, one_zone
from transforms.imagery.series import (
    Dated,
    intervals,
    nearest_dates,
    per_interval,
    spaced,
    span_of,
)
from transforms.statistics import band_stats

START = datetime(2022, 1, 1, tzinfo=UTC)
series = st.lists(
    st.tuples(st.integers(0, 364), st.one_of(st.none(), st.integers(0, 30))), max_size=12,
    unique_by=lambda pair: pair[0],
).map(
    lambda found: [
        (START + timedelta(days=day), None if cloud is None else float(cloud), f"s{i}")
        for i, (day, cloud) in enumerate(found)
    ]
)  # fmt: skip


def cost(chosen: Any) -> float:
    return sum(101.0 if cloud is None else cloud for _, cloud, _ in chosen)


@settings(deadline=None)
@given(series, st.integers(1, 4), st.sampled_from([0, 1, 30, 90]))
def test_spaced_against_every_combination(found: list[Dated], count: int, gap: int) -> None:
    """The clearest choice that keeps the gap, and none only where there is none."""
    chosen = spaced(found, count, gap)
    good = [
        c for c in combinations(sorted(found), count)
        if all(b[0] - a[0] >= timedelta(days=gap) for a, b in pairwise(c))
    ]  # fmt: skip
    if not good:
        assert chosen == []
        return
    assert len(chosen) == count and chosen == sorted(chosen)
    assert tuple(chosen) in good
    assert cost(chosen) == min(map(cost, good))


@given(series, st.sampled_from(["1mo", "2mo", "5mo", "10d", "100d"]))
def test_per_interval_against_counting(found: list[Dated], every: str) -> None:
    chosen = per_interval(found, every, 2022)
    assert chosen == sorted(chosen)
    slots = list(intervals(every, 2022))
    assert slots[0][0] == START and slots[-1][1] == START.replace(year=2023)
    assert all(a[1] == b[0] for a, b in pairwise(slots)), "they tile the year"
    filled = [s for s in slots if any(s[0] <= f[0] < s[1] for f in found)]
    assert len(chosen) == len(filled)
    for (start, end), one in zip(filled, chosen, strict=True):
        within = [f for f in found if start <= f[0] < end]
        assert one in within and cost([one]) == min(cost([f]) for f in within)


@given(series, st.lists(st.integers(0, 364), max_size=4, unique=True), st.booleans())
def test_nearest_dates_keep_their_promises(
    found: list[Dated], days: list[int], before: bool
) -> None:
    wanted = [START + timedelta(days=d) for d in days]
    chosen = nearest_dates(found, [(day, day) for day in wanted], 20, before)
    assert chosen == sorted(chosen) and len(set(chosen)) == len(chosen) <= len(wanted)
    if len(wanted) == 1:
        when = wanted[0]
        near = [f for f in found if abs(f[0] - when).days <= 20 and (not before or f[0] <= when)]
        assert bool(chosen) == bool(near)
        if near:
            assert abs(chosen[0][0] - when) == min(abs(f[0] - when) for f in near)


def test_a_date_without_a_time_is_the_whole_day() -> None:
    """In UTC: a scene of its evening is nearer than one of the evening before."""
    day = datetime(2022, 6, 1, tzinfo=UTC)
    eve, dusk = (day + timedelta(hours=h) for h in (-6, 18.5))
    both: list[Dated] = [(eve, 5.0, "eve"), (dusk, 5.0, "dusk")]
    span = span_of("2022-06-01")
    assert nearest_dates(both, [span], 30) == both[1:]
    assert nearest_dates(both[1:], [span], 30, before=True) == both[1:]
    assert nearest_dates(both[1:], [span], 0) == both[1:], "nothing lies between"
    assert nearest_dates(both[:1], [span], 0.25) == both[:1], "six hours, and no more"
    assert nearest_dates(both[:1], [span], 0.24) == []
    clear: list[Dated] = [(day, 30.0, "hazy"), (dusk, 1.0, "clear")]
    assert nearest_dates(clear, [span], 30) == clear[1:], "of one day the clearest"


def test_a_time_is_a_moment() -> None:
    noon = datetime(2022, 6, 1, 12, tzinfo=UTC)
    later: list[Dated] = [(noon + timedelta(hours=1), 5.0, "a")]
    for text in ("2022-06-01T12:00:00Z", "2022-06-01T14:00:00+02:00", "2022-06-01T12:00"):
        assert span_of(text) == (noon, noon)
        assert nearest_dates(later, [span_of(text)], 30, before=True) == []
        assert nearest_dates(later, [span_of(text)], 0) == []
    assert nearest_dates(later, [(noon, noon)], 1 / 24) == later, "the last moment counts"


@pytest.mark.parametrize("value", ["2022-02-01", START + timedelta(days=31, hours=23)])
def test_a_fact_that_holds_a_day_is_that_day(value: Any, tmp_path: Path) -> None:
    told = found(many(tmp_path), dates=("@shot",), facts={"shot": value}, nearest_before=True)
    assert [s.id for s in told[0].scenes] == ["s1"]


def test_months_are_calendar_months() -> None:
    assert [start.month for start, _ in intervals("1mo", 2024)] == list(range(1, 13))
    assert len(list(intervals("10d", 2024))) == 37
    for wrong in ("", "1y", "0d", "d", "-1mo", "1.5d"):
        with pytest.raises(ValueError, match="every"):
            list(intervals(wrong, 2024))


PLACE = grid(10, 16)


def many(folder: Path, dates: int = 4, bands: int = 3, kind: str = "uint16") -> list[Scene]:
    """Scenes a month apart, latest first; band b of date t is 100 t + b + 1 everywhere."""
    made = []
    for t in reversed(range(dates)):
        array = np.stack([np.full((16, 16), 100 * t + b + 1) for b in range(bands)]).astype(kind)
        href = write(folder / f"{t}.tif", array, PLACE, 0)
        made.append(
            scene(tuple(band(f"b{b}", href, index=b + 1) for b in range(bands)), PLACE,
                  id=f"s{t}", datetime=START + timedelta(days=31 * t), cloud=float(t),
                  collection="local", display=(0.0, 400.0))
        )  # fmt: skip
    return made


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


def test_time_major_bands_are_read_back_in_order(tmp_path: Path) -> None:
    """100 t + b, written and read; also as readers of stacks slice it."""
    dates, bands = 4, 3
    sample = chip(*reversed(many(tmp_path, dates, bands)))
    data = GeoTiff()(sample, Context(seed=0))
    with MemoryFile(data) as memory, memory.open() as source:
        array = source.read()
        names = source.descriptions
    assert names == tuple(f"T{t}_b{b}" for t in range(dates) for b in range(bands))
    for t in range(dates):
        for b in range(bands):
            assert (array[t * bands + b] == 100 * t + b + 1).all()
    cube = array.reshape(dates, bands, *array.shape[1:])  # as (time, channel, y, x) readers do
    np.testing.assert_array_equal(cube, sample.images["image"].array)
    by_name = {n: array[i] for i, n in enumerate(names)}
    assert (by_name["T3_b1"] == 302).all() and (by_name["T0_b2"] == 3).all()


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


def test_dates_on_another_extent_of_the_same_grid(tmp_path: Path) -> None:
    """Landsat's scenes begin elsewhere each time: pixels fall together, what is missing is nodata."""
    scenes = many(tmp_path, 2)
    aside = PLACE.cut(3, -2, 16, 16)
    array = np.arange(1, 3 * 256 + 1, dtype=np.uint16).reshape(3, 16, 16)
    href = write(tmp_path / "aside.tif", array, aside, 0)
    moved = replace(
        scenes[0], grid=aside, bands=tuple(replace(b, href=href) for b in scenes[0].bands)
    )
    sample = chip(scenes[1], moved, resampling="cubic")
    image = sample.images["image"]
    np.testing.assert_array_equal(image.array[1][:, :14, 3:], array[:, 2:, :13])
    assert (
        image.valid[0].all() and image.valid[1, :14, 3:].all() and image.valid[1].sum() == 14 * 13
    )
    assert (image.array[1][:, 14:] == 0).all() and sample.facts["resampled"] == ""
    assert sample.facts["nodata_share"] == pytest.approx(1 - (256 + 182) / 512)


def test_dates_with_other_nodata_values_share_the_first(tmp_path: Path) -> None:
    """What is missing on each date is missing in the stack's own words, and nothing else is."""
    one, two = np.full((16, 16), 65_535, np.uint16), np.full((16, 16), 7, np.uint16)
    one[0, 0], two[0, 1], two[0, 2] = 0, 65_535, 0
    told = [
        scene((band("b0", write(tmp_path / f"{n}.tif", a, PLACE, n), nodata=n),), PLACE,
              id=f"s{n}", collection="local")
        for n, a in ((0, one), (65_535, two))
    ]  # fmt: skip
    image = chip(*told).images["image"]
    assert image.nodata == 0
    assert not image.valid[0, 0, 0] and not image.valid[1, 0, 1] and image.valid.sum() == 510
    for date, valid in zip(image.array, image.valid, strict=True):
        np.testing.assert_array_equal(date[0] == 0, ~valid)


@pytest.mark.parametrize("extra", ["qa_aerosol", "SCL", "AOT", "qa_radsat", "saa"])
def test_products_are_taken_only_where_asked_for(extra: str) -> None:
    """Where none of the wanted bands is there, all pictures are taken, and no flags."""
    told = scene((band("own", "x"), band(extra, "y")), PLACE, collection="hls2-s30")
    assert [b.name for b in choose_bands(told, ("red",))] == ["own"]
    assert [b.name for b in choose_bands(told, (extra,))] == [extra]


def stack() -> Image:
    rng = np.random.default_rng(4)
    array = rng.integers(1, 3000, (3, 3, 64, 64)).astype(np.uint16)
    valid = np.ones((3, 64, 64), bool)
    valid[0, :20] = valid[2, :3] = False
    return Image(
        array, ("red", "green", "blue"), grid(10, 64), 0, valid, (0.0, 3000.0), (START,) * 3
    )


def test_pictures_show_the_clearest_date() -> None:
    image = stack()
    np.testing.assert_array_equal(planes(image), planes(image.date(1)))
    assert contrast(image) == contrast(image.date(1))
    assert perceptual(image) == perceptual(image.date(1))
    image.valid[:] = True
    np.testing.assert_array_equal(planes(image), planes(image.date(0)))
    sample = Sample("w", 1, 1, images={"image": image})
    assert Jpeg()(sample, Context(seed=0))[:2] == b"\xff\xd8"


def test_statistics_count_all_dates() -> None:
    image = stack()
    together = band_stats(image)
    alone = [band_stats(image.date(t)) for t in range(3)]
    assert [row["band"] for row in together] == ["red", "green", "blue"]
    for place, row in enumerate(together):
        parts = [one[place] for one in alone]
        for name in ("valid", "nodata", "sum", "squares"):
            assert row[name] == pytest.approx(sum(part[name] for part in parts))
        assert row["min"] == min(part["min"] for part in parts)
        assert row["max"] == max(part["max"] for part in parts)
        np.testing.assert_array_equal(
            row["histogram"], np.sum([p["histogram"] for p in parts], axis=0)
        )


def test_a_mask_is_a_member_of_its_own(tmp_path: Path) -> None:
    scl = np.random.default_rng(1).integers(0, 12, (16, 16)).astype(np.uint8)
    fine = write(tmp_path / "f.tif", np.full((16, 16), 5, np.uint16), PLACE, 0)
    mask = write(tmp_path / "m.tif", scl, PLACE)
    told = scene((band("B04", fine), band("SCL", mask, dtype="uint8")), PLACE)
    encoder = GeoTiff(image="mask")
    assert set(encoder.needs) == {"image", "mask"}
    data = encoder(chip(told, bands=("B04",), mask=True), Context(seed=0))
    with MemoryFile(data) as memory, memory.open() as source:
        np.testing.assert_array_equal(source.read(1), scl)
        assert source.descriptions == ("SCL",) and source.dtypes == ("uint8",)
