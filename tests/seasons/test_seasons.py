"""Images by season: each in its season, clear enough, of few enough years, and told about truly."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from schemas.errors import Reject, SourceError
from schemas.phenology import Dates, new_year, summarise
from schemas.samples import Sample
from schemas.scenes import Band, Scene
from schemas.seasons import edges, offset_of
from schemas.windows import Grid, to_lonlat
from transforms.context import Context
from transforms.seasons import OFFSETS, Images, Phenology
from transforms.seasons.choice import QUARTERS, season_of

NORTH = (109.0, 175.0, 252.0, 318.0)
SOUTH = (-110.0, -40.0, 60.0, 150.0)
LON, LAT = 11.5, 48.0
GRID = Grid("EPSG:32632", (10.0, 0.0, 680_000.0, 0.0, -10.0, 5_330_000.0), 1000, 1000)


def scene(day: str, cloud: float | None = 5.0, **more: Any) -> Scene:
    """A Sentinel-2 scene of a day."""
    when = datetime.fromisoformat(day).replace(tzinfo=UTC)
    base = Scene(
        f"S2_{day}", "sentinel-2-l2a", when, GRID, "POLYGON EMPTY",
        (Band("B04", "a.tif"), Band("B08", "b.tif")), "CC0-1.0", "", cloud=cloud,
        platform="sentinel-2a", baseline="05.00",
    )  # fmt: skip
    return replace(base, **more)


class Over:
    """Imagery of which every scene shows every place."""

    def __init__(self, scenes: list[Scene]) -> None:
        self.scenes = scenes

    def over(self, lon: float, lat: float) -> list[Scene]:
        return self.scenes


def taken(
    scenes: list[Scene], offsets: Any = NORTH, years: Any = None, seed: int = 0, **settings: Any
) -> Sample:
    """A place's images."""
    lon, lat = to_lonlat(GRID.crs, np.array([685_000.0]), np.array([5_325_000.0]))
    facts = dict(zip(OFFSETS, offsets, strict=True))
    sample = Sample("a", float(lon[0]), float(lat[0]), facts=facts)
    ctx = Context(seed=seed, sources={"imagery": Over(scenes)}, years=years)
    return Images(**settings)(sample, ctx)


def days(sample: Sample) -> list[str]:
    return [str(s.datetime.date()) for s in sample.scenes if s.datetime]


def told(sample: Sample, fact: str) -> list[str]:
    return str(sample.facts[fact]).split(",")


def many(count: int, seed: int) -> list[Scene]:
    """Scenes at random between 2016 and 2025, of random cloud."""
    rng = np.random.default_rng(seed)
    start = datetime(2016, 1, 1)
    return [
        scene((start + timedelta(hours=int(rng.integers(24 * 3650)))).isoformat(), float(c))
        for c in rng.uniform(0, 60, count)
    ]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "offsets", [NORTH, SOUTH, (-5.5, 60.25, 200, 341.75), (300, 350, 420, 600)]
)
def test_each_image_lies_in_its_season(seed: int, offsets: tuple[float, ...]) -> None:
    """Check 5: offset within the season's interval, cloud below 20, two to four of them, in time order."""
    select = ("min_cloud", "mid_season")[seed % 2]
    sample = taken(many(60, seed), offsets, select=select, max_year_span=0 if seed % 3 else 2.5)
    names, when = told(sample, "seasons"), told(sample, "datetimes")
    assert 2 <= len(names) <= 4 == len(set(names)) + 4 - len(names)
    assert sample.facts["n_images"] == len(names) == len(sample.scenes)
    assert when == sorted(when) and days(sample) == [text[:10] for text in when]
    sides = dict(zip(("spring", "summer", "autumn", "winter"), range(4), strict=True))
    for place, name in enumerate(names):
        shown = sample.scenes[place]
        assert shown.cloud is not None and shown.cloud < 20
        assert shown.datetime is not None and 2017 <= shown.datetime.year <= 2024
        start, end, target = (
            datetime.fromisoformat(told(sample, fact)[place])
            for fact in ("season_starts", "season_ends", "target_dates")
        )
        assert start <= shown.datetime < end and start <= target <= end
        low, high = edges(offsets)[sides[name]], edges(offsets)[sides[name] + 1]
        year = start.year - int(np.floor(low / 365.25))
        assert any(low <= offset_of(shown.datetime, y) < high for y in range(year - 1, year + 2))
        away = float(told(sample, "date_offset_days")[place])
        assert away == pytest.approx((shown.datetime - target) / timedelta(days=1), abs=1e-3)


