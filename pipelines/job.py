"""`Job`: everything an act's workers must know, small and picklable; and where files lie."""

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from catalogs.sources.imagery import Imagery
from catalogs.sources.roles import OPENERS, open_role
from catalogs.sources.terms import Override
from pipelines.maps import within
from schemas.chance import digest
from schemas.recipes import Recipe
from schemas.roles import LAYERS
from schemas.scenes import Scene
from schemas.windows import Bounds
from transforms.context import Context
from transforms.planning.rows import layer_id
from transforms.texts.captioner import Captioner


@dataclass(frozen=True)
class Job:
    """One build's work.

    Attributes:
        work: the work area, `OUT/NAME/.work`.
        recipe: with overrides applied.
        plan: digest of sources, settings and plan code.
        sources: location by role.
        region: WKT in lon/lat, "" for none.
        slice: (k, n): this process does the k-th of n parts of make and pack.
        block: most windows of a block; partition: objects planned together, about.
        solo: blocks from which `make` starts worker processes.
        captioner: who writes texts; None for the recipe's templates.
        models: folders of the models that annotate steps name, by that name.
        terms: what the command line states of a role's licence and credit line.
        prints: what of each role's source shapes the output.
    """

    work: Path
    recipe: Recipe
    seed: int
    plan: str
    sources: dict[str, str] = field(default_factory=dict)
    bbox: Bounds | None = None
    region: str = ""
    years: tuple[int, int] | None = None
    limit: int = 0
    workers: int = 1
    slice: tuple[int, int] = (0, 1)
    block: int = 256
    solo: int = 6
    partition: int = 5_000
    budget: float = 0.05
    captioner: Captioner | None = None
    models: dict[str, str] = field(default_factory=dict)
    terms: dict[str, Override] = field(default_factory=dict)
    prints: dict[str, str] = field(default_factory=dict)

    @property
    def planned(self) -> Path:
        """Folder of the plan."""
        return self.work / "plan"

    @property
    def made(self) -> Path:
        """Folder of the blocks."""
        return self.work / "make"

    @property
    def annotated(self) -> Path:
        """Folder of what models say of the blocks."""
        return self.work / "annotate"

    @property
    def packed(self) -> Path:
        """Folder of the shards' rows."""
        return self.work / "pack"

    @property
    def stage(self) -> Path:
        """The release-to-be."""
        return self.work / f"v{self.recipe.card.version}"

    def context(self) -> Context:
        """A context for steps, with the sources opened once per process."""
        region: Any = None
        if self.region:
            import shapely

            region = shapely.from_wkt(self.region)
            shapely.prepare(region)
        return Context(
            seed=self.seed,
            sources=Opened(self.planned / "scenes.jsonl", self.sources, self.terms),
            locations=self.sources,
            bbox=self.bbox,
            region=region,
            years=self.years,
            features=partial(within, self.sources["osm"], self.workers)
            if "osm" in self.sources
            else None,
            captioner=self.captioner,
            models={name: Path(folder) for name, folder in self.models.items()},
        )

    def part(self, elements: list[Any]) -> list[Any]:
        """This slice's share of an act's elements, in one run."""
        k, n = self.slice
        return elements[k * len(elements) // n : (k + 1) * len(elements) // n]


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


class Opened(dict[str, Any]):
    """Sources by role, each opened when a step first asks for it; once for all steps of a process."""

    def __init__(self, scenes: Path, locations: dict[str, str], terms: dict[str, Override]) -> None:
        super().__init__()
        self.scenes, self.locations, self.terms = scenes, locations, terms

    def __missing__(self, role: str) -> Any:
        """The source of a role.

        Raises:
            KeyError: no source fills it.
        """
        if role == "imagery" or (role in LAYERS and role in self.locations):
            self[role] = imagery_of(self.scenes, role)
        elif role in OPENERS and role in self.locations:
            self[role] = _opened(role, self.locations[role], self.terms.get(role, Override()))
        else:
            raise KeyError(role)
        return self[role]

    def __contains__(self, role: object) -> bool:
        """Whether a source fills a role."""
        return super().__contains__(role) or role in self.locations


@lru_cache(maxsize=8)
def _opened(role: str, location: str, terms: Override) -> Any:
    return open_role(role, location, terms)


@lru_cache(maxsize=4)
def _read(path: Path) -> list[tuple[str, Scene]]:
    """(role, scene) as the plan wrote them."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(row.pop("role", "imagery"), Scene.from_dict(row)) for row in rows]


@lru_cache(maxsize=4)
def scenes_of(path: Path) -> dict[str, Scene]:
    """Scenes by key, those of layers by `layer_id`."""
    return {
        scene.key if role == "imagery" else layer_id(role, scene): scene
        for role, scene in _read(path)
    }


@lru_cache(maxsize=16)
def imagery_of(path: Path, role: str = "imagery") -> Imagery:
    """The scenes of a role in a plan, without their credits."""
    return Imagery(tuple(scene for own, scene in _read(path) if own == role), ())


def forget() -> None:
    """Forget what has been read: another build of this process may use the same paths."""
    for known in (_read, scenes_of, imagery_of, _opened):
        known.cache_clear()


def fingerprint(scene: Scene) -> str:
    """What of a scene shapes the pixels of a chip: its description, its files and masks as they stand."""
    files = sorted({href for band in scene.bands for href in (band.href, f"{band.href}.msk")})
    stats = [(p.stat().st_size, p.stat().st_mtime_ns) for f in files if (p := Path(f)).is_file()]
    return digest(scene.as_dict(), stats)[:16]
