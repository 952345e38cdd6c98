"""The world's raster layers: each opens alone, says what it is, and agrees with the truth."""

import json

import numpy as np
import pyarrow as pa
import pystac
import pytest
import rasterio
from pyproj import Transformer

from catalogs.sources.imagery import open_imagery
from catalogs.sources.land import open_mountains
from catalogs.sources.points import open_points
from catalogs.sources.terms import Override
from catalogs.world import ROLES, truth
from catalogs.world.sites import SITES
from catalogs.world.terrain import MOUNTAIN_M, elevation
from schemas.roles import ROLES as ASKED

LAYERS = {
    "palsar": (52, ("HH", "HV"), "uint16", 0),
    "dem": (26, ("elevation",), "int16", -9999),
    "canopy": (26, ("height", "std"), "uint8", 255),
    "landcover": (26, ("class", "probability"), "uint8", 255),
}
PLAIN = [site for site in SITES if not site.edge][::10]


def opened(world, layer, site, tail=""):
    """Pixels (band, y, x) of a layer at a place, and lon and lat (y, x) of their middles."""
    path = world.role(layer).parent / f"{layer}-{site.id}{tail}" / "data.tif"
    with rasterio.open(path) as source:
        values, affine, epsg = source.read(), source.transform, source.crs.to_epsg()
    column, row = np.meshgrid(np.arange(values.shape[2]) + 0.5, np.arange(values.shape[1]) + 0.5)
    x, y = affine.c + column * affine.a, affine.f + row * affine.e
    return values, *Transformer.from_crs(epsg, 4326, always_xy=True).transform(x, y)


def around(lon, lat, wide, high, count):
    """Points (..., count, count) that cover boxes of so many degrees around lon/lat points."""
    steps = (np.arange(count) + 0.5) / count - 0.5
    lons = lon[..., None, None] + wide * steps * np.ones((count, 1))
    return lons, lat[..., None, None] + high * steps[:, None] * np.ones((1, count))


def test_the_world_fills_every_role(world):
    assert set(ROLES) == set(ASKED) - {"points"}  # whose, only a user can say
    for role in ROLES:
        assert world.role(role).exists(), role
    with pytest.raises(KeyError):
        world.role("weather")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_opens_alone(world, layer):
    count, names, _, _ = LAYERS[layer]
    collection = pystac.Collection.from_file(str(world.role(layer)))
    assert collection.license == "CC0-1.0"
    assert collection.description.startswith("GENERATED data that depicts no real place.")
    collection.validate()
    found = open_imagery(str(world.role(layer)), Override(), generated=True)
    assert len(found.scenes) == count and not found.lost
    assert {scene.collection for scene in found.scenes} == {layer}
    assert {tuple(band.name for band in scene.bands) for scene in found.scenes} == {names}


def test_the_catalogue_of_pictures_has_pictures_and_the_map_only(world):
    catalog = json.loads(world.catalog.read_text(encoding="utf-8"))
    children = [link["href"] for link in catalog["links"] if link["rel"] == "child"]
    assert children == [f"./{name}/collection.json" for name in ("aerial", "sentinel-2-l2a", "osm")]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_raster_is_what_its_item_says(world, layer):
    _, names, dtype, nodata = LAYERS[layer]
    for path in sorted(world.role(layer).parent.glob("*/*.json")):
        item = pystac.Item.from_file(str(path))
        told = item.assets["data"].extra_fields
        with rasterio.open(path.with_name("data.tif")) as source:
            assert source.descriptions == names and set(source.dtypes) == {dtype}
            assert source.nodata == told["nodata"] == nodata
            assert list(source.shape) == told["proj:shape"]
            assert list(source.transform[:6]) == told["proj:transform"]
            assert f"EPSG:{source.crs.to_epsg()}" == told["proj:code"]
            site = next(s for s in SITES if f"-{s.id}" in item.id)
            box = rasterio.warp.transform_bounds(site.epsg, source.crs, *site.scene_bounds)
            step = 1e-7
            assert source.bounds.left <= box[0] + step and source.bounds.right >= box[2] - step
            assert source.bounds.bottom <= box[1] + step and source.bounds.top >= box[3] - step


@pytest.mark.parametrize("site", PLAIN, ids=lambda s: s.id)
def test_the_radar_is_brighter_where_more_grows(world, site):
    values, lon, lat = opened(world, "palsar", site, "-2021")
    assert (values > 1).all()
    hh, hv = 20 * np.log10(values.astype(float)) - 83
    points = around(lon, lat, 1 / 4500, 1 / 4500, 4)
    mass = truth.biomass(world, *points)
    names = truth.materials(world, *points, 2021)
    flat = np.isin(names, ("meadow", "pasture", "wheat", "maize", "barley", "rapeseed", "broadleaf",
                           "conifer", "mixed", "scrub", "orchard", "fallow")).all(axis=(2, 3))  # fmt: skip
    mean = mass.mean(axis=(2, 3))
    bins = [
        hv[flat & (mean >= a) & (mean < b)] for a, b in ((0, 8), (8, 60), (60, 150), (150, 400))
    ]
    means = [values.mean() for values in bins if values.size > 30]
    assert len(means) >= 2 and means == sorted(means) and means[-1] - means[0] > 6
    expected = -24 + 11 * (1 - np.exp(-mean / 100))  # the formula of the layer, on pure pixels
    pure = flat & (mass.std(axis=(2, 3)) < 0.03 * mean)
    assert pure.sum() > 1000
    assert np.quantile(np.abs(hv - expected)[pure], 0.99) < 0.5  # but for a track between points
    assert (hh[pure] > hv[pure]).all()
    again, _, _ = opened(world, "palsar", site, "-2022")
    apart = 20 * np.log10(again.astype(float)) - 83 - np.stack([hh, hv])
    assert 0 < np.abs(apart).max() < 1


