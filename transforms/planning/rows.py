"""Samples as table rows and back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.chance import rank
from schemas.geo import split
from schemas.samples import Fact, Sample
from schemas.scenes import Scene
from schemas.tables import PLACE
from schemas.windows import Grid, Window, to_lonlat

NO_WINDOW: dict[str, Any] = dict.fromkeys(
    ("crs", "transform", "width", "height", "tile", "gsd_m", "col", "row",
     "centre_lon", "centre_lat", "radius_m")
)  # fmt: skip


def column(values: list[Any], kind: pa.DataType) -> pa.Array:
    """An Arrow array without the detour through pandas that `pa.array(list)` takes."""
    return pa.array(values, kind, from_pandas=False)


def start_samples(table: pa.Table) -> Iterable[Sample]:
    """Samples without windows, one for each start row; equal keys are told apart by the caller."""
    facts = [n for n in table.column_names if n not in ("key", "lon", "lat")]
    for row in table.to_pylist():
        yield Sample(row["key"], row["lon"], row["lat"], facts={n: row[n] for n in facts})


def layer_id(role: str, scene: Scene) -> str:
    """A layer's scene as plans and releases name it; roles may hold scenes of one name."""
    return f"{role}={scene.key}"


def to_table(samples: list[Sample], facts: Mapping[str, pa.DataType], seed: int) -> pa.Table:
    """Rows of `PLACE` and the fact columns, in the order of `samples`."""
    rows = [_place(sample, seed) for sample in samples]
    arrays = [column([r[f.name] for r in rows], f.type) for f in PLACE]
    for name, kind in facts.items():
        arrays.append(column([s.facts.get(name) for s in samples], kind))
    return pa.Table.from_arrays(arrays, names=[*PLACE.names, *facts])


def _place(sample: Sample, seed: int) -> dict[str, Any]:
    row = {
        **NO_WINDOW,
        "key": sample.id,
        "lon": sample.lon,
        "lat": sample.lat,
        "scene_ids": [scene.key for scene in sample.scenes],
        "layer_ids": [layer_id(role, sample.layers[role]) for role in sorted(sample.layers)],
        "rank": rank(seed, sample.id),
    }
    if (window := sample.window) is not None:
        grid = window.grid
        lon, lat = window.centre()
        row.update(
            crs=grid.crs,
            transform=list(grid.transform),
            width=grid.width,
            height=grid.height,
            tile=grid.tile,
            gsd_m=window.gsd,
            col=window.col,
            row=window.row,
            centre_lon=lon,
            centre_lat=lat,
        )
    return row


def from_table(table: pa.Table, scenes: Mapping[str, Scene]) -> list[Sample]:
    """The samples that `to_table` wrote, with their scenes looked up."""
    facts = [n for n in table.column_names if n not in PLACE.names]
    return [_sample(row, facts, scenes) for row in table.to_pylist()]


def _sample(row: dict[str, Any], facts: list[str], scenes: Mapping[str, Scene]) -> Sample:
    window = None
    if row["crs"] is not None:
        grid = Grid(row["crs"], tuple(row["transform"]), row["width"], row["height"], row["tile"])
        window = Window(grid, row["gsd_m"], row["col"], row["row"])
    values: dict[str, Fact] = {name: row[name] for name in facts}
    found = tuple(scenes[key] for key in row["scene_ids"])
    layers = {key.split("=", 1)[0]: scenes[key] for key in row["layer_ids"] or ()}
    return Sample(row["key"], row["lon"], row["lat"], window, found, facts=values, layers=layers)


def moved(table: pa.Table, samples: Sequence[Sample | None]) -> pa.Table:
    """The table with the windows that samples have now; unchanged where none has another grid.

    Args:
        table: rows of `PLACE` and facts.
        samples: one for each row, None where there is none any more.
    """
    old = table.select(["crs", "transform", "width", "height"]).to_pylist()
    now = [None if s is None or s.window is None else s.window.grid for s in samples]
    same = [
        grid is None
        or (grid.crs, list(grid.transform), grid.width, grid.height) == tuple(row.values())
        for grid, row in zip(now, old, strict=True)
    ]
    if all(same):
        return table
    rows = table.select(PLACE.names).to_pylist()
    for row, sample, still in zip(rows, samples, same, strict=True):
        if not still and sample is not None:
            row.update({**_place(sample, 0), "rank": row["rank"]})
    for place, item in enumerate(PLACE):
        at = table.column_names.index(item.name)
        if place:
            table = table.set_column(at, item, column([r[item.name] for r in rows], item.type))
    return with_radii(table)


def with_radii(table: pa.Table) -> pa.Table:
    """The table with `radius_m`, by the measure that `verify` uses (`schemas.spacing.circles`)."""
    from schemas.spacing import circles

    if not len(table) or table["crs"].null_count:
        return table
    affine = np.asarray(table["transform"].combine_chunks().flatten()).reshape(-1, 6)
    _, radius = circles(
        table["crs"].to_pylist(), affine, table["width"].to_numpy(), table["height"].to_numpy()
    )
    place = table.column_names.index("radius_m")
    return table.set_column(place, "radius_m", pa.array(radius))


def outlines(table: pa.Table) -> tuple[pa.Array, pa.Array]:
    """(`bbox`, `geometry`) of the windows: boxes and WKB polygons in degrees, split at 180.

    Corners are transformed together for all windows of one CRS.
    """
    import shapely

    from schemas.tables import BBOX

    count = len(table)
    names = np.asarray(table["crs"].to_pylist(), dtype=object)
    affine = np.asarray(table["transform"].combine_chunks().flatten()).reshape(-1, 6)
    wide, high = table["width"].to_numpy(), table["height"].to_numpy()
    xs = affine[:, [2]] + affine[:, [0]] * wide[:, None] * np.array([0, 1, 1, 0, 0])
    ys = affine[:, [5]] + affine[:, [4]] * high[:, None] * np.array([1, 1, 0, 0, 1])
    rings = np.empty((count, 5, 2))
    for name in dict.fromkeys(names):
        rows = names == name
        lon, lat = to_lonlat(name, xs[rows].ravel(), ys[rows].ravel())
        rings[rows] = np.stack([lon, lat], axis=-1).reshape(-1, 5, 2)
    lon = rings[..., 0]
    over = np.ptp(lon, axis=1) > 180 if count else np.zeros(0, bool)
    lon[over] = np.where(lon[over] < 0, lon[over] + 360, lon[over])
    (west, south), (east, north) = rings.min(axis=1).T, rings.max(axis=1).T
    sides = (west, south, np.where(east > 180, east - 360, east), north)  # west > east across 180
    shapes = shapely.polygons(rings)
    for row in np.flatnonzero(lon.max(axis=1) > 180 if count else over):
        shapes[row] = split(shapes[row])
    bbox = pa.StructArray.from_arrays([pa.array(side) for side in sides], fields=list(BBOX))
    return bbox, column(list(shapely.to_wkb(shapes)), pa.binary())