def test_the_clearest_or_the_one_in_the_middle() -> None:
    """Mid-summer is offset 213.5, 1 August at noon; mid-spring 142, 23 May."""
    scenes = [
        scene("2019-05-23T10:00:00", 19.0), scene("2021-04-22T10:00:00", 1.0),
        scene("2020-08-02T10:00:00", 12.0), scene("2018-07-30T10:00:00", 12.0),
        scene("2018-07-20T10:00:00", 20.0),
    ]  # fmt: skip
    assert days(taken(scenes)) == ["2020-08-02", "2021-04-22"]  # nearer to the middle of two alike
    assert days(taken(scenes, select="mid_season")) == ["2019-05-23", "2020-08-02"]
    alike = [scene("2019-05-23T10:00:00", 3.0), replace(scene("2019-05-23T10:00:00", 3.0), id="A")]
    assert [s.id for s in taken([*alike, scenes[2]]).scenes] == ["A", "S2_2020-08-02T10:00:00"]


@pytest.mark.parametrize("select", ["min_cloud", "mid_season"])
def test_an_image_of_unknown_cloud_comes_after_all_that_is_known(select: str) -> None:
    scenes = [scene("2020-05-20", None), scene("2020-06-20", 19.0), scene("2020-08-01", None)]
    found = taken(scenes, select=select)
    assert days(found) == ["2020-06-20", "2020-08-01"]
    assert (found.facts["clouds"], found.facts["cloud_scene"]) == ("19.0,", None)
    spread = taken([*scenes, scene("2021-06-20", 1.0)], select=select, max_year_span=0.5)
    assert days(spread) == ["2020-06-20", "2020-08-01"]


def test_scenes_of_another_sensor_are_told() -> None:
    aerial = scene("2020-06-01", collection="naip", bands=(Band("red", "a.tif"),))
    with pytest.raises(Reject, match=r"0 scenes .*; 2 of other sensors .*seasons\.sensor"):
        taken([aerial, aerial])


def test_twenty_per_cent_is_too_much() -> None:
    with pytest.raises(Reject) as caught:
        taken([scene("2020-06-01", 20.0), scene("2020-08-01", 30.0)])
    assert (
        caught.value.code == "cloudy" and "none of 2 scenes is below 20 %" in caught.value.message
    )
    with pytest.raises(Reject) as caught:
        taken([scene("2020-06-01", 19.99), scene("2020-08-01", 20.0)])
    assert caught.value.code == "too_few_seasons"
    assert "1 of 4 seasons, at least 2; scenes: spring 1, summer 0, autumn 0, winter 0" in (
        caught.value.message
    )


def test_years() -> None:
    scenes = [scene("2016-06-01"), scene("2025-08-01"), scene("2020-06-01"), scene("2021-08-01")]
    assert days(taken(scenes)) == ["2020-06-01", "2021-08-01"]
    assert days(taken(scenes, first=2016, last=2025, years=(2010, 2020), least=1)) == ["2016-06-01"]
    with pytest.raises(Reject) as caught:
        taken(scenes, years=(2022, 2023))
    assert caught.value.code == "no_imagery_in_years"


