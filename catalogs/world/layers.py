"""The layers of the world, in the order in which the catalogue lists them.

A layer is one collection of the catalogue. It has a function that draws one place, or one that
draws all places into one file, and nothing else in the world knows of it: a new layer is one more
function from `Place` and one more entry in `LAYERS`. To come: parcels, GEDI shots, PALSAR-2,
elevation, canopy height, land cover, phenology. All of them are drawn from the same features, so
that they agree with each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalogs.world import imagery, osmfile
from catalogs.world.layout import Place
from catalogs.world.stacfile import Json


@dataclass(frozen=True)
class Layer:
    """One collection.

    Attributes:
        name: Id of the collection and name of its folder.
        make: Draws one place into the layer's folder; returns STAC items without links.
        gather: Given all places and the items so far, returns the collection without links, and
            facts about the layer for `world.json`. Draws what spans places.
    """

    name: str
    make: Callable[[Place, Path], list[Json]]
    gather: Callable[[Sequence[Place], Path, Sequence[Json]], tuple[Json, Json]]


def _nothing(place: Place, folder: Path) -> list[Json]:
    return []


LAYERS: tuple[Layer, ...] = (
    Layer("aerial", imagery.make_aerial, imagery.gather_aerial),
    Layer("sentinel-2-l2a", imagery.make_sentinel2, imagery.gather_sentinel2),
    Layer("osm", _nothing, osmfile.gather),
)
"""All layers."""
