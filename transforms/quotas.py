"""Balance: a cap per class that needs only the classes' counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from schemas.chance import unit
from schemas.recipes import at_least
from transforms.context import Context


@dataclass(frozen=True)
class PerClass:
    """Keep about `cap` samples of each class: those whose hash is below cap / count.

    Also gives `sampling_weight`, the inverse class frequency. It is known when everything else is
    decided, so `pack` fills it in (`transforms.packing.class_weights`).

    Attributes:
        by: the fact that names the class.
        cap: samples kept for each class, within the chance of a hash; 0 keeps all.
    """

    by: str = "main_tag"
    cap: int = 5000
    gives: dict[str, str] = field(
        default_factory=lambda: {"sampling_weight": "float64"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse a cap below nothing."""
        at_least("quotas.PerClass.cap", self.cap, 0)

    @property
    def needs(self) -> tuple[str, ...]:
        """A window, and the fact that names the class."""
        return ("window", self.by)

    def count(self, part: pa.Table) -> dict[str, int]:
        """Samples by class in one partition."""
        found = part[self.by].value_counts()
        return {row["values"].as_py(): row["counts"].as_py() for row in found}

    def decide(
        self, part: pa.Table, totals: Mapping[str, int], ctx: Context
    ) -> dict[int, tuple[str, str]]:
        """Rows to drop -> reason, given the counts over all partitions."""
        lost: dict[int, tuple[str, str]] = {}
        for row, (key, name) in enumerate(
            zip(part["key"].to_pylist(), part[self.by].to_pylist(), strict=True)
        ):
            crowded = 0 < self.cap < totals[name]
            if crowded and unit(ctx.seed, "quota", key) >= self.cap / totals[name]:
                lost[row] = ("quota", f"{totals[name]} of class {name}, cap {self.cap}")
        return lost