@pytest.mark.parametrize("site", PLAIN, ids=lambda s: s.id)
def test_heights_are_those_of_the_truth(world, site):
    (height, spread), lon, lat = opened(world, "canopy", site)
    points = around(lon, lat, 10 / 74_000, 10 / 111_200, 2)
    truly = truth.height(world, *points).mean(axis=(2, 3))
    assert np.abs(height - truly).mean() < 0.5
    names = truth.materials(world, *points, 2021)
    pure = np.isin(names, ("conifer", "broadleaf", "mixed")).all(axis=(2, 3))
    assert pure.sum() > 1000 and np.abs(height - truly)[pure].max() < 1.0
    assert 12 < height[pure].mean() < 30 and (spread[pure] >= 1).all()
    water = (names == "water").all(axis=(2, 3))
    assert (height[water] == 0).all()


@pytest.mark.parametrize("site", PLAIN, ids=lambda s: s.id)
def test_the_ground_is_as_high_as_the_truth(world, site):
    values, lon, lat = opened(world, "dem", site)
    assert np.abs(values[0] - truth.elevation(lon, lat)).max() <= 0.5
    assert np.ptp(values) > 3 and np.abs(np.diff(values[0].astype(int))).max() < 30


@pytest.mark.parametrize("site", PLAIN, ids=lambda s: s.id)
def test_the_land_cover_is_what_most_of_a_pixel_is(world, site):
    (cover, share), lon, lat = opened(world, "landcover", site)
    assert (cover != 255).mean() > 0.8 and ((share == 255) == (cover == 255)).all()
    assert share[cover != 255].max() <= 100
    names = truth.materials(world, *around(lon, lat, 1 / 1008, 1 / 1008, 9), 2021)
    whole = (names != "").all(axis=(2, 3))
    woods = np.isin(names, ("conifer", "broadleaf", "mixed")).mean(axis=(2, 3))[whole]
    crops = np.isin(names, ("wheat", "maize", "barley", "rapeseed", "sugarbeet", "potato", "fallow",
                            "orchard", "vineyard", "nursery")).mean(axis=(2, 3))[whole]  # fmt: skip
    told, share = cover[whole], share[whole] / 100
    assert whole.sum() > 1500
    assert ((told[woods > 0.75] >= 111) & (told[woods > 0.75] <= 116)).all()
    assert (told[woods < 0.15] < 111).all()
    assert (told[crops > 0.6] == 40).all() and (told == 40).sum() > 50
    assert np.abs(share - crops)[told == 40].max() < 0.15
    assert np.abs(share - woods)[told >= 111].max() < 0.15


def test_cities_are_the_places_of_the_map(world):
    """As the reader of cities gives them, with the largest theme first."""
    lost = []
    source = open_points(world.role("cities"), Override("CC0-1.0"), "cities")
    found = pa.concat_tables(source.batches(lambda *row: lost.append(row), ("name", "population")))
    assert not lost and len(found) == 18
    rows = {row["id"]: row for row in found.to_pylist()}
    for site in SITES:
        assert (site.id in rows) == site.mapped
        if site.mapped:
            row = rows[site.id]
            assert (row["lon"], row["lat"], row["name"]) == (site.lon, site.lat, site.name)
    people = {site.theme: int(rows[site.id]["population"]) for site in SITES if site.mapped}
    assert min(people[theme] for theme in ("town", "resort")) > people["farm"] > 0


def test_mountains_are_where_the_ground_is_high(world):
    """In every pixel of the mask, by the height of the ground in its middle."""
    mask = open_mountains(world.role("mountains"), Override("CC0-1.0"))
    lon, lat = (np.round(side, 9) for side in np.meshgrid(
        np.arange(1100, 1300, 3) / 100 + 0.005, np.arange(4700, 4900, 3) / 100 + 0.005))  # fmt: skip
    high = elevation(lon, lat) >= MOUNTAIN_M
    assert (mask.holds(lon.ravel(), lat.ravel()) == high.ravel()).all()
    assert 0.1 < high.mean() < 0.9


def test_one_place_lacks_data_in_parts(world):
    site = next(s for s in SITES if s.edge)
    for layer, tail, (_, _, _, nodata) in (
        ("palsar", "-2021", LAYERS["palsar"]),
        ("dem", "", LAYERS["dem"]),
        ("canopy", "", LAYERS["canopy"]),
    ):
        values, _, _ = opened(world, layer, site, tail)
        assert 0.002 < (values[0] == nodata).mean() < 0.3, layer
