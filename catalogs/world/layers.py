"""The layers of the world, in the order in which they are drawn.

A layer has a function that draws one place, or one that draws all places, and nothing else in the
world knows of it: a new layer is one more function from `Place` and one more entry in `LAYERS`. All
of them are drawn from the same features, so that they agree with each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalogs.world import (
    canopy,
    codes,
    gedi,
    imagery,
    land,
    landcover,
    osmfile,
    palsar,
    parcels,
    people,
    phenology,
    terrain,
)
from catalogs.world.layout import Place
from catalogs.world.stacfile import Json


@dataclass(frozen=True)
class Layer:
    """One kind of data.

    Attributes:
        name: Name of the layer's folder, and id of its collection.
        make: Draws one place into the layer's folder; returns STAC items without links.
        gather: Given all places and the items so far, returns the collection without links ({} if
            there is none), and facts about the layer for `world.json`. Draws what spans places.
        home: `catalogue`: a collection of the world's catalogue. `alone`: a collection that is
            opened by itself. `files`: plain files.
    """

    name: str
    make: Callable[[Place, Path], list[Json]]
    gather: Callable[[Sequence[Place], Path, Sequence[Json]], tuple[Json, Json]]
    home: Literal["catalogue", "alone", "files"] = "catalogue"


def _nothing(place: Place, folder: Path) -> list[Json]:
    return []


LAYERS: tuple[Layer, ...] = (
    Layer("aerial", imagery.make_aerial, imagery.gather_aerial),
    Layer("sentinel-2-l2a", imagery.make_sentinel2, imagery.gather_sentinel2),
    Layer("osm", _nothing, osmfile.gather),
    Layer("phenology", phenology.make, phenology.gather, "files"),
    Layer("parcels", _nothing, parcels.gather, "files"),
    Layer("codes", _nothing, codes.gather, "files"),
    Layer("land", _nothing, land.gather, "files"),
    Layer("cities", _nothing, people.gather, "files"),
    Layer("mountains", _nothing, terrain.mountains, "files"),
    Layer("shots", _nothing, gedi.gather, "files"),
    Layer("palsar", palsar.make, palsar.gather, "alone"),
    Layer("dem", terrain.make, terrain.gather, "alone"),
    Layer("canopy", canopy.make, canopy.gather, "alone"),
    Layer("landcover", landcover.make, landcover.gather, "alone"),
)
"""All layers."""
