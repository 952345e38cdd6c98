"""Audits: even samplers look even, and the published biases of the others are seen."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.sources.land import Land, cut
from catalogs.sources.points import open_cities
from catalogs.sources.terms import Override
from sampling import ctx_of, scene
from schemas.errors import Reject
from schemas.samples import Sample
from schemas.scenes import Band, Scene
from schemas.windows import Grid as Pixels
from schemas.windows import from_lonlat
from schemas.zones import crs_for
from transforms.gates import OnLand
from transforms.samplers import Audit, Cities, Grid, Scenes
from transforms.samplers.compare import as_table, compare
from transforms.samplers.cover import cover_of
from transforms.samplers.evenness import Tally, compared

START = datetime(2021, 1, 1, 10, 0, tzinfo=UTC)


def land_of(*shapes: Any) -> Land:
    pieces = np.array([part for shape in shapes for part in cut(shape)], object)
    shapely.prepare(pieces)
    return Land(pieces, None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def ground() -> Land:
    """A continent from 30 S to 75 N."""
    return land_of(shapely.box(-10, -30, 30, 75))


def revisits() -> list[Any]:
    """Tiles of 100 km over the continent: dates rise with latitude as orbits draw together, and the
    tropics are clouded: the two biases of S2-100K's issue 11."""
    found = []
    for lat in np.arange(-29.5, 74.5, 0.9).tolist():
        wide = 0.9 / np.cos(np.radians(lat))
        for lon in np.arange(-9.5, 29.5, wide).tolist():
            crs = crs_for(lon, lat)
            x, y = from_lonlat(crs, np.array([lon]), np.array([lat]))
            corner = round(float(x[0]) - 50_000), round(float(y[0]) + 50_000)
            dates = 1 if abs(lat) < 15 else round(2 / np.cos(np.radians(lat)))
            found += [
                scene(
                    f"{lon:.1f}_{lat:.1f}_{k}",
                    crs,
                    *corner,
                    n=10_000,
                    when=START + timedelta(days=k),
                )
                for k in range(dates)
            ]
    return found


def cities_of(path: Path) -> Any:
    """Sixty cities, most of them between 40 and 55 N."""
    rng = np.random.default_rng(8)
    lat, lon = np.append(rng.uniform(40, 55, 50), rng.uniform(-30, 75, 10)), rng.uniform(-9, 29, 60)
    rows = [f"c{n},{lon[n]:.4f},{lat[n]:.4f},{1000 + n}" for n in range(60)]
    path.write_text("\n".join(["id,lon,lat,population", *rows]) + "\n")
    return open_cities(path, Override("CC0-1.0"))


