"""The recipe on the sample world: images lie in the seasons that its plants have, and tables say so."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio

from catalogs.releases.verify import verify
from catalogs.world import World, ensure
from catalogs.world.phenology import cycles_at
from catalogs.world.sites import SITES
from catalogs.world.terrain import MOUNTAIN_M, elevation
from pipelines.commands.build import main
from pipelines.datasets.ssl4eco import RECIPE
from schemas.grids import cells, middles
from schemas.seasons import edges, offset_of
from schemas.sensors import L2A_BANDS
from tests import shards
from transforms.seasons.choice import QUARTERS

YEARS = (2020, 2021, 2022)
"""Product years of the world's phenology."""

SEASONS = ("spring", "summer", "autumn", "winter")


@dataclass(frozen=True)
class Built:
    """A release and the world that it shows."""

    release: Path
    world: World

    def table(self, name: str) -> list[dict[str, Any]]:
        """Rows of a table."""
        return pq.read_table(self.release / "metadata" / f"{name}.parquet").to_pylist()

    def samples(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """(key, members by extension) of every sample, in the order of the tar files."""
        return shards.samples(self.release)


def build(out: Path, *more: str) -> Built:
    """`python -m pipelines.build --dataset ssl4eco`, offline."""
    assert main(["--dataset", "ssl4eco", "--out", str(out), "--quiet", *more]) == 0
    return Built(out / "ssl4eco" / "v1.0.0", ensure())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("ssl4eco"))


def entries(row: dict[str, Any], fact: str) -> list[str]:
    return str(row[fact]).split(",")


def test_it_is_a_whole_release(built: Built) -> None:
    assert verify(built.release) == []
    rows = built.table("samples")
    open_country = [site for site in SITES if site.years == ()]
    assert len(rows) == len(open_country) >= 8
    for site in open_country:
        ((row, column),) = zip(*cells(np.array([site.lon]), np.array([site.lat]), 23), strict=True)
        lon, lat = middles(row, column, 23)
        near = [r for r in rows if abs(r["lon"] - lon) < 1e-3 and abs(r["lat"] - lat) < 1e-3]
        assert len(near) == 1 and (near[0]["width"], near[0]["height"]) == (256, 256)
        assert near[0]["grid_cell"].lower() == near[0]["key"]


def test_phenology_is_that_of_the_worlds_plants(built: Built) -> None:
    """Medians lie between the years' own dates, whichever of the years were good enough."""
    direct = [row for row in built.table("samples") if row["pheno_source"] == "direct"]
    assert len(direct) >= 4
    names = ("greenup", "maturity", "senescence", "dormancy")
    for row in direct:
        truth = [cycles_at(row["lon"], row["lat"], year, built.world.seed) for year in YEARS]
        largest = [max(cycles, key=lambda c: c.amplitude) for cycles in truth if cycles]
        assert largest and row["pheno_years_used"] <= len(largest)
        for name in names:
            days = [getattr(cycle, name) for cycle in largest]
            assert min(days) - 1 <= row[f"pheno_{name}"] <= max(days) + 1, (row["key"], name, days)


def test_each_image_lies_in_its_season(built: Built) -> None:
    """Check 5, from the released tables alone."""
    samples = {row["key"]: row for row in built.table("samples")}
    images = built.table("images")
    per = {key: [i for i in images if i["sample_id"] == key] for key in samples}
    assert sum(len(found) for found in per.values()) == len(images)
    for key, found in per.items():
        row = samples[key]
        assert 2 <= len(found) == row["n_images"] <= 4
        assert [i["item_id"] for i in found] == row["scene_ids"]
        assert len({i["season"] for i in found}) == len(found)
        assert [i["datetime"] for i in found] == sorted(i["datetime"] for i in found)
        sides = edges(
            [row[f"pheno_{n}"] for n in ("greenup", "maturity", "senescence", "dormancy")]
        )
        for image in found:
            assert image["cloud_scene"] < 20
            assert image["season_start"] <= image["datetime"] < image["season_end"]
            place = SEASONS.index(image["season"])
            offsets = [offset_of(image["datetime"], y) for y in range(2019, 2024)]
            assert any(sides[place] <= offset < sides[place + 1] for offset in offsets)
            assert (
                image["target_date"]
                == image["season_start"] + (image["season_end"] - image["season_start"]) / 2
            )
            away = (image["datetime"] - image["target_date"]) / timedelta(days=1)
            assert image["date_offset_days"] == pytest.approx(away, abs=1e-3)
            assert image["split"] == row["split"] and image["collection"] == "sentinel-2-l2a"


