"""Which parcels a patch shows."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.crop_codes import UNMAPPED
from schemas.errors import SourceError
from schemas.geo import all_beside, bounds_of, ring_beside
from schemas.samples import Sample
from schemas.windows import Grid
from transforms.context import Context
from transforms.crops.declared import PARCELS, packed
from transforms.crops.outlines import projected, touching, unit_sides


@dataclass(frozen=True)
class Join:
    """The parcels of a patch's year that share area with it, and their classes.

    Gives `country` (the one with the most declared area in the patch), `parcels`, `parcels_mapped`
    (those whose declared crop has one class: an ambiguous one has none), `classes` ("110,120,998": those
    present) and `main_class`, the name of the class with the most area. The outlines go along, in the
    CRS of the patch, so that `make` needs no source and a block's id knows its parcels.
    """

    needs: tuple[str, ...] = field(default=("window", "year"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "country": "string",
            "parcels": "int64",
            "parcels_mapped": "int64",
            "classes": "string",
            "main_class": "string",
            "_parcels": "binary",
            "_wide": "string",
        },
        init=False,
    )

    def across(self, samples: list[Sample], ctx: Context) -> list[Sample]:
        """All samples of a partition, each with its parcels (none is a count of 0).

        The source is asked once for each tile and year, so that a tile's parcels are in memory at most.

        Raises:
            SourceError: a file of parcels says no year, so that no patch would show any of them.
        """
        if undated := getattr(ctx.sources["parcels"], "undated", ()):
            raise SourceError(
                f"{undated[0]} says no year of harvest, and patches show the parcels of their year: name "
                'it in the file\'s name, or its column or the year itself in a sidecar ("year": "2021")'
            )
        groups: dict[tuple[int, str], list[Sample]] = {}
        for sample in samples:
            tile = str(sample.facts.get("patch_tile") or "")
            groups.setdefault((int(str(sample.facts["year"])), tile), []).append(sample)
        for (year, _), own in sorted(groups.items()):
            _join(own, year, ctx)
        return samples


def _join(samples: list[Sample], year: int, ctx: Context) -> None:
    """The parcels of one year into the facts of samples of that year."""
    import shapely

    here = samples[0].lon
    rings = [ring_beside(s.window.outline(), here) for s in samples if s.window]
    table = ctx.sources["codes"].map(ctx.sources["parcels"].within(bounds_of(rings), year))
    shapes = all_beside(shapely.from_wkb(table["geometry"].to_numpy()), here)
    tree = shapely.STRtree(shapes)
    for sample, ring in zip(samples, rings, strict=True):
        rows = np.sort(tree.query(shapely.Polygon(ring), predicate="intersects"))
        _give(sample, table, shapes[rows], rows)


def _give(
    sample: Sample, table: pa.Table, shapes: npt.NDArray[Any], rows: npt.NDArray[np.int64]
) -> None:
    import shapely

    assert sample.window is not None
    grid = sample.window.grid
    shapes = projected(shapes, grid.crs)
    there = touching(shapes, grid)
    shapes, own = shapes[there], table.take(pa.array(rows[there]))
    inside = shapely.area(shapely.intersection(shapes, shapely.box(*grid.bounds())))
    labels = own["s4a_code"].to_numpy()
    wide = np.asarray(shapely.area(shapes) > inside * (1 + 1e-9))
    found = [own["key"], own["s4a_code"], own["s4a_status"], own["crop_code"], own["crop_name"],
             own["area_m2"], pa.array(list(shapely.to_wkb(shapes)), pa.binary())]  # fmt: skip
    keys = own["key"].to_pylist()
    given: dict[str, Any] = {
        "country": _most(own["country"].to_pylist(), inside),
        "parcels": len(own),
        "parcels_mapped": int((labels != UNMAPPED).sum()),
        "classes": ",".join(str(code) for code in sorted(set(labels.tolist()))),
        "main_class": _most(own["s4a_name"].to_pylist(), inside),
        "_parcels": packed(pa.Table.from_arrays(found, schema=PARCELS)),
        "_wide": " ".join(f"{keys[i]}:{reach:.0f}" for i, reach in _reaches(shapes, wide, grid)),
    }
    sample.facts.update(given)


def _most(names: list[str | None], weights: npt.NDArray[np.float64]) -> str | None:
    """The name with the most weight, of equals the first by name; None without any."""
    total: Counter[str] = Counter()
    for name, weight in zip(names, weights.tolist(), strict=True):
        total[name or ""] += weight
    return min(total, key=lambda name: (-round(total[name], 3), name)) if total else None


def _reaches(
    shapes: npt.NDArray[Any], wide: npt.NDArray[np.bool_], grid: Grid
) -> list[tuple[int, float]]:
    """(place, metres between the corners of its box) of the shapes that leave the chip."""
    import shapely

    if not len(shapes):
        return []
    bounds = shapely.bounds(shapes)
    across, along = unit_sides(grid)
    reach = np.hypot((bounds[:, 2] - bounds[:, 0]) * across, (bounds[:, 3] - bounds[:, 1]) * along)
    return [(int(i), float(reach[i])) for i in np.flatnonzero(wide)]