@pytest.fixture(scope="module")
def reports(ground: Land, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    cities = cities_of(tmp_path_factory.mktemp("c") / "cities.csv")
    ctx = ctx_of(land=ground, imagery=revisits(), cities=cities)
    samplers = {
        "grid": Grid(km=40, over="land"),
        "cities": Cities(count=12_000),
        "cities, faithful": Cities(count=12_000, faithful=True),
        "scenes": Scenes(count=12_000),
        "scenes, weighted": Scenes(count=12_000, weighted=True),
    }
    return compare(samplers, ctx, Audit(over="land", step_km=20, cell_km=400))


def square(report: dict[str, Any]) -> float:
    return float(report["cells"]["chi_square"] / report["cells"]["degrees_of_freedom"])


def test_5_samplers_stand_side_by_side(reports: dict[str, Any]) -> None:
    """Counts per latitude band of each, that sum to its places; and a table for people."""
    for report in reports.values():
        assert sum(band["samples"] for band in report["latitude"]) == report["samples"]
        assert sum(band["area_share"] for band in report["latitude"]) == pytest.approx(1, abs=1e-5)
    table = as_table(reports)
    assert (
        table.splitlines()[0]
        == "|  | grid | cities | cities, faithful | scenes | scenes, weighted |"
    )
    assert "| 40 to 50 degrees |" in table


def test_a_grid_is_more_even_than_chance(reports: dict[str, Any]) -> None:
    """Chi-square far below one a degree of freedom; every band has its due; no cell is empty."""
    report = reports["grid"]
    assert square(report) < 0.3
    ratios = [b["ratio"] for b in report["latitude"] if b["area_share"] > 0.02]
    assert min(ratios) > 0.95 and max(ratios) < 1.05
    assert abs(report["cells"]["correlation_with_latitude"]) < 0.15
    assert report["cells"]["without_samples"] <= 3  # slivers at the edge


def test_cities_are_clusters(reports: dict[str, Any]) -> None:
    """Issue 3 of SSL4EO-S12: most cells are empty, some overfull, bands follow people."""
    for name in ("cities", "cities, faithful"):
        report = reports[name]
        assert square(report) > 20
        assert report["cells"]["without_samples"] > 0.3 * report["cells"]["with_ground"]
        by_band = {b["from"]: b["ratio"] for b in report["latitude"]}
        assert by_band[40.0] > 2 and by_band[0.0] < 0.6


def test_scenes_follow_the_revisits_and_their_weights_cure_it(reports: dict[str, Any]) -> None:
    """Issue 11 of SatCLIP: too many near the pole, too few in the tropics; none of it by weight."""
    biased, cured = reports["scenes"], reports["scenes, weighted"]
    ratios = {b["from"]: b["ratio"] for b in biased["latitude"]}
    assert ratios[60.0] > 1.4 and ratios[0.0] < 0.7
    assert biased["cells"]["correlation_with_latitude"] > 0.5
    ratios = {b["from"]: b["ratio"] for b in cured["latitude"] if b["area_share"] > 0.02}
    assert max(abs(r - 1) for r in ratios.values()) < 0.2
    assert abs(cured["cells"]["correlation_with_latitude"]) < 0.3
    assert square(cured) < square(biased) / 3


@given(st.integers(1, 400), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_counting_in_parts_changes_nothing(parts: int, seed: int) -> None:
    lon, lat = np.random.default_rng(seed).uniform((-180, -90), (180, 90), (400, 2)).T
    whole, split = Tally(500, 10), Tally(500, 10)
    whole.add(lon, lat, ["a"] * 400)
    for x, y in zip(np.array_split(lon, parts), np.array_split(lat, parts), strict=True):
        split.add(x, y, ["a"] * len(x))
    assert whole == split and whole.places == 400


def test_chance_alone_has_a_chi_square_of_its_degrees_of_freedom() -> None:
    """Places drawn evenly on the sphere: within four standard deviations, sqrt(2 dof)."""
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-180, 180, 40_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 40_000)))
    samples = Tally(1000, 10)
    samples.add(lon, lat)
    found = compared(samples, Audit("everywhere", 50, 1000).ground(ctx_of()))["cells"]
    free = found["degrees_of_freedom"]
    assert free > 400
    assert abs(found["chi_square"] - free) < 4 * np.sqrt(2 * free) + 0.05 * free
    assert found["p"] > 1e-4
    assert abs(found["correlation_with_latitude"]) < 0.2


def test_the_table_of_a_release_is_the_same_whatever_the_batches(
    tmp_path: Path, ground: Land
) -> None:
    """Byte for byte; with classes of land cover, and samples in the sea named as such."""
    rows = pa.table(
        {
            "lon": [0.5, 10.0, 100.0, 20.0],
            "lat": [50.5, 10.0, 0.0, -20.0],
            "class": ["forest", "crop", None, "crop"],
        }
    )
    audit = Audit(over="land", step_km=50, landcover="class")
    assert audit.needs == ("class",)
    for n, name in ((4, "a.json"), (1, "b.json")):
        audit.write(iter(rows.to_batches(max_chunksize=n)), tmp_path / name, ctx_of(land=ground))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["samples"] == 4 and found["cells"]["samples_off_ground"] == 1
    assert [(c["class"], c["samples"], c["share"]) for c in found["landcover"]] == [
        ("crop", 2, 0.5), ("forest", 1, 0.25), ("unknown", 1, 0.25),
    ]  # fmt: skip


def cover_map(folder: Path, name: str, box: Any, values: Any, when: datetime) -> Any:
    """A scene of classes on disk, in degrees; band 2 is a probability."""
    height, width = values.shape
    west, south, east, north = box
    transform = ((east - west) / width, 0.0, west, 0.0, -(north - south) / height, north)
    path = folder / f"{name}.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=2, dtype="uint8", nodata=255,
        crs="EPSG:4326", transform=transform, tiled=True, blockxsize=16, blockysize=16,
    ) as out:  # fmt: skip
        out.write(np.stack([np.full_like(values, 99), values]))
    grid = Pixels("EPSG:4326", transform, width, height)
    bands = (Band("probability", str(path), 1), Band("class", str(path), 2))
    return Scene(name, "cover", when, grid, shapely.box(*box).wkt, bands, "CC0-1.0", "x")


def test_land_cover_is_that_of_the_pixel_by_the_newest_map(tmp_path: Path) -> None:
    """Point by point; nodata falls back to the older map, what lies outside has no class."""
    rng = np.random.default_rng(6)
    old = rng.integers(1, 5, (40, 60)).astype(np.uint8)
    new = rng.integers(11, 15, (40, 60)).astype(np.uint8)
    new[:20] = 255
    scenes = (
        cover_map(tmp_path, "old", (0, 0, 60, 40), old, START),
        cover_map(tmp_path, "new", (0, 0, 60, 40), new, START + timedelta(days=365)),
    )
    lon, lat = rng.uniform((-5, -5), (65, 45), (500, 2)).T
    found = cover_of(scenes)(lon, lat)
    for x, y, kind in zip(lon, lat, found, strict=True):
        if 0 <= x < 60 and 0 < y <= 40:
            at = int(40 - y), int(x)
            assert kind == str(new[at] if new[at] != 255 else old[at])
        else:
            assert kind is None