def test_labels_match_the_worlds_calendar(built: Built) -> None:
    """By the dates that the world's own plants have in some year of the three."""
    samples = {row["key"]: row for row in built.table("samples")}
    checked = 0
    for image in built.table("images"):
        row = samples[image["sample_id"]]
        if row["pheno_source"] != "direct":
            continue
        labels = set()
        for year in YEARS:
            for cycle in cycles_at(row["lon"], row["lat"], year, built.world.seed):
                sides = edges([cycle.greenup, cycle.maturity, cycle.senescence, cycle.dormancy])
                for start in range(2019, 2024):
                    offset = offset_of(image["datetime"], start)
                    labels |= {
                        n for k, n in enumerate(SEASONS) if sides[k] <= offset < sides[k + 1]
                    }
        assert image["season"] in labels, (image, labels)
        checked += 1
    assert checked >= 10


def test_summer_is_greener_than_winter(built: Built) -> None:
    """In the pixels that were shipped, at every place that shows both."""
    both = 0
    for row in built.table("samples"):
        means = dict(zip(entries(row, "seasons"), entries(row, "ndvi_means"), strict=True))
        if {"summer", "winter"} <= set(means):
            both += 1
            assert float(means["summer"]) > float(means["winter"]) + 0.05, row["key"]
    assert both >= 5


def test_ndvi_is_made_of_the_shipped_bands(built: Built) -> None:
    """Check 7, from the tar files; 12 bands an image, in the stated order."""
    rows = {row["key"]: row for row in built.table("samples")}
    for key, members in built.samples():
        count = rows[key]["n_images"]
        with rasterio.MemoryFile(members["ms.geotiff"]) as memory, memory.open() as file:
            bands, names, nodata = file.read(), file.descriptions, file.nodata
            place = file.transform
        with rasterio.MemoryFile(members["ndvi.geotiff"]) as memory, memory.open() as file:
            ndvi, told = file.read(), file.descriptions
            assert file.transform == place and file.dtypes[0] == "float32"
        assert names == tuple(f"T{k}_{band}" for k in range(count) for band in L2A_BANDS)
        assert told == tuple(f"T{k}_ndvi" for k in range(count)) and nodata == 0
        for k in range(count):
            red, nir = (bands[12 * k + L2A_BANDS.index(b)].astype(float) for b in ("red", "nir"))
            gone = (red == nodata) | (nir == nodata)
            with np.errstate(invalid="ignore"):
                expected = np.where(gone, np.nan, (nir - red) / (nir + red)).astype(np.float32)
            np.testing.assert_array_equal(ndvi[k], expected)
            mean = float(entries(rows[key], "ndvi_means")[k])
            assert mean == pytest.approx(np.nanmean(expected.astype(float)), abs=1e-4)
        facts = json.loads(members["json"])
        assert facts["pheno_source"] in ("direct", "nearest") and "_platforms" not in facts


def test_what_was_left_out_is_counted(built: Built) -> None:
    drops = built.table("drops")
    assert {row["code"] for row in drops} <= {
        "no_imagery", "cloudy", "too_few_seasons", "outside_imagery", "nodata_share",
    }  # fmt: skip
    manifest = json.loads((built.release / "manifest.json").read_text())
    assert len(built.table("samples")) + len(drops) == manifest["counts"]["planned"]
    assert all(row["message"] and row["step"] for row in drops)


def test_the_comparison_is_that_of_the_samples(built: Built) -> None:
    """Check 8, computed anew: days from mid-season to the calendar's date of that name."""
    rows = built.table("samples")
    report = {(r["season"], r["against"]): r for r in built.table("season_comparison")}
    dates = [datetime(2021, m, d).timetuple().tm_yday - 1 for m, d in QUARTERS]
    far = np.zeros((len(rows), 4), bool)
    for at, row in enumerate(rows):
        sides = edges(
            [row[f"pheno_{n}"] for n in ("greenup", "maturity", "senescence", "dormancy")]
        )
        for place in range(4):
            gap = abs((sides[place] + sides[place + 1]) / 2 - dates[place]) % 365
            far[at, place] = min(gap, 365 - gap) > 30
    for place, season in enumerate(SEASONS):
        assert report[season, "named"]["differing"] == far[:, place].sum()
    assert report["any", "named"]["share"] == far.any(axis=1).mean()
    assert len(report) == 10


