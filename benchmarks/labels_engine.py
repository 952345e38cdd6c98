"""The engine's side of `labels`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

from benchmarks import labels_contender, labels_inputs
from benchmarks.labels_contender import Found

LOT = 250_000
"""Places asked for at once, as a partition of a build would hold them."""

COLUMNS = ("agbd", "agbd_se", "rh98", "sensitivity", "solar_elevation", "l4_quality_flag",
           "degrade_flag", "elev_lowestmode", "selected_algorithm")  # fmt: skip


def shots(folder: Path, count: int) -> Found:
    """Good shots of level 4 within regions, each with the height of level 2."""
    import json

    import shapely

    from catalogs.sources.gedi import open_shots
    from catalogs.sources.terms import Override
    from transforms.footprints.predicates import Columns, Predicate, firsts

    known = json.loads(labels_inputs.regions(folder).read_text())["features"]
    region = shapely.union_all([shapely.geometry.shape(f["geometry"]) for f in known])
    shapely.prepare(region)
    rules = (
        Predicate("l4_quality", "", lambda s: s.where("l4_quality_flag", lambda v: v == 1)),
        Predicate("degraded", "", lambda s: s.where("degrade_flag", lambda v: v == 0)),
        Predicate("sensitivity", "", lambda s: s.where("sensitivity", lambda v: v > 0.95)),
    )
    source = open_shots(labels_inputs.granules(folder, count), Override())
    kept, total = 0, 0.0
    for table in source.shots(shapely.bounds(region).tolist(), COLUMNS):
        good = firsts(Columns(table), rules) == len(rules)
        near = table.filter(good)
        inside = shapely.contains_xy(region, near["lon"].to_numpy(), near["lat"].to_numpy())
        kept += int(inside.sum())
        total += float((near["agbd"].to_numpy() * near["rh98"].to_numpy())[inside].sum())
    return kept, total, ""


def rasterised(folder: Path, count: int) -> Found:
    """Number and class of every pixel, with overlaps told, patch by patch."""
    import shapely

    from schemas.windows import Grid
    from transforms.crops.rasters import painted, ranks

    done, total = 0, 0.0
    for number in range(labels_contender.patches(count)):
        shapes, affine = labels_contender.fields(folder, number)
        array = np.array(shapes, dtype=object)
        order = ranks(shapely.area(array), [f"{i:06d}" for i in range(len(array))])
        grid = Grid("EPSG:32632", affine, labels_inputs.PATCH, labels_inputs.PATCH)  # type: ignore[arg-type]
        numbers, _ = painted(array, order, grid)
        crops = np.concatenate([[0], 100 + np.arange(len(array)) % 11 * 10]).astype("u2")
        done += len(array)
        total += float(crops[numbers].sum()) + float((numbers > 0).sum())
    return done, total, "and where parcels overlap"


def zonal(folder: Path, count: int) -> Found:
    """Mean and standard deviation of 156 layers for each parcel, by exact coverage."""
    return _zonal(folder, count, exactly=True)


def zonal_centre(folder: Path, count: int) -> Found:
    """The same of the pixels whose centres lie within."""
    return _zonal(folder, count, exactly=False)


def _zonal(folder: Path, count: int, exactly: bool) -> Found:
    import shapely

    from schemas.windows import Grid
    from transforms.crops.coverage import exact, statistics, whole
    from transforms.crops.rasters import painted, ranks

    done, total = 0, 0.0
    for number in range(labels_contender.patches(count)):
        shapes, affine = labels_contender.fields(folder, number)
        array = np.array(shapes, dtype=object)
        grid = Grid("EPSG:32632", affine, labels_inputs.PATCH, labels_inputs.PATCH)  # type: ignore[arg-type]
        if exactly:
            cover = exact(array, grid)
        else:
            order = ranks(shapely.area(array), [f"{i:06d}" for i in range(len(array))])
            cover = whole(painted(array, order, grid)[0])
        mean, spread = statistics(labels_contender.values(folder, number), cover, len(array))
        done += len(array)
        total += float(np.nansum(mean) + np.nansum(spread))
    return done, total, ""


def phenology(folder: Path, count: int) -> Found:
    """Medians of four dates over three years, and the nearest pixel's where there is none."""
    from catalogs.sources.phenology import open_phenology
    from catalogs.sources.terms import Override
    from schemas.phenology import summarise

    lon, lat = labels_inputs.points(count)
    source = open_phenology(labels_inputs.phenology(folder), Override())
    done, total, filled = 0, 0.0, 0
    for start in range(0, count, LOT):
        some = slice(start, start + LOT)
        found = summarise(source.at(lon[some], lat[some]))
        blank = np.flatnonzero(~found.known)
        if len(blank):
            near, _ = source.nearest(lon[some][blank], lat[some][blank])
            found.put(blank, near)
        done, filled = done + len(found.offsets), filled + len(blank)
        total += float(found.offsets.sum())
    return done, total, f"{filled / count:.0%} by the nearest pixel"


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    works = {f.__name__: f for f in (shots, rasterised, zonal, zonal_centre, phenology)}
    labels_contender.main("earthloom", str(project["version"]), works)
