"""Lidar footprints in a recipe: shots to start from. Gates on the pixels around them: `around`.

Rules of the footprint filter and of the patches: Sialelli et al., AGBD: A Global-scale Biomass Dataset,
arXiv 2406.04928; what is ours is said at each.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.gedi.names import written
from schemas.errors import SourceError
from schemas.mgrs import tiles
from schemas.recipes import at_least, within
from schemas.samples import Drop, Drops
from schemas.windows import Bounds
from transforms.context import Context
from transforms.footprints.predicates import Columns, Predicate, firsts, produced, undegraded

FLOATS = (
    "agbd",
    "agbd_se",
    "rh98",
    "elev_lowestmode",
    "sensitivity",
    "solar_elevation",
    "tree_cover",
)
WHOLE = (
    "pft_class", "region_class", "leaf_off_flag", "urban_proportion", "water_persistence",
    "selected_algorithm", "l4_quality_flag", "l2_quality_flag", "degrade_flag", "surface_flag",
    "predictor_limit_flag", "response_limit_flag", "stale_return_flag",
)  # fmt: skip
TEXTS = ("beam", "beam_type", "granule", "version")
NUMBERS = ("orbit", "sub_granule", "track", "ppds", "production")
"""Facts of a shot, by type; names of `catalogs.sources.gedi.layouts` and `HEAD`."""

BEAMS = ("", "full", "coverage")


@dataclass(frozen=True)
class Shots:
    """One sample for every GEDI L4A shot that meets the predicates; the others are rows of losses.

    Each shot that is not kept is counted under the first predicate that it does not meet, in the order of
    `predicates`. The first five of the attributes are the published filter, the rest is off; a value that
    a granule lacks meets no rule on it.

    Attributes:
        quality: whether `l4_quality_flag` must be 1.
        degrade: whether `degrade_flag` must be 0 (release 003: `degrade_include_flag` 1).
        sensitivity: beam sensitivity must be greater.
        least, most: Mg/ha between which the biomass must lie, both included.
        production: least production number of release 002, whose production 01 has wrong biomass where
            algorithm 10 is selected; 0: any.
        solar: most degrees of the sun above the horizon, 90: any; 0: night only.
        beams: `full` for full power beams, `coverage` for the others, "" for all.
        surface: whether `surface_flag` must be 1.
        stale: whether `stale_return_flag` must be 0.
        leaf_on: whether `leaf_off_flag` must be 0.
        urban, water: most percent of built-up and of lasting water around, 100: any.
    """

    quality: bool = True
    degrade: bool = True
    sensitivity: float = 0.95
    least: float = 0.0
    most: float = 500.0
    production: int = 2
    solar: float = 90.0
    beams: str = ""
    surface: bool = False
    stale: bool = False
    leaf_on: bool = False
    urban: float = 100.0
    water: float = 100.0
    role: str = field(default="shots", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "shot_number": "string",
            "sensed": "timestamp",
            "lat_lowestmode": "float64",
            "lon_lowestmode": "float64",
            **dict.fromkeys(FLOATS, "float64"),
            **dict.fromkeys(TEXTS, "string"),
            **dict.fromkeys(NUMBERS, "int64"),
            **dict.fromkeys(WHOLE, "int64"),
            "s2_tile": "string",
            "_sensed": "timestamp",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse rules that nothing can meet, and beams that there are not."""
        within("footprints.Shots.sensitivity", self.sensitivity, -1, 1)
        at_least("footprints.Shots.most - least", self.most - self.least, 0)
        within("footprints.Shots.solar", self.solar, -90, 90)
        within("footprints.Shots.urban", self.urban, 0, 100)
        within("footprints.Shots.water", self.water, 0, 100)
        if self.beams not in BEAMS:
            raise ValueError(f"footprints.Shots.beams={self.beams!r}: 'full', 'coverage' or ''")

    def predicates(self, region: Any = None) -> tuple[Predicate, ...]:
        """The rules that are on, in order.

        Args:
            region: geometry in degrees in which shots must lie, or None.
        """
        low, high = self.least, self.most
        rules: list[tuple[bool, str, str, Callable[[Columns], Any]]] = [
            (region is not None, "region", "outside the region", lambda s: _inside(s, region)),
            (self.production > 0, "production",
             f"of a production before {self.production:02d} of release 002",
             lambda s: produced(s, self.production)),
            (self.quality, "l4_quality", "l4_quality_flag is not 1",
             lambda s: s.where("l4_quality_flag", lambda v: v == 1)),
            (self.degrade, "degrade", "pointing or positioning was degraded", undegraded),
            (True, "sensitivity", f"beam sensitivity not above {self.sensitivity:g}",
             lambda s: s.where("sensitivity", lambda v: v > np.float32(self.sensitivity))),
            (True, "agbd_missing", "no biomass was computed", lambda s: s.known("agbd")),
            (True, "agbd_range", f"biomass not within {low:g} to {high:g} Mg/ha",
             lambda s: s.where("agbd", lambda v: (v >= low) & (v <= high))),
            (True, "undated", "no time of the shot", lambda s: s.known("sensed")),
            (self.solar < 90, "solar_elevation", f"the sun stood above {self.solar:g} degrees",
             lambda s: s.where("solar_elevation", lambda v: v <= self.solar)),
            (bool(self.beams), "beam_type", f"no {self.beams} beam",
             lambda s: s.equal("beam_type", self.beams)),
            (self.surface, "surface", "surface_flag is not 1",
             lambda s: s.where("surface_flag", lambda v: v == 1)),
            (self.stale, "stale", "stale_return_flag is not 0",
             lambda s: s.where("stale_return_flag", lambda v: v == 0)),
            (self.leaf_on, "leaf_off", "leaves were off",
             lambda s: s.where("leaf_off_flag", lambda v: v == 0)),
            (self.urban < 100, "urban", f"more than {self.urban:g} % is built up",
             lambda s: s.where("urban_proportion", lambda v: v <= self.urban)),
            (self.water < 100, "water", f"water stays on more than {self.water:g} %",
             lambda s: s.where("water_persistence", lambda v: v <= self.water)),
        ]  # fmt: skip
        return tuple(Predicate(code, text, rule) for on, code, text, rule in rules if on)

    def scan(self, ctx: Context, on_drop: Callable[[Drop | Drops], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat` of the lowest mode, facts), some hundred thousand at a time.

        Shots outside the build's box are not asked for; those outside its region are counted.

        Raises:
            SourceError: no L4A granule is there.
        """
        source = ctx.sources["shots"]
        if source.product != "L4A":
            raise SourceError(
                f"--shots: holds {source.about.title}; biomass wants L4A granules (GEDI04_A_*.h5)"
            )

        def broken(name: str, code: str, message: str) -> None:
            key = re.sub(r"[^a-z0-9_-]", "-", name.lower())[:80]
            on_drop(Drop(key, "footprints.Shots", code, message, "failed"))

        for granule in source.broken:
            broken(*granule)

        def lost(
            numbers: Any, code: str, message: str,
            lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64],
        ) -> None:  # fmt: skip
            on_drop(Drops(_keys(written(numbers)), "footprints.Shots", code, message, lon, lat))

        rules = self.predicates(ctx.region)
        columns = (*FLOATS, *WHOLE, "degrade_include_flag")
        for table in source.shots(_box(ctx), columns, lost, broken):
            first = firsts(Columns(table), rules)
            for place in np.unique(first[first < len(rules)]).tolist():
                some = table.filter(pa.array(first == place))
                lon, lat = some["lon"].to_numpy(), some["lat"].to_numpy()
                rule = rules[place]
                lost(some["shot_number"].to_numpy(), rule.code, rule.message, lon, lat)
            kept = table.filter(pa.array(first == len(rules)))
            if len(kept):
                yield _rows(kept)


def _keys(numbers: list[str]) -> list[str]:
    """Keys of samples: one for each shot, so that overlapping tiles or granules cannot repeat one."""
    return [f"s{number}" for number in numbers]


def _box(ctx: Context) -> Bounds | None:
    """What is read at all: the build's box, else that of its region."""
    if ctx.bbox is not None or ctx.region is None:
        return ctx.bbox
    west, south, east, north = ctx.region.bounds
    return float(west), float(south), float(east), float(north)


def _inside(shots: Columns, region: Any) -> npt.NDArray[np.bool_]:
    import shapely

    lon, lat = shots.table["lon"].to_numpy(), shots.table["lat"].to_numpy()
    return np.asarray(shapely.intersects_xy(region, lon, lat))


def _rows(table: pa.Table) -> pa.Table:
    """Start rows of kept shots."""
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    numbers = written(table["shot_number"].to_numpy())
    found = {
        "key": pa.array(_keys(numbers), pa.string()),
        "lon": lon,
        "lat": lat,
        "shot_number": pa.array(numbers, pa.string()),
        "sensed": table["sensed"],
        "lat_lowestmode": lat,
        "lon_lowestmode": lon,
        **{name: table[name].cast(pa.float64()) for name in FLOATS},
        **{name: table[name] for name in TEXTS},
        **{name: table[name].cast(pa.int64()) for name in (*NUMBERS, *WHOLE)},
        "s2_tile": pa.array(tiles(lon, lat).tolist(), pa.string()),
        "_sensed": table["sensed"],
    }
    return pa.table(found)


__all__ = ["Shots"]