def test_years_are_those_of_all_images(built: Built) -> None:
    """In the statistics and on the card, not only those of each place's first image."""
    years = {(row["sample_id"], str(row["datetime"].year)) for row in built.table("images")}
    stats = json.loads((built.release / "stats" / "stats.json").read_text())
    assert stats["years"]["train"] == dict(sorted(Counter(year for _, year in years).items()))
    assert len(stats["years"]["train"]) > 1
    first, last = min(stats["years"]["train"]), max(stats["years"]["train"])
    assert f"| years | {first}-{last} |" in (built.release / "README.md").read_text()


def test_places_in_mountains_count_twice(built: Built) -> None:
    """By the height of the ground that the mask of mountains was drawn from."""
    rows = built.table("samples")
    lon, lat = (np.array([row[side] for row in rows]) for side in ("lon", "lat"))
    middles = (np.floor(lon * 100) / 100 + 0.005, np.floor(lat * 100) / 100 + 0.005)
    high = elevation(*middles) >= MOUNTAIN_M
    assert 0 < high.sum() < len(rows)
    assert [row["mountain"] for row in rows] == ["yes" if up else "no" for up in high]
    assert [row["sampling_weight"] for row in rows] == [2 if up else 1 for up in high]


def test_the_audit_knows_samplers_and_land_cover(built: Built) -> None:
    """How evenly the places lie on the land, beside other samplers."""
    audit = json.loads((built.release / "metadata" / "audit.json").read_text())
    text = json.dumps(audit)
    assert "landcover" in text or "land_cover" in text
    assert set(audit["samplers"]) == {"cities", "grid", "scenes", "scenes_weighted"}


def test_the_control_set_is_one_switch_away(built: Built, tmp_path: Path) -> None:
    """The same places, dates of the calendar; what phenology says of them stands beside."""
    control = build(tmp_path, "--set", "seasons.calendar=true", "--set", "seasons.window_days=30")
    rows, other = control.table("samples"), built.table("samples")
    assert rows and {row["key"] for row in rows} <= {row["key"] for row in other}
    same = {row["key"]: row["pheno_greenup"] for row in other}
    assert all(same[row["key"]] == row["pheno_greenup"] for row in rows)
    seen = set()
    for image in control.table("images"):
        assert abs(image["date_offset_days"]) <= 30
        month = image["target_date"].strftime("%B").lower()
        assert image["season"] == month
        seen.add((image["target_date"].month, image["target_date"].day))
    assert seen <= set(QUARTERS) and len(seen) >= 2


def test_places_around_cities_are_one_switch_away(built: Built, tmp_path: Path) -> None:
    """SSL4EO-S12's sampler, with the images of the same places and the same phenology."""
    site = next(site for site in SITES if site.years == ())
    cities = tmp_path / "cities.csv"
    cities.write_text(f"id,lon,lat,population\ncity,{site.lon},{site.lat},9000\n")
    world = built.world
    own = ["--imagery", str(world.catalog), "--phenology", str(world.role("phenology")),
           "--license", "phenology=CC0-1.0", "--set", "seasons.sampler=cities"]  # fmt: skip
    found = build(
        tmp_path / "out", *own, "--license", "cities=CC0-1.0", "--cities", str(cities),
        "--set", "seasons.count=6", "--set", "seasons.std_km=0.25", "--set", "seasons.apart_km=0.1",
    )  # fmt: skip
    rows = found.table("samples")
    assert rows and all(row["city_id"] == "city" and row["city_km"] < 1.5 for row in rows)
    assert "grid_cell" not in rows[0]
    assert {i["season"] for i in found.table("images")} <= set(SEASONS)
    without = ["--dataset", "ssl4eco", *own, "--out", str(tmp_path / "none"), "--quiet"]
    assert main(without) == 2  # nobody says where cities are


def test_its_method_is_the_specs() -> None:
    """Defaults that the paper states."""
    _, images, window, _ = RECIPE.plan
    assert (RECIPE.start.km, RECIPE.start.over, window.px) == (23, "land", 256)  # type: ignore[attr-defined]
    assert (images.max_cloud, images.least, images.first, images.last) == (20, 2, 2017, 2024)  # type: ignore[attr-defined]
    assert len(L2A_BANDS) == 12
