"""What the tests of samplers share: scenes, contexts, and the rows that a sampler gives."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from schemas.samples import KEY
from schemas.scenes import Band, Scene
from schemas.windows import Grid as Pixels
from schemas.windows import to_lonlat
from transforms.context import Context


def scene(
    name: str, crs: str, left: float, top: float, px: float = 10.0, n: int = 10980,
    when: Any = None, collection: str = "sentinel-2-l2a", **more: Any,
) -> Scene:  # fmt: skip
    """A square scene by its upper-left corner in CRS units."""
    grid = Pixels(crs, (px, 0.0, left, 0.0, -px, top), n, n, 512)
    west, south, east, north = grid.bounds()
    lon, lat = to_lonlat(
        crs, np.array([west, east, east, west]), np.array([south, south, north, north])
    )
    shape = shapely.to_wkt(shapely.Polygon(np.stack([lon, lat], axis=1)), rounding_precision=9)
    bands = (Band("B04", f"{name}.tif", gsd=px, common="red"),)
    return Scene(name, collection, when, grid, shape, bands, "CC0-1.0", "x", **more)


def ctx_of(seed: int = 0, **sources: Any) -> Context:
    """A context; `imagery` may be a list of scenes, `bbox` and `region` are the build's."""
    about = {k: sources.pop(k) for k in ("bbox", "region", "years") if k in sources}
    if isinstance(found := sources.get("imagery"), list):
        sources["imagery"] = SimpleNamespace(scenes=found)
    return Context(seed=seed, sources=sources, **about)


def scan(sampler: Any, ctx: Context, drops: list[Any] | None = None) -> pa.Table:
    """All start rows; keys are keys, and columns are what the sampler says."""
    tables = list(sampler.scan(ctx, ([] if drops is None else drops).append))
    if not tables:
        return pa.table({"key": pa.array([], pa.string())})
    found = pa.concat_tables(tables)
    assert found.column_names == ["key", "lon", "lat", *sampler.gives]
    assert all(KEY.fullmatch(key) for key in found["key"].to_pylist())
    return found


def keys(sampler: Any, ctx: Context) -> list[str]:
    """The keys alone."""
    return list(scan(sampler, ctx)["key"].to_pylist())
