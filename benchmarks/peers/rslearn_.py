"""rslearn: windows of a dataset materialised directly from the stack, as its users would.

rslearn writes one deflate GeoTIFF a window into its own folder tree; it makes no JPEG and no tar,
so it does less output work than the others. Only materialize is timed, not add and prepare.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import shapely
from rasterio.crs import CRS
from rslearn.config import QueryConfig
from rslearn.data_sources import DataSourceContext, Item
from rslearn.data_sources.direct_materialize_data_source import DirectMaterializeDataSource
from rslearn.data_sources.utils import MatchedItemGroup, match_candidate_items_to_window
from rslearn.dataset import Dataset, Window
from rslearn.dataset.manage import materialize_dataset_windows, prepare_dataset_windows
from rslearn.utils.geometry import Projection, STGeometry
from upath import UPath

from benchmarks import contender
from benchmarks.stack import (
    BANDS,
    CHIP,
    DATETIME,
    EPSG,
    METRES,
    SIZE,
    TRANSFORM,
    Spot,
    paths,
    sample,
)

LEFT, TOP = round(TRANSFORM.c / METRES), round(-TRANSFORM.f / METRES)
GRID = Projection(CRS.from_epsg(EPSG), METRES, -METRES)
START = datetime.fromisoformat(DATETIME).astimezone(UTC)
WHEN = (START, START + timedelta(minutes=1))
LAYER = "scene"
NO_CONTEXT = DataSourceContext()


class Scene(DirectMaterializeDataSource[Item]):
    """The data source that a user would write for one scene, a file a band, local or at a URL."""

    def __init__(self, folder: str, context: DataSourceContext = NO_CONTEXT) -> None:
        """The folder holds one GeoTIFF for each band; rslearn passes the context by its name."""
        super().__init__(asset_bands={band: [band] for band in BANDS})
        self.folder = folder

    def get_items(
        self, geometries: list[STGeometry], query_config: QueryConfig
    ) -> list[list[MatchedItemGroup[Item]]]:
        """The scene for every window."""
        outline = shapely.box(LEFT, TOP, LEFT + SIZE, TOP + SIZE)
        item = Item("scene", STGeometry(GRID, outline, WHEN))
        return [match_candidate_items_to_window(g, [item], query_config) for g in geometries]

    def deserialize_item(self, serialized_item: dict[str, Any]) -> Item:
        """The item from its stored form."""
        return Item.deserialize(serialized_item)

    def get_asset_url(self, item: Item, asset_key: str) -> str:
        """The path or URL of the band's file: whatever rasterio opens."""
        return f"{self.folder}/{asset_key}.tif"


def configure(folder: Path, scene: str, level: int) -> Dataset:
    """An empty dataset that writes deflate GeoTIFFs and reads without resampling."""
    options = {"compress": "deflate", "predictor": 2, "zlevel": level}
    band_set = {
        "dtype": "uint16",
        "bands": list(BANDS),
        "nodata_value": 0,
        "format": {
            "class_path": "rslearn.utils.raster_format.GeotiffRasterFormat",
            "init_args": {"geotiff_options": options},
        },
    }
    source = {
        "class_path": "benchmarks.peers.rslearn_.Scene",
        "init_args": {"folder": scene},
        "ingest": False,
    }
    layer = {
        "type": "raster",
        "band_sets": [band_set],
        "resampling_method": "nearest",
        "data_source": source,
    }
    (folder / "config.json").write_text(json.dumps({"layers": {LAYER: layer}}))
    return Dataset(UPath(folder))


def add(dataset: Dataset, spots: list[Spot]) -> list[Window]:
    """The windows, in the given order, saved into the dataset."""
    windows = []
    for spot in spots:
        x, y = LEFT + spot.col, TOP + spot.row
        bounds = (x, y, x + CHIP, y + CHIP)
        window = Window(dataset.storage, "chips", spot.key, GRID, bounds, WHEN)
        window._data = dataset.window_data_storage_factory.create(window)
        window.save()
        windows.append(window)
    return windows


def main() -> None:
    """Materialises the windows and prints the contender's line."""
    options = contender.arguments().parse_args()
    if options.workers > 1:
        sys.exit("one core only")
    item, spots = contender.start(options), sample(options.n)
    dataset = configure(options.out, paths(item)["B02"].rpartition("/")[0], options.zlevel)
    windows = add(dataset, spots)
    prepare_dataset_windows(dataset, windows)
    begun = contender.clock()
    materialize_dataset_windows(dataset, windows)
    used = contender.clock() - begun
    found = {path.parts[-5]: path for path in options.out.rglob("geotiff.tif")}
    sizes = {key: path.stat().st_size for key, path in found.items()}
    contender.check(spots, options.cache, {key: (found[key], 0, sizes[key]) for key in found})
    done = contender.Done(len(found), sum(sizes.values()), contender.peak_mb())
    note = "direct materialize, GeoTIFF only, no tar"
    contender.report("rslearn", version("rslearn"), done, used, 1, note)


if __name__ == "__main__":
    main()