def test_images_need_not_be_of_one_year_unless_asked() -> None:
    scenes = [
        scene("2017-06-01", 0.0), scene("2024-08-01", 0.0),  # clear, and far apart
        scene("2020-06-01", 9.0), scene("2021-08-01", 9.0), scene("2021-10-01", 9.0),
    ]  # fmt: skip
    free = taken(scenes)
    assert days(free) == ["2017-06-01", "2021-10-01", "2024-08-01"]
    assert free.facts["year_span_days"] == pytest.approx(2618)
    bound = taken(scenes, max_year_span=2)
    assert days(bound) == ["2020-06-01", "2021-08-01", "2021-10-01"]
    for seed in range(8):
        near = taken(many(80, seed), max_year_span=1.5)
        assert near.facts["year_span_days"] <= 1.5 * 365.25


def test_the_choice_within_years_is_the_best_there_is() -> None:
    """Against all choices of one image or none for each season."""
    from itertools import product

    for seed in range(6):
        scenes = many(14, seed)
        usable = [s for s in scenes if s.cloud is not None and s.cloud < 20]
        by: dict[str, list[Scene | None]] = {}
        for s in usable:
            assert s.datetime is not None
            span = season_of(s.datetime, NORTH) if 2017 <= s.datetime.year <= 2024 else None
            if span:
                by.setdefault(span.name, [None]).append(s)
        best: tuple[float, float] = (0, 0)
        for each in product(*by.values()):
            some = [s for s in each if s]
            times = [s.datetime for s in some if s.datetime]
            if some and max(times) - min(times) <= timedelta(days=365.25 * 2):
                best = min(best, (-len(some), sum(s.cloud or 0 for s in some)))
        found = taken(scenes, max_year_span=2, least=1)
        assert len(found.scenes) == -best[0]
        assert sum(s.cloud or 0 for s in found.scenes) == pytest.approx(best[1])


def test_the_place_has_no_phenology() -> None:
    with pytest.raises(Reject) as caught:
        taken([scene("2020-06-01")], (None,) * 4)
    assert caught.value.code == "no_phenology"


def test_scenes_of_another_sensor_or_zone_are_no_candidates() -> None:
    aerial = replace(scene("2020-06-02", 0.0), collection="naip")
    other = replace(scene("2020-08-02", 0.0), grid=replace(GRID, crs="EPSG:32633"))
    found = taken([aerial, other, scene("2020-06-01", 9.0), scene("2020-08-01", 9.0)])
    assert days(found) == ["2020-06-01", "2020-08-01"]


def test_images_of_a_place_are_of_one_collection() -> None:
    """Reflectance at the ground and above the air are not mixed, however clear the others are."""
    above = [
        replace(scene(day, 0.0), collection="sentinel-2-l1c")
        for day in ("2020-06-01", "2020-08-01")
    ]
    below = [scene(day, 9.0) for day in ("2019-06-01", "2019-08-01", "2019-10-01")]
    found = taken([*above, *below])
    assert days(found) == ["2019-06-01", "2019-08-01", "2019-10-01"]
    assert found.facts["collection"] == "sentinel-2-l2a"
    assert days(taken([*above, *below[:2]])) == [
        "2019-06-01",
        "2019-08-01",
    ]  # the ground comes first
    only = taken([*above, *below], collection="sentinel-2-l1c")
    assert days(only) == ["2020-06-01", "2020-08-01"]


def test_scenes_without_a_date_are_told() -> None:
    with pytest.raises(Reject, match=r"2 without a date .*--datetime imagery"):
        taken([scene("2020-06-01", datetime=None)] * 2)


# --- the calendar's control set


def test_calendar_windows() -> None:
    """Fifteen days before and after the four dates of SSL4EO-S12, whatever the plants do."""
    scenes = [
        scene("2018-03-05T00:00:00"), scene("2018-03-04T23:00:00", 0.0),  # 15 days before 20 March
        scene("2019-06-01"), scene("2019-06-21T10:00:00", 6.0), scene("2021-07-05T23:00:00", 7.0),
        scene("2020-12-31"), scene("2022-01-04T10:00:00", 1.0), scene("2022-01-05T00:00:00", 0.0),
    ]  # fmt: skip
    sample = taken(scenes, calendar=True)
    assert told(sample, "seasons") == ["march", "june", "december"]
    assert days(sample) == ["2018-03-05", "2019-06-21", "2022-01-04"]
    targets = [datetime.fromisoformat(text).date() for text in told(sample, "target_dates")]
    assert targets == [date(2018, 3, 20), date(2019, 6, 21), date(2021, 12, 21)]
    assert {(t.month, t.day) for t in targets} <= set(QUARTERS)


