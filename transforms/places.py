"""Named places around a sample, from the `place` nodes of the map at hand."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from catalogs.sources.osm import open_osm
from schemas.errors import UsageError
from schemas.places import Place, from_tags, nearest
from schemas.recipes import at_least, within
from schemas.samples import Sample
from schemas.windows import chords, unit_vectors
from transforms.context import Context

SLACK = 1.01
"""The sphere's distances differ from the ellipsoid's by less than this."""


class Places:
    """Places, ready to be asked for those near a point.

    Attributes:
        places: sorted by id; of equal ids the first.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        from scipy.spatial import cKDTree

        found: dict[str, Place] = {}
        for place in places:
            found.setdefault(place.id, place)
        self.places = sorted(found.values(), key=lambda place: place.id)
        lon, lat = (np.array([getattr(p, side) for p in self.places]) for side in ("lon", "lat"))
        self._tree = cKDTree(unit_vectors(lon, lat)) if self.places else None

    def near(self, lon: float, lat: float, most: int, km: float) -> list[dict[str, Any]]:
        """Up to `most` places within `km` kilometres, nearest first, as `schemas.places` has them."""
        if self._tree is None:
            return []
        point = unit_vectors(np.array([lon]), np.array([lat]))[0]
        reach = float(chords(km * 1000 * SLACK))
        far, rows = self._tree.query(point, k=min(most, len(self.places)))
        worst = float(np.max(far)) * SLACK + 1e-6  # ties and the ellipsoid may change the order
        rows = self._tree.query_ball_point(point, min(reach, worst))
        return nearest(lon, lat, [self.places[i] for i in sorted(rows)], most, km)


def read(source: Any) -> Places:
    """The named places of an OSM source: nodes with both `name` and `place`."""
    import shapely

    found = []
    for batch in source.features(("place",), None, on_drop=lambda drop: None):
        for kind, number, text, wkb in zip(
            *(batch.column(c).to_pylist() for c in ("osm_type", "osm_id", "tags", "geometry")),
            strict=True,
        ):
            if kind == "node":
                point = shapely.from_wkb(wkb)
                place = from_tags(f"n{number}", json.loads(text), point.x, point.y)
                found += [place] if place else []
    return Places(found)


def of_map(ctx: Context) -> Places:
    """The places of the build's map, read once in a process.

    Raises:
        UsageError: the build has no map.
    """
    location = ctx.locations.get("osm", "")
    if not location:
        raise UsageError("places.Near: this build has no --osm to take named places from")
    path = Path(location)
    stat = path.stat()
    return _read_once(location, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=2)
def _read_once(location: str, size: int, changed: int) -> Places:
    return read(open_osm(Path(location)))


@dataclass(frozen=True)
class Near:
    """The named places nearest to the middle of a sample's window.

    Gives `near_places`, see `schemas.places`. A node that cannot be read is no place.

    Attributes:
        most: places kept.
        km: how far away they may be.
    """

    most: int = 10
    km: float = 100.0
    needs: tuple[str, ...] = field(default=("window",), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"near_places": "string"}, init=False)

    def __post_init__(self) -> None:
        """Refuse to look for nothing, or around the globe."""
        at_least("places.Near.most", self.most, 1)
        within("places.Near.km", self.km, 0, 20_000)

    def across(self, samples: list[Sample], ctx: Context) -> list[Sample]:
        """All samples of a partition, each with its places."""
        if samples:
            places = of_map(ctx)
            for sample in samples:
                assert sample.window is not None
                near = places.near(*sample.window.centre(), self.most, self.km)
                sample.facts["near_places"] = json.dumps(near, ensure_ascii=False)
        return samples
