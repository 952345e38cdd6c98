"""GEDI's shots over the world: where the beams fell, and what they measured.

A granule is one overflight: eight parallel beams 600 m apart with a shot every 60 m. Shots are kept
in and near scenes, as a subset of a granule keeps them; some are lost to clouds. The biomass of a
good shot is the world's at the centre of its footprint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

from catalogs.world import biomass, noise, surface, terrain
from catalogs.world.layout import Place
from catalogs.world.materials import MATERIALS
from catalogs.world.noise import Spots
from catalogs.world.sites import SITES, generator
from catalogs.world.stacfile import Json

BEAMS = (0b0000, 0b0001, 0b0010, 0b0011, 0b0101, 0b0110, 0b1000, 0b1011)
"""Numbers of the beams: four of half power (coverage), four of full power."""

APART, STEP = 600.0, 60.0
"""Metres between beams, and between shots of one beam."""

RATE = 242 / 2
"""Shots of one beam per second."""

EPOCH = datetime(2018, 1, 1, tzinfo=UTC)

PFT = {"conifer": 1, "mixed": 1, "broadleaf": 4, "orchard": 4, "scrub": 5, "heath": 5}
"""Plant functional type of woody materials; of others it follows from the land cover."""

COVER_PFT = {
    "grass": 6, "crop": 7, "vineyard": 8, "water": 0, "pool": 0, "bare": 11, "wetland": 6,
    "garden": 6, "pitch": 6, "orchard": 4, "forest": 4, "tree": 4,
}  # fmt: skip
"""Plant functional type by land cover; the rest is urban (9)."""


@dataclass(frozen=True)
class Flight:
    """One overflight.

    Attributes:
        start: Time of the granule.
        orbit, track: Numbers in its name.
        first, last: Places that the middle of the swath passes over, in this order.
        sun: Solar elevation in degrees.
        absent: Number of the beam that was off, None if all were on.
    """

    start: datetime
    orbit: int
    track: int
    first: str
    last: str
    sun: float
    absent: int | None = None

    def name(self, product: str) -> str:
        """File name of the granule as `GEDI04_A` or `GEDI02_A`."""
        tail = "02_002_02" if product == "GEDI04_A" else "02_003_01"
        return (
            f"{product}_{self.start:%Y%j%H%M%S}_O{self.orbit:05d}_02_T{self.track:05d}_{tail}_V002"
            ".h5"
        )


FLIGHTS = (
    Flight(datetime(2021, 2, 8, 3, 12, 40, tzinfo=UTC), 12132, 4021, "auerloh", "seewiesen", -41.5),
    Flight(datetime(2021, 7, 20, 13, 5, 11, tzinfo=UTC), 14663, 2214, "haselau", "hochrain", 48.0),
    Flight(
        datetime(2021, 9, 30, 22, 41, 3, tzinfo=UTC), 15785, 8730, "buchenried", "moosgrund",
        -44.0, 0b0010,
    ),
    Flight(datetime(2022, 8, 2, 6, 30, 55, tzinfo=UTC), 20529, 5517, "weidmoos", "eichenlohe", 18.0),
)  # fmt: skip
"""The first one came before every Sentinel-2 pass, the others at most 45 days after one."""

Shots = dict[str, NDArray[Any]]


def shots(flight: Flight, beam: int, seed: int) -> Shots:
    """What one beam measured: arrays (n,) by name, as in the root of an L4A beam, and more.

    Names that no granule has begin with "_": `_material` (codes), `_rh98`.
    """
    index, lon, lat = _track(flight, beam)
    rng = generator(seed, "gedi", flight.orbit, beam)
    luck = rng.random((8, index.size))
    mass, code = biomass.biomass(lon, lat, seed), surface.materials(lon, lat, biomass.YEAR, seed)
    code = np.where(code == surface.OUTSIDE, surface.NAMES.index("meadow"), code)
    cover = np.array([MATERIALS[name].cover for name in surface.NAMES])[code]
    wet, built = np.isin(cover, ("water", "pool")), np.isin(cover, ("building", "road", "paved"))
    ran = ~wet & (luck[0] > 0.02)
    good = ran & (luck[1] < 0.9)
    strong = beam >= 0b0101
    top, fill = biomass.top_height(mass), np.float32(-9999)
    mapped = np.where(ran, np.sqrt(mass / biomass.BIAS), fill)
    spread = np.where(ran, 2.9 + 0.03 * mass, fill)
    low = biomass.BIAS * np.maximum(np.sqrt(mass / biomass.BIAS) - 3.1, 0) ** 2
    high = biomass.BIAS * (np.sqrt(mass / biomass.BIAS) + 3.1) ** 2
    start = (flight.start - EPOCH).total_seconds()
    kinds = np.array([PFT.get(n, COVER_PFT.get(MATERIALS[n].cover, 9)) for n in surface.NAMES])
    found = {
        "shot_number": _numbers(flight, beam, index),
        "lon_lowestmode": lon,
        "lat_lowestmode": lat,
        "delta_time": start + (index - 10_000) / RATE,
        "agbd": np.where(ran, mass, fill).astype(np.float32),
        "agbd_se": spread.astype(np.float32),
        "agbd_pi_lower": np.where(ran, low, fill).astype(np.float32),
        "agbd_pi_upper": np.where(ran, high, fill).astype(np.float32),
        "agbd_t": mapped.astype(np.float32),
        "agbd_t_se": np.where(ran, 1.88, fill).astype(np.float32),
        "sensitivity": (
            (0.945 + 0.045 * luck[2]) if strong else (0.90 + 0.085 * luck[2])
        ).astype(np.float32),
        "elev_lowestmode": (terrain.elevation(lon, lat) + luck[3] - 0.5).astype(np.float32),
        "solar_elevation": (flight.sun + 0.001 * (index - 10_000)).astype(np.float32),
        "algorithm_run_flag": ran,
        "l2_quality_flag": good | (wet & (luck[1] < 0.5)),
        "l4_quality_flag": good & (luck[4] < 0.97),
        "degrade_flag": np.where(luck[5] < 0.94, 0, np.where(luck[5] < 0.97, 3, 30)),
        "predictor_limit_flag": np.where(luck[4] > 0.96, 1, 0),
        "response_limit_flag": np.where(luck[4] > 0.98, 1, 0),
        "selected_algorithm": np.where(luck[6] < 0.8, 1, 2),
        "selected_mode": np.where(top > 5, 1, 0),
        "selected_mode_flag": np.ones(index.size),
        "surface_flag": luck[7] > 0.015,
        "channel": np.full(index.size, BEAMS.index(beam) // 2),
        "pft_class": kinds[code],
        "urban_proportion": np.where(built, 55 + 40 * luck[6], 8 * luck[6]).astype(np.int64),
        "landsat_water_persistence": np.where(wet, 95, 0),
        "landsat_treecover": np.clip(top * 4 - 8, 0, 95),
        "_material": code,
        "_rh98": np.maximum(top, 0).astype(np.float32),
    }  # fmt: skip
    return found


def _track(flight: Flight, beam: int) -> tuple[NDArray[np.int64], Spots, Spots]:
    """(index, lon, lat) of the shots of one beam that come through, near scenes only."""
    geod, ends = Geod(ellps="WGS84"), {site.id: site for site in SITES}
    first, last = ends[flight.first], ends[flight.last]
    ahead, _, length = geod.inv(first.lon, first.lat, last.lon, last.lat)
    aside = (BEAMS.index(beam) - 3.5) * APART
    lon, lat, _ = geod.fwd(first.lon, first.lat, ahead + 90, aside)
    steps = np.arange(-3600.0 + 7 * beam, length + 3600, STEP)
    same = np.ones_like(steps)
    lons, lats, _ = geod.fwd(lon * same, lat * same, ahead * same, steps)
    lons, lats = np.round(lons, 9), np.round(lats, 9)
    near = np.zeros(steps.size, bool)
    for site in SITES:
        near |= (np.abs(lons - site.lon) < 0.0275) & (np.abs(lats - site.lat) < 0.0185)
    cloudy = noise.field(lons, lats, 0.013, flight.orbit) > 0.45
    kept = near & ~cloudy
    return 10_000 + np.flatnonzero(kept), lons[kept], lats[kept]


def _numbers(flight: Flight, beam: int, index: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Shot numbers: orbit, beam, 0, sub-granule 02, index, as decimal digits."""
    head = flight.orbit * 10**13 + beam * 10**11 + 2 * 10**8
    return np.asarray(index.astype(np.uint64) + np.uint64(head))


def granules(seed: int) -> Iterator[tuple[Flight, dict[int, Shots]]]:
    """Every overflight with what its beams measured."""
    for flight in FLIGHTS:
        on = (beam for beam in BEAMS if beam != flight.absent)
        yield flight, {beam: shots(flight, beam, seed) for beam in on}


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """Writes an L4A and an L2A granule per overflight; returns no collection, and counts."""
    from catalogs.world import gedifile

    folder.mkdir(parents=True, exist_ok=True)
    facts = {}
    for flight, beams in granules(places[0].seed):
        gedifile.write_l4a(folder / flight.name("GEDI04_A"), flight, beams)
        gedifile.write_l2a(folder / flight.name("GEDI02_A"), flight, beams)
        facts[flight.name("GEDI04_A")] = {
            "shots": sum(found["agbd"].size for found in beams.values()),
            "good": int(sum(found["l4_quality_flag"].sum() for found in beams.values())),
            "beams": len(beams),
        }
    return {}, facts
