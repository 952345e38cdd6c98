"""Which scenes show a place best, and which of their bands are meant."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import cache, partial

from schemas.masks import legend_of
from schemas.scenes import Band, Scene
from schemas.sensors import OTHER, common_name, experimental, family, level_of
from schemas.windows import Grid, ground_gsd
from schemas.zones import crs_for
from transforms.imagery.series import UNKNOWN_CLOUD
from transforms.windows import pixel_box

SAME_PASS = timedelta(minutes=2)
"""Scenes of one platform this close in time are neighbouring tiles of one pass."""


def slug(collection: str) -> str:
    """A collection id as part of a sample key: `sentinel-2-l2a` -> `sentinel2l2a`, 12 letters at most."""
    plain = re.sub(r"[^a-z0-9]", "", collection.lower())
    if len(plain) <= 12:
        return plain or "local"
    return plain[:9] + hashlib.sha256(collection.encode()).hexdigest()[:3]


def sharp(scene: Scene, coarsest: float) -> bool:
    """Whether a scene's finest pixels are no larger than `coarsest` metres, to 1 %; 0: always."""
    sides = [band.gsd for band in scene.bands if band.gsd > 0]
    if not coarsest:
        return True
    if not sides:
        west, south, east, north = scene.grid.bounds()
        sides = [ground_gsd(scene.grid, (west + east) / 2, (south + north) / 2)]
    return min(sides) <= coarsest * 1.01


def usable(
    scenes: Iterable[Scene],
    years: tuple[int, int] | None,
    max_cloud: float,
    coarsest: float = 0.0,
) -> tuple[list[Scene], str]:
    """Scenes of these years that are clear and fine enough and no test product, clearest first.

    Ties go to the newest, then to the lower id. Scenes without a date pass only when no years are
    asked for.

    Args:
        coarsest: metres; scenes with larger pixels are left out. 0: none is.

    Returns:
        The scenes, and the reason why there are none: `no_imagery`, `too_coarse`,
        `no_imagery_in_years`, `cloudy` or `experimental_baseline`.
    """
    found: list[Scene] = []
    reason = "no_imagery"
    order = sorted(
        scenes,
        key=lambda s: (
            UNKNOWN_CLOUD if s.cloud is None else s.cloud,
            -(s.datetime.timestamp() if s.datetime else 0.0),
            s.id,
        ),
    )
    for scene in order:
        year = scene.datetime.year if scene.datetime else 0
        if not sharp(scene, coarsest):
            reason = "too_coarse" if reason == "no_imagery" else reason
        elif years and not years[0] <= year <= years[1]:
            reason = "no_imagery_in_years" if reason in ("no_imagery", "too_coarse") else reason
        elif experimental(scene.baseline):
            reason = "experimental_baseline" if reason != "cloudy" else reason
        elif scene.cloud is not None and scene.cloud > max_cloud:
            reason = "cloudy"
        else:
            found.append(scene)
    return found, reason


def of_sensor(scenes: Iterable[Scene], sensor: str, collection: str = "") -> list[Scene]:
    """Scenes of a family of sensors and of a collection; "" for any."""
    return [
        scene
        for scene in scenes
        if (not collection or scene.collection == collection)
        and (not sensor or family(scene.collection, tuple(b.name for b in scene.bands)) == sensor)
    ]


def one_pass(scenes: Sequence[Scene], lon: float, lat: float, bounds: str) -> Scene:
    """The scene of the pass of the first one that shows a place best.

    Scenes of one pass are of one platform and within `SAME_PASS` of the first: neighbouring tiles, tiles in
    two zones, products of two levels. Before others come those that hold a box whole, hold reflectance of the
    ground, and are in the zone of the place; then the clearest, then the lower id.

    Args:
        scenes: at least one, the first of which sets the time.
        bounds: "west south east north" in degrees.
    """
    first = scenes[0]

    def order(scene: Scene) -> tuple[bool, bool, bool, float, str]:
        return (
            not _holds(bounds, scene.grid),
            level_of(scene.collection) == "l1c",
            scene.grid.crs != crs_for(lon, lat),
            UNKNOWN_CLOUD if scene.cloud is None else scene.cloud,
            scene.id,
        )

    return min((s for s in scenes if s is first or _near_in_time(s, first)), key=order)


def undated(scenes: Iterable[Scene]) -> str:
    """What a message says of scenes without a date, "" without any."""
    count = sum(scene.datetime is None for scene in scenes)
    return f"; {count} without a date (say it with --datetime imagery=ISO)" if count else ""


