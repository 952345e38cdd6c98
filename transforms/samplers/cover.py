"""Classes of land cover at places, by the role `landcover`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.sources.pixels_at import values_at
from schemas.scenes import Band, Scene

Floats = npt.NDArray[np.float64]
Cover = Callable[[Floats, Floats], list[str | None]]
"""Takes lon and lat in degrees; gives the class at each place as text, None where there is none."""

NAMES = ("class", "classification", "map", "landcover", "discrete_classification")
"""Bands that hold classes, by name; without one of them the first band does."""


def cover_of(scenes: tuple[Scene, ...]) -> Cover:
    """What says the class at places: the newest scene over each, of two that are as new the lower key.

    What lies in no file (a layer of a service) has no class.
    """
    import shapely

    newest = sorted(
        (s for s in scenes if not _band(s).href.startswith("ee://")),
        key=lambda s: (-(s.datetime.timestamp() if s.datetime else np.inf), s.key),
    )
    outlines = np.asarray(shapely.from_wkt([scene.footprint for scene in newest]))
    shapely.prepare(outlines)

    def classes(lon: Floats, lat: Floats) -> list[str | None]:
        found: Any = np.full(len(lon), None, object)
        open_ones = np.ones(len(lon), bool)
        for scene, outline in zip(newest, outlines, strict=True):
            at = np.flatnonzero(open_ones)
            at = at[shapely.intersects_xy(outline, lon[at], lat[at])]
            if len(at):
                band = _band(scene)
                values, known = values_at(band.href, lon[at], lat[at], band.index)
                found[at[known]] = [f"{value:g}" for value in values[known].tolist()]
                open_ones[at[known]] = False
        return list(found)

    return classes


def _band(scene: Scene) -> Band:
    named = {(band.common or band.name).lower(): band for band in reversed(scene.bands)}
    named.update({band.name.lower(): band for band in reversed(scene.bands)})
    return next((named[name] for name in NAMES if name in named), scene.bands[0])
