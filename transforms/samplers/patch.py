"""`Acquisitions` and `Patch`: the scenes and the window of a patch that `Tiles` gave."""

from dataclasses import dataclass, field, replace

from schemas.errors import Reject
from schemas.recipes import at_least, within
from schemas.samples import Fact, Sample
from schemas.scenes import Scene
from schemas.windows import Grid as Pixels
from schemas.windows import Window, ground_gsd
from transforms.context import Context
from transforms.imagery.choice import usable
from transforms.imagery.grids import aligned
from transforms.imagery.series import dated
from transforms.resampling import offset


@dataclass(frozen=True)
class Acquisitions:
    """All scenes of the sample's own tile grid and year that show its middle, in time order.

    Cloudy ones too, unless `max_cloud` says otherwise: months are made of them later.

    Attributes:
        max_cloud: percent of cloud over the whole scene above which it is not used.
        collection: the one that is meant where a tile has several; "": the one with most dates.
        least: fewest dates.
    """

    max_cloud: float = 100.0
    collection: str = ""
    least: int = 1
    needs: tuple[str, ...] = field(default=("_grid", "year"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "scenes": "noun",
            "collection": "string",
            "datetime": "timestamp",
            "datetimes": "string",
            "cloud_scene": "float64",
            "processing_baseline": "string",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse clouds and counts that there are not."""
        within("samplers.Acquisitions.max_cloud", self.max_cloud, 0, 100)
        at_least("samplers.Acquisitions.least", self.least, 1)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its scenes; `cloud_scene` is that of the cloudiest.

        Raises:
            Reject: `no_imagery`, `cloudy`, `experimental_baseline`, `too_few_dates`.
        """
        year = int(str(sample.facts["year"]))
        corner = patch_grid(sample)
        over = ctx.sources["imagery"].over(sample.lon, sample.lat)
        own = [s for s in over if _same_tile(s.grid, corner)]
        found, reason = usable(own, (year, year), self.max_cloud)
        groups: dict[str, list[Scene]] = {}
        for scene in found:
            if scene.collection == (self.collection or scene.collection):
                groups.setdefault(scene.collection, []).append(scene)
        if not groups:
            code = "no_imagery" if found else reason
            raise Reject(code, f"{len(own)} scenes of its tile over {sample.id}")
        collection = min(groups, key=lambda name: (-len(groups[name]), name))
        known = sorted(dated(groups[collection]).values(), key=lambda one: (one[0][0], one[0][2]))
        scenes = tuple(scene for _, scene in known)
        if len(scenes) < self.least:
            raise Reject("too_few_dates", f"{len(scenes)} dates, {self.least} are needed")
        return replace(sample, scenes=scenes, facts={**sample.facts, **facts_of(scenes)})


@dataclass(frozen=True)
class Patch:
    """The window of the patch that `Tiles` gave, on its tile grid; scenes of other grids are let go."""

    needs: tuple[str, ...] = field(
        default=("scenes", "patch_row", "patch_col", "_grid"), init=False
    )
    gives: dict[str, str] = field(default_factory=lambda: {"window": "noun"}, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its window, on the pixels of every scene that is left.

        Raises:
            Reject: `outside_imagery` where no scene has these pixels.
        """
        row, col = (int(str(sample.facts[name])) for name in ("patch_row", "patch_col"))
        grid = patch_grid(sample, row, col)
        scenes = tuple(scene for scene in sample.scenes if _holds(scene.grid, grid))
        if not scenes:
            raise Reject("outside_imagery", f"none of {len(sample.scenes)} scenes has its pixels")
        x, y = (round(first) for first in offset(scenes[0].grid, grid))
        west, south, east, north = grid.bounds()
        metres = ground_gsd(grid, (west + east) / 2, (south + north) / 2)
        facts = dict(sample.facts)
        if len(scenes) < len(sample.scenes):
            facts.update({k: v for k, v in facts_of(scenes).items() if k in facts})
        grid = replace(grid, tile=scenes[0].grid.tile)
        return replace(sample, window=Window(grid, metres, x, y), scenes=scenes, facts=facts)


def facts_of(scenes: tuple[Scene, ...]) -> dict[str, Fact]:
    """What is known of a series of one collection, as `Acquisitions` gives it."""
    cloud = [scene.cloud for scene in scenes]
    known = [value for value in cloud if value is not None]
    times = [scene.datetime.isoformat() for scene in scenes if scene.datetime]
    return {
        "collection": scenes[0].collection,
        "datetime": scenes[0].datetime,
        "datetimes": ",".join(times),
        "cloud_scene": max(known) if len(known) == len(cloud) else None,
        "processing_baseline": ",".join(dict.fromkeys(scene.baseline for scene in scenes)),
    }


def patch_grid(sample: Sample, row: int = 0, col: int = 0) -> Pixels:
    """The pixels of a patch of the tile grid of a sample that `Tiles` gave, by row and column of patches."""
    a, c, e, f, px, crs = str(sample.facts["_grid"]).split("|", 5)
    side = int(px)
    own = Pixels(crs, (float(a), 0.0, float(c), 0.0, float(e), float(f)), side, side)
    return own.cut(col * side, row * side, side, side)


def _same_tile(grid: Pixels, corner: Pixels) -> bool:
    return (grid.crs, grid.transform) == (corner.crs, corner.transform)


def _holds(scene: Pixels, grid: Pixels) -> bool:
    """Whether a scene has exactly the pixels of a grid."""
    if scene.crs != grid.crs or not aligned(scene, grid):
        return False
    col, row = (round(first) for first in offset(scene, grid))
    right, bottom = col + grid.width, row + grid.height
    return col >= 0 and row >= 0 and right <= scene.width and bottom <= scene.height