@pytest.mark.parametrize("seed", range(8))
def test_calendar_images_lie_in_their_windows(seed: int) -> None:
    sample = taken(many(150, seed), calendar=True, shift_days=365 if seed % 2 else 0, seed=seed)
    for away in told(sample, "date_offset_days"):
        assert -15 <= float(away) < 15
    targets = [datetime.fromisoformat(text) for text in told(sample, "target_dates")]
    gaps = {(t - datetime(t.year, 1, 1, tzinfo=UTC)).days for t in targets}
    assert len(gaps) == len(targets)
    again = taken(many(150, seed), calendar=True, shift_days=365 if seed % 2 else 0, seed=seed)
    assert again.facts == sample.facts


# --- phenology of places


class Source:
    """Phenology at three places; the second has none, the third is poor and out of order."""

    def at(self, lon: Any, lat: Any) -> Dates:
        found = Dates.blank(len(lon), (2020, 2021))
        for year in (0, 1):
            found.days[0, year, 0] = new_year(2020 + year) + np.array(NORTH, int) + year * 4
        found.days[2, 0, 0] = new_year(2020) + np.array([200, 100, 150, 300])
        return found

    def nearest(self, lon: Any, lat: Any, max_km: float = 0.0) -> Any:
        found = summarise(self.at(np.zeros(3), np.zeros(3))).take(np.zeros(len(lon), int))
        km = np.array([12.5, 80.0])[: len(lon)]
        if max_km:
            found.offsets[km > max_km] = np.nan
        return found, km


def test_phenology_of_a_partition() -> None:
    samples = [Sample(name, 10.0 + n, 50.0) for n, name in enumerate("abc")]
    ctx = Context(sources={"phenology": Source()})
    found = Phenology().across(samples, ctx)
    facts = [s.facts for s in found]
    assert [f["pheno_source"] for f in facts] == ["direct", "nearest", "nearest"]
    assert [f["pheno_greenup"] for f in facts] == [111.0] * 3  # a median of two is their mean
    assert [f["pheno_fill_km"] for f in facts] == [0.0, 12.5, 80.0]
    assert [f["pheno_years_left_out"] for f in facts] == [0, 0, 1]
    assert [f["pheno_years_used"] for f in facts] == [2, 2, 2]
    assert all(set(f) == set(Phenology().gives) for f in facts)
    near = Phenology(max_km=50).across([Sample(n, 10.0, 50.0) for n in "abc"], ctx)
    assert [s.facts.get("pheno_source") for s in near] == ["direct", "nearest", None]
    assert Phenology().across([], Context()) == []


def test_a_source_without_a_usable_pixel_ends_the_build(tmp_path: Any) -> None:
    from catalogs.sources.phenology import open_phenology
    from catalogs.sources.terms import Override
    from phenology_files import write, year_of_layers

    empty = year_of_layers(2021, np.full((4, 4, 4), np.nan), (4, 4))
    source = open_phenology(write(tmp_path / "p_2021.tif", empty), Override())
    with pytest.raises(SourceError, match="no pixel has the four dates"):
        Phenology().across([Sample("a", 11.2, 48.0)], Context(sources={"phenology": source}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"select": "first"}, "select='first': one of min_cloud, mid_season"),
        ({"least": 5}, "least=5"),
        ({"sensor": "sentinel2"}, "sensor='sentinel2': one of sentinel-2, hls"),
        ({"first": 2020, "last": 2019}, "last=2019: must be at least 2020"),
        ({"window_days": 60}, "window_days=60"),
        ({"max_year_span": -1}, "max_year_span=-1"),
    ],
)
def test_settings_that_cannot_be_met(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Images(**settings)
