"""`Audit`: how evenly samples lie on the ground, beside what other samplers would have done there."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.files import write_json
from schemas.errors import SourceError
from schemas.recipes import at_least, within
from transforms.context import Context
from transforms.samplers.cities import Cities
from transforms.samplers.cover import Cover, cover_of
from transforms.samplers.evenness import Tally, compared
from transforms.samplers.grid import Grid
from transforms.samplers.ground import OVER
from transforms.samplers.scenes import Scenes

ENOUGH = 40_000
"""Places that measure the ground to about half a percent."""

COARSEST, FINEST = 200.0, 0.1  # km

OTHERS = ("grid", "cities", "scenes", "scenes_weighted")


@dataclass(frozen=True)
class Audit:
    """`metadata/audit.json`: counts of the shipped samples against what their ground's area is due.

    The ground is measured by the middles of a Major TOM grid of `step_km` on it, so that both sides of
    the comparison are counts. See `evenness.compared` for what is in the table. `samplers` holds the
    same of places that other samplers put on this ground, where their sources are there; `left_out` says
    why one whose source cannot be used is not among them.

    Attributes:
        over: the ground: `land`, `imagery` or `everywhere`, as in `samplers.Grid`; "": land where that
            role is filled, else imagery.
        step_km: spacing of the grid that measures it; 0: as fine as finds `ENOUGH` places.
        cell_km: side of the cells that are compared; 0: ten of these steps.
        band: degrees of a latitude band.
        landcover: a fact with the class of land cover of each sample; "": by the role `landcover`, where
            that is filled.
        against: other samplers: `grid`, `cities`, `scenes`, `scenes_weighted`.
        draws: places of each of these, about.
        population: name of the column of the cities' people.
    """

    over: str = ""
    step_km: float = 0.0
    cell_km: float = 0.0
    band: float = 10.0
    landcover: str = ""
    against: tuple[str, ...] = OTHERS
    draws: int = 20_000
    population: str = "population"
    name: str = field(default="audit.json", init=False)
    about: str = field(
        default="how evenly the samples lie on the ground, by latitude, cell and land cover, beside "
        "other samplers",
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse ground that there is none of, and cells and bands without a size."""
        if self.over not in ("", *OVER):
            raise ValueError(f"samplers.Audit.over={self.over!r}: one of {', '.join(OVER)}")
        for other in self.against:
            if other not in OTHERS:
                raise ValueError(f"samplers.Audit.against={other!r}: one of {', '.join(OTHERS)}")
        at_least("samplers.Audit.step_km", self.step_km, 0)
        at_least("samplers.Audit.cell_km", self.cell_km, self.step_km if self.cell_km else 0)
        at_least("samplers.Audit.draws", self.draws, 1)
        within("samplers.Audit.band", self.band, 0.1, 90)

    @property
    def needs(self) -> tuple[str, ...]:
        """The class of land cover, where a fact has it."""
        return (self.landcover,) if self.landcover else ()

    def write(self, rows: Iterator[Any], target: Path, ctx: Context) -> None:
        """Write the table of the shipped samples."""
        audit, cover = self.settled(ctx), cover_by_role(ctx)
        samples = Tally(audit.cell_km, self.band)
        for batch in rows:
            table = pa.table(batch)
            lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
            if self.landcover:
                samples.add(lon, lat, table[self.landcover].to_pylist())
            else:
                samples.add(lon, lat, cover(lon, lat) if cover else ())
        ground = audit.ground(ctx, cover)
        others: dict[str, Any] = {}
        left_out: dict[str, str] = {}
        for name, other in audit.others(ctx, ground).items():
            try:
                others[name] = compared(tally_of(other, ctx, ground, cover), ground)
            except SourceError as error:  # nothing that was made is lost for a comparison
                folder = Path(ctx.locations.get(other.role, "")).parent
                left_out[name] = str(error).replace(f"{folder}/", "")
        facts = {"ground": audit.over, "step_km": audit.step_km, "samplers": others}
        facts |= {"left_out": left_out} if left_out else {}
        write_json(target, {**facts, **compared(samples, ground)})

    def settled(self, ctx: Context) -> "Audit":
        """The audit with its ground named and its grid chosen: 200 km halved until it finds enough."""
        over = self.over or ("land" if "land" in ctx.sources else "imagery")
        step = self.step_km or COARSEST
        while not self.step_km and step / 2 >= FINEST:
            found = Grid(step, over, max_lat=90.0).scan(ctx, lambda drop: None)
            if sum(len(part) for part in found) >= ENOUGH:
                break
            step /= 2
        return replace(self, over=over, step_km=step, cell_km=self.cell_km or 10 * step)

    def ground(self, ctx: Context, cover: Cover | None = None) -> Tally:
        """The ground's own places, one for each `step_km` squared, of an audit that is `settled`."""
        grid = Grid(self.step_km, self.over, max_lat=90.0)
        return tally_of(grid, ctx, Tally(self.cell_km, self.band), cover)

    def others(self, ctx: Context, ground: Tally) -> dict[str, Any]:
        """The other samplers by name, those whose sources are there."""
        km = max(self.step_km * (ground.places / self.draws) ** 0.5, 0.01)
        known: dict[str, Any] = {
            "grid": Grid(km, self.over, max_lat=90.0),
            "cities": Cities(self.draws, population=self.population),
            "scenes": Scenes(self.draws, px=1, max_cloud=100.0),
            "scenes_weighted": Scenes(self.draws, px=1, weighted=True, max_cloud=100.0),
        }
        return {n: known[n] for n in self.against if known[n].role in ctx.sources and ground.places}


def cover_by_role(ctx: Context) -> Cover | None:
    """What says the class of land cover at places, None without the role `landcover`."""
    return cover_of(ctx.sources["landcover"].scenes) if "landcover" in ctx.sources else None


def tally_of(sampler: Any, ctx: Context, like: Tally, cover: Cover | None = None) -> Tally:
    """Counts of a sampler's places, by the cells and bands of another tally."""
    found = Tally(like.km, like.band)
    for part in sampler.scan(ctx, lambda drop: None):
        lon, lat = part["lon"].to_numpy(), part["lat"].to_numpy()
        found.add(lon, lat, cover(lon, lat) if cover else ())
    return found
