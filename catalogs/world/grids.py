"""Grids of the layers in degrees: the part of a global grid that covers one scene."""

from dataclasses import dataclass

import numpy as np
from affine import Affine

from catalogs.world import stacfile
from catalogs.world.noise import Spots
from catalogs.world.sites import Site


@dataclass(frozen=True)
class Degrees:
    """A window of a global grid in EPSG:4326.

    Attributes:
        site: Whose scene it covers.
        per_degree: Pixels per degree.
    """

    site: Site
    per_degree: float

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(first column, first row, columns, rows), counted from 180 W and 90 N."""
        west, south, east, north = stacfile.footprint(self.site.epsg, self.site.scene_bounds)[1]
        left, top = (int(np.floor(v * self.per_degree)) for v in (west + 180, 90 - north))
        right, bottom = (int(np.ceil(v * self.per_degree)) for v in (east + 180, 90 - south))
        return left, top, right - left, bottom - top

    @property
    def affine(self) -> Affine:
        """Pixel to degrees."""
        left, top, _, _ = self.box
        step = 1 / self.per_degree
        return Affine(step, 0.0, left * step - 180, 0.0, -step, 90 - top * step)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in degrees."""
        _, _, width, height = self.box
        step, affine = 1 / self.per_degree, self.affine
        return affine.c, affine.f - height * step, affine.c + width * step, affine.f

    def points(self, fine: int = 1) -> tuple[Spots, Spots]:
        """(lon, lat), each (rows, columns, fine, fine), of points spread evenly over every pixel."""
        _, _, width, height = self.box
        within = (np.arange(fine) + 0.5) / fine
        column = np.arange(width)[:, None] + within
        row = np.arange(height)[:, None] + within
        lon = self.affine.c + column / self.per_degree
        lat = self.affine.f - row / self.per_degree
        shape = (height, width, fine, fine)
        return (
            np.broadcast_to(lon[None, :, None, :], shape),
            np.broadcast_to(lat[:, None, :, None], shape),
        )
