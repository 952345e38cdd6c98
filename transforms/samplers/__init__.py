"""Samplers: where samples lie, before anybody looks at pixels. docs/samplers.md says which one when."""

from transforms.samplers.audit import Audit
from transforms.samplers.cities import Cities
from transforms.samplers.grid import Grid
from transforms.samplers.parcels import Parcels
from transforms.samplers.patch import Acquisitions, Patch
from transforms.samplers.points import Points
from transforms.samplers.scenes import Drawn, Scenes
from transforms.samplers.tiles import Tiles

__all__ = [
    "Acquisitions", "Audit", "Cities", "Drawn", "Grid", "Parcels", "Patch", "Points", "Scenes", "Tiles",
]  # fmt: skip
