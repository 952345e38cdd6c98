"""`Cities`: places scattered around cities, as SeCo and SSL4EO-S12 do it.

Method: zhu-xlab/SSL4EO-S12, src/download_data/ssl4eo_s12_downloader.py; ServiceNow/seasonal-contrast,
datasets/seco_downloader.py.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.points import numbers_of
from schemas.chance import units
from schemas.errors import SourceError
from schemas.recipes import at_least
from schemas.samples import Drop
from schemas.windows import EARTH_M, arcs, unit_vectors
from transforms.context import Context
from transforms.neighbours import better_ranked_within
from transforms.samplers.ground import asked_for
from transforms.samplers.points import keys_of

Floats = npt.NDArray[np.float64]

KM_PER_DEGREE = 111.19
"""The original's, for both axes."""

BATCH = 65_536

NAME_IT = (
    "name the column of people by the setting `population` (--set samplers.population=NAME, of "
    "seasons.Places --set seasons.population=NAME)"
)
"""What to do about a file of cities without people."""


@dataclass(frozen=True)
class Around:
    """Candidates around cities, before any is left out.

    Attributes:
        city: row of each candidate's city.
        number: its number there, from 0.
        lon, lat: degrees.
        rank: in [0, 1): of two that are too near the lower stays.
    """

    city: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    lon: Floats
    lat: Floats
    rank: Floats


