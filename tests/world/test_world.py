"""The sample world: whole, the same for the same seed, valid, and true."""

import hashlib
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import osmium
import pystac
import pytest
import rasterio
from pyproj import Transformer
from rasterio.features import geometry_mask
from shapely.geometry import LinearRing, shape

from catalogs.world import VERSION, World, complete, ensure, osmfile, truth
from catalogs.world.build import build
from catalogs.world.layout import lay_out
from catalogs.world.sentinel2 import PASSES
from catalogs.world.sites import SITES
from schemas import grids

BAND = {"red": 1, "green": 2, "blue": 3, "nir": 4}


@pytest.fixture(scope="session")
def world() -> World:
    return ensure()


@pytest.fixture(scope="session")
def facts(world: World) -> dict:
    return json.loads((world.root / "world.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def items(world: World) -> list[pystac.Item]:
    return list(pystac.Catalog.from_file(str(world.catalog)).get_items(recursive=True))


def scenes(items, site_id):
    found = [
        i for i in items if i.collection_id == "sentinel-2-l2a" and i.id.endswith(f"_{site_id}")
    ]
    return {i.properties["datetime"][:10]: i for i in found}


def pixels(item, key):
    with rasterio.open(item.assets[key].get_absolute_href()) as source:
        return source.read(1)


def reflectance(item, key):
    """Reflectance (y, x) x 10,000 by the processing baseline, NaN where there is no data."""
    stored = pixels(item, key).astype(float)
    offset = 1000 if float(item.properties["s2:processing_baseline"]) >= 4 else 0
    return np.where(stored == 0, np.nan, stored - offset)


def pure(classes, name, factor):
    """Pixels of `factor` truth pixels that hold one class only."""
    size = classes.shape[0] // factor
    same = (classes == truth.CLASSES[name]).reshape(size, factor, size, factor)
    return same.all(axis=(1, 3))


def clear(item):
    """Pixels (y, x) at 10 m that the scene classification calls vegetation, bare or water."""
    return np.isin(pixels(item, "SCL"), (4, 5, 6)).repeat(2, 0).repeat(2, 1)


# ---- files


def test_every_file_is_listed_with_its_digest(world, facts):
    on_disk = {p.relative_to(world.root).as_posix() for p in world.root.rglob("*") if p.is_file()}
    assert on_disk - {"world.json"} == set(facts["files"])
    for name, entry in facts["files"].items():
        data = (world.root / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["size"], entry["sha256"]), (
            name
        )


def test_it_is_small(facts):
    assert sum(entry["size"] for entry in facts["files"].values()) < 300e6


def test_ensure_builds_once(world, monkeypatch):
    monkeypatch.setattr("catalogs.world.build.build", None)
    assert ensure(world.root.parent) == world


def test_damage_is_noticed(tmp_path):
    (tmp_path / "a").write_text("abc")
    assert not complete(tmp_path)
    (tmp_path / "world.json").write_text('{"files": {"a": {"size": 3}}}')
    assert complete(tmp_path)
    (tmp_path / "a").write_text("ab")
    assert not complete(tmp_path)


def fake_build(root: Path, seed: int, version: int) -> None:
    root.mkdir(parents=True)
    (root / "a").write_text("abc")
    (root / "world.json").write_text('{"files": {"a": {"size": 3}}}')


def test_builders_at_once_agree_and_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("catalogs.world.build.build", fake_build)
    (tmp_path / f"world-v{VERSION}-seed7").mkdir()  # what a killed copy might leave
    with ThreadPoolExecutor(8) as pool:
        roots = set(pool.map(lambda _: ensure(tmp_path, seed=7).root, range(16)))
    assert len(roots) == 1
    assert complete(roots.pop())
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_two_builds_are_the_same_bytes(tmp_path, facts):
    """Of some places; what spans all of them has such a test beside its own."""
    names = ("kornau", "rebach", "wiesental")
    some = [site for site in SITES if site.id in names]
    some += [next(s for s in SITES if not s.mapped and s.epsg == zone) for zone in (32632, 32633)]
    build(tmp_path / "small", 0, VERSION, some)
    again = json.loads((tmp_path / "small" / "world.json").read_text(encoding="utf-8"))["files"]
    own = [name for name in again if any(site.id in name for site in some)]
    assert len(own) > 400
    assert {name: again[name] for name in own} == {name: facts["files"][name] for name in own}


def test_a_place_is_the_same_for_the_same_seed():
    first, second, other = lay_out(SITES[0], 3), lay_out(SITES[0], 3), lay_out(SITES[0], 4)
    assert [(f.geom.wkb, f.tags) for f in first.features] == [
        (f.geom.wkb, f.tags) for f in second.features
    ]
    assert [f.geom.wkb for f in first.features] != [f.geom.wkb for f in other.features]


# ---- catalogue


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


# ---- map


@pytest.fixture(scope="session")
def objects(world: World) -> list[tuple]:
    rows = []
    for o in osmium.FileProcessor(str(world.osm)):
        tags = dict(o.tags)
        rows.append((o.type_str(), o.id, tags, o.version, o.timestamp, o.user, o.uid))
    return rows


def test_the_map_holds_what_is_written_down(objects, facts):
    told = facts["layers"]["osm"]
    kinds = Counter(kind for kind, *_ in objects)
    assert (kinds["n"], kinds["w"], kinds["r"]) == (told["nodes"], told["ways"], told["relations"])
    per_key = Counter(key for _, _, tags, *_ in objects for key in osmfile.KEYS if key in tags)
    assert dict(sorted(per_key.items())) == told["per_key"]
    main = Counter(filter(None, (osmfile.main_tag(tags) for _, _, tags, *_ in objects)))
    assert dict(sorted(main.items())) == told["per_main_tag"]
    assert len(main) >= 35


def test_the_map_knows_nothing_of_the_unmapped_places(world):
    boxes = [
        (s.lon - 0.03, s.lat - 0.02, s.lon + 0.03, s.lat + 0.02) for s in SITES if not s.mapped
    ]
    for node in osmium.FileProcessor(str(world.osm), osmium.osm.NODE):
        lon, lat = node.location.lon, node.location.lat
        assert not any(w < lon < e and s < lat < n for w, s, e, n in boxes)


def test_the_map_is_sorted_and_dated(objects):
    order = [("nwr".index(kind), number) for kind, number, *_ in objects]
    assert order == sorted(set(order))
    assert all(number > 0 and version >= 1 for _, number, _, version, *_ in objects)
    assert {stamp.year for *_, stamp, _, _ in objects} == {2019, 2020, 2021, 2022}
    assert max(version for _, _, _, version, *_ in objects) > 3


def test_the_map_carries_canaries_and_hostile_text(objects):
    values = [value for _, _, tags, *_ in objects for value in tags.values()]
    assert {user for *_, user, _ in objects} > {"CANARY-user"}
    assert any(value.startswith("+CANARY-555") for value in values)
    for text in ("<script>", "Ignore previous", "=HYPERLINK", "\u202e", "\u0007", "A" * 1024, "湖"):
        assert any(text in value for value in values), text
    notes = {tags.get("note") for _, _, tags, *_ in objects}
    assert {"not closed", "members missing", "no members", "node missing"} <= notes


def test_every_site_has_objects_that_fit_a_window(world):
    """At least 70 mapped things of 8 to 450 m lie inside each aerial picture."""
    for site in [site for site in SITES if site.mapped][::3]:
        west, south, east, north = site.aerial_bounds
        fits = 0
        for item in truth.place(world, site.id).features:
            w, s, e, n = item.geom.bounds
            inside = w > west and e < east and s > south and n < north
            fits += bool(item.tags) and inside and 8 < max(e - w, n - s) < 450
        assert fits >= 70, site.id


# ---- truth


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


def test_the_map_lies_on_the_truth(world):
    """Lakes of the map are water in the truth, inside the aerial picture."""
    place = truth.place(world, "seewiesen")
    classes, affine, epsg = truth.class_raster(world, "seewiesen")
    assert epsg == place.site.epsg == 32632
    lakes = [f.geom for f in place.features if f.tags.get("water") == "lake"]
    inside = ~geometry_mask([lake.buffer(-1) for lake in lakes], classes.shape, affine)
    # the rest is a pier and crowns of trees that hang over the shore
    assert (classes[inside] == truth.CLASSES["water"]).mean() > 0.98
    outside = geometry_mask(
        [
            f.geom.buffer(1)
            for f in place.features
            if "water" in f.paint or f.paint in ("river", "basin")
        ]
        or lakes,
        classes.shape,
        affine,
    )
    assert (classes[outside] == truth.CLASSES["water"]).mean() < 0.02


def test_sites_try_the_split_rule():
    """Two zones; one pair about 8 km apart; a chain of 4 km steps across the zone boundary."""
    from pyproj import Geod

    geod = Geod(ellps="WGS84")
    gaps = sorted(
        geod.inv(a.lon, a.lat, b.lon, b.lat)[2] / 1000
        for n, a in enumerate(SITES)
        for b in SITES[n + 1 :]
    )
    assert len(SITES) == 26 and {site.epsg for site in SITES} == set(PASSES)
    assert sum(7 < gap < 9 for gap in gaps) >= 1
    assert sum(gap < 5 for gap in gaps) >= 4
    assert gaps[len(gaps) // 10] > 15
