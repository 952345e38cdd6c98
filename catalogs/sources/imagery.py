"""Imagery as rows of `Scene`: from services that are searched, from STAC files, or plain rasters."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from catalogs.sources.area import Area
from catalogs.sources.catalogues import place_of, search, searched
from catalogs.sources.harvest import Harvest
from catalogs.sources.on_disk import scenes_on_disk
from catalogs.sources.stac_fields import Lost
from catalogs.sources.terms import Override, credits_of, licensed
from catalogs.sources.unsaid import unsaid, unverified
from schemas.errors import LoomError, SourceError
from schemas.scenes import Scene
from schemas.sources import Credit
from schemas.windows import Bounds

if TYPE_CHECKING:
    import shapely


@dataclass(frozen=True)
class Imagery:
    """Scenes of one role, found by place and year.

    Attributes:
        scenes: sorted by collection and id.
        credits: one for each (collection, licence, attribution) found.
        lost: (location, reason code, message) of files that cannot be used.
        notes: one sentence each on what is not known of the scenes and was not asked for.
    """

    scenes: tuple[Scene, ...]
    credits: tuple[Credit, ...]
    lost: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def _outlines(self) -> "npt.NDArray[Any]":
        import shapely

        return np.asarray(shapely.from_wkt([scene.footprint for scene in self.scenes]))

    @cached_property
    def _tree(self) -> "shapely.STRtree":
        import shapely

        return shapely.STRtree(self._outlines)

    def over(self, lon: float, lat: float) -> list[Scene]:
        """Scenes whose footprint holds a point given in degrees, in the order of `scenes`."""
        import shapely

        hits = self._tree.query(shapely.Point(lon, lat), predicate="intersects")
        return [self.scenes[i] for i in np.sort(hits)]

    def bounds(self) -> Bounds:
        """(west, south, east, north) in degrees over all scenes."""
        import shapely

        west, south, east, north = shapely.total_bounds(self._outlines)
        return float(west), float(south), float(east), float(north)


def open_imagery(
    location: str,
    override: Override,
    *,
    generated: bool = False,
    role: str = "imagery",
    area: Area | None = None,
    years: tuple[int, int] | None = None,
    keep: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Imagery:
    """Read what `location` describes: a STAC API, Earth Engine collections, a table of items, a STAC
    catalogue on disk, an items file, a raster or a folder of them.

    Args:
        role: what it is opened for.
        area, years: where and when a service or a table is searched; files are all read.
        keep: folder for a service's answers, so that nothing is asked twice.
        say: takes a line for people before anything slow begins.

    Raises:
        UsageError: nothing is there, or a scene without a licence or credit line.
        SourceError: no usable scene.
    """
    lost: Lost = []
    try:
        if searched(location):
            made = search(location, area, years, lost, keep=keep, say=say)
        else:
            made = Harvest(tuple(scenes_on_disk(location, lost)), (), {})
    except LoomError as error:  # written for the role that most recipes have
        raise type(error)(str(error).replace("--imagery", f"--{role}")) from error
    if not made.scenes:
        why = f"; first reason: {lost[0][2]}" if lost else ""
        where = " in the area and years asked for" if made.facts else ""
        raise SourceError(f"--{role} {location}: not one usable scene in it{where}{why}")
    scenes = sorted(
        (licensed(scene, override, role) for scene in made.scenes),
        key=lambda s: (s.collection, s.id),
    )
    facts = json.dumps(made.facts, sort_keys=True) if made.facts else ""
    credits = tuple(credits_of(scenes, place_of(location), generated, facts, made.caveats, role))
    silent = unsaid(scenes) if role == "imagery" else ()
    notes = (*made.caveats, *made.notes, *silent,
             *(() if generated else unverified(scenes)))  # fmt: skip
    return Imagery(tuple(scenes), credits, tuple(lost), notes)