def test_a_sampler_that_prefers_a_class_is_seen(tmp_path: Path) -> None:
    """Cities on class 7 in the south-west of a map: its ratio is far above 1, that of a grid 1."""
    values = np.full((40, 40), 3, np.uint8)
    values[20:, :20] = 7
    cover = cover_map(tmp_path, "map", (0, 0, 20, 20), values, START)
    path = tmp_path / "cities.csv"
    path.write_text("id,lon,lat,population\na,3,3,10\nb,5,6,10\nc,7,4,5\n")
    ctx = ctx_of(
        land=land_of(shapely.box(0, 0, 20, 20)), landcover=SimpleNamespace(scenes=(cover,)),
        cities=open_cities(path, Override("CC0-1.0")),
    )  # fmt: skip
    audit = Audit(step_km=10, cell_km=200, draws=3000)
    rows = Grid(km=30, over="land").scan(ctx, print)
    audit.write(rows, tmp_path / "audit.json", ctx)
    found = json.loads((tmp_path / "audit.json").read_text())
    assert found["ground"] == "land" and set(found["samplers"]) == {"grid", "cities"}
    share = {c["class"]: c["ratio"] for c in found["landcover"]}
    assert share["7"] == pytest.approx(1, abs=0.05) and share["3"] == pytest.approx(1, abs=0.05)
    share = {c["class"]: c["ratio"] for c in found["samplers"]["cities"]["landcover"]}
    assert share["7"] > 3.5 and share["3"] < 0.1
    assert 2500 < found["samplers"]["grid"]["samples"] < 3500
    reports = compare({"grid": Grid(km=40, over="land")}, ctx, Audit("land", 10, 200))
    assert "| class 7 | 1.0" in as_table(reports) or "| class 7 | 0.9" in as_table(reports)


def test_the_grid_that_measures_is_as_fine_as_it_must_be(ground: Land) -> None:
    """On a continent of 41 million square kilometres 25 km; on a field 100 m."""
    assert Audit().settled(ctx_of(land=ground)).step_km == 25
    assert Audit().settled(ctx_of(land=ground)).cell_km == 250
    field = land_of(shapely.box(10, 50, 10.05, 50.05))
    assert Audit().settled(ctx_of(land=field)).step_km == pytest.approx(0.195, abs=0.1)
    image = scene("a", "EPSG:32632", 600_000.0, 5_300_040.0, when=START)
    assert Audit().settled(ctx_of(imagery=[image])).over == "imagery"


def test_a_source_that_cannot_be_used_does_not_cost_the_release(
    tmp_path: Path, ground: Land
) -> None:
    (tmp_path / "c.csv").write_text("id,lon,lat,people\n1,10,50,5\n")
    cities = open_cities(tmp_path / "c.csv", Override("CC0-1.0"))
    ctx = ctx_of(land=ground, cities=cities)
    ctx.locations = {"cities": str(tmp_path / "c.csv")}
    rows = pa.table({"lon": [10.0], "lat": [50.0]})
    Audit(over="land", step_km=100).write(iter([rows]), tmp_path / "a.json", ctx)
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["samples"] == 1 and "grid" in found["samplers"]
    assert "c.csv: has no column 'population'" in found["left_out"]["cities"]
    assert str(tmp_path) not in (tmp_path / "a.json").read_text()
    named = Audit(over="land", step_km=100, population="people")
    named.write(iter([rows]), tmp_path / "a.json", ctx)
    assert "cities" in json.loads((tmp_path / "a.json").read_text())["samplers"]


def test_an_empty_release_has_an_audit_too(tmp_path: Path, ground: Land) -> None:
    Audit(over="land", step_km=100).write(iter([]), tmp_path / "a.json", ctx_of(land=ground))
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["samples"] == 0 and found["cells"]["chi_square"] is None


def test_a_gate_keeps_samples_on_land(ground: Land) -> None:
    ctx = ctx_of(land=ground)
    sample = Sample("x", 5.0, 50.0)
    assert OnLand()(sample, ctx) is sample
    with pytest.raises(Reject) as caught:
        OnLand()(Sample("y", -50.0, 50.0), ctx_of(land=SimpleNamespace(holds=ground.holds)))
    assert caught.value.code == "not_on_land"
