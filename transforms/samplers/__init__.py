"""Samplers: where samples lie, before anybody looks at pixels. docs/samplers.md says which one when."""

from transforms.samplers.grid import Grid
from transforms.samplers.tiles import Acquisitions, Patch, Tiles

__all__ = ["Acquisitions", "Grid", "Patch", "Tiles"]
