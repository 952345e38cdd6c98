"""The world's catalogue: valid, and every item and raster is what it says."""

from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from pyproj import Transformer
from rasterio.features import geometry_mask
from shapely.geometry import LinearRing, shape

from catalogs.world.sentinel2 import PASSES
from catalogs.world.sites import SITES
from schemas import grids
from world_items import scenes


def test_the_catalogue_is_valid(world, items):
    catalog = pystac.Catalog.from_file(str(world.catalog))
    for thing in [catalog, *catalog.get_collections()]:
        thing.stac_extensions = []  # their schemas are not in the package; core is checked
        thing.validate()
    for item in items[:: max(1, len(items) // 12)]:
        item = item.clone()
        item.stac_extensions = []
        item.validate()


def test_every_item_says_what_it_is(world, items):
    ids = [item.id for item in items]
    assert len(ids) == len(set(ids))
    for item in items:
        assert "/" not in item.id
        assert item.datetime is not None and item.datetime.tzinfo is not None
        outline = shape(item.geometry)
        assert outline.is_valid and LinearRing(outline.exterior.coords).is_ccw
        assert tuple(item.bbox) == pytest.approx(outline.bounds)
    for collection in pystac.Catalog.from_file(str(world.catalog)).get_collections():
        assert collection.license == "CC0-1.0"
        assert collection.description.startswith("GENERATED data that depicts no real place.")
        assert collection.providers[0].name == "earthloom sample world (generated)"


def test_every_raster_is_what_its_item_says(items, facts, world):
    for item in items:
        for key, asset in item.assets.items():
            path = Path(asset.get_absolute_href())
            declared = asset.extra_fields
            with rasterio.open(path) as source:
                assert source.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"
                assert f"EPSG:{source.crs.to_epsg()}" == declared["proj:code"]
                assert list(source.shape) == declared["proj:shape"]
                assert list(source.transform[:6]) == declared["proj:transform"]
                assert source.nodata == declared["nodata"]
                assert source.dtypes[0] == declared["data_type"]
                assert source.descriptions == tuple(b["name"] for b in declared["bands"])
                if key != "image":  # grids are multiples of their pixel size
                    assert source.transform.c % source.transform.a == 0
                    assert source.transform.f % source.transform.a == 0
            entry = facts["files"][path.relative_to(world.root).as_posix()]
            assert declared["file:checksum"] == f"1220{entry['sha256']}"
            assert declared["file:size"] == entry["size"]


def test_item_outlines_lie_on_the_valid_pixels(items):
    partial = [i for i in items if i.properties.get("s2:nodata_pixel_percentage", 0) > 0]
    assert partial
    edge = next(i for i in items if i.id == "aerial-lindenthal-2022")
    for item, key in [(partial[0], "B04"), (edge, "image")]:
        with rasterio.open(item.assets[key].get_absolute_href()) as source:
            valid = source.read(1) > 0
            to_utm = Transformer.from_crs(4326, source.crs, always_xy=True)
            ring = [to_utm.transform(*spot) for spot in item.geometry["coordinates"][0]]
            outline = {"type": "Polygon", "coordinates": [ring]}
            inside = geometry_mask([outline], source.shape, source.transform, invert=True)
        assert (valid == inside).mean() > 0.995


def test_some_places_are_seen_from_space_only(items, facts):
    """They stand in the middles of 23 km cells; neither an aerial picture nor the map has them."""
    bare = [site for site in SITES if not site.mapped]
    assert len(bare) == 8 and {site.epsg for site in bare} == set(PASSES)
    assert [row["mapped"] for row in facts["sites"]] == [site.mapped for site in SITES]
    for site in bare:
        assert len(scenes(items, site.id)) == len(PASSES[site.epsg])
        assert not [i for i in items if i.id.startswith(f"aerial-{site.id}")]
        row, column = grids.cells(np.array(site.lon), np.array(site.lat), 23)
        assert grids.middles(row, column, 23) == (site.lon, site.lat)