@dataclass(frozen=True)
class Cities:
    """About `count` places, equally many around each of the largest cities, normally distributed.

    A place is dropped as `too_near` where a better-ranked one lies within `apart_km`; ranks are hashes
    of seed and key, so neither the order nor the number of workers matters, and no two places that are
    left are nearer than that. (The original goes on with the place that it has rejected.)

    Attributes:
        count: candidates, before those that are too near are dropped.
        std_km: standard deviation on each axis.
        cities: so many, by population.
        apart_km: least distance of two places; the original's is 1.98. 0: any.
        faithful: as the original, degrees of one length on both axes: the cloud of places is squeezed
            from east to west by the cosine of the latitude.
        population: name of the column.
    """

    count: int = 250_000
    std_km: float = 50.0
    cities: int = 10_000
    apart_km: float = 1.98
    faithful: bool = False
    population: str = "population"
    role: str = field(default="cities", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"city_id": "string", "city_km": "float64"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse numbers and distances that there are not."""
        for name, least in (("count", 1), ("std_km", 0.001), ("cities", 1), ("apart_km", 0)):
            at_least(f"samplers.Cities.{name}", getattr(self, name), least)

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key` `aumarkt_0007`, `lon`, `lat`, city, distance from it), in batches."""
        ids, lon, lat = self._largest(ctx, on_drop)
        found = scattered(
            ids, lon, lat, self.count / len(ids), self.std_km, ctx.seed, self.faithful
        )
        asked = asked_for(found.lon, found.lat, ctx)
        near = np.zeros(len(found.lon), bool)
        if self.apart_km:
            near = too_near(found, self.apart_km)
        prefixes = keys_of(ids).to_pylist()
        for first in range(0, len(near), BATCH):
            part = slice(first, first + BATCH)
            some = np.flatnonzero(asked[part]) + first
            keys = [f"{prefixes[found.city[i]]}_{found.number[i]:04d}" for i in some.tolist()]
            for i in np.flatnonzero(near[some]).tolist():
                reason = f"a better-ranked place lies within {self.apart_km:g} km"
                on_drop(Drop(keys[i], "samplers.Cities", "too_near", reason))
            kept = np.flatnonzero(~near[some])
            rows = some[kept]
            if len(rows):
                city = found.city[rows]
                apart = unit_vectors(lon[city], lat[city]) - unit_vectors(
                    found.lon[rows], found.lat[rows]
                )
                yield pa.table(
                    {
                        "key": pa.array([keys[i] for i in kept], pa.string(), from_pandas=False),
                        "lon": found.lon[rows],
                        "lat": found.lat[rows],
                        "city_id": pa.array([ids[i] for i in city], pa.string(), from_pandas=False),
                        "city_km": arcs(np.linalg.norm(apart, axis=1)) / 1000,
                    }
                )

    def _largest(
        self, ctx: Context, on_drop: Callable[[Drop], None]
    ) -> tuple[list[str], Floats, Floats]:
        """(ids, lon, lat) of the cities with most people; ties go to the lower id."""

        def bad(number: int, code: str, message: str) -> None:
            on_drop(Drop(f"city-{number}", "samplers.Cities", code, message))

        source = ctx.sources["cities"]
        try:
            batches = list(source.batches(bad, (self.population,)))
        except SourceError as error:
            if f"no column {self.population!r}" not in str(error):
                raise
            raise SourceError(f"{error}; {NAME_IT}") from error
        if not sum(map(len, batches)):
            raise SourceError(f"{source.path}: holds no city with a place")
        table = pa.concat_tables(batches)
        people = numbers_of(table[self.population])
        known = ~np.isnan(people)
        for key in dict.fromkeys(table["id"].filter(pa.array(~known)).to_pylist()):
            said = f"{source.path.name}: {key} has no number in column {self.population!r}"
            on_drop(Drop(f"city-id-{key}", "samplers.Cities", "no_population", said))
        table, people = table.filter(pa.array(known)), people[known]
        if not (people > 0).any():
            raise SourceError(
                f"{source.path}: no city has people in column {self.population!r}; {NAME_IT}"
            )
        ids = np.array(table["id"].to_pylist(), object)
        first = np.unique(ids, return_index=True)[1]  # of an id that stands twice
        best = first[np.lexsort((ids[first].astype(str), -people[first]))][: self.cities]
        return list(ids[best]), table["lon"].to_numpy()[best], table["lat"].to_numpy()[best]


def scattered(
    ids: list[str], lon: Floats, lat: Floats, mean: float, std_km: float, seed: int, faithful: bool
) -> Around:
    """Candidates around cities: `mean` of each (the fraction by chance), normal on both axes.

    The place is laid off from the city along a great circle, so that kilometres are kilometres at any
    latitude; where `faithful`, in degrees of `KM_PER_DEGREE` on both axes, and latitudes are reflected
    at the poles.

    Args:
        lon, lat: of the cities, degrees.
    """
    extra = units(seed, "cities", ids)[:, 0] < mean - math.floor(mean)
    counts = math.floor(mean) + extra.astype(np.int64)
    city = np.repeat(np.arange(len(ids)), counts)
    number = np.arange(len(city)) - np.repeat(np.cumsum(counts) - counts, counts)
    names = (f"{ids[c]}\x1f{n}" for c, n in zip(city.tolist(), number.tolist(), strict=True))
    chance = units(seed, "around", names)
    far = std_km * np.sqrt(-2 * np.log1p(-chance[:, 0]))  # Box and Muller 1958
    turn = 2 * np.pi * chance[:, 1]
    east, north = far * np.sin(turn), far * np.cos(turn)
    if faithful:
        x, y = lon[city] + east / KM_PER_DEGREE, lat[city] + north / KM_PER_DEGREE
        over = np.abs(y) > 90
        x, y = np.where(over, x + 180, x), np.where(over, np.sign(y) * 180 - y, y)
    else:
        x, y = laid_off(lon[city], lat[city], far, turn)
    return Around(city, number, (x + 180) % 360 - 180, y, chance[:, 2])


def laid_off(lon: Floats, lat: Floats, km: Floats, azimuth: Floats) -> tuple[Floats, Floats]:
    """(lon, lat) in degrees at a distance from places along an azimuth (radians from north).

    Source: Snyder, Map Projections - A Working Manual (1987), eq. 5-5 and 5-6, on the sphere.
    """
    c, phi = km * 1000 / EARTH_M, np.radians(lat)
    sine = np.sin(phi) * np.cos(c) + np.cos(phi) * np.sin(c) * np.cos(azimuth)
    across = np.sin(c) * np.sin(azimuth)
    along = np.cos(phi) * np.cos(c) - np.sin(phi) * np.sin(c) * np.cos(azimuth)
    return (
        np.asarray(lon + np.degrees(np.arctan2(across, along))),
        np.asarray(np.degrees(np.arcsin(np.clip(sine, -1, 1)))),
    )


def too_near(found: Around, apart_km: float) -> npt.NDArray[np.bool_]:
    """Which candidates have a better-ranked one within a distance on the ground.

    (The original measures without the cosine as well: its 1.98 km are 1 km at 60 degrees.)
    """
    order = np.empty(len(found.rank), np.int64)
    order[np.lexsort((found.number, found.city, found.rank))] = np.arange(len(order))
    xyz = unit_vectors(found.lon, found.lat)
    reach = np.full(len(order), apart_km * 1000)
    return better_ranked_within(xyz, order, np.zeros(len(order), np.int64), reach)
