"""Of two images of a place the one that holds the object whole is taken, even a cloudier one."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import shapely

from catalogs.sources.imagery import Imagery
from schemas.samples import Sample
from schemas.scenes import Band, Scene
from schemas.windows import Grid, to_lonlat
from transforms.context import Context
from transforms.imagery import Find


def scene(name: str, corner: float, cloud: float) -> Scene:
    """1 km of 1 m pixels from `corner` metres east on."""
    grid = Grid("EPSG:32632", (1.0, 0.0, corner, 0.0, -1.0, 5_200_000.0), 1000, 1000, 256)
    xs, ys = np.array([0, 1000, 1000, 0]) + corner, 5_200_000 - np.array([0, 0, 1000, 1000])
    outline = shapely.Polygon(np.stack(to_lonlat(grid.crs, xs, ys), axis=-1))
    return Scene(
        name, "air", datetime(2022, 6, 1, tzinfo=UTC), grid, shapely.to_wkt(outline, 9),
        (Band("red", f"{name}.tif", gsd=1.0),), "CC0-1.0", "", cloud=cloud,
    )  # fmt: skip


def found(east: float, *scenes: Scene) -> str:
    """The scene chosen for an object 40 m wide whose middle lies `east` metres from the origin."""
    xs, ys = np.array([east - 20, east + 20]), np.array([5_199_480.0, 5_199_520.0])
    lon, lat = to_lonlat("EPSG:32632", xs, ys)
    facts = {"_bounds": f"{lon[0]} {lat[0]} {lon[1]} {lat[1]}"}
    sample = Sample("w1", float(lon.mean()), float(lat.mean()), facts=facts)
    context = Context(seed=0, sources={"imagery": Imagery(scenes, ())})
    (one,) = Find()(sample, context)
    return one.scenes[0].id


def test_the_scene_that_holds_the_object_whole() -> None:
    west, east = scene("west", 500_000, 0), scene("east", 500_900, 10)
    assert found(500_500, west, east) == "west"
    assert found(500_950, west, east) == "west", "both hold it: the clearer one"
    assert found(500_990, west, east) == "east", "the clearer one cuts it"
    assert found(500_990, west, replace(east, cloud=50)) == "west", "too cloudy to be asked"
