"""What the release act must be told; everything else it reads from the packed rows."""

from dataclasses import dataclass, field
from typing import Any

from schemas.recipes import Recipe
from schemas.scenes import Scene
from schemas.sources import Credit, Version


@dataclass(frozen=True)
class SplitRule:
    """How samples were divided, so that `verify` can recompute it from the released files.

    Attributes:
        cell_km: side of the grid cells that are hashed to a split.
        buffer_m: least distance between the footprints of samples of different splits, metres.
        shares: share of cells by split.
        seed: of the hash.
        cells: what goes to a split as a whole, where that is no cell of `cell_km`.
    """

    cell_km: float
    buffer_m: float
    shares: dict[str, float]
    seed: int
    cells: str = ""


@dataclass(frozen=True)
class Staging:
    """A packed dataset that waits to become a release.

    Attributes:
        recipe: with all overrides applied.
        credits: one for each role.
        scenes: every scene that a shipped sample names, by key.
        split_rule: see `SplitRule`.
        counts: planned, shipped, rejected, failed.
        funnel: (act, step, code, outcome, count) of every drop reason, in order.
        settings: the resolved configuration, without secrets.
        models: what computed each column of models, and for how many samples.
        asked: the questions that services have answered, one entry each.
        run: command line, runner, versions, times; only `provenance/run.json` and `created` may
            differ between two runs.
        files: the versions of the remote files that were read, by href.
        generated: True when any source is the sample world.
    """

    recipe: Recipe
    credits: tuple[Credit, ...]
    scenes: dict[str, Scene]
    split_rule: SplitRule
    counts: dict[str, int]
    funnel: tuple[tuple[str, str, str, str, int], ...]
    settings: dict[str, Any]
    run: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Version] = field(default_factory=dict)
    models: tuple[dict[str, Any], ...] = ()
    asked: tuple[dict[str, Any], ...] = ()

    @property
    def generated(self) -> bool:
        """Whether any source is the generated sample world: every page must then say so."""
        return any(credit.generated for credit in self.credits)
