"""SSL4EO-S12 and SeCo: places around cities, with and without the original's missing cosine."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from scipy.spatial import cKDTree

from catalogs.sources.points import open_cities
from catalogs.sources.terms import Override
from pipelines.registry import recipe
from sampling import ctx_of, scan
from schemas.errors import SourceError
from schemas.samples import Drop
from schemas.settings import settings as settings_of
from schemas.windows import arcs, unit_vectors
from transforms.samplers import Cities
from transforms.samplers.cities import laid_off, scattered
from transforms.seasons.sampling import Places

SPHERE = Geod(a=6371008.8, b=6371008.8)


def world_cities(path: Path, rows: list[tuple[Any, ...]]) -> Any:
    """A file like the one that the original reads: name, lat, lng, population, id."""
    lines = ["city,lat,lng,population,id", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return open_cities(path, Override("CC0-1.0"))


@pytest.fixture
def cities(tmp_path: Path) -> Any:
    """Forty cities from 60 S to 75 N, one at the antimeridian."""
    rng = np.random.default_rng(4)
    rows: list[tuple[Any, ...]] = [
        (f"c{n}", round(float(rng.uniform(-60, 75)), 4), round(float(rng.uniform(-180, 180)), 4),
         int(1e6 - n * 1000), 1000 + n)
        for n in range(39)
    ]  # fmt: skip
    return world_cities(tmp_path / "cities.csv", [*rows, ("suva", -17, 179.95, 2_000_000, 7)])


def offsets_km(lat: float, faithful: bool, std: float = 50.0) -> tuple[Any, Any]:
    """(east, north) of many candidates around a city, measured by geodesics."""
    found = scattered(["x"], np.array([20.0]), np.array([lat]), 40_000, std, 0, faithful)
    n = len(found.lon)
    azimuth, _, far = SPHERE.inv(np.full(n, 20.0), np.full(n, lat), found.lon, found.lat)
    turn = np.radians(azimuth)
    return far / 1000 * np.sin(turn), far / 1000 * np.cos(turn)


@pytest.mark.parametrize("lat", [0.0, 60.0, -60.0, 80.0])
def test_2_kilometres_are_equal_on_both_axes(lat: float) -> None:
    """To the chance of 40,000 draws, at any latitude; and normal: 68.3 % within one of them."""
    east, north = offsets_km(lat, faithful=False)
    assert east.std() == pytest.approx(50, rel=0.02) and north.std() == pytest.approx(50, rel=0.02)
    assert abs(np.corrcoef(east, north)[0, 1]) < 0.02
    assert abs(east.mean()) < 1 and abs(north.mean()) < 1
    assert (np.abs(east) < 50).mean() == pytest.approx(0.6827, abs=0.01)


def test_2_the_original_is_squeezed_by_the_cosine_of_the_latitude() -> None:
    """At 60 degrees the ratio is 0.5; at the equator there is no difference."""
    east, north = offsets_km(60.0, faithful=True)
    assert north.std() == pytest.approx(50, rel=0.02)
    assert east.std() / north.std() == pytest.approx(0.5, rel=0.03)
    east, north = offsets_km(0.0, faithful=True)
    assert east.std() / north.std() == pytest.approx(1.0, rel=0.03)


@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(0, 5000), st.floats(0, 2 * np.pi))
@settings(max_examples=200, deadline=None)
def test_a_place_is_laid_off_along_a_great_circle(
    lon: float, lat: float, km: float, azimuth: float
) -> None:
    """As pyproj does it on the sphere, at the poles too."""
    x, y = laid_off(*(np.array([v]) for v in (lon, lat, km, azimuth)))
    wanted = SPHERE.fwd(lon, lat, np.degrees(azimuth), km * 1000)
    apart = unit_vectors(x, y) - unit_vectors(np.array([wanted[0]]), np.array([wanted[1]]))
    assert arcs(np.linalg.norm(apart)) < 0.5


@pytest.mark.parametrize("faithful", [False, True])
def test_1_the_same_seed_gives_the_same_points(tmp_path: Path, cities: Any, faithful: bool) -> None:
    """In whatever order the file has its cities; another seed gives others."""
    sampler = Cities(count=2000, faithful=faithful)
    first = scan(sampler, ctx_of(cities=cities))
    assert scan(sampler, ctx_of(cities=cities)).equals(first)
    lines = cities.path.read_text().splitlines()
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("\n".join([lines[0], *random.Random(1).sample(lines[1:], 40)]) + "\n")
    again = scan(sampler, ctx_of(cities=open_cities(mixed, Override("CC0-1.0"))))
    assert again.sort_by("key").equals(first.sort_by("key"))
    assert not scan(sampler, ctx_of(1, cities=cities))["lon"].equals(first["lon"])


@pytest.mark.parametrize("faithful", [False, True])
def test_3_no_two_places_are_nearer_than_they_may(cities: Any, faithful: bool) -> None:
    """1.98 km on the ground, after all drops, though they are crowded; what is dropped is counted."""
    drops: list[Any] = []
    found = scan(Cities(count=40_000, std_km=20, faithful=faithful), ctx_of(cities=cities), drops)
    xyz = unit_vectors(found["lon"].to_numpy(), found["lat"].to_numpy())
    nearest = cKDTree(xyz).query(xyz, k=2)[0][:, 1]
    assert arcs(nearest.min()) >= 1980
    assert {d.code for d in drops} == {"too_near"}
    assert len(drops) + len(found) == 40_000 and len(drops) > 5000
    loose = scan(Cities(count=40_000, std_km=20, apart_km=0), ctx_of(cities=cities))
    assert len(loose) == 40_000


def test_places_lie_around_their_cities_and_nowhere_else(cities: Any) -> None:
    """Equally many around each; the distance is that of geodesics; across the antimeridian too."""
    found = scan(Cities(count=4000, apart_km=0), ctx_of(cities=cities))
    counts = found["city_id"].value_counts().to_pylist()
    assert len(counts) == 40 and {row["counts"] for row in counts} == {100}
    suva = found.filter(np.asarray(found["city_id"].to_pylist()) == "7")
    lon = suva["lon"].to_numpy()
    assert (lon > 178).any() and (lon < -178).any() and ((lon > 175) | (lon < -175)).all()
    far = SPHERE.inv(np.full(100, 179.95), np.full(100, -17.0), lon, suva["lat"].to_numpy())[2]
    np.testing.assert_allclose(suva["city_km"].to_numpy() * 1000, far, rtol=1e-6, atol=0.1)
    assert np.median(far) == pytest.approx(50_000 * 1.1774, rel=0.25)  # of a Rayleigh distribution


def test_the_largest_cities_are_taken_by_their_true_population(tmp_path: Path) -> None:
    """Defect d of the original: 12345.5 is no 123,455."""
    rows = [("a", 10, 10, 12345.5, "a"), ("b", 20, 20, 50000, "b"), ("c", 30, 30, "", "c"),
            ("d", 95, 30, 9e9, "d"), ("b", 20, 20, 50000, "b")]  # fmt: skip
    drops: list[Any] = []
    source = world_cities(tmp_path / "c.csv", rows)
    found = scan(Cities(count=10, cities=1), ctx_of(cities=source), drops)
    assert set(found["city_id"].to_pylist()) == {"b"}
    assert [(d.code, d.message[:12]) for d in drops if d.code == "bounds"] == [
        ("bounds", "c.csv, row 4")
    ]
    with pytest.raises(SourceError, match=r"--set samplers.population=NAME"):
        scan(Cities(population="id"), ctx_of(cities=source))


def test_a_city_without_people_is_told_and_draws_nothing(tmp_path: Path) -> None:
    source = world_cities(tmp_path / "c.csv", [("a", 10, 10, 5000, "a"), ("b", 20, 10, 400, "b")])
    text = (tmp_path / "c.csv").read_text()
    (tmp_path / "c.csv").write_text(text.replace("400", ""))
    drops: list[Drop] = []
    rows = pa.concat_tables(Cities(count=20, apart_km=0).scan(ctx_of(cities=source), drops.append))
    assert set(rows["city_id"].to_pylist()) == {"a"} and len(rows) == 20
    assert [(d.id, d.code) for d in drops] == [("city-id-b", "no_population")]
    assert drops[0].message == "c.csv: b has no number in column 'population'"


def test_a_file_of_no_city_is_one_sentence(tmp_path: Path) -> None:
    source = world_cities(tmp_path / "c.csv", [])
    with pytest.raises(SourceError, match=r"c\.csv: holds no city"):
        scan(Cities(count=10), ctx_of(cities=source))


def test_a_recipe_can_name_the_column_of_people(tmp_path: Path) -> None:
    source = world_cities(tmp_path / "c.csv", [("a", 10, 10, 5000, "a")])
    text = (tmp_path / "c.csv").read_text().replace("population", "pop")
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(SourceError, match=r"'population'.*--set seasons\.population"):
        scan(Places("cities", count=3), ctx_of(cities=source))
    found = Places("cities", count=3, cities=1, apart_km=0, population="pop")
    assert len(scan(found, ctx_of(cities=source))) == 3
    assert {"seasons.Places.population", "samplers.Audit.population"} <= set(
        settings_of(recipe("ssl4eco"))
    )


def test_the_clusters_that_users_complain_of_are_there(cities: Any) -> None:
    """Nearly all places lie within 150 km of a city, on a small part of the Earth's area."""
    found = scan(Cities(count=8000), ctx_of(cities=cities))
    assert (found["city_km"].to_numpy() < 150).mean() > 0.98
    cap = np.pi * 150**2 * 40 / 510e6
    assert cap < 0.006
