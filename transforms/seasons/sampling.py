"""Where the images of a seasonal dataset lie: evenly over the land, or around cities (`Places`)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas.recipes import at_least
from schemas.samples import Drop
from transforms import samplers
from transforms.context import Context

SAMPLERS = ("grid", "cities")


@dataclass(frozen=True)
class Places:
    """Places of one of two samplers, one switch apart; see `samplers.Grid` and `samplers.Cities`.

    `grid` is SSL4Eco's: the middle of each cell of equal area on land. `cities` is SSL4EO-S12's: places
    scattered around the largest cities, of the role `cities`.

    Attributes:
        sampler: `grid` or `cities`.
        km: spacing of the grid.
        over: ground of the grid: `land` (the role), `imagery` or `everywhere`.
        max_lat: degrees; rows of the grid begin within this latitude.
        count: candidates around cities.
        std_km: their spread.
        cities: so many, by population.
        apart_km: least distance of two of them.
        faithful: whether they are spread in degrees, as the original does it.
        population: name of the column of the cities' people.
    """

    sampler: str = "grid"
    km: float = 23.0
    over: str = "land"
    max_lat: float = 85.0
    count: int = 250_000
    std_km: float = 50.0
    cities: int = 10_000
    apart_km: float = 1.98
    faithful: bool = False
    population: str = "population"
    needs: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        """Refuse a sampler that there is not, and what the samplers refuse."""
        if self.sampler not in SAMPLERS:
            raise ValueError(
                f"seasons.Places.sampler={self.sampler!r}: one of {', '.join(SAMPLERS)}"
            )
        at_least("seasons.Places.km", self.km, 0.01)
        _ = self.chosen

    @property
    def chosen(self) -> Any:
        """The sampler that is switched on."""
        if self.sampler == "grid":
            return samplers.Grid(km=self.km, over=self.over, max_lat=self.max_lat)
        return samplers.Cities(
            self.count, self.std_km, self.cities, self.apart_km, self.faithful, self.population
        )

    @property
    def gives(self) -> dict[str, str]:
        """As the sampler."""
        return dict(self.chosen.gives)

    @property
    def role(self) -> str:
        """The role that places come from."""
        return str(self.chosen.role)

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows of the sampler."""
        yield from self.chosen.scan(ctx, on_drop)
