"""Which patches stay: those with parcels (`Least`), of known crops (`Mapped`), on one side (`OneSide`)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from schemas.errors import BuildError, Reject
from schemas.recipes import at_least, within
from schemas.samples import Sample
from transforms.context import Context
from transforms.splits import ORDER


@dataclass(frozen=True)
class Least:
    """Patches that show at least so many parcels.

    Attributes:
        parcels: so many.
        mapped: so many of them with a class.
    """

    parcels: int = 1
    mapped: int = 1
    needs: tuple[str, ...] = field(default=("parcels", "parcels_mapped"), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse counts below nothing."""
        at_least("crops.Least.parcels", self.parcels, 0)
        at_least("crops.Least.mapped", self.mapped, 0)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample as it is.

        Raises:
            Reject: `no_parcels`, `no_known_crop`.
        """
        found, mapped = (int(sample.facts[n] or 0) for n in self.needs)  # type: ignore[arg-type]
        if found < max(self.parcels, 0):
            raise Reject("no_parcels", f"{found} parcels of that year, at least {self.parcels}")
        if mapped < self.mapped:
            raise Reject("no_known_crop", f"{mapped} of {found} parcels have a class")
        return sample


@dataclass(frozen=True)
class Mapped:
    """Stops a build most of whose crops the code lists do not know.

    Attributes:
        unmapped: largest share of parcels without a class, over all patches of a country.
    """

    unmapped: float = 0.5
    needs: tuple[str, ...] = field(default=("country", "parcels", "parcels_mapped"), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        within("crops.Mapped.unmapped", self.unmapped, 0, 1)

    def count(self, part: pa.Table) -> dict[str, int]:
        """Parcels, and those with a class, by country."""
        found: Counter[str] = Counter()
        for country, *numbers in zip(*(part[n].to_pylist() for n in self.needs), strict=True):
            for name, number in zip(("all", "mapped"), numbers, strict=True):
                found[f"{country} {name}"] += number or 0
        return found

    def decide(
        self, part: pa.Table, totals: Mapping[str, int], ctx: Context
    ) -> dict[int, tuple[str, str]]:
        """No row is dropped.

        Raises:
            BuildError: naming the country, the share and the limit.
        """
        for name in sorted(name for name in totals if name.endswith(" all")):
            country, total = name.removesuffix(" all"), totals[name]
            lost = total - totals.get(f"{country} mapped", 0)
            if total and lost / total > self.unmapped:
                raise BuildError(
                    f"{lost} of {total} parcels of {country} ({lost / total:.0%}) declare a crop that "
                    f"--codes gives no FAO ICC class, more than {self.unmapped:.0%}; add a list that does "
                    "to the folder, or raise the limit with --set crops.unmapped=... (mapping.json of the "
                    "release then names the crops)"
                )
        return {}


@dataclass(frozen=True)
class OneSide:
    """Of a parcel that patches of several splits show, those of the first of test, val, train stay.

    `splits.ByCell` keeps patches of different splits a buffer apart, so only a parcel that is longer
    than the buffer (or one in several pieces) can be in two. Those alone are counted.

    Attributes:
        reach_m: metres between the corners of a parcel's box from which it may be in two splits; at
            most the buffer of `splits.ByCell`.
    """

    reach_m: float = 1000.0
    needs: tuple[str, ...] = field(default=("split", "_wide"), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse a reach below nothing."""
        at_least("crops.OneSide.reach_m", self.reach_m, 0)

    def count(self, part: pa.Table) -> dict[str, int]:
        """Patches by parcel and split, of parcels with that reach."""
        found: Counter[str] = Counter()
        for split, wide in zip(*(part[name].to_pylist() for name in self.needs), strict=True):
            found.update(f"{key} {split}" for key in self._far(wide))
        return found

    def decide(
        self, part: pa.Table, totals: Mapping[str, int], ctx: Context
    ) -> dict[int, tuple[str, str]]:
        """Rows to drop -> (`parcel_shared`, message), given the counts over all partitions."""
        lost: dict[int, tuple[str, str]] = {}
        columns = (part[name].to_pylist() for name in self.needs)
        for row, (split, wide) in enumerate(zip(*columns, strict=True)):
            for key in self._far(wide):
                before = ORDER[: ORDER.index(split)]
                first = next((name for name in before if totals.get(f"{key} {name}")), None)
                if first:
                    lost[row] = ("parcel_shared", f"a patch of {first} shows parcel {key} too")
                    break
        return lost

    def _far(self, wide: str | None) -> list[str]:
        pairs = (entry.rsplit(":", 1) for entry in (wide or "").split())
        return [key for key, reach in pairs if float(reach) >= self.reach_m]