def others(scenes: Sequence[Scene], kept: Sequence[Scene], module: str) -> str:
    """What a message says of scenes that `of_sensor` has let go, "" without any."""
    count = len(scenes) - len(kept)
    if not count:
        return ""
    return f"; {count} of other sensors or collections (see {module}.sensor, {module}.collection)"


def one_per_year(scenes: Iterable[Scene], bounds: str = "") -> dict[tuple[str, int], Scene]:
    """The first scene of every (collection, year) that holds a box whole, else the first; sorted.

    Year 0 stands for scenes without a date.

    Args:
        bounds: "west south east north" in degrees, "" for none.
    """
    groups: dict[tuple[str, int], list[Scene]] = {}
    for scene in scenes:
        year = scene.datetime.year if scene.datetime else 0
        groups.setdefault((scene.collection, year), []).append(scene)
    holds = cache(partial(_holds, bounds))  # dates of one place share its grid
    return {key: _first_whole(groups[key], holds if bounds else None) for key in sorted(groups)}


def _first_whole(scenes: list[Scene], holds: Callable[[Grid], bool] | None) -> Scene:
    if holds is None or len({scene.grid for scene in scenes}) == 1:
        return scenes[0]
    return next((scene for scene in scenes if holds(scene.grid)), scenes[0])


def _holds(bounds: str, grid: Grid) -> bool:
    west, south, east, north = (float(side) for side in bounds.split())
    col, row, width, height = pixel_box(grid, (west, south, east, north))
    return col >= 0 and row >= 0 and col + width <= grid.width and row + height <= grid.height


def one_zone(scenes: Sequence[Scene], lon: float, lat: float, bounds: str = "") -> list[Scene]:
    """Scenes of one CRS: that of the place where any has it, else the most frequent one.

    Where some scenes hold a box whole, only those count. Of scenes of one pass (neighbouring tiles)
    the clearest is kept; of equals the one on the most frequent grid.

    Args:
        bounds: "west south east north" in degrees, "" for none.
    """
    holds = cache(partial(_holds, bounds))
    whole = [scene for scene in scenes if holds(scene.grid)] if bounds else []
    scenes = whole or scenes
    zones = Counter(scene.grid.crs for scene in scenes)
    if not zones:
        return []
    home = crs_for(lon, lat)
    best = home if home in zones else min(zones, key=lambda crs: (-zones[crs], crs))
    found = [scene for scene in scenes if scene.grid.crs == best]
    grids = Counter(scene.grid for scene in found)
    kept: list[Scene] = []

    def order(scene: Scene) -> tuple[float, int, tuple[float, ...], str]:
        cloud = UNKNOWN_CLOUD if scene.cloud is None else scene.cloud
        return cloud, -grids[scene.grid], scene.grid.transform, scene.id

    if len(grids) == 1:  # neighbouring tiles have grids of their own
        return sorted(found, key=order)
    for scene in sorted(found, key=order):
        if not any(_one_pass(scene, other) for other in kept):
            kept.append(scene)
    return kept


def _one_pass(one: Scene, two: Scene) -> bool:
    return one.grid != two.grid and _near_in_time(one, two)


def _near_in_time(one: Scene, two: Scene) -> bool:
    if one.datetime is None or two.datetime is None:
        return False
    return one.platform == two.platform and abs(one.datetime - two.datetime) <= SAME_PASS


def choose_bands(scene: Scene, wanted: tuple[str, ...]) -> tuple[Band, ...]:
    """The scene's bands with these own or common names, in that order; all of its finest if none match.

    Of several bands of one name the first counts (a picture made of them comes after them). An
    alpha band, a mask or what else is no picture is taken only where its name is asked for.
    """
    by_name: dict[str, Band] = {}
    if family(scene.collection, tuple(b.name for b in scene.bands)) == "sentinel-2":
        by_name.update({common_name(b.name): b for b in reversed(scene.bands)})
    by_name.update({b.common or b.name: b for b in reversed(scene.bands)})
    by_name.update({b.name: b for b in reversed(scene.bands)})
    found = tuple(by_name[name] for name in wanted if name in by_name)
    if found:
        return found
    pictures = [b for b in scene.bands if _shows(scene, b)] or list(scene.bands)
    finest = min(b.gsd for b in pictures)
    return tuple(b for b in pictures if b.gsd <= finest * 1.01)


def _shows(scene: Scene, band: Band) -> bool:
    """Whether a band is a picture of the ground, as far as its names tell."""
    names = {band.name.lower(), band.common.lower()}
    return not names & OTHER and legend_of(scene.collection, band.name) is None
