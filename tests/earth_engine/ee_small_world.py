"""The small world of `tests/engine` as assets of the local Earth Engine, and as files that say the same."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine

import small_world
from earth_engine_server import World
from earth_engine_world import S2, asset, collection, written
from schemas.skyscript_names import COLLECTIONS, present_id

NAIP = "USDA/NAIP/DOQQ"
BOX = ("7", "46.5", "11", "47.5")
"""Holds the whole small world."""

TAR = np.s_[:, 100:130, 40:90]
"""Black ground beside an object of `train-c`: data, not the lack of it."""

HOLE = np.s_[70:75, 84:90]
"""Masked pixels beside the same object, too few to reject it."""


@dataclass
class Small:
    """The world twice.

    Attributes:
        osm: the extract.
        items: a FeatureCollection of the files, in the words of the collection.
        server: the same as assets.
    """

    osm: Path
    items: Path
    server: World


def make(folder: Path) -> Small:
    """Write the files; validity is a mask inside of them, never a number."""
    world = small_world.make(folder / "world")
    files = folder / "files"
    files.mkdir()
    server = World()
    collection(server, NAIP)
    features = []
    for path in sorted(world.imagery.glob("*.tif")):
        with rasterio.open(path) as source:
            pixels, place = source.read(), source.transform
        valid = pixels.any(axis=0)
        if path.stem == "train-c":
            pixels[TAR], valid[HOLE] = 0, False
            pixels[:, ~valid] = 0  # as Earth Engine gives them, so that bytes can be compared
        image = written(files / path.name, pixels, "R G B N", place, small_world.CRS, valid=valid)
        stated = asset(server, f"{NAIP}/{path.stem}", image, "2023-06-01T00:00:00Z")
        features.append(feature(path.stem, image, stated, place, pixels.shape))
    items = folder / "items.json"
    items.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return Small(world.osm, items, server)


def feature(name: str, image: Path, stated: Any, place: Affine, shape: Any) -> dict[str, Any]:
    """An item that says of a file what the asset says."""
    outline = shapely.geometry.shape(stated["geometry"])
    terms = COLLECTIONS["US"]
    bands = [
        {"name": band, "data_type": "uint8", "eo:common_name": common}
        for band, common in zip("RGBN", ("red", "green", "blue", "nir"), strict=True)
    ]
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "collection": NAIP,
        "geometry": stated["geometry"], "bbox": list(outline.bounds), "links": [],
        "properties": {
            "datetime": stated["startTime"], "license": terms.licence,
            "attribution": terms.attribution, "proj:code": small_world.CRS,
            "proj:transform": list(place), "proj:shape": [shape[1], shape[2]], "gsd": 0.6,
        },
        "assets": {
            "image": {
                "href": str(image), "type": "image/tiff", "bands": bands,
                "file:size": image.stat().st_size,
            }
        },
    }  # fmt: skip


def two_sensors(small: Small, folder: Path) -> World:
    """The same ground by the aerial pictures of Switzerland and by Sentinel-2, as few places as do.

    The latter has 16 bits and the fine grid of the former: here only numbers are looked at.
    """
    server = World()
    swiss = present_id("CH")
    collection(server, swiss)
    collection(server, S2)
    for name, path in small.server.rasters.items():
        with rasterio.open(path) as source:
            pixels, place, valid = source.read(), source.transform, source.dataset_mask() > 0
        stem = name.rsplit("/", 1)[-1]
        colours = written(
            folder / f"ch-{stem}.tif", pixels[:3], "R G B", place, small_world.CRS, valid=valid
        )
        asset(server, f"{swiss}/{stem}", colours, "2019-06-01T00:00:00Z")
        deep = written(
            folder / f"s2-{stem}.tif", pixels.astype("uint16") * 20, "B4 B3 B2 B8", place,
            small_world.CRS, valid=valid,
        )  # fmt: skip
        asset(
            server, f"{S2}/{stem}", deep, "2019-07-01T00:00:00Z", PROCESSING_BASELINE="05.00",
            CLOUDY_PIXEL_PERCENTAGE=1.0,
        )  # fmt: skip
    return server
