"""The world's pictures show its truth: water, fields, seasons, clouds and both baselines."""

import numpy as np
import pytest
import rasterio
from rasterio.features import geometry_mask

from catalogs.world import truth
from world_items import clear, pixels, reflectance, scenes


def pure(classes, name, factor):
    """Pixels of `factor` truth pixels that hold one class only."""
    size = classes.shape[0] // factor
    same = (classes == truth.CLASSES[name]).reshape(size, factor, size, factor)
    return same.all(axis=(1, 3))


def means(world, item, *names):
    """Mean (class, band) of an aerial picture over classes; None where one of them is rare."""
    classes, _, _ = truth.class_raster(world, item.id.split("-")[1])
    with rasterio.open(item.assets["image"].get_absolute_href()) as source:
        picture = source.read()
    masks = [(classes == truth.CLASSES[name]) & (picture[0] > 0) for name in names]
    if min(mask.sum() for mask in masks) < 5000:
        return None
    return [picture[:, mask].mean(axis=1) for mask in masks]


def test_water_is_dark_in_near_infrared_from_the_air(world, items):
    aerials = [i for i in items if i.collection_id == "aerial" and i.datetime.year == 2022]
    found = [m for i in aerials if (m := means(world, i, "water", "forest", "grass"))]
    assert len(found) >= 5
    for water, forest, grass in found:
        assert water[3] < 0.5 * forest[3] < forest[3] < grass[3]
        assert water[3] < water[0]


def test_water_is_dark_in_near_infrared_from_space(world, items):
    for site in ("seewiesen", "aumarkt"):
        classes, _, _ = truth.class_raster(world, site, "scene")
        for item in scenes(items, site).values():
            ground, nir = clear(item), reflectance(item, "B08")
            if ground.mean() < 0.5:
                continue
            water, forest = pure(classes, "water", 2) & ground, pure(classes, "forest", 2) & ground
            assert np.nanmean(nir[water]) < 200 < 1000 < np.nanmean(nir[forest])


@pytest.mark.parametrize("name", ["building", "road", "water", "paved"])
@pytest.mark.parametrize("band", ["B02", "B04", "B08"])
def test_both_baselines_tell_the_same_reflectance(world, items, name, band):
    """What does not change with the season has one reflectance, offset or not."""
    found = scenes(items, "seewiesen")
    old, again, new = (found[day] for day in ("2021-06-14", "2021-08-28", "2022-06-19"))
    assert [i.properties["s2:processing_baseline"] for i in (old, again, new)] == [
        "03.01",
        "05.00",
        "04.00",
    ]
    classes, _, _ = truth.class_raster(world, "seewiesen", "scene")
    ground = pure(classes, name, 2) & clear(old) & clear(again) & clear(new)
    means = [np.nanmean(reflectance(item, band)[ground]) for item in (old, again, new)]
    assert np.ptp(means) < 5
    raw = [pixels(item, band)[ground].mean() for item in (old, again, new)]
    assert raw[1] - raw[0] == pytest.approx(1000, abs=5)


def test_fields_are_green_in_june_and_bare_in_autumn(world, items):
    place = truth.place(world, "kornau")
    wheat = [f.geom.buffer(-15) for f in place.features if f.crops and f.crops[1] == "wheat"]
    wheat = [shape for shape in wheat if shape.area > 5000]
    found = scenes(items, "kornau")
    ndvi = {}
    for day in ("2021-06-14", "2021-10-27"):
        item = found[day]
        red, nir = reflectance(item, "B04"), reflectance(item, "B08")
        affine = rasterio.Affine(*item.assets["B04"].extra_fields["proj:transform"])
        field = ~geometry_mask(wheat, red.shape, affine)
        assert field.sum() > 500
        ndvi[day] = np.nanmean(((nir - red) / (nir + red))[field])
    assert ndvi["2021-06-14"] > 0.75
    assert ndvi["2021-10-27"] < 0.25


def test_cloud_cover_is_the_share_in_the_classification(items):
    covers = []
    for item in items:
        if item.collection_id != "sentinel-2-l2a":
            continue
        scl = pixels(item, "SCL")
        assert set(np.unique(scl)) <= {0, 3, 4, 5, 6, 8, 9, 10}
        share = 100 * np.isin(scl, (8, 9, 10)).sum() / np.count_nonzero(scl)
        assert item.properties["eo:cloud_cover"] == pytest.approx(share, abs=0.006)
        covers.append(share)
        assert ((pixels(item, "B8A") == 0) == (scl == 0)).all()
    assert min(covers) == 0 and max(covers) > 80


def test_clouds_are_bright_and_shadows_dark(items):
    item = scenes(items, "zwischenfeld")["2022-10-22"]
    scl, blue = pixels(item, "SCL"), reflectance(item, "B8A")
    assert np.nanmean(blue[scl == 9]) > 5000 > 2 * np.nanmean(blue[scl == 3])
